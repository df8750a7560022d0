"""A connection with deadlines: what SMTP needs of TCP and TLS.

Every wait ends at a moment of the monotonic clock, however the bytes trickle in; a socket's own
timeout starts again with each of them. Nothing here knows what the replies mean.
"""

import errno
import math
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from adapters.smtp_sender.readiness import READ, WRITE, Readiness, watch
from application.ports.network import Endpoint
from application.sending import CancelToken
from domain.account.verification import TlsFacts
from domain.dialogue.ends import NOT_TLS, ConnectionFailed
from domain.dialogue.replies import Malformed, ReplyParser, ServerReply
from domain.outcome.handoff import Problem

_READ: Final = 64 * 1024
# The dot follows at once, or the connection is given up: the end of a body waits for it, so that a
# small message and its dot are one packet.
_MORE: Final = getattr(socket, "MSG_MORE", 0)
# A server that writes the replies to pipelined commands one by one, with Nagle's algorithm on,
# holds each back until the one before is acknowledged. The kernel does that after 40 ms, or when
# it is told to.
_ACKNOWLEDGE: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)


class Deadline:
    """The moment by which a stage must be over, however many waits it has."""

    def __init__(self, timeout_s: float, *, monotonic: Callable[[], float]) -> None:
        self._moment = monotonic() + timeout_s
        self._monotonic = monotonic

    @property
    def left_s(self) -> float:
        """Seconds from now, 0 once it has passed."""
        return max(self._moment - self._monotonic(), 0.0)


class Wire:
    """One connection: whole replies in, bytes out. Used by one thread at a time.

    Once it is connected the socket never blocks: what can be done at once costs one call of the
    system, and only what cannot be waits, until its deadline.
    """

    def __init__(self, connected: socket.socket, *, monotonic: Callable[[], float]) -> None:
        self._socket = connected
        self._monotonic = monotonic
        self._replies = ReplyParser()
        self._heard_since_writing = False
        self._watch()

    def read(self, timeout_s: float) -> ServerReply:
        """The next whole reply, read until *timeout_s* from now. ConnectionFailed."""
        try:
            reply = self._replies.next()
            if reply is None:
                deadline = self._monotonic() + timeout_s
                while reply is None:
                    self._acknowledge()
                    self._replies.feed(self._receive(deadline))
                    self._heard_since_writing = True
                    reply = self._replies.next()
        except Malformed as malformed:
            raise ConnectionFailed(Problem.PROTOCOL, str(malformed)) from None
        return reply

    def write(self, octets: bytes, timeout_s: float, *, then: bytes = b"") -> None:
        """Hand all of *octets* to the kernel, and *then* along with it.

        ConnectionFailed says that the end of *octets* was not handed over. What keeps *then* back
        alone is not told: the next read finds it out.
        """
        deadline = self._monotonic() + timeout_s
        self._heard_since_writing = False
        everything, sent = octets + then, 0
        while sent < len(everything):
            try:
                sent += self._socket.send(everything[sent:])
            except OSError as error:
                wanted = self._wanted(error, otherwise=self._writing)
                if wanted is not None and self._wait(wanted, deadline):
                    continue
                if sent >= len(octets):
                    return
                if wanted is not None:
                    raise ConnectionFailed(Problem.TIMEOUT, "the server does not read") from None
                raise ConnectionFailed(Problem.CLOSED, _reason(error)) from None

    def pour(self, octets: bytes, deadline: float) -> bool:
        """Like write, but until the moment *deadline*, and False as soon as the server speaks or
        leaves: the rest is held back.
        """
        whole, sent = memoryview(octets), 0
        while sent < len(octets):
            try:
                sent += self._socket.send(whole[sent:], self._more)
            except (BlockingIOError, ssl.SSLWantWriteError):
                if not self._drained(deadline):
                    return False
            except OSError as error:
                raise ConnectionFailed(Problem.CLOSED, _reason(error)) from None
        return True

    @property
    def silent(self) -> bool:
        """Whether the server is connected and has said nothing that was not read."""
        if not self._replies.empty:
            return False
        if not self._reading.poll(0):
            return True
        return self._tls and self._only_tls_spoke()

    @property
    def has_more(self) -> bool:
        """Whether bytes have been received that no `read` has given out. Asks nobody."""
        return not self._replies.empty

    @property
    def own_address(self) -> str:
        """The address of this end."""
        return str(self._socket.getsockname()[0])

    def encrypt(
        self, context: ssl.SSLContext, *, hostname: str, timeout_s: float, cancel_token: CancelToken
    ) -> None:
        """Put TLS on the connection, verified for *hostname*. ConnectionFailed.

        Nothing that was received before counts after it.
        """
        deadline = self._monotonic() + timeout_s
        try:
            self._socket = context.wrap_socket(
                self._socket, server_hostname=hostname, do_handshake_on_connect=False
            )
            cancel_token.watch(self.interrupt)  # the socket object is a new one
            self._watch()
            self._socket.settimeout(max(deadline - self._monotonic(), 0.001))
            self._socket.do_handshake()
            self._socket.settimeout(0)
        except ssl.SSLCertVerificationError as error:
            raise ConnectionFailed(
                Problem.CERTIFICATE, error.verify_message or "not trusted"
            ) from None
        except ssl.SSLEOFError:
            raise ConnectionFailed(Problem.CLOSED, "the server closed the connection") from None
        except ssl.SSLError as error:
            reason = error.reason or "TLS failed"
            problem = Problem.TLS_MODE if reason in NOT_TLS else Problem.HANDSHAKE
            raise ConnectionFailed(problem, reason) from None
        except TimeoutError:
            raise ConnectionFailed(Problem.TIMEOUT, "no answer in time") from None
        except OSError as error:
            raise ConnectionFailed(Problem.CLOSED, _reason(error)) from None
        self._replies = ReplyParser()

    @property
    def tls(self) -> TlsFacts | None:
        """What the handshake came to; None while nothing is encrypted."""
        if not isinstance(self._socket, ssl.SSLSocket):
            return None
        certificate = self._socket.getpeercert() or {}
        return TlsFacts.of(self._socket.version(), certificate.get("notAfter"))

    def interrupt(self) -> None:
        """Wake the thread that reads or writes; it finds the connection closed. From any thread."""
        with suppress(OSError):
            # SSLSocket.shutdown() would take TLS off first and let the other thread write plain.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self, *, farewell: bytes = b"") -> None:
        """Close at once. *farewell* is sent if the kernel takes it without waiting."""
        with suppress(OSError):
            if farewell:
                self._socket.send(farewell)
        self._socket.close()

    def _watch(self) -> None:
        self._tls = isinstance(self._socket, ssl.SSLSocket)
        self._more = 0 if self._tls else _MORE
        self._reading = watch(self._socket, READ)
        self._writing = watch(self._socket, WRITE)
        self._either = watch(self._socket, READ | WRITE)

    def _acknowledge(self) -> None:
        """Acknowledge what was read, where no command of ours will do it: more is to come."""
        if self._heard_since_writing and _ACKNOWLEDGE is not None:
            with suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, _ACKNOWLEDGE, 1)

    def _wait(self, ready: Readiness, deadline: float) -> int:
        """What it is ready for, as poll says it; 0 if it was not until *deadline*."""
        left = deadline - self._monotonic()
        if left <= 0:
            return 0
        found = ready.poll(math.ceil(left * 1000))  # it watches one socket
        return found[0][1] if found else 0

    def _wanted(self, error: OSError, *, otherwise: Readiness) -> Readiness | None:
        """What to wait for before it is tried again; None if that cannot help."""
        if isinstance(error, ssl.SSLWantReadError):
            return self._reading
        if isinstance(error, ssl.SSLWantWriteError):
            return self._writing
        return otherwise if isinstance(error, BlockingIOError) else None

    def _receive(self, deadline: float) -> bytes:
        wanted: Readiness | None = self._reading
        if self._tls:
            wanted = None  # it may hold what poll cannot see
        while True:
            if wanted is not None and not self._wait(wanted, deadline):
                raise ConnectionFailed(Problem.TIMEOUT, "no answer in time")
            try:
                octets = self._socket.recv(_READ)
            except OSError as error:
                wanted = self._wanted(error, otherwise=self._reading)
                if wanted is None:
                    raise ConnectionFailed(Problem.CLOSED, _reason(error)) from None
                continue
            if not octets:
                raise ConnectionFailed(Problem.CLOSED, "the server closed the connection")
            return octets

    def _drained(self, deadline: float) -> bool:
        """Wait until there is room to write. False if there is something to read first."""
        events = self._wait(self._either, deadline)
        if not events:
            raise ConnectionFailed(Problem.TIMEOUT, "the server does not read")
        return events == WRITE or self.silent

    def _only_tls_spoke(self) -> bool:
        """Whether the bytes that wait are TLS's own (a session ticket, a new key)."""
        try:
            self._replies.feed(self._socket.recv(_READ))
        except ssl.SSLWantReadError:
            return True
        except OSError:
            return False
        return False


