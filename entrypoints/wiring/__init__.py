"""The only place that names adapters: settings in, a service out. Nothing is started here."""

import gc
import hashlib
import os
import socket
import ssl
import stat
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from functools import cached_property
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import attrs

from adapters.clock import SystemClock
from adapters.disk_headroom import DiskHeadroom
from adapters.entropy import SystemEntropy
from adapters.fernet_vault import FernetVault
from adapters.no_locks import NoLocks
from adapters.observers import LogObserver
from adapters.peewee_store.copy import why_not
from adapters.smtp_sender import SmtpSender, Timeouts
from adapters.thread_dispatcher import DispatcherRules, Signal, ThreadDispatcher
from application import Application, Ports, ServiceRules, assemble
from application.access import AccessRules
from application.cluster.membership import LeaseRules
from application.delivery import DeliveryRules
from application.ports.cluster import Locks
from application.ports.store import Store
from application.ports.system import Headroom
from domain.account.congestion import DEFAULT_BREAKER, CongestionPolicy
from domain.account.limits import WindowLengths
from domain.account.network import DEFAULT_PORTS, NetworkPolicy
from domain.address import is_loopback
from domain.email.retry import RetryPolicy
from domain.intake import IntakeLimits
from domain.outcome.rules_file import Rules, parse_rules
from entrypoints.event_levels import level_of
from entrypoints.runtime.child_processes import ChildProcesses, watch_parent
from entrypoints.runtime.cpu_affinity import CpuAffinity, use_batch_scheduling
from entrypoints.settings import ApiTimes, Dispatcher, Settings, SettingsError
from entrypoints.settings.development_key import development_key
from entrypoints.stores import open_store

if TYPE_CHECKING:
    from celery import Celery
    from flask import Flask

    from adapters.celery_dispatcher import CelerySignal
    from adapters.sandbox_inbox import SandboxInbox
    from entrypoints.http.server import HttpServer

# How long a process that Celery woke looks for more by itself before it leaves that to others.
REST: Final = timedelta(seconds=5)
# How often it looks meanwhile: a hint may have reached another process, which may not deliver.
AWAKE_POLL: Final = timedelta(seconds=0.05)
COLLECT_EVERY: Final = (3000, 10, 10)  # objects, and collections of the younger: gc.set_threshold


