"""One connection to a web server, plain or under TLS, with a deadline and a bound on what arrives.

A socket's own timeout starts again with every octet, and ``http.client`` reads as many header lines
as it is sent. So it is given this in the place of a socket: every wait ends at one moment, and what
arrives is counted. It also knows exactly whether an octet of the request has left this machine.
"""

import errno
import io
import socket
import ssl
from collections.abc import Callable
from typing import Final

from urllib3.util.wait import wait_for_socket

from application.ports.network import Endpoint
from application.ports.web import WebFailed, WebProblem

_PIECE: Final = 16_384  # the most that a TLS record holds (RFC 8446 section 5.1)
_HANDSHAKE_OCTETS: Final = 262_144


class Unsendable(OSError):
    """The server takes no more of the request: it has answered already, or is gone."""


class WebConnection:
    """One connection. It raises WebFailed, which passes through `http.client` and urllib3 as it is.

    Used by one thread at a time. ``sent`` is how many octets of the request were handed to the
    kernel; under TLS, of its records.
    """

    def __init__(
        self, connected: socket.socket, *, deadline: float, monotonic: Callable[[], float]
    ) -> None:
        self._socket = connected
        self._deadline = deadline
        self._monotonic = monotonic
        self._budget = _HANDSHAKE_OCTETS
        self._tls: ssl.SSLObject | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._early = b""
        self._broken = WebProblem.PROTOCOL
        self._stream = _Stream(_Raw(self))
        self.sent = 0

    def begin(self, *, deadline: float, octets: int) -> None:
        """Another request begins, which must be answered before *deadline*."""
        self._deadline = deadline
        self._budget = octets
        self.sent = 0

    def allow(self, octets: int) -> None:
        """So many *octets* more may arrive."""
        self._budget += octets

    def encrypt(self, context: ssl.SSLContext, *, hostname: str) -> None:
        """Put TLS on the connection, with *hostname* in SNI and as the certificate's name."""
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=hostname)
        self._broken = WebProblem.TLS
        try:
            while True:
                try:
                    self._tls.do_handshake()
                except ssl.SSLWantReadError:
                    self._push(self._outgoing.read())
                    self._pull()
                else:
                    self._push(self._outgoing.read())
                    self._broken = WebProblem.PROTOCOL
                    return
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", None) or error.reason or "closed"
            raise self.failed(WebProblem.TLS, f"no secure connection: {reason}") from None
        except Unsendable:
            raise self.failed(WebProblem.TLS, "no secure connection: closed") from None

    def failed(self, problem: WebProblem, detail: str) -> WebFailed:
        """The error to raise, which knows whether the request may have arrived."""
        return WebFailed(problem, detail, may_have_arrived=self.sent > 0)

    @property
    def idle(self) -> bool:
        """Whether it is open and the server has said nothing that was not asked for."""
        if self._early or self._stream.has_more or (self._tls is not None and self._tls.pending()):
            return False
        return not wait_for_socket(self._socket, read=True, timeout=0)

    def hang_up(self) -> None:
        """Close the connection."""
        self._socket.close()

    # What http.client and urllib3 call of a socket.

    def sendall(self, octets: bytes) -> None:
        """Hand all of *octets* to the kernel. Unsendable."""
        view = memoryview(octets)
        for begin in range(0, len(view), _PIECE):
            piece = bytes(view[begin : begin + _PIECE])
            if self._tls is not None:
                piece = self._sealed(self._tls, piece)
            self._push(piece, request=True)

    def makefile(self, mode: str) -> io.BufferedReader:
        """What arrives, always from the same buffer: nothing that was read ahead is lost."""
        assert mode == "rb", mode
        return self._stream

    def settimeout(self, timeout_s: float | None) -> None:
        """Nothing: the deadline counts."""

    def close(self) -> None:
        """Nothing: http.client closes the socket while it still reads from the file; `hang_up`."""

    def receive_into(self, buffer: memoryview) -> int:
        """The next octets of the answer; 0 at its end."""
        if self._early:
            count = min(len(buffer), len(self._early))
            buffer[:count], self._early = self._early[:count], self._early[count:]
            return count
        if self._tls is None:
            octets = self._receive(len(buffer))
            buffer[: len(octets)] = octets
            return len(octets)
        while True:
            try:
                octets = self._tls.read(len(buffer))
            except ssl.SSLWantReadError:
                self._push(self._outgoing.read())
                self._pull()
            except ssl.SSLZeroReturnError:
                return 0
            except ssl.SSLError as error:  # closed without notice too: it may have been cut off
                raise self.failed(WebProblem.PROTOCOL, f"cut off: {error.reason}") from None
            else:
                buffer[: len(octets)] = octets
                return len(octets)

    def _sealed(self, tls: ssl.SSLObject, octets: bytes) -> bytes:
        """The records of *octets*. Unsendable."""
        try:
            tls.write(octets)
        except ssl.SSLError as error:
            raise Unsendable(f"the connection is broken: {error.reason}") from None
        return self._outgoing.read()

    def _push(self, octets: bytes, *, request: bool = False) -> None:
        """Hand *octets* to the kernel. Unsendable."""
        left = memoryview(octets)
        while left:
            try:
                count = self._socket.send(left)
            except BlockingIOError:
                self._wait(read=request, write=True)
                if request and self._has_answered():
                    raise Unsendable("the server answered before the request's end") from None
            except OSError as error:
                raise Unsendable(error.strerror) from None
            else:
                left = left[count:]
                if request:
                    self.sent += count

    def _has_answered(self) -> bool:
        """Whether an answer, or the end, has come while the request is being sent."""
        if not wait_for_socket(self._socket, read=True, timeout=0):
            return False
        if self._tls is None:
            return True
        self._pull()
        try:
            self._early += self._tls.read(_PIECE)
        except ssl.SSLWantReadError:
            return False  # something of TLS itself
        except ssl.SSLError:
            return True  # reading will say what it is
        return True

    def _pull(self) -> None:
        """Take what has arrived for TLS, or its end."""
        octets = self._receive(_PIECE)
        if octets:
            self._incoming.write(octets)
        else:
            self._incoming.write_eof()

    def _receive(self, count: int) -> bytes:
        """What arrives next, at most *count* octets; nothing at the end."""
        while True:
            if self._budget <= 0:
                raise self.failed(WebProblem.TOO_LARGE, "the answer is too large")
            # the deadline counts also where there is always something to read
            self._wait(read=True)
            try:
                octets = self._socket.recv(min(count, self._budget))
            except BlockingIOError:
                continue
            except OSError as error:
                raise self.failed(self._broken, f"no answer: {error.strerror}") from None
            self._budget -= len(octets)
            return octets

    def _wait(self, *, read: bool = False, write: bool = False) -> None:
        left = self._deadline - self._monotonic()
        if left <= 0 or not wait_for_socket(self._socket, read, write, left):
            raise self.failed(WebProblem.TIMEOUT, "no answer in time")


