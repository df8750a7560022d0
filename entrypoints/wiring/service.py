"""One process of the service, assembled: what the commands and the HTTP servers start and stop."""

import gc
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cached_property
from importlib.metadata import version
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO, Final

import attrs

from adapters.background_threads import BackgroundThreads
from adapters.clock import SystemClock
from adapters.peewee_store.copy import why_not
from adapters.thread_dispatcher import Signal, ThreadDispatcher
from adapters.webhook_threads import WebhookThreads
from application import Application
from application.ports.migrations import Migrations
from application.ports.store import Store
from application.ports.web import WebClient
from entrypoints.runtime.child_processes import ChildProcesses, watch_parent
from entrypoints.runtime.cpu_affinity import CpuAffinity, use_batch_scheduling
from entrypoints.runtime.memory import return_large_blocks
from entrypoints.runtime.webhook_process import WebhookProcess
from entrypoints.settings import ApiTimes, Dispatcher, Settings, SettingsError

if TYPE_CHECKING:
    from flask import Flask

    from adapters.celery_dispatcher import CelerySignal
    from adapters.sandbox_inbox import SandboxInbox
    from entrypoints.http.dialects.registry import Dialects
    from entrypoints.http.server import HttpServer
    from entrypoints.smtp.listener import SmtpListener


COLLECT_EVERY: Final = (3000, 10, 10)  # objects, and collections of the younger: gc.set_threshold