@attrs.define
class Service:
    """One process of the service: its use cases, its HTTP face, and delivery if it runs here."""

    application: Application
    _settings: Settings
    _store: Store
    _clock: SystemClock
    _wake_signal: Signal
    _dispatcher: ThreadDispatcher
    _children: ChildProcesses
    _one_processor: CpuAffinity
    _celery_signal: "CelerySignal | None" = None
    _inbox: "SandboxInbox | None" = None
    _delivering: bool = False
    _drained: bool = False
    _rousing: Lock = attrs.field(factory=Lock)

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
        )

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
        )

    def migrate(self) -> list[str]:
        """Bring the database up to date; the names of the migrations that were applied.

        SettingsError if it was copied to another one, or if a copy has only begun to arrive.
        SchemaTooNew.
        """
        applied = list(self._store.migrate())
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

    def settle(self, *, child: int = 0) -> None:
        """This process is the service's alone: let it run as fast as it can. Call it once.

        *child* is its number among those that its parent has begun.
        """
        # What was built until now stays for good, and an email leaves hardly a cycle behind: a
        # collector that looks at all of it every few emails is a twentieth of what they cost.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT_EVERY)
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

    def start_children(self) -> None:
        """Begin the other processes that deliver, if the settings want any. Call it once."""
        self._children.start()

    def watch_parent(self, pipe: BinaryIO, *, ended: Callable[[], None]) -> None:
        """Heed the process that has begun this one, at the other end of *pipe*: it rings, and when
        it is gone *ended* is called.
        """
        watch_parent(pipe, notify=self._wake_signal, ended=ended)

    def wake(self) -> None:
        """Deliver in this process until there is nothing to do. Safe to call from many threads."""
        with self._rousing:
            if self._drained:
                return
            if not self._delivering:
                self._delivering = True
                self._dispatcher.start()
            self._dispatcher.wake()

    @property
    def awake(self) -> bool:
        """Whether this process looks for mail by itself."""
        return self._delivering and self._dispatcher.awake

    def hint(self) -> None:
        """Notify the workers of Celery."""
        if self._celery_signal is not None:
            self._celery_signal()

    def anything_due(self) -> bool:
        """Whether an email could be claimed."""
        return self.application.delivery.anything_due()

    def anything_to_do(self) -> bool:
        """Whether an email is due, or is being sent by whomever."""
        return self.application.delivery.anything_to_do()

    def sweep(self) -> None:
        """Put the queue in order, once."""
        self.application.maintenance.sweep()

    def open_sandbox(self) -> int:
        """Open the local inbox and its pages; the port it listens on. OSError if it is taken."""
        from adapters.sandbox_inbox import SandboxInbox
        from entrypoints.http.sandbox import Sandbox

        inbox = SandboxInbox(clock=self._clock, port=self._settings.sandbox_port)
        inbox.start()
        self.http.register_blueprint(Sandbox(inbox).routes())
        self._inbox = inbox
        return inbox.port

    def drain(self) -> bool:
        """Accept and claim nothing more, let what is under way end; True if an unknown is left."""
        self.application.admission.drain()
        with self._rousing:
            drained, self._drained = self._drained, True
        if not self._delivering or drained:
            return False
        self._children.ask_to_stop()
        left = self._dispatcher.drain(timeout=self._settings.drain.total_seconds())
        return self._children.join() or left

    def close(self) -> None:
        """Let go of everything."""
        self._one_processor.stop()
        if self._inbox is not None:
            self._inbox.close()
        if self._celery_signal is not None:
            self._celery_signal.close()
        self._store.close()


def build(settings: Settings) -> Service:
    """The service on these settings."""
    clock = SystemClock()
    wake_signal = Signal()
    celery_signal = _celery_signal(settings)
    observe = LogObserver(level_of)
    one_processor = CpuAffinity()
    children = _children(settings, observe, one_processor)

    def wake() -> None:
        wake_signal()
        children.notify()

    store = _store(settings, clock, unbound=one_processor.unbound)
    locks = _locks(settings)
    vault = FernetVault(_secret_key(settings), settings.secret_key_previous)
    rules = _rules(settings)
    ports = Ports(
        store=store,
        sender=_sender(settings, vault=vault, clock=clock, network=rules.network),
        vault=vault,
        clock=clock,
        entropy=SystemEntropy(),
        locks=locks,
        headroom=_headroom(settings),
        wake=celery_signal or wake,
        observe=observe,
    )
    application = assemble(ports, rules, host=socket.gethostname(), pid=os.getpid())
    dispatcher = ThreadDispatcher(
        application,
        wake_signal=wake_signal,
        clock=clock,
        # so many processes deliver from a file; from a server all of them do
        locks=NoLocks() if settings.database_path is None else locks,
        rules=dispatcher_rules(settings),
        observe=observe,
        begin_worker=use_batch_scheduling,
    )
    return Service(
        application=application,
        settings=settings,
        store=store,
        clock=clock,
        wake_signal=wake_signal,
        dispatcher=dispatcher,
        children=children,
        one_processor=one_processor,
        celery_signal=celery_signal,
    )


def build_celery(
    settings: Settings, *, open_service: Callable[[], Service] | None = None
) -> "Celery":
    """The Celery application for ``DISPATCHER=celery``, with tasks if it is told what they run on.

    SettingsError if the settings say another dispatcher or the extra is not installed.
    """
    if settings.dispatcher is not Dispatcher.CELERY or settings.celery_broker_url is None:
        raise SettingsError(
            f"DISPATCHER must be celery for Celery's processes, not {settings.dispatcher}"
        )
    try:
        from adapters.celery_dispatcher import TaskRunner, make_celery
    except ImportError as error:
        raise SettingsError(
            f"DISPATCHER=celery needs what is not installed ({error.name}): "
            "pip install '.[celery]' in the folder of its source"
        ) from error
    app = make_celery(
        settings.celery_broker_url,
        queue=settings.celery_queue,
        sweep=settings.sweep,
        observe=LogObserver(level_of),
    )
    if open_service is not None:
        TaskRunner(open_service).join(app)
    return app