def connect(
    endpoint: Endpoint,
    *,
    timeout_s: float,
    cancel_token: CancelToken,
    monotonic: Callable[[], float],
) -> Wire:
    """A connection to *endpoint*, watched by *cancel_token*. ConnectionFailed."""
    connecting = open_socket(endpoint)
    wire = Wire(connecting, monotonic=monotonic)
    cancel_token.watch(wire.interrupt)
    try:
        connecting.settimeout(timeout_s)
        connecting.connect(endpoint.sockaddr)
    except ConnectionResetError:
        pass  # accepted and reset in one moment (a refusal has another name): the first read tells
    except OSError as error:
        cancel_token.watch(None)
        wire.close()
        if isinstance(error, TimeoutError):
            raise ConnectionFailed(Problem.TIMEOUT, "no answer in time") from None
        raise ConnectionFailed(Problem.REFUSED, _reason(error)) from None
    connecting.settimeout(0)
    return wire


def open_socket(endpoint: Endpoint) -> socket.socket:
    """A socket that may be connected to *endpoint*. ConnectionFailed."""
    try:
        opened = socket.socket(endpoint.family, socket.SOCK_STREAM)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        raise ConnectionFailed(Problem.REFUSED, _reason(error)) from None
    return opened


def failure_of(code: int) -> ConnectionFailed:
    """What an error number of connecting means."""
    if code == errno.ETIMEDOUT:
        return ConnectionFailed(Problem.TIMEOUT, "no answer in time")
    return ConnectionFailed(Problem.REFUSED, os.strerror(code).lower())


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