@attrs.define
class Service:
    """One process of the service: its use cases, its HTTP face, and delivery if it runs here."""

    application: Application
    _settings: Settings
    _store: Store
    _web: WebClient
    _migrations: Migrations
    _clock: SystemClock
    _wake_signal: Signal
    _dispatcher: ThreadDispatcher
    _inboxes: BackgroundThreads
    _webhooks: WebhookThreads
    _webhook_process: WebhookProcess | None
    _children: ChildProcesses
    _one_processor: CpuAffinity
    _celery_signal: "CelerySignal | None" = None
    _inbox: "SandboxInbox | None" = None
    _smtp: "SmtpListener | None" = None
    _delivering: bool = False
    _drained: bool = False
    _waking: Lock = attrs.field(factory=Lock)

    @cached_property
    def http(self) -> "Flask":
        """Its HTTP face; a process that only delivers has none, and starts in two thirds of the
        time.
        """
        from entrypoints.http import create_http

        settings = self._settings
        return create_http(
            self.application,
            version=version("email-service"),
            max_body_bytes=settings.max_body_bytes,
            document_needs_key=settings.production,
            test_ids=settings.allow_test_knobs,
            trusted_proxies=settings.trusted_proxies,
            rfc3339_times=settings.api_times is ApiTimes.RFC3339,
            dialects=self.dialects,
            try_calls=not settings.production,
        )

    @cached_property
    def dialects(self) -> "Dialects":
        """The vendors' APIs that its HTTP face speaks."""
        from entrypoints.http.dialects.shipped import named

        return named(self._settings.dialects)

    def listen(self) -> "HttpServer":
        """Its HTTP server, which answers once it is run. OSError if it cannot listen."""
        from entrypoints.http.server import READS, HttpServer, Limits

        settings, admission = self._settings, self.application.admission
        return HttpServer(
            self.http,
            host=settings.host,
            port=settings.port,
            limits=Limits(body_bytes=settings.max_body_bytes, bodies_bytes=settings.bodies_bytes),
            draining=lambda: admission.draining,
            reads=None if settings.database_path is None else READS,
            begin_worker=use_batch_scheduling,
            trusted=settings.trusted_proxies,
            dialects=self.dialects,
        )

    def listen_for_smtp(self) -> Sequence[int]:
        """Take email by SMTP too; the ports it listens on. OSError, SettingsError."""
        from entrypoints.wiring.submission import smtp_listener

        self._smtp = smtp_listener(self._settings, self.application)
        self._smtp.start()
        return self._smtp.ports

    def migrate(self) -> list[str]:
        """Bring the database up to date; the names of the migrations that were applied.

        SettingsError if it was copied to another one, or if a copy has only begun to arrive.
        SchemaTooNew.
        """
        applied = list(self._migrations.migrate())
        if reason := why_not(self._store):
            raise SettingsError(f"DATABASE_URL names a store that cannot be used: {reason}")
        return applied

    def now(self) -> datetime:
        """The time by the service's clock."""
        return self._clock.now()

    def check_keys(self) -> None:
        """SettingsError in production while there is no API key that could be used."""
        if self._settings.production and not self.application.access.has_usable_key():
            raise SettingsError(
                "in production the API needs a key, and there is none that could be used. "
                "Make one with: email-service keys create --name admin --scope admin"
            )

    def tune_process(self, *, child: int = 0) -> None:
        """This process is the service's alone: let it run as fast as it can. Call it once.

        *child* is its number among its parent's children.
        """
        # What was built until now lives as long as the process, and an email makes hardly any
        # cycles: with a collector that scans it all every few emails a hand-off takes 9 % more
        # instructions.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT_EVERY)
        return_large_blocks()
        if self._settings.one_processor:
            self._one_processor.start((os.getppid() if child else os.getpid()) + child)

    def start_delivery(
        self, *, tell_turn: Callable[[bool], object] = lambda delivers: None
    ) -> None:
        """Deliver in this process, unless that is switched off. Safe to call twice.

        *tell_turn* is called with False when this process stands by because another one delivers
        from the same file, and with True when it takes over.
        """
        wanted = self._settings.dispatcher is Dispatcher.THREADS
        if wanted and not self._delivering and not self._drained:
            self._delivering = True
            self._dispatcher.start(tell_turn=tell_turn)
            self._begin_beside()

    def call_webhooks(self, holder: str) -> None:
        """Call webhooks in this process, which does nothing else, as *holder* of the lease."""
        self.application.outbox.continue_as(holder)
        self._webhooks.start()

    def start_children(self) -> None:
        """Start the other processes that deliver, if the settings want any. Call it once."""
        self._children.start()

    def follow_parent(self, pipe: BinaryIO, *, ended: Callable[[], None]) -> None:
        """Look for email when the parent process, at the other end of *pipe*, says so; *ended* is
        called when the parent has ended.
        """
        watch_parent(pipe, notify=self._wake_signal, ended=ended)

    def wake(self) -> None:
        """Deliver in this process until there is nothing to do. Safe to call from many threads."""
        with self._waking:
            if self._drained:
                return
            if not self._delivering:
                self._delivering = True
                self._dispatcher.start()
                self._begin_beside()
            self._dispatcher.wake()

    @property
    def awake(self) -> bool:
        """Whether this process looks for mail by itself."""
        return self._delivering and self._dispatcher.awake

    def hint(self) -> None:
        """Send a hint to the workers of Celery."""
        if self._celery_signal is not None:
            self._celery_signal()

    def anything_due(self) -> bool:
        """Whether an email could be claimed."""
        return self.application.delivery.anything_due()

    def anything_to_do(self) -> bool:
        """Whether an email is due, or is being sent by any process."""
        return self.application.delivery.anything_to_do()

    def sweep(self) -> None:
        """Run one sweep."""
        self.application.maintenance.sweep()

    def open_sandbox(self) -> int:
        """Open the local inbox and its pages; the port it listens on. OSError if it is taken."""
        from adapters.message_reader import BoundedMessageReader
        from adapters.sandbox_inbox import SandboxInbox
        from entrypoints.http.sandbox import Sandbox

        inbox = SandboxInbox(
            clock=self._clock, reader=BoundedMessageReader(), port=self._settings.sandbox_port
        )
        inbox.start()
        sandbox = Sandbox(inbox, email_of=self.application.queries.email_of)
        self.http.register_blueprint(sandbox.routes())
        self._inbox = inbox
        return inbox.port

    def stop_calls(self) -> None:
        """Begin no more calls of webhooks, and let those that are made end."""
        self._webhooks.stop(timeout=self._settings.drain.total_seconds())

    def drain(self) -> bool:
        """Accept and claim nothing more, finish work in progress; True if an unknown is left."""
        self.application.admission.drain()
        if self._smtp is not None:
            self._smtp.drain()
        with self._waking:
            drained, self._drained = self._drained, True
        if not self._delivering or drained:
            return False
        self._children.ask_to_stop()
        self._inboxes.stop()
        webhooks = self._webhook_process or self._webhooks
        webhooks.ask_to_stop()
        begun = self._clock.monotonic()
        drain_s = self._settings.drain.total_seconds()
        left = self._dispatcher.drain(timeout=drain_s)
        webhooks.stop(timeout=max(0.0, drain_s - (self._clock.monotonic() - begun)))
        return self._children.join() or left

    def _begin_beside(self) -> None:
        """What a process that delivers does besides."""
        self._inboxes.start()
        (self._webhook_process or self._webhooks).start()

    def close(self) -> None:
        """Close everything."""
        self._one_processor.stop()
        if self._smtp is not None:
            self._smtp.close()
        if self._inbox is not None:
            self._inbox.close()
        if self._celery_signal is not None:
            self._celery_signal.close()
        self._web.close()
        self._store.close()
