"""Reads mailboxes over IMAP4rev1 (RFC 3501) by the standard library's imaplib.

imaplib's own default verifies no certificate, believes how long a server says that something is,
and connects to a name. So it is given a context that verifies, a budget of octets and of time for
each command, and the socket to an address that was judged.
"""

import imaplib
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from typing import Any, Final

from application.ports.inbox import Mailbox, MailboxFailed, MailboxLogin, Received
from application.ports.network import Endpoint, Resolver, Unresolved
from domain.account.inbox import TLS_PORT, Inbox
from domain.address import is_loopback

TIMEOUT_S: Final = 30.0  # of one read, and of one command
_LOOKUP_S: Final = 10.0
_BUDGET: Final = 16 * 1024 * 1024  # octets that one command may bring
_UID: Final = re.compile(rb"\bUID (\d{1,10})\b")
_UIDNEXT: Final = re.compile(rb"\bUIDNEXT (\d{1,10})\)\s*$")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov",
                  "Dec")  # fmt: skip
_LONGEST_SAID: Final = 200


class ImapReader:
    """The MailboxReader port. TLS from the first byte on port 993, else STARTTLS; without TLS only
    to this machine.
    """

    def __init__(
        self,
        *,
        resolver: Resolver,
        ssl_context: Callable[[], ssl.SSLContext],
        tls_ports: frozenset[int] = frozenset({TLS_PORT}),
    ) -> None:
        self._resolver = resolver
        self._context = ssl_context
        self._tls_ports = tls_ports

    @contextmanager
    def open(self, inbox: Inbox, login: MailboxLogin) -> Iterator[Mailbox]:
        """Log in and EXAMINE the folder; log out at the end."""
        with _told():
            client = self._connected(inbox)
        try:
            with _told():
                _log_in(client, inbox, login)
                mailbox = _ImapMailbox(client, inbox.folder)
            yield mailbox
        finally:
            _leave(client)

    def _connected(self, inbox: Inbox) -> "_Client":
        try:
            endpoints = self._resolver.start(inbox.host, inbox.port).result(_LOOKUP_S)
        except Unresolved as unresolved:
            raise MailboxFailed(f"no address: {unresolved.detail}") from None
        except TimeoutError:
            raise MailboxFailed("no address in time") from None
        context = self._context()
        at_once = inbox.port in self._tls_ports
        client = _Client(inbox.host, inbox.port, endpoints[0], context if at_once else None)
        if not at_once:
            try:
                self._protect(client, inbox, context)
            except BaseException:
                with suppress(OSError):
                    client.shutdown()
                raise
        return client

    def _protect(self, client: "_Client", inbox: Inbox, context: ssl.SSLContext) -> None:
        if "STARTTLS" in client.capabilities:
            client.renew()
            client.starttls(context)
        elif not is_loopback(inbox.host):
            raise MailboxFailed("the server offers no STARTTLS")


class _Client(imaplib.IMAP4):
    """Connected to one address; each command has a budget of octets and of time."""

    def __init__(
        self, host: str, port: int, endpoint: Endpoint, context: ssl.SSLContext | None
    ) -> None:
        self._endpoint = endpoint
        self._tls = context
        self.renew()
        super().__init__(host, port, timeout=TIMEOUT_S)

    def renew(self) -> None:
        """Another command begins."""
        self._left = _BUDGET
        self._until = time.monotonic() + TIMEOUT_S

    def _create_socket(self, timeout: float | None) -> socket.socket:
        connecting = socket.socket(self._endpoint.family, socket.SOCK_STREAM)
        try:
            connecting.settimeout(timeout)
            connecting.connect(self._endpoint.sockaddr)
            if self._tls is None:
                return connecting
            return self._tls.wrap_socket(connecting, server_hostname=self.host)
        except BaseException:
            connecting.close()
            raise

    def read(self, size: int) -> bytes:
        """As imaplib's; an error where the server says more than it may."""
        self._check(size)
        return super().read(size)

    def readline(self) -> bytes:
        """The same."""
        self._check(0)
        line = super().readline()
        self._check(len(line))
        return line

    def _check(self, octets: int) -> None:
        self._left -= octets
        if self._left < 0:
            raise self.abort("the server says too much")
        if time.monotonic() > self._until:
            raise self.abort("the server takes too long")


