"""A mail server on loopback that follows a `Script`, and records what it received.

In a test: ``with SmtpServer(Script(...)) as server: ... server.port ... server.accepted``.
As a process, so that what talks to it can be killed and it cannot:

    python -m tests.smtp_server --port 2525 --log accepted.jsonl --latency-ms 20 --rules '[...]'

A rule is ``{"stage": "dot", "answer": "accept_hang", "message": 3}`` (see `Rule`); a JSON list of
rules on a line of standard input replaces them while it runs. Every accepted message is one line of
the log, flushed before the client hears of it. ``--port 0`` takes a free port, which is printed.
"""

import argparse
import base64
import hashlib
import hmac
import json
import re
import select
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from types import TracebackType
from typing import Final, TextIO

import attrs

from adapters.fakes.bearer import (
    ANSWERS,
    BEARERS,
    LONGEST_COMMAND,
    TOO_LONG,
    bearer_in,
    refusal,
)
from adapters.fakes.sender import (
    QUIT,
    RSET,
    UNASKED,
    Answer,
    Fault,
    Playback,
    Rule,
    Script,
)
from domain.outcome.handoff import Problem, Stage

_READ: Final = 256 * 1024
_HUGE: Final = 20 * 1024 * 1024
_SUBJECT: Final = re.compile(rb"^Subject:[ \t]*(.*?)\r$", re.IGNORECASE | re.MULTILINE)
_TEST_ID: Final = re.compile(rb"^X-Test-Id:[ \t]*(.*?)\r$", re.IGNORECASE | re.MULTILINE)
_DSN: Final = re.compile(rb" (?:RET|ENVID|NOTIFY|ORCPT)=")
_PATH: Final = re.compile(rb"(?:FROM|TO):<([^<>]*)>(.*)", re.IGNORECASE)


@attrs.frozen(kw_only=True)
class Received:
    """One message the server took. ``octets`` are kept only if the server was asked to."""

    sender: str
    parameters: str
    recipients: tuple[str, ...]
    octets: bytes = attrs.field(repr=False)
    size: int
    sha256: str
    subject: str
    test_id: str
    wall: float
    monotonic: float
    connection: int
    bad: tuple[str, ...]
    files: tuple[str, ...] = ()  # the digest of each attachment, if the server reads them

    def line(self) -> str:
        """The line of the log."""
        return json.dumps(
            {
                "subject": self.subject,
                "test_id": self.test_id,
                "sha": self.sha256,
                "size": self.size,
                "sender": self.sender,
                "rcpt": self.recipients,
                "time": self.wall,
                "monotonic": self.monotonic,
                "connection": self.connection,
                "bad": self.bad,
                "files": self.files,
            }
        )


@attrs.frozen(kw_only=True)
class SessionLimit:
    """After so many messages a connection hears *text* at MAIL or RCPT, and is closed by a 421."""

    messages: int
    text: str = "421 4.7.0 too many messages on this connection"
    stage: Stage = Stage.MAIL


@attrs.frozen(kw_only=True)
class TokenLogin:
    """A token that a client showed. ``good`` is what the server thought of it."""

    user: str
    token: str = attrs.field(repr=False)
    mechanism: str
    good: bool
    connection: int


