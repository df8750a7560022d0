"""A `Sender` over Python's smtplib: the example of how to swap in another one.

smtplib writes commands and reads replies; `domain/dialogue` decides what is said and what a reply
means, and `application/session_sender.py` keeps idle connections. What smtplib lacks stands here:
checked addresses, a deadline for each stage as a whole, noticing a server that speaks out of turn.
"""

import os
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache, partial
from typing import Final

import attrs

from application.ports.network import Resolver
from application.ports.oauth import NoTokens, Tokens
from application.ports.system import Clock, Vault
from application.sending import CancelToken, resolved
from application.session_sender import SessionSender
from domain.account.account import Account
from domain.account.verification import TlsFacts
from domain.address import address_literal
from domain.dialogue.ends import NOT_TLS, ConnectionFailed
from domain.dialogue.replies import Malformed, ReplyParser, ServerReply
from domain.dialogue.session import Connected
from domain.dialogue.timeouts import Timeouts
from domain.outcome.handoff import Problem, Stage

CHUNK: Final = 64 * 1024
LOOK_S: Final = 0.5  # how often a server that does not read a body is asked whether it has spoken


class SmtplibSender(SessionSender):
    """The sender that ``SENDER=smtplib`` chooses.

    *ssl_context* is called when TLS is first needed. *clock* must run: deadlines are its monotonic
    time. Without *ehlo_hostname* the address of this end of the connection is said.
    """

    def __init__(
        self,
        *,
        vault: Vault,
        clock: Clock,
        resolver: Resolver,
        timeouts: Timeouts,
        tokens: Tokens | None = None,
        ehlo_hostname: str | None = None,
        ssl_context: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    ) -> None:
        connecting = partial(
            _Connection,
            resolver=resolver,
            ssl_context=cache(ssl_context),
            monotonic=clock.monotonic,
            ehlo_hostname=ehlo_hostname,
        )
        super().__init__(
            connecting=connecting,
            vault=vault,
            tokens=tokens or NoTokens(),
            clock=clock,
            timeouts=timeouts,
        )


