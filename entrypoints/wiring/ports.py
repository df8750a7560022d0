"""The adapters that the settings ask for, each behind its port."""

import hashlib
import os
import socket
import ssl
import stat
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final

from adapters.clock import SystemClock
from adapters.disk_headroom import DiskHeadroom
from adapters.dns_client import DnsClient
from adapters.fernet_vault import FernetVault
from adapters.graph_sender import GraphSender
from adapters.imap_reader import ImapReader
from adapters.name_resolver import NameResolver
from adapters.no_locks import NoLocks
from adapters.smtp_sender import SmtpSender
from adapters.smtplib_sender import SmtplibSender
from adapters.web_client import UrllibWebClient
from application.ports.cluster import Locks
from application.ports.oauth import Tokens
from application.ports.sender import Sender
from application.ports.system import Headroom
from application.ports.web import WebClient
from application.sender_by_transport import SenderByTransport
from domain.account.account import Transport
from domain.account.network import NetworkPolicy
from domain.dialogue.timeouts import Timeouts
from domain.event.types import ALL_EVENTS, NO_EVENTS, USUAL_EVENTS
from entrypoints.settings import Events, SenderKind, Settings, SettingsError
from entrypoints.settings.development_key import development_key
from entrypoints.stores import OpenedStore, open_store


def secret_key(settings: Settings) -> str:
    """The key that seals secrets; in development the one that was generated."""
    if settings.secret_key is not None:
        return settings.secret_key
    return development_key(settings.key_path)


_EVENTS: Final = {
    Events.OFF: NO_EVENTS,
    Events.ON: USUAL_EVENTS,
    Events.ALL: ALL_EVENTS,
}


def store_of(
    settings: Settings,
    clock: SystemClock,
    unbound: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> OpenedStore:
    """The store that DATABASE_URL names; nothing is opened yet. SettingsError."""
    try:
        return open_store(
            settings.database_url,
            clock=clock,
            events=_EVENTS[settings.events],
            unbound=unbound,
        )
    except ValueError as error:
        raise SettingsError(f"DATABASE_URL: {error}") from error


def locks_of(settings: Settings) -> Locks:
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


def headroom_of(settings: Settings) -> Headroom:
    """Of the disk that the database is on, if that is one of this machine's."""
    path = settings.database_path
    if path is None:
        return lambda: True  # a server says itself that its disk is full: then nothing is stored
    return DiskHeadroom(path.parent, ballast=path.with_name(path.name + ".ballast"))


def sender_of(
    settings: Settings,
    *,
    vault: FernetVault,
    tokens: Tokens,
    web: WebClient,
    clock: SystemClock,
    network: NetworkPolicy,
) -> Sender:
    """Those for SMTP and for Graph, each for the accounts of its transport. SettingsError."""
    smtp = smtp_sender_of(settings, vault=vault, tokens=tokens, clock=clock, network=network)
    graph = GraphSender(web=web, tokens=tokens, clock=clock, timeouts=_timeouts(settings))
    return SenderByTransport({Transport.SMTP: smtp, Transport.GRAPH: graph})


def smtp_sender_of(
    settings: Settings,
    *,
    vault: FernetVault,
    tokens: Tokens,
    clock: SystemClock,
    network: NetworkPolicy,
) -> Sender:
    """The one that SENDER names. SettingsError."""
    make: type[SmtpSender | SmtplibSender] = SmtpSender
    if settings.sender is SenderKind.SMTPLIB:
        make = SmtplibSender
    return make(
        vault=vault,
        tokens=tokens,
        clock=clock,
        resolver=NameResolver(allow=network.allows),
        ehlo_hostname=settings.ehlo_name(socket.gethostname()),
        timeouts=_timeouts(settings),
        ssl_context=_trust(settings.smtp_ca_file),
    )


def web_client_of(
    settings: Settings, *, clock: SystemClock, network: NetworkPolicy
) -> UrllibWebClient:
    """What asks web servers; it trusts whom the senders trust. SettingsError."""
    return UrllibWebClient(
        resolver=NameResolver(allow=network.allows),
        network=network,
        clock=clock,
        ssl_context=_trust(settings.smtp_ca_file),
    )


def mailboxes_of(settings: Settings, *, network: NetworkPolicy) -> ImapReader:
    """What reads inboxes; it trusts whom the senders trust. SettingsError."""
    return ImapReader(
        resolver=NameResolver(allow=network.allows), ssl_context=_trust(settings.smtp_ca_file)
    )


def dns_of(settings: Settings, *, clock: SystemClock) -> DnsClient:
    """What asks the name servers of DNS_SERVERS, or those of the system."""
    return DnsClient(clock=clock, servers=settings.dns_servers)


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