class TokenBook:
    """Tokens that are good for a while. Safe from many threads.

    It is what `SmtpServer` takes as *takes_token*; whoever issues tokens elsewhere gives a function
    of its own.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._good: dict[tuple[str, str], float] = {}

    def issue(self, user: str, token: str, *, lives_s: float = 3600.0) -> None:
        """From now on *user* may log in with it."""
        self._good[user, token] = self._monotonic() + lives_s

    def revoke(self, user: str, token: str) -> None:
        """It is good no longer."""
        self._good.pop((user, token), None)

    def __call__(self, user: str, token: str) -> bool:
        """Whether it is good now."""
        return self._monotonic() < self._good.get((user, token), 0.0)


class SmtpServer:
    """The server. It listens from construction on; `close` (or leaving ``with``) ends it.

    With *tls* it offers STARTTLS (if the script does), or speaks TLS from the first byte. With
    *keep* False it remembers neither octets nor commands nor accepted messages, only the log. With
    *reads_files* it takes each message apart and notes the digests of its attachments.
    *takes_token* judges the user and the token of XOAUTH2 and OAUTHBEARER, after the script's
    ``token``; ``logins`` are all that were shown, in order.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        log: TextIO | None = None,
        keep: bool = True,
        reads_files: bool = False,
        limit: SessionLimit | None = None,
        takes_token: Callable[[str, str], bool] = lambda _user, _token: True,
    ) -> None:
        self.limit = limit
        self.takes_token = takes_token
        self.logins: list[TokenLogin] = []
        self.accepted: list[Received] = []
        self.commands: list[bytes] = []
        self.bad_wire: list[str] = []
        self.connections = 0
        self.most_connections = 0
        self.taken = 0
        self.writes = 0
        self.tls = tls
        self.implicit_tls = implicit_tls
        self.keep = keep
        self.reads_files = reads_files
        self.stopping = threading.Event()
        self._log = log
        self._changed = threading.Condition()
        self._open: dict[int, _Connection] = {}
        self._messages = 0
        self.play(script or Script())
        self._listener = socket.create_server((host, port), backlog=512)
        self.host, self.port = host, self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, name="smtpd", daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> "SmtpServer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def play(self, script: Script) -> None:
        """From now on follow *script*; connections that are open follow it too."""
        if any(isinstance(rule.answer, Problem) for rule in script.rules):
            raise ValueError("a server answers with replies and faults, not with a Problem")
        self.playback = Playback(script)

    def close(self) -> None:
        """Drop every connection and stop listening."""
        self.stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        self.drop_connections()
        for thread in self._threads[1:]:
            thread.join()

    def drop_connections(self) -> None:
        """Drop every open connection, as a restart of the server would."""
        with self._changed:
            connections = list(self._open.values())
        for connection in connections:
            connection.cut()

    def wait_until(self, *, taken: int = 0, open_connections: int | None = None) -> None:
        """Wait until so many messages were taken and so many connections are open, 10 s at most."""
        with self._changed:
            if not self._changed.wait_for(
                lambda: self.taken >= taken and open_connections in (None, len(self._open)),
                timeout=10,
            ):
                raise TimeoutError(f"{self.taken} taken, {len(self._open)} connections open")

    def wait_for_command(self, verb: bytes, *, count: int = 1) -> None:
        """Wait until *verb* was heard *count* times, 10 s at most."""
        with self._changed:
            if not self._changed.wait_for(
                lambda: sum(line.startswith(verb) for line in self.commands) >= count, timeout=10
            ):
                raise TimeoutError(f"{verb!r} was not heard {count} times")

    # --- the records of a connection

    def next_message(self) -> int:
        with self._changed:
            self._messages += 1
            return self._messages

    def heard(self, line: bytes) -> None:
        if not self.keep:
            return
        with self._changed:
            self.commands.append(line)
            self._changed.notify_all()

    def shown(self, login: TokenLogin) -> None:
        with self._changed:
            self.logins.append(login)
            self._changed.notify_all()

    def took(self, received: Received) -> None:
        with self._changed:
            self.taken += 1
            self.bad_wire.extend(received.bad)
            if self.keep:
                self.accepted.append(received)
            if self._log is not None:
                self._log.write(received.line() + "\n")
                self._log.flush()
            self._changed.notify_all()

    def ended(self, connection: "_Connection") -> None:
        with self._changed:
            self._open.pop(connection.number, None)
            self._changed.notify_all()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                self.connections += 1
                connection = _Connection(self, accepted, number=self.connections)
                self._open[connection.number] = connection
                self.most_connections = max(self.most_connections, len(self._open))
            thread = threading.Thread(target=connection.run, name="smtpd-session", daemon=True)
            self._threads = [
                each for each in self._threads if each.ident is None or each.is_alive()
            ]
            self._threads.append(thread)
            thread.start()