def connect(
    endpoint: Endpoint, *, until: float, deadline: float, monotonic: Callable[[], float]
) -> WebConnection:
    """A connection to *endpoint* that stands before the moment *until*. WebFailed."""
    connecting = socket.socket(endpoint.family, socket.SOCK_STREAM)
    try:
        connecting.setblocking(False)
        connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = connecting.connect_ex(endpoint.sockaddr)
        if code in (errno.EINPROGRESS, errno.EWOULDBLOCK):
            left = max(until - monotonic(), 0)
            if not wait_for_socket(connecting, write=True, timeout=left):
                raise _unconnected(WebProblem.TIMEOUT)
            code = connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise _unconnected(WebProblem.UNREACHABLE)
        return WebConnection(connecting, deadline=deadline, monotonic=monotonic)
    except BaseException:
        connecting.close()
        raise


def _unconnected(problem: WebProblem) -> WebFailed:
    # the same text for a port that is closed and for one that is filtered (T-SSRF-4)
    return WebFailed(problem, "no connection to the server", may_have_arrived=False)


class _Raw(io.RawIOBase):
    def __init__(self, line: WebConnection) -> None:
        self._line = line
        self.failed = line.failed
        self.resting = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int | None:  # type: ignore[override] # io's own
        return None if self.resting else self._line.receive_into(buffer)


class _Stream(io.BufferedReader):
    """It outlives the answers that are read from it: `http.client` closes each one's file."""

    def __init__(self, raw: _Raw) -> None:
        super().__init__(raw)
        self._source = raw

    @property
    def has_more(self) -> bool:
        """Whether something was read ahead that belongs to no answer."""
        self._source.resting = True
        try:
            return bool(self.peek(1))
        finally:
            self._source.resting = False

    def readline(self, size: int | None = -1, /) -> bytes:
        """A whole line: where the connection ends, http.client takes a part of the head for all."""
        line = super().readline(size)
        if not line.endswith(b"\n") and (size is None or size < 0 or len(line) < size):
            raise self._source.failed(WebProblem.PROTOCOL, "cut off")
        return line

    def close(self) -> None:
        """Nothing."""