def _celery_signal(settings: Settings) -> "CelerySignal | None":
    if settings.dispatcher is not Dispatcher.CELERY:
        return None
    app = build_celery(settings)
    from adapters.celery_dispatcher import CelerySignal

    return CelerySignal(lambda: app.hints)


def _children(
    settings: Settings, observe: LogObserver, one_processor: CpuAffinity
) -> ChildProcesses:
    """What delivers beside this process, on the same settings. SettingsError where none can."""
    if settings.processes > 1 and not hasattr(os, "fork"):
        raise SettingsError(
            "PROCESSES must be 1 on this system (Windows, for one): "
            "it has no signals by which other processes are asked to stop"
        )
    number = str(settings.processes)
    command = (sys.executable, "-m", "entrypoints", "worker", "--processes", number, "--sibling")
    return ChildProcesses(
        settings.processes - 1,
        command,
        observe=observe,
        drain_s=settings.drain.total_seconds(),
        unbound=one_processor.unbound,
    )


def pending_migrations(settings: Settings) -> list[str]:
    """The names of the migrations that `Service.migrate` would apply. No file is made for it.

    SchemaTooNew.
    """
    store = _store(settings, SystemClock())
    try:
        return list(store.pending())
    finally:
        store.close()


def _secret_key(settings: Settings) -> str:
    if settings.secret_key is not None:
        return settings.secret_key
    return development_key(settings.key_path)