class _Gone(Exception):
    """The connection is over."""


class _Connection:
    """One client. Replies are collected and written when there is nothing left to read."""

    def __init__(self, server: SmtpServer, accepted: socket.socket, *, number: int) -> None:
        self.number = number
        self._server = server
        self._socket = accepted
        self._in = bytearray()
        self._out: list[bytes] = []
        self._encrypted = False
        self._delivered = 0
        self._reset()

    def run(self) -> None:
        try:
            self._small_buffer()
            if self._server.implicit_tls:
                self._encrypt()
            self._say(Stage.BANNER, "220 loopback ESMTP")
            while True:
                self._command(self._line())
        except (_Gone, OSError):
            pass
        finally:
            self._socket.close()
            self._server.ended(self)

    def cut(self) -> None:
        """End it, from another thread."""
        with suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    # --- commands

    def _command(self, line: bytes) -> None:
        self._server.heard(line)
        verb = line[:4].upper()
        if _DSN.search(line) and not self._script.offers("DSN"):
            self._server.bad_wire.append(f"a parameter of DSN, which is not offered: {line!r}")
        if self._in and not self._script.offers("PIPELINING"):
            self._server.bad_wire.append(f"commands were pipelined after {verb!r}")
        match verb:
            case b"MAIL":
                self._mail(line)
            case b"RCPT":
                self._rcpt(line)
            case b"DATA":
                self._data()
            case b"RSET":
                self._reset()
                self._say(RSET, "250 2.0.0 reset")
            case b"EHLO":
                self._reset()
                self._say(Stage.EHLO, "\n".join(self._greeting()))
            case b"HELO":
                self._put("250 loopback")
            case b"AUTH":
                self._auth(line)
            case b"STAR":
                self._start_tls()
            case b"QUIT":
                self._say(QUIT, "221 2.0.0 bye")
                raise self._gone()
            case _:
                self._put("500 5.5.2 what?")

    @property
    def _script(self) -> Script:
        return self._server.playback.script

    def _reset(self) -> None:
        self._sender: str | None = None
        self._parameters = ""
        self._recipients: list[str] = []
        self._message = 0

    def _greeting(self) -> list[str]:
        offered = ["loopback", *self._script.extensions]
        if self._script.mechanisms:
            offered.append(" ".join(("AUTH", *self._script.mechanisms)))
        if self._server.tls is not None and self._script.starttls and not self._encrypted:
            offered.append("STARTTLS")
        return [*(f"250-{each}" for each in offered[:-1]), f"250 {offered[-1]}"]

    def _mail(self, line: bytes) -> None:
        self._reset()
        self._message = self._server.next_message()
        if self._is_over(Stage.MAIL):
            return
        path = _PATH.search(line)
        if path is None:
            self._put("501 5.1.7 bad sender")
            return
        if self._say(Stage.MAIL, "250 2.1.0 sender ok", line=line) < 300:
            self._sender, self._parameters = path[1].decode(), path[2].decode().strip()

    def _rcpt(self, line: bytes) -> None:
        path = _PATH.search(line)
        if self._sender is None or path is None:
            self._put("503 5.5.1 MAIL first" if path else "501 5.1.3 bad recipient")
            return
        recipient = path[1].decode()
        if self._is_over(Stage.RCPT):
            return
        if self._say(Stage.RCPT, "250 2.1.5 ok", recipients=(recipient,), line=line) < 300:
            self._recipients.append(recipient)

    def _is_over(self, stage: Stage) -> bool:
        """Whether the session's limit was sent instead of the usual reply."""
        limit = self._server.limit
        if limit is None or limit.stage is not stage or self._delivered < limit.messages:
            return False
        self._put(limit.text)
        if limit.text.startswith("421"):
            raise self._gone()
        return True

    def _data(self) -> None:
        usual = "354 go ahead" if self._recipients else "503 5.5.1 no recipients"
        if self._say(Stage.DATA, usual, recipients=self._recipients) != 354:
            return
        self._early(self._server.playback.answer(Stage.BODY, recipients=self._recipients))
        octets = self._body()
        usual = "250 2.0.0 taken" if self._recipients else "554 5.5.1 no valid recipients"
        answer = self._answer(Stage.DOT, recipients=self._recipients)
        accepts = answer in (None, Fault.EXTRA, Fault.ACCEPT_HANG, Fault.ACCEPT_CLOSE) or (
            isinstance(answer, str) and answer.startswith("2")
        )
        if accepts and self._recipients:
            self._delivered += 1
            self._server.took(self._received(octets))
        self._reset()
        self._perform(answer, usual)

    def _early(self, answer: Answer | None) -> None:
        """Whatever is to happen in the middle of the body."""
        if answer is None:
            return
        self._flush()
        self._in += self._receive()
        if isinstance(answer, Fault) and answer is not Fault.EXTRA:
            self._perform(answer, "")
        self._out.append(_wire(UNASKED if answer is Fault.EXTRA else answer))
        raise self._gone()

    def _body(self) -> bytes:
        """The message up to the terminator, dots taken out again."""
        self._flush()
        buffer = self._in
        start = 0
        while not buffer.startswith(b".\r\n"):
            end = buffer.find(b"\r\n.\r\n", start)
            if end >= 0:
                stuffed = bytes(buffer[: end + 2])
                del buffer[: end + 5]
                unstuffed = stuffed.replace(b"\r\n..", b"\r\n.")
                return unstuffed[1:] if unstuffed.startswith(b"..") else unstuffed
            start = max(0, len(buffer) - 4)
            buffer += self._receive()
        del buffer[:3]
        return b""

    def _received(self, octets: bytes) -> Received:
        head = octets[: octets.find(b"\r\n\r\n") + 2]
        subject, test_id = _SUBJECT.search(head), _TEST_ID.search(head)
        return Received(
            sender=self._sender or "",
            parameters=self._parameters,
            recipients=tuple(self._recipients),
            octets=octets if self._server.keep else b"",
            size=len(octets),
            sha256=hashlib.sha256(octets).hexdigest(),
            subject=subject[1].decode("utf-8", "replace") if subject else "",
            test_id=test_id[1].decode("utf-8", "replace") if test_id else "",
            wall=time.time_ns() / 1e9,
            monotonic=time.monotonic(),
            connection=self.number,
            bad=_faults_of(octets),
            files=_digests_of_files(octets) if self._server.reads_files else (),
        )

    # --- AUTH and TLS

    def _auth(self, line: bytes) -> None:
        if len(line) + 2 > LONGEST_COMMAND:
            self._put(TOO_LONG)
            return
        words = line.split()
        mechanism = words[1].decode().upper()
        if mechanism not in self._script.mechanisms:
            self._put("504 5.5.4 unknown mechanism")
            return
        if mechanism in BEARERS:
            self._bearer(mechanism, words[2] if len(words) > 2 else self._challenge(b""))
            return
        if mechanism == "PLAIN":
            response = base64.b64decode(words[2] if len(words) > 2 else self._challenge(b""))
            right = self._right(response.split(b"\0")[2])
        elif mechanism == "LOGIN":
            self._challenge(b"Username:")
            right = self._right(base64.b64decode(self._challenge(b"Password:")))
        else:
            nonce = b"<1896.697170952@loopback>"
            digest = base64.b64decode(self._challenge(nonce)).split()[-1].decode()
            password = (self._script.password or "").encode()
            right = self._script.password is None or hmac.compare_digest(
                digest, hmac.new(password, nonce, "md5").hexdigest()
            )
        self._say(Stage.AUTH, "235 2.7.0 welcome" if right else "535 5.7.8 wrong user or password")

    def _bearer(self, mechanism: str, response: bytes) -> None:
        bearer = bearer_in(mechanism, response)
        if bearer is None:
            self._put("501 5.5.2 not a message of this mechanism")
            return
        good = self._script.token in (None, bearer.token)
        good = good and self._server.takes_token(bearer.user, bearer.token)
        login = TokenLogin(
            user=bearer.user,
            token=bearer.token,
            mechanism=mechanism,
            good=good,
            connection=self.number,
        )
        self._server.shown(login)
        if good:
            self._say(Stage.AUTH, "235 2.7.0 welcome")
            return
        self._put(refusal())
        answer = self._line()
        self._server.heard(answer)
        if answer == ANSWERS[mechanism]:
            self._say(Stage.AUTH, "535 5.7.8 token refused")
        else:
            self._put("501 5.5.2 not the answer")

    def _right(self, password: bytes) -> bool:
        return self._script.password is None or password == self._script.password.encode()

    def _challenge(self, text: bytes) -> bytes:
        self._put("334 " + base64.b64encode(text).decode())
        line = self._line()
        self._server.heard(line)
        return line

    def _start_tls(self) -> None:
        if self._server.tls is None or not self._script.starttls:
            self._put("502 5.5.1 not here")
        elif self._say(Stage.STARTTLS, "220 2.0.0 go ahead") == 220:
            self._flush()
            self._in.clear()
            self._encrypt()

    def _encrypt(self) -> None:
        answer = self._answer(Stage.TLS)
        if answer is not None:
            self._socket.recv(1, socket.MSG_PEEK)  # once the handshake has begun
            self._perform(answer, UNASKED)
            raise self._gone()
        assert self._server.tls is not None, "TLS needs a certificate"
        self._socket = self._server.tls.wrap_socket(self._socket, server_side=True)
        self._encrypted = True

    # --- saying it, or not

    def _say(
        self, stage: str, usual: str, *, recipients: Sequence[str] = (), line: bytes = b""
    ) -> int:
        """Play what the script has for this stage; the code that was answered."""
        return self._perform(self._answer(stage, recipients=recipients, line=line), usual)

    def _answer(
        self, stage: str, *, recipients: Sequence[str] = (), line: bytes = b""
    ) -> Answer | None:
        return self._server.playback.answer(
            stage, recipients=recipients, message=self._message, line=line
        )

    def _perform(self, answer: Answer | None, usual: str) -> int:
        if isinstance(answer, Fault):
            self._commit(answer, usual)
            return int(usual[:3])
        text = usual if answer is None else answer
        self._put(text)
        return int(text.split("\n")[-1][:3])

    def _commit(self, fault: Fault, usual: str) -> None:
        """One of the faults. Returns only if the client is to be served on."""
        if fault is Fault.EXTRA:
            self._out.append(_wire(usual) + _wire(UNASKED))
            return
        self._flush()
        match fault:
            case Fault.CLOSE | Fault.ACCEPT_CLOSE:
                pass
            case Fault.RST:
                linger = struct.pack("ii", 1, 0)
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            case Fault.HANG | Fault.ACCEPT_HANG:
                self._until_they_leave()
            case Fault.DRIP:
                for octet in b"250-" + b"drip " * 10_000:
                    self._socket.sendall(bytes((octet,)))
                    if self._server.stopping.wait(0.02):
                        break
            case Fault.GARBAGE:
                self._socket.sendall(b"\0\xff HTTP/1.1 400 Bad Request\r\n\r\n")
                self._until_they_leave()
            case Fault.MIXED:
                self._socket.sendall(b"250-yes\r\n550 no\r\n")
                self._until_they_leave()
            case Fault.ENDLESS:
                lines = (b"250-" + b"x" * 72 + b"\r\n") * 1000
                while not self._server.stopping.is_set():
                    self._socket.sendall(lines)
            case Fault.HUGE:
                self._socket.sendall(b"250 " + b"x" * _HUGE + b"\r\n")
        raise _Gone

    def _put(self, text: str) -> None:
        self._out.append(_wire(text))

    def _gone(self) -> _Gone:
        self._flush()
        return _Gone()

    def _flush(self) -> None:
        if not self._out:
            return
        replies = b"".join(self._out)
        self._out.clear()
        if self._script.latency_s and self._server.stopping.wait(self._script.latency_s):
            raise _Gone
        self._server.writes += 1
        self._socket.sendall(replies)

    def _line(self) -> bytes:
        while (end := self._in.find(b"\r\n")) < 0:
            self._flush()
            self._in += self._receive()
        line = bytes(self._in[:end])
        del self._in[: end + 2]
        return line

    def _receive(self) -> bytes:
        octets = self._socket.recv(_READ)
        if not octets:
            raise _Gone
        return octets

    def _until_they_leave(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLRDHUP)
        poll.poll()

    def _small_buffer(self) -> None:
        """A body that meets a fault must not fit into the kernel's buffers."""
        if any(rule.stage == Stage.BODY for rule in self._script.rules):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)