class _ImapMailbox:
    """The Mailbox port on a client that has logged in."""

    def __init__(self, client: _Client, folder: str) -> None:
        self._client = client
        quoted = '"' + folder.replace("\\", "\\\\").replace('"', '\\"') + '"'
        _ok(self._command("select", quoted, True))
        self.uidvalidity = self._number("UIDVALIDITY")
        named = self._named("UIDNEXT")
        self.uidnext = self._uidnext(quoted) if named is None else named

    def first_since(self, day: date) -> int | None:
        """A search by the time of arrival, of which only the lowest is kept."""
        written = f"{day.day}-{_MONTHS[day.month - 1]}-{day.year}"
        return min(self._search("SINCE", written), default=None)

    def uids(self, first: int, last: int) -> Sequence[int]:
        """A search by UID: a range that ends with * would have an older message too."""
        return sorted(uid for uid in self._search("UID", f"{first}:{last}") if first <= uid <= last)

    def messages(self, uids: Sequence[int], *, limit: int) -> Sequence[Received]:
        """BODY.PEEK marks nothing as read."""
        wanted = ",".join(map(str, uids))
        with _told():
            data = _ok(self._command("uid", "FETCH", wanted, f"(UID BODY.PEEK[]<0.{limit}>)"))
        found = {uid: octets[:limit] for uid, octets in _fetched(data)}
        return [Received(uid, found[uid]) for uid in sorted(uids) if uid in found]

    def _search(self, *criteria: str) -> Sequence[int]:
        with _told():
            data = _ok(self._command("uid", "SEARCH", *criteria))
        return [int(word) for line in data if line for word in bytes(line).split()]

    def _command(self, name: str, *arguments: Any) -> tuple[str, list[Any]]:
        self._client.renew()
        answer: tuple[str, list[Any]] = getattr(self._client, name)(*arguments)
        return answer

    def _number(self, name: str) -> int:
        number = self._named(name)
        if number is None:
            raise MailboxFailed(f"the server names no {name}")
        return number

    def _named(self, name: str) -> int | None:
        _, values = self._client.response(name)
        value = values[-1] if values else None
        return int(value) if isinstance(value, bytes) and value.isdigit() else None

    def _uidnext(self, quoted: str) -> int:
        """Courier-IMAP names it only where it is asked."""
        data = _ok(self._command("status", quoted, "(UIDNEXT)"))
        found = _UIDNEXT.search(data[-1]) if data and isinstance(data[-1], bytes) else None
        if found is None:
            raise MailboxFailed("the server names no UIDNEXT")
        return int(found[1])


def _log_in(client: _Client, inbox: Inbox, login: MailboxLogin) -> None:
    """MailboxFailed; what the server says is told, what was sent is not."""
    client.renew()
    try:
        if login.is_token:
            message = f"user={inbox.username}\1auth=Bearer {login.secret}\1\1".encode()
            client.authenticate("XOAUTH2", _once(message))
        elif "AUTH=PLAIN" in client.capabilities:
            message = f"\0{inbox.username}\0{login.secret}".encode()
            client.authenticate("PLAIN", _once(message))
        else:
            client.login(inbox.username, login.secret)
    except client.abort:
        raise
    except (client.error, UnicodeError) as error:
        said = _line(error).replace(login.secret, "***")
        raise MailboxFailed(f"the server refused the login: {said}") from None


def _once(message: bytes) -> Callable[[bytes], bytes]:
    """What is said first; a challenge behind it is the reason of a refusal (RFC 7628 section 3)."""
    answers = iter((message,))
    return lambda challenge: next(answers, b"")


def _fetched(data: Sequence[Any]) -> Iterator[tuple[int, bytes]]:
    """UIDs and octets; the UID may stand before or behind the octets."""
    for item, after in zip(data, [*data[1:], b""], strict=True):
        if isinstance(item, tuple):
            behind = after if isinstance(after, bytes) else b""
            uid = _UID.search(item[0]) or _UID.search(behind)
            if uid is not None:
                yield int(uid[1]), item[1]


def _ok(answer: tuple[str, list[Any]]) -> list[Any]:
    status, data = answer
    if status != "OK":
        raise MailboxFailed(f"the server says {_line(data[0] if data else status)}")
    return data


@contextmanager
def _told() -> Iterator[None]:
    """MailboxFailed for everything that can go wrong on the way."""
    try:
        yield
    except MailboxFailed:
        raise
    except ssl.SSLCertVerificationError as error:
        raise MailboxFailed(f"its certificate is not good: {error.verify_message}") from None
    except (OSError, imaplib.IMAP4.error, EOFError, ValueError) as error:
        text = "no answer in time" if isinstance(error, TimeoutError) else _line(error)
        raise MailboxFailed(text or type(error).__name__) from None


def _leave(client: _Client) -> None:
    try:
        client.renew()
        client.logout()
    except (OSError, imaplib.IMAP4.error, ValueError):
        with suppress(OSError):
            client.shutdown()


def _line(said: object) -> str:
    if isinstance(said, imaplib.IMAP4.error) and said.args:
        said = said.args[0]  # octets, where a LOGIN is refused
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return "".join(c if c.isprintable() else " " for c in text)[:_LONGEST_SAID].strip()
