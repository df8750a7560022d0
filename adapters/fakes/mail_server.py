"""A mail server in memory that follows a `Script`: commands in, replies out, nothing waits."""

import base64
import hmac
import re
import threading
from collections import deque
from collections.abc import Collection, Iterable
from typing import Final

from adapters.fakes.bearer import (
    ANSWERS,
    BEARERS,
    LONGEST_COMMAND,
    TOO_LONG,
    bearer_in,
    refusal,
)
from adapters.fakes.script import QUIT, RSET, UNASKED, Answer, Fault, Playback, Script
from domain.account.verification import TlsFacts
from domain.dialogue.ends import ConnectionFailed
from domain.dialogue.replies import ServerReply
from domain.dialogue.session import Connected
from domain.outcome.handoff import Problem, Stage

_PROBLEMS: Final = {
    Fault.CLOSE: Problem.CLOSED,
    Fault.RST: Problem.CLOSED,
    Fault.HANG: Problem.TIMEOUT,
    Fault.DRIP: Problem.TIMEOUT,
    Fault.GARBAGE: Problem.PROTOCOL,
    Fault.MIXED: Problem.PROTOCOL,
    Fault.ENDLESS: Problem.PROTOCOL,
    Fault.HUGE: Problem.PROTOCOL,
    Fault.ACCEPT_HANG: Problem.TIMEOUT,
    Fault.ACCEPT_CLOSE: Problem.CLOSED,
}
_AT_HANDSHAKE: Final = {
    Fault.CLOSE: Problem.CLOSED,
    Fault.RST: Problem.CLOSED,
    Fault.HANG: Problem.TIMEOUT,
}
_DSN: Final = re.compile(rb" (?:RET|ENVID|NOTIFY|ORCPT)=")
_NONCE: Final = b"<1896.697170952@memory>"