def _store(
    settings: Settings,
    clock: SystemClock,
    unbound: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Store:
    try:
        return open_store(settings.database_url, clock=clock, unbound=unbound)
    except ValueError as error:
        raise SettingsError(f"DATABASE_URL: {error}") from error


def _locks(settings: Settings) -> Locks:
    """Files that tell the other processes of this machine at once when this one has died.

    What no file tells, for other machines or where there is no folder for them, the leases do.
    """
    if settings.database_path is not None:
        return locks_beside(settings.database_path)
    if not hasattr(os, "getuid"):
        return NoLocks()  # Windows does not tell so simply whose a folder is
    folder = Path(tempfile.gettempdir()) / f"email-service-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return NoLocks()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        return NoLocks()  # not made by us: nobody else may say who is dead
    name = hashlib.sha256(settings.database.encode()).hexdigest()[:16]
    return locks_beside(folder / name)


def locks_beside(path: Path) -> Locks:
    """Files beside *path*: by flock where the system has it, otherwise by SQLite's locks."""
    try:
        from adapters.file_locks import FileLocks
    except ImportError:  # Windows has no fcntl
        from adapters.sqlite_locks import SqliteLocks

        return SqliteLocks(path)
    return FileLocks(path)


def _headroom(settings: Settings) -> Headroom:
    """Of the disk that the database is on, if that is one of this machine's."""
    path = settings.database_path
    if path is None:
        return lambda: True  # a server says itself that its disk is full: then nothing is stored
    return DiskHeadroom(path.parent, ballast=path.with_name(path.name + ".ballast"))


def _sender(
    settings: Settings, *, vault: FernetVault, clock: SystemClock, network: NetworkPolicy
) -> SmtpSender:
    return SmtpSender(
        vault=vault,
        clock=clock,
        ehlo_hostname=settings.ehlo_name(socket.gethostname()),
        timeouts=_timeouts(settings),
        ssl_context=_trust(settings.smtp_ca_file),
        allow=network.allows,
    )


def _asides(settings: Settings) -> tuple[timedelta, ...]:
    """As set, but where the breaker was set to be quicker, no slower than that."""
    breaker = settings.breaker_schedule
    if breaker == DEFAULT_BREAKER:
        return settings.witness_schedule
    steps = [breaker[min(n, len(breaker) - 1)] for n in range(len(settings.witness_schedule))]
    return tuple(map(min, settings.witness_schedule, steps))


def _rules(settings: Settings) -> ServiceRules:
    return ServiceRules(
        intake=IntakeLimits(
            max_recipients=settings.max_recipients,
            max_call_recipients=settings.max_call_recipients,
        ),
        delivery=DeliveryRules(
            replies=_reply_rules(settings.smtp_rules_file),
            retry=RetryPolicy(
                max_retries=settings.max_retries,
                delays=settings.retry_schedule,
                max_age=settings.max_age,
            ),
            congestion=CongestionPolicy(
                breaker=settings.breaker_schedule, asides=_asides(settings)
            ),
            windows=WindowLengths(minute=settings.minute, hour=settings.hour, day=settings.day),
            on_unknown=settings.on_unknown,
            fairness_every=settings.fairness_every,
        ),
        lease=LeaseRules(heartbeat=settings.heartbeat, lease=settings.lease),
        max_queue_depth=settings.max_queue_depth or None,
        max_account_depth=settings.max_account_depth or None,
        access=AccessRules(
            open_without_keys=not settings.production and is_loopback(settings.host),
            rate=settings.rate_limit,
            burst=settings.rate_burst,
            daily_recipients=settings.key_daily_recipients,
        ),
        network=NetworkPolicy(
            private=not settings.production,
            allowed=settings.smtp_allowed_cidrs,
            ports=DEFAULT_PORTS | set(settings.smtp_allowed_ports),
        ),
    )


def shipped_rules(*, first: Mapping[str, Any] | None = None) -> Rules:
    """What replies mean, an owner's rules *first*. ValueError names a rule that cannot be used."""
    shipped = tomllib.loads(files("domain.outcome").joinpath("smtp_rules.toml").read_text("utf-8"))
    return parse_rules(shipped, first=first, trusted=True)  # the tests check all of them


def _reply_rules(own: Path | None) -> Rules:
    if own is None:
        return shipped_rules()
    try:
        return shipped_rules(first=tomllib.loads(own.read_text("utf-8")))
    except (ValueError, OSError) as error:
        raise SettingsError(f"SMTP_RULES_FILE: {own}: {error}") from error


def dispatcher_rules(settings: Settings) -> DispatcherRules:
    """How many threads, and how often to look."""
    by_celery = settings.dispatcher is Dispatcher.CELERY
    # who looks shows that he lives: a long poll must not make a process look dead
    poll = min(settings.poll, settings.heartbeat / 2)
    return DispatcherRules(
        workers=settings.queue_workers,
        max_workers=max(settings.max_workers, settings.queue_workers),
        poll=min(poll, AWAKE_POLL) if by_celery else poll,
        sweep=settings.sweep,
        rest=REST if by_celery else None,
        leaders=settings.processes,
    )


def _timeouts(settings: Settings) -> Timeouts:
    def seconds(stage: str) -> float:
        return float(getattr(settings, f"smtp_{stage}_timeout").total_seconds())

    stages = ("resolve", "connect", "banner", "ehlo", "starttls", "auth", "mail", "rcpt", "data")
    return Timeouts(**{stage: seconds(stage) for stage in (*stages, "dot")})


def _trust(ca_file: Path | None) -> Callable[[], ssl.SSLContext]:
    """The system's roots, and those of *ca_file* too. SettingsError if it has none."""
    if ca_file is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(ca_file)
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            raise SettingsError(f"SMTP_CA_FILE: {ca_file}: no certificates ({error})") from error

    def context() -> ssl.SSLContext:
        trusted = ssl.create_default_context()
        if ca_file is not None:
            trusted.load_verify_locations(ca_file)
        return trusted

    return context