def _wire(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode() + b"\r\n"


def _faults_of(octets: bytes) -> tuple[str, ...]:
    """What no message may have on the wire."""
    faults = []
    pairs = octets.count(b"\r\n")
    if octets.count(b"\r") != pairs or octets.count(b"\n") != pairs:
        faults.append("bare CR or LF")
    if b"\0" in octets:
        faults.append("NUL")
    if max(map(len, octets.split(b"\r\n"))) > 998:
        faults.append("a line of more than 998 bytes")
    return tuple(faults)


def _digests_of_files(octets: bytes) -> tuple[str, ...]:
    """SHA-256 of each attachment as Python's parser reads it, in their order."""
    parts = message_from_bytes(octets, policy=default).walk()
    files = [each for each in parts if each.get_content_disposition() == "attachment"]
    return tuple(hashlib.sha256(each.get_payload(decode=True)).hexdigest() for each in files)


def rules_from_json(text: str) -> tuple[Rule, ...]:
    """Rules as they are written on the command line."""
    return tuple(_rule(**fields) for fields in json.loads(text))


def _rule(
    *,
    stage: str,
    answer: str,
    recipient: str | None = None,
    message: int | None = None,
    times: int | None = None,
) -> Rule:
    known = Fault(answer) if answer in set(Fault) else answer
    return Rule(stage, known, recipient=recipient, message=message, times=times)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it as a process until it is killed."""
    parser = argparse.ArgumentParser(description="A scripted SMTP server on loopback.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--rules", type=rules_from_json, default=())
    parser.add_argument("--files", action="store_true", help="log the digests of attachments")
    parser.add_argument("--no-pipelining", action="store_true")
    parser.add_argument("--password", default=None)
    parser.add_argument("--token", default=None, help="of XOAUTH2 and OAUTHBEARER")
    parser.add_argument("--certificate", type=Path, help="PEM file with key and chain")
    parser.add_argument("--implicit-tls", action="store_true")
    options = parser.parse_args(arguments)
    script = Script(options.rules, latency_s=options.latency_ms / 1000, password=options.password)
    if options.token is not None:
        script = attrs.evolve(script, mechanisms=BEARERS, token=options.token)
    if options.no_pipelining:
        extensions = tuple(each for each in script.extensions if each != "PIPELINING")
        script = attrs.evolve(script, extensions=extensions)
    tls = None
    if options.certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(options.certificate)
    with (
        options.log.open("a", encoding="utf-8") as log,
        SmtpServer(
            script,
            tls=tls,
            implicit_tls=options.implicit_tls,
            port=options.port,
            log=log,
            keep=False,
            reads_files=options.files,
        ) as server,
    ):
        print(server.port, flush=True)
        for line in sys.stdin:
            server.play(attrs.evolve(script, rules=rules_from_json(line)))
        threading.Event().wait()


if __name__ == "__main__":
    main()