class MailServer:
    """One script being played to all that connect. Safe from many threads."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.playback = Playback(script)
        self._lock = threading.Lock()
        self._messages = 0

    def next_message(self) -> int:
        """The number of a MAIL that was heard, from 1."""
        with self._lock:
            self._messages += 1
            return self._messages


class Connection:
    """One connection. Replies wait in line, so one that nobody asked for shifts those after it."""

    def __init__(self, server: MailServer, *, any_password: bool, can_start_tls: bool) -> None:
        self.stage = Stage.RESOLVE
        self._taken: tuple[tuple[str, ...], bytes] | None = None
        self._server = server
        self._script = server.script
        self._any_password = any_password
        self._offers_tls = can_start_tls and server.script.starttls
        self._line: deque[ServerReply | Problem] = deque()
        self._recipients: list[str] = []
        self._message = 0
        self._has_sender = False
        self._body: bytes | None = None  # while a message is received
        self._answers: list[bytes] | None = None  # to the challenges of a login
        self._mechanism = ""
        self._refused = False  # a token, and that has been told by a challenge
        self._encrypted = False

    # --- what a client sees of it

    @property
    def silent(self) -> bool:
        """Whether everything that was said has been read."""
        return not self._line

    def read(self) -> ServerReply:
        """The next reply. ConnectionFailed with the problem of a fault, which stays."""
        if not self._line:
            raise ConnectionFailed(Problem.TIMEOUT, "")
        said = self._line[0]
        if isinstance(said, Problem):
            raise ConnectionFailed(said, "")
        self._line.popleft()
        return said

    def begin(self, stage: Stage | None) -> None:
        """What follows belongs to *stage*, or to the same as before."""
        self.stage = stage or self.stage

    def connect(self) -> Connected:
        """ConnectionFailed if the script has a problem for it; else the server greets."""
        self._line.clear()
        self._encrypted = False
        self.play(Stage.RESOLVE)
        self.play(Stage.CONNECT)
        self._say(Stage.BANNER, "220 ready")
        return Connected(own_name="client.example.com", is_local=True, detail="connected")

    def play(self, stage: Stage) -> None:
        """A stage at which a server says nothing. ConnectionFailed."""
        self.begin(stage)
        answer = self._server.playback.answer(stage)
        if isinstance(answer, Problem):
            raise ConnectionFailed(answer, "")

    @property
    def tls(self) -> TlsFacts | None:
        """What the handshake came to; None while nothing is encrypted."""
        if not self._encrypted:
            return None
        return TlsFacts(version="TLSv1.3", not_after=self._script.certificate_ends)

    def encrypt(self) -> None:
        """The handshake. ConnectionFailed."""
        answer = self._server.playback.answer(Stage.TLS)
        self._encrypted = True
        if isinstance(answer, Problem):
            raise ConnectionFailed(answer, "")
        if answer is not None:
            # in plain text: from the first byte on it is no TLS at all
            from_first_byte = self.stage is Stage.TLS
            other = Problem.TLS_MODE if from_first_byte else Problem.HANDSHAKE
            lost = _AT_HANDSHAKE.get(answer) if isinstance(answer, Fault) else None
            raise ConnectionFailed(lost or other, "")

    def write(self, octets: bytes) -> None:
        """Commands, or the end of a message and commands."""
        for line in octets.splitlines():
            if self._line and isinstance(self._line[-1], Problem):
                return  # it no longer listens
            self._hear(line)

    def pour(self, pieces: Iterable[bytes], *, size: int) -> bool:
        """A message without its terminator, dots doubled; it takes all of it."""
        self._body = b"".join(pieces)
        answer = self._server.playback.answer(
            Stage.BODY, recipients=self._recipients, message=self._message
        )
        if answer is Fault.EXTRA:
            self._put(UNASKED)
        elif answer is not None:
            self._perform(answer, "")
        return True

    def pop_taken(self) -> tuple[tuple[str, ...], bytes] | None:
        """The message that the server took since it was last asked, and for whom."""
        taken, self._taken = self._taken, None
        return taken

    # --- the commands

    def _hear(self, line: bytes) -> None:
        if self._answers is not None:
            self._challenge(line)
            return
        if _DSN.search(line) and not self._script.offers("DSN"):
            self._put("555 5.5.4 unsupported option")
            return
        match line[:4]:
            case b"EHLO":
                self._say(Stage.EHLO, "\n".join(self._greeting()))
            case b"HELO":
                self._put("250 memory")
            case b"STAR":
                self._say(Stage.STARTTLS, "220 go ahead")
            case b"AUTH":
                self._auth(line)
            case b"MAIL":
                self._reset()
                self._message = self._server.next_message()
                self._has_sender = self._say(Stage.MAIL, "250 2.1.0 sender ok", line=line) < 300
            case b"RCPT":
                self._rcpt(line)
            case b"DATA":
                usual = "354 go ahead" if self._recipients else "503 5.5.1 no recipients"
                if self._say(Stage.DATA, usual, recipients=self._recipients) == 354:
                    self._body = b""
            case b".":
                self._dot()
            case b"RSET":
                self._reset()
                self._say(RSET, "250 2.0.0 reset")
            case _:
                self._say(QUIT, "221 2.0.0 bye")
                self._line.append(Problem.CLOSED)

    def _reset(self) -> None:
        self._recipients, self._message, self._has_sender = [], 0, False
        self._body = None

    def _greeting(self) -> list[str]:
        offered = ["memory", *self._script.extensions]
        if self._script.mechanisms:
            offered.append(" ".join(("AUTH", *self._script.mechanisms)))
        if self._offers_tls and not self._encrypted:
            offered.append("STARTTLS")
        return [*(f"250-{each}" for each in offered[:-1]), f"250 {offered[-1]}"]

    def _rcpt(self, line: bytes) -> None:
        recipient = line[len("RCPT TO:<") : line.index(b">")].decode()
        if not self._has_sender:
            self._put("503 5.5.1 MAIL first")
        elif self._say(Stage.RCPT, "250 2.1.5 ok", recipients=(recipient,), line=line) < 300:
            self._recipients.append(recipient)

    def _dot(self) -> None:
        recipients, stuffed = tuple(self._recipients), self._body or b""
        usual = "250 2.0.0 taken" if recipients else "554 5.5.1 no valid recipients"
        answer = self._answer(Stage.DOT, recipients=recipients)
        takes = answer in (None, Fault.EXTRA, Fault.ACCEPT_HANG, Fault.ACCEPT_CLOSE) or (
            isinstance(answer, str) and answer.startswith("2")
        )
        if takes and recipients:
            self._taken = recipients, _unstuffed(stuffed)
        self._reset()
        self._perform(answer, usual)

    # --- logging in

    def _auth(self, line: bytes) -> None:
        if len(line) + 2 > LONGEST_COMMAND:
            self._put(TOO_LONG)
            return
        _, mechanism, *initial = line.decode().split()
        self._mechanism, self._refused = mechanism, False
        self._answers = []
        if mechanism in (*BEARERS, "PLAIN"):
            if initial:
                self._challenge(initial[0].encode())
            else:
                self._put("334 ")
            return
        challenge = b"Username:" if mechanism == "LOGIN" else _NONCE
        self._put(f"334 {base64.b64encode(challenge).decode()}")

    def _challenge(self, line: bytes) -> None:
        """The answer to a challenge."""
        assert self._answers is not None
        if self._mechanism in BEARERS:
            self._hear_token(line)
            return
        self._answers.append(base64.b64decode(line))
        if self._mechanism == "PLAIN":
            (message,), self._answers = self._answers, None
            self._judge(message.split(b"\0")[2] == self._password)
            return
        if self._mechanism == "LOGIN" and len(self._answers) == 1:
            self._put(f"334 {base64.b64encode(b'Password:').decode()}")
            return
        (*_, last), self._answers = self._answers, None
        expected = self._password
        if self._mechanism != "LOGIN":
            last = last.split()[-1]
            expected = hmac.new(expected, _NONCE, "md5").hexdigest().encode()
        self._judge(last == expected)

    def _hear_token(self, line: bytes) -> None:
        """The client's message, or its answer to the challenge that refuses its token."""
        script = self._script
        if self._refused:
            self._answers = None
            if line == ANSWERS[self._mechanism]:
                self._say(Stage.AUTH, "535 5.7.8 token refused")
            else:
                self._put("501 5.5.2 not the answer")
            return
        bearer = bearer_in(self._mechanism, line)
        if bearer is None:
            self._answers = None
            self._put("501 5.5.2 not a message of this mechanism")
        elif script.token is None or bearer.token == script.token:
            self._answers = None
            self._say(Stage.AUTH, "235 2.7.0 welcome")
        else:
            self._refused = True
            self._put(refusal())

    @property
    def _password(self) -> bytes:
        return (self._script.password or "").encode()

    def _judge(self, right: bool) -> None:
        right = right or self._any_password or self._script.password is None
        self._say(Stage.AUTH, "235 2.7.0 welcome" if right else "535 5.7.8 wrong user or password")

    # --- saying it, or not

    def _say(
        self, stage: str, usual: str, *, recipients: Collection[str] = (), line: bytes = b""
    ) -> int:
        """Play what the script has for this stage; the code that was answered."""
        return self._perform(self._answer(stage, recipients=recipients, line=line), usual)

    def _answer(
        self, stage: str, *, recipients: Collection[str] = (), line: bytes = b""
    ) -> Answer | None:
        return self._server.playback.answer(
            stage, recipients=recipients, message=self._message, line=line
        )

    def _perform(self, answer: Answer | None, usual: str) -> int:
        if isinstance(answer, Problem):
            self._line.append(answer)
            return 0
        if isinstance(answer, Fault) and answer is not Fault.EXTRA:
            self._line.append(_PROBLEMS[answer])
            return 0
        text = usual if answer is None or answer is Fault.EXTRA else answer
        code = self._put(text)
        if answer is Fault.EXTRA:
            self._put(UNASKED)
        return code

    def _put(self, text: str) -> int:
        lines = text.split("\n")
        code = int(lines[-1][:3])
        self._line.append(ServerReply(code, tuple(line[4:] for line in lines)))
        return code


def _unstuffed(octets: bytes) -> bytes:
    octets = octets.replace(b"\r\n..", b"\r\n.")
    return octets[1:] if octets.startswith(b"..") else octets
