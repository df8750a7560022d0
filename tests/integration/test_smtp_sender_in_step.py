"""A reply that belongs to no command: nothing is attributed to anybody, and the mail goes on."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import attrs
import pytest

from adapters.fakes.sender import QUIT, RSET, Rule
from domain.outcome.handoff import Handoff, Parcel, Problem, Stage
from tests.builders import an_envelope
from tests.contract.sender_suite import MESSAGE, Permission, an_account_at
from tests.integration.smtp_sending import a_line as a_smtp_line
from tests.integration.smtp_sending import a_sender, short_timeouts

NAMES = ("good@example.org", "bad@example.org", "fine@example.org")


class Replies:
    """What a server says on one connection; *late*: no more replies than it has heard commands.

    So a surplus reply is read as that to the next command, and the last replies are on their way
    while the client looks whether the server is silent.
    """

    def __init__(self, connected: socket.socket, *, late: bool) -> None:
        self._connected = connected
        self._late = late
        self._waiting: list[bytes] = []

    def put(self, octets: bytes) -> None:
        """One reply or more of one line each, or one of several lines."""
        if not self._late:
            self._connected.sendall(octets)
        elif b"-" in octets[:4]:
            self._waiting.append(octets)
        else:
            self._waiting += octets.splitlines(keepends=True)

    def heard(self) -> None:
        """A command was answered."""
        if self._waiting:
            self._connected.sendall(self._waiting.pop(0))

    def end(self) -> None:
        """Send all that is left."""
        self._connected.sendall(b"".join(self._waiting))


class OutOfStep:
    """A server that sends *extra* with the replies to its second envelope, once, or after *stage*.

    *stage* is the beginning of a command of the first connection, b"" for its greeting. It refuses
    ``bad@``; *offers* PIPELINING or not.
    """

    def __init__(
        self,
        extra: bytes,
        *,
        pipelining: bool,
        after_dot: bytes = b"",
        late: bool = False,
        stage: bytes | None = None,
    ) -> None:
        self._late = late
        self._stage = stage
        self.taken: list[tuple[list[bytes], bytes]] = []
        self.connections = 0
        self._extra = extra
        self._after_dot = after_dot
        self._pipelining = pipelining
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connected, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connected,), daemon=True).start()

    def _serve(self, connected: socket.socket) -> None:
        with connected, suppress(OSError):
            replies = Replies(connected, late=self._late)
            replies.put(b"220 here\r\n" + self._surplus(b""))
            replies.heard()
            lines = _lines(connected)
            accepted: list[bytes] = []
            while True:
                line = next(lines)
                if line.startswith(b"EHLO"):
                    more = b"250-here\r\n250 PIPELINING\r\n"
                    replies.put(more if self._pipelining else b"250 here\r\n")
                elif line.startswith(b"MAIL"):
                    accepted = []
                    extra = b""
                    if self._stage is None and self.taken and self._extra:
                        extra, self._extra = self._extra, b""
                    replies.put(extra + b"250 sender\r\n")
                elif line.startswith(b"RCPT"):
                    good = b"bad@" not in line
                    accepted += [line[9:-1]] if good else []
                    replies.put(b"250 fine\r\n" if good else b"550 5.1.1 unknown\r\n")
                elif line == b"DATA" and not accepted:
                    replies.put(b"554 5.5.1 no recipients\r\n")
                elif line == b"DATA":
                    replies.put(b"354 go on\r\n" + self._surplus(line))
                    replies.heard()
                    body = b"".join(iter(lambda: next(lines) + b"\r\n", b".\r\n"))
                    self.taken.append((accepted, body))
                    after, self._after_dot = self._after_dot, b""
                    replies.put(b"250 taken\r\n" + after)
                    line = b"."
                elif line == b"QUIT":
                    replies.put(b"221 bye\r\n")
                    replies.end()
                    return
                else:
                    replies.put(b"250 fine\r\n")
                if line != b"DATA":
                    surplus = self._surplus(line)
                    if surplus:
                        replies.put(surplus)
                replies.heard()

    def _surplus(self, line: bytes) -> bytes:
        """What follows the reply to *line*, b"" but for once."""
        if self._stage is None or not self._extra or line[:4] != self._stage:
            return b""
        extra, self._extra = self._extra, b""
        return extra


def _lines(connected: socket.socket) -> Iterator[bytes]:
    heard = b""
    while True:
        line, end, rest = heard.partition(b"\r\n")
        if end:
            heard = rest
            yield line
            continue
        octets = connected.recv(65536)
        if not octets:
            raise ConnectionResetError
        heard += octets


@attrs.frozen
class Line:
    server: OutOfStep
    send: Callable[[Sequence[str]], Handoff]


@contextmanager
def a_line(
    extra: bytes,
    *,
    pipelining: bool = True,
    after_dot: bytes = b"",
    late: bool = False,
    stage: bytes | None = None,
    **timeouts: float,
) -> Iterator[Line]:
    server = OutOfStep(extra, pipelining=pipelining, after_dot=after_dot, late=late, stage=stage)
    account = an_account_at("127.0.0.1", server.port, username="", sealed_password=None)
    # where a server takes RSET for a line of the message, only these deadlines end the wait
    waits = {"rset": 0.2, "quit": 0.2, **timeouts}
    sender = a_sender(timeouts=short_timeouts(**waits))

    def send(names: Sequence[str]) -> Handoff:
        with sender.converse(account) as conversation:
            parcel = Parcel(an_envelope(*names), MESSAGE)
            return conversation.send(parcel, before_dot=Permission())

    try:
        yield Line(server, send)
    finally:
        sender.close()
        server.close()


EXTRAS = (
    b"250 2.0.0 and again\r\n",
    b"550 5.7.1 no\r\n",
    b"451 4.3.0 hm\r\n",
    b"250 a\r\n250 b\r\n",
    b"250 a\r\n550 b\r\n",
)


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("extra", EXTRAS)
@pytest.mark.parametrize(
    "names", [NAMES, NAMES[:2], NAMES[1:], NAMES[:1], NAMES[2:], (NAMES[0], NAMES[2])]
)
def test_a_second_reply_to_a_dot_changes_nothing_for_anybody(
    names: tuple[str, ...], extra: bytes, pipelining: bool, late: bool
) -> None:
    with a_line(extra, pipelining=pipelining, late=late) as line:
        assert line.send(NAMES[:1]).accepted
        handoff = line.send(names)
        assert handoff.accepted
        answers = {str(each.address): each.reply for each in handoff.recipients}
        refused = [name for name, reply in answers.items() if reply and not reply.positive]
        assert refused == [name for name in names if name.startswith("bad")]
        assert len(line.server.taken) == 2
        assert line.server.connections == 2


@pytest.mark.parametrize("pipelining", [True, False])
def test_of_eight_refused_emails_in_a_row_each_connection_carries_four(pipelining: bool) -> None:
    with a_line(b"", pipelining=pipelining) as line:
        for _ in range(8):
            handoff = line.send(NAMES[1:2])
            assert handoff.reply is not None
            assert handoff.reply.text == "5.1.1 unknown"
        assert line.server.connections == 2


@pytest.mark.parametrize("after", [b"", b"500 5.5.1 no\r\n", b"250 2.0.0 bye\r\n"])
def test_a_server_that_refuses_rset_costs_a_connection_and_no_wait(after: bytes) -> None:
    rules = [Rule(Stage.RCPT, "550 5.1.1 unknown", recipient=NAMES[1]), Rule(RSET, "500 5.5.1 no")]
    quit_rule = [Rule(QUIT, after.decode().strip())] if after else []
    with a_smtp_line(*rules, *quit_rule) as line:
        began = time.monotonic()
        for _ in range(5):
            handoff = line.send(envelope=an_envelope(NAMES[1]))
            assert handoff.reply is not None
            assert handoff.reply.text == "5.1.1 unknown"
        assert line.server.connections == 5
        assert time.monotonic() - began < 5 * 0.5


@pytest.mark.parametrize("stage", [b"", b"EHLO", b"MAIL", b"RCPT", b".", b"RSET"])
@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("extra", [b"250 2.0.0 and again\r\n", b"250 a\r\n250 b\r\n"])
def test_a_surplus_reply_that_comes_late_is_nobodys(
    extra: bytes, pipelining: bool, stage: bytes
) -> None:
    with a_line(extra, pipelining=pipelining, late=True, stage=stage) as line:
        first = [line.send(names) for names in (NAMES, NAMES[1:2], NAMES[1:], NAMES)]
        for handoff, names in zip(first, (NAMES, NAMES[1:2], NAMES[1:], NAMES), strict=True):
            if handoff.problem is not None:  # on a new connection it is not tried again at once
                assert handoff.problem is Problem.PROTOCOL
                assert not handoff.recipients
                continue
            texts = {str(each.address): str(each.reply) for each in handoff.recipients}
            assert texts == {
                name: "550 5.1.1 unknown" if name.startswith("bad") else "250 fine"
                for name in names
            }
        assert sum(handoff.problem is not None for handoff in first) <= 1


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("stage", [b".", b"RSET"])
def test_a_goodbye_that_nobody_asked_for_refuses_no_email(
    stage: bytes, pipelining: bool, late: bool
) -> None:
    with a_line(b"421 4.3.2 bye\r\n", pipelining=pipelining, late=late, stage=stage) as line:
        assert line.send(NAMES[:1]).accepted
        refused = line.send(NAMES[1:2])
        assert (refused.stage, str(refused.reply)) == (Stage.RCPT, "550 5.1.1 unknown")
        assert line.send(NAMES[:1]).accepted


@pytest.mark.parametrize("cut", range(1, 8))
@pytest.mark.parametrize("pipelining", [True, False])
def test_a_piece_of_a_surplus_reply_is_nobodys(cut: int, pipelining: bool) -> None:
    with a_line(b"", after_dot=b"250-two\r\n250 lines"[:cut], pipelining=pipelining) as line:
        line.send(NAMES[:1])
        assert line.send(NAMES[:1]).accepted
        assert line.server.connections == 2


@pytest.mark.parametrize("stage", [b"MAIL", b"RCPT"])
def test_a_piece_of_a_surplus_reply_before_a_command_is_out_of_step(stage: bytes) -> None:
    with a_line(b"25", pipelining=False, stage=stage, pending=0.05, mail=0.3, rcpt=0.3) as line:
        handoff = line.send(NAMES[:1])
        assert (handoff.problem, handoff.recipients) == (Problem.PROTOCOL, ())
        assert line.send(NAMES[:1]).accepted


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("extra", EXTRAS)
def test_a_recipient_who_is_refused_is_refused_by_his_own_reply(extra: bytes, late: bool) -> None:
    with a_line(extra, late=late) as line:
        assert line.send(NAMES[:1]).accepted
        handoff = line.send(NAMES[1:2])
        assert handoff.stage is Stage.RCPT
        assert handoff.reply is not None
        assert handoff.reply.text == "5.1.1 unknown"


@pytest.mark.parametrize("after", [b"550 5.7.1 no\r\n", b"451 4.3.0 hm\r\n"])
def test_a_dot_that_gets_both_answers_has_an_unknown_outcome(after: bytes) -> None:
    with a_line(b"", after_dot=after) as line:
        handoff = line.send(NAMES[:1])
        assert (handoff.stage, handoff.problem) == (Stage.DOT, Problem.PROTOCOL)
        assert handoff.unknown
        assert line.send(NAMES[:1]).accepted
        assert line.server.connections == 2


@pytest.mark.parametrize("after", [b"250 2.0.0 twice\r\n", b"421 4.3.2 bye\r\n"])
def test_a_dot_that_gets_the_same_answer_twice_is_answered(after: bytes) -> None:
    with a_line(b"", after_dot=after) as line:
        assert line.send(NAMES[:1]).accepted
        assert line.send(NAMES[:1]).accepted
        assert line.server.connections == 2
