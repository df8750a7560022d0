"""Settings in, a service out. Nothing is started here."""

import os
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from adapters.background_threads import BackgroundThreads
from adapters.clock import SystemClock
from adapters.dkim_signer import CryptographySigner
from adapters.entropy import SystemEntropy
from adapters.fernet_vault import FernetVault
from adapters.message_reader import BoundedMessageReader
from adapters.no_locks import NoLocks
from adapters.oauth import WebAuthorizationServer
from adapters.observers import LogObserver
from adapters.signatures import CryptographySignatures
from adapters.siv_cipher import SivCipher
from adapters.template_engine import MinijinjaTemplates
from adapters.thread_dispatcher import Signal, ThreadDispatcher
from adapters.webhook_threads import WebhookThreads
from application import Application, Ports, assemble
from application.oauth.access_tokens import AccessTokens
from entrypoints.event_levels import level_of
from entrypoints.runtime.child_processes import ChildProcesses
from entrypoints.runtime.cpu_affinity import CpuAffinity, use_batch_scheduling
from entrypoints.runtime.webhook_process import WebhookProcess
from entrypoints.settings import Dispatcher, Settings, SettingsError
from entrypoints.wiring.ports import (
    dns_of,
    headroom_of,
    locks_of,
    mailboxes_of,
    secret_key,
    sender_of,
    store_of,
    web_client_of,
)
from entrypoints.wiring.rules import dispatcher_rules, service_rules
from entrypoints.wiring.service import Service

if TYPE_CHECKING:
    from celery import Celery

    from adapters.celery_dispatcher import CelerySignal


INBOX_THREADS: Final = 4  # so many inboxes in trouble keep no other one waiting


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

    store = store_of(settings, clock, unbound=one_processor.unbound)
    locks = locks_of(settings)
    vault = FernetVault(secret_key(settings), settings.secret_key_previous)
    rules = service_rules(settings)
    web = web_client_of(settings, clock=clock, network=rules.network)
    authorization = WebAuthorizationServer(web, clock=clock)
    tokens = AccessTokens.on(
        store=store,
        clock=clock,
        entropy=SystemEntropy(),
        vault=vault,
        server=authorization,
        observe=observe,
    )
    ports = Ports(
        store=store,
        sender=sender_of(
            settings, vault=vault, tokens=tokens, web=web, clock=clock, network=rules.network
        ),
        vault=vault,
        dkim=CryptographySigner(),
        token_cipher=SivCipher(),
        signatures=CryptographySignatures(),
        clock=clock,
        entropy=SystemEntropy(),
        engine=MinijinjaTemplates(),
        reader=BoundedMessageReader(),
        locks=locks,
        headroom=headroom_of(settings),
        web=web,
        dns=dns_of(settings, clock=clock),
        authorization=authorization,
        mailboxes=mailboxes_of(settings, network=rules.network),
        tokens=tokens,
        wake=celery_signal or wake,
        observe=observe,
        scrub=store.scrub,
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
        web=web,
        migrations=store,
        clock=clock,
        wake_signal=wake_signal,
        dispatcher=dispatcher,
        inboxes=BackgroundThreads(
            application.inboxes.read_next,
            name="inbox",
            failed="inbox_reader_failed",
            number=INBOX_THREADS,
            pause_s=1.0,
            observe=observe,
        ),
        webhooks=WebhookThreads(
            application.outbox, clock=clock, observe=observe, begin_worker=use_batch_scheduling
        ),
        webhook_process=_webhook_process(settings, application, observe, one_processor),
        children=children,
        one_processor=one_processor,
        celery_signal=celery_signal,
    )


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
    command = (sys.executable, "-m", "entrypoints", "worker", "--processes", number, "--child")
    return ChildProcesses(
        settings.processes - 1,
        command,
        observe=observe,
        drain_s=settings.drain.total_seconds(),
        unbound=one_processor.unbound,
    )


def _webhook_process(
    settings: Settings, application: Application, observe: LogObserver, one_processor: CpuAffinity
) -> WebhookProcess | None:
    """None where threads of this process call webhooks."""
    if not settings.webhook_process or not hasattr(os, "fork"):
        return None

    def new_child(holder: str) -> ChildProcesses:
        return ChildProcesses(
            1,
            (sys.executable, "-m", "entrypoints", "call-webhooks", holder),
            observe=observe,
            drain_s=settings.drain.total_seconds(),
            unbound=one_processor.unbound,
        )

    return WebhookProcess(application.caller_election, new_child=new_child, observe=observe)


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


def pending_migrations(settings: Settings) -> list[str]:
    """The names of the migrations that `Service.migrate` would apply. No file is made for it.

    SchemaTooNew.
    """
    store = store_of(settings, SystemClock())
    try:
        return list(store.pending())
    finally:
        store.close()