@attrs.define(eq=False)
class _Connection:
    """One connection. Used by one thread at a time, and only by the process that opened it."""

    _account: Account
    _token: CancelToken
    _timeouts: Timeouts
    _resolver: Resolver
    _ssl_context: Callable[[], ssl.SSLContext]
    _monotonic: Callable[[], float]
    _ehlo_hostname: str | None
    stage: Stage = attrs.field(default=Stage.RESOLVE, init=False)
    _deadline: float = attrs.field(default=0.0, init=False)
    _pid: int = attrs.field(factory=os.getpid, init=False)
    # a name keeps smtplib from looking for one
    _smtp: smtplib.SMTP = attrs.field(factory=lambda: smtplib.SMTP(local_hostname="."), init=False)
    _lines: "_Lines | None" = attrs.field(default=None, init=False)

    @property
    def silent(self) -> bool:
        """Whether the server is there and has said nothing that was not read."""
        return self._pid == os.getpid() and self._lines is not None and self._lines.silent

    def begin(self, stage: Stage | None) -> None:
        """The stage's deadline begins."""
        self.stage = stage or self.stage
        self._deadline = self._monotonic() + self._timeouts.of(stage)

    def connect(self) -> Connected:
        """To the first address that takes the connection; the time is divided among them."""
        wait_s, token = self._timeouts.resolve, self._token
        self._smtp.close()
        endpoints = resolved(self._account, self._resolver, timeout_s=wait_s, cancel_token=token)
        self.begin(Stage.CONNECT)
        failure = ConnectionFailed(Problem.REFUSED, "no address")
        for left, endpoint in zip(range(len(endpoints), 0, -1), endpoints, strict=True):
            if token.stopped:
                break
            try:
                connecting = socket.socket(endpoint.family, socket.SOCK_STREAM)
                self._speak_over(connecting)
                connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connecting.settimeout(self._left_s() / left)
                with suppress(ConnectionResetError):  # after it was accepted: the first read tells
                    connecting.connect(endpoint.sockaddr)
            except OSError as error:
                failure = _failure(error, Problem.REFUSED)
                self._smtp.close()
                continue
            name = self._ehlo_hostname or address_literal(connecting.getsockname()[0])
            detail = f"connected to {endpoint.ip}"
            return Connected(own_name=name, is_local=endpoint.loopback, detail=detail)
        raise failure

    def encrypt(self) -> None:
        """TLS, verified for the account's host, before the stage's deadline."""
        plain, host, context = self._smtp.sock, self._account.host, self._ssl_context()
        assert plain is not None
        context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
        try:
            tls = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
            self._speak_over(tls)
            tls.settimeout(self._left_s())
            tls.do_handshake()
        except ssl.SSLCertVerificationError as error:
            raise ConnectionFailed(Problem.CERTIFICATE, error.verify_message) from None
        except ssl.SSLEOFError:
            raise _failure(None) from None
        except ssl.SSLError as error:
            at_once = error.reason in NOT_TLS and self.stage is Stage.TLS
            problem = Problem.TLS_MODE if at_once else Problem.HANDSHAKE
            raise ConnectionFailed(problem, error.reason or "TLS failed") from None
        except OSError as error:
            raise _failure(error) from None

    @property
    def tls(self) -> TlsFacts | None:
        """What the handshake came to; None while nothing is encrypted."""
        if not isinstance(self._smtp.sock, ssl.SSLSocket):
            return None
        certificate = self._smtp.sock.getpeercert() or {}
        return TlsFacts.of(self._smtp.sock.version(), certificate.get("notAfter"))

    def write(self, octets: bytes) -> None:
        """Commands, or the final dot. ConnectionFailed."""
        try:
            if self._smtp.sock is not None:  # otherwise send says so
                self._smtp.sock.settimeout(self._left_s())
            self._smtp.send(octets)
        except smtplib.SMTPServerDisconnected as error:
            raise _failure(error.__context__) from None

    def read(self) -> ServerReply:
        """The next reply, read by smtplib and judged by our own parser. ConnectionFailed."""
        try:
            if self._lines is None or self._smtp.sock is None:
                raise smtplib.SMTPServerDisconnected
            self._smtp.getreply()
        except smtplib.SMTPServerDisconnected as error:
            raise _failure(error.__context__) from None
        except smtplib.SMTPResponseException as error:
            raise ConnectionFailed(Problem.PROTOCOL, str(error.smtp_error)) from None
        if self._lines.reply is None:
            raise ConnectionFailed(Problem.PROTOCOL, "not an SMTP reply")
        return self._lines.reply

    def pour(self, pieces: Iterable[bytes], *, size: int) -> bool:
        """A body. False if the server speaks or leaves before its end. ConnectionFailed."""
        self._deadline = self._monotonic() + self._timeouts.for_body(size)
        return all(map(self._pour_piece, pieces))

    def _pour_piece(self, octets: bytes) -> bool:
        left = memoryview(octets)
        while left and self.silent:
            assert self._smtp.sock is not None
            self._smtp.sock.settimeout(min(self._left_s(), LOOK_S))
            try:
                left = left[self._smtp.sock.send(left[:CHUNK]) :]
            except TimeoutError as error:
                if self._monotonic() >= self._deadline:
                    raise _failure(error) from None
            except OSError:
                return False
        return not left

    def interrupt(self) -> None:
        """Wake the thread that reads or writes. From any thread."""
        with suppress(OSError):  # SSLSocket.shutdown() would take TLS off first
            if (opened := self._smtp.sock) is not None:
                socket.socket.shutdown(opened, socket.SHUT_RDWR)

    def close(self, *, polite: bool) -> None:
        """Close at once, with a QUIT if that is *polite*."""
        if self._smtp.sock is not None and polite and self._pid == os.getpid():
            with suppress(OSError, smtplib.SMTPException):
                self._smtp.sock.settimeout(0)
                self._smtp.putcmd("QUIT")
        self._smtp.close()

    def _speak_over(self, opened: socket.socket) -> None:
        """From now on smtplib uses this socket; nothing that was received before counts."""
        self._smtp.sock = opened
        self._smtp.file = self._lines = _Lines(opened, self._left_s)
        self._token.watch(self.interrupt)

    def _left_s(self) -> float:
        """Seconds until the stage's deadline; a little even after it, as 0 means not to wait."""
        return max(self._deadline - self._monotonic(), 0.001)


class _Lines:
    """What smtplib reads lines from: each wait ends at the deadline, each line is judged."""

    def __init__(self, opened: socket.socket, left_s: Callable[[], float]) -> None:
        self.reply: ServerReply | None = None  # the last one, if its last line has been read
        self._socket = opened
        self._left_s = left_s
        self._received = b""
        self._parser = ReplyParser()

    @property
    def silent(self) -> bool:
        """Whether nothing is there to be read, not even the end."""
        try:
            if not self._received:
                self._receive(0)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass  # the next read tells
        return False

    def readline(self, limit: int) -> bytes:
        """A line with its end, or *limit* bytes, or nothing at the end of the connection."""
        while (end := self._received.find(b"\n") + 1) == 0 and len(self._received) < limit:
            if not self._receive(self._left_s()):
                return b""
        cut = min(end or limit, limit)
        line, self._received = self._received[:cut], self._received[cut:]
        self._parser.feed(line)
        try:
            self.reply = self._parser.next()
        except Malformed as malformed:
            raise ConnectionFailed(Problem.PROTOCOL, str(malformed)) from None
        return line

    def close(self) -> None:
        """The socket is closed by smtplib."""

    def _receive(self, timeout_s: float) -> bool:
        self._socket.settimeout(timeout_s)
        octets = self._socket.recv(CHUNK)
        self._received += octets
        return bool(octets)


def _failure(error: BaseException | None, otherwise: Problem = Problem.CLOSED) -> ConnectionFailed:
    """What the failure of a socket means; None is the end of the connection."""
    if isinstance(error, TimeoutError):
        return ConnectionFailed(Problem.TIMEOUT, "no answer in time")
    reason = error.strerror if isinstance(error, OSError) else None
    return ConnectionFailed(otherwise, (reason or "the server closed the connection").lower())
