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


class OutOfStep:
    """A server that sends *extra* with the replies to its second envelope, once.

    It refuses ``bad@``; *offers* PIPELINING or not.
    """

    def __init__(self, extra: bytes, *, pipelining: bool, after_dot: bytes = b"") -> None:
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
            connected.sendall(b"220 here\r\n")
            lines = _lines(connected)
            accepted: list[bytes] = []
            while True:
                line = next(lines)
                if line.startswith(b"EHLO"):
                    more = b"250-here\r\n250 PIPELINING\r\n"
                    connected.sendall(more if self._pipelining else b"250 here\r\n")
                elif line.startswith(b"MAIL"):
                    accepted = []
                    extra = b""
                    if self.taken and self._extra:
                        extra, self._extra = self._extra, b""
                    connected.sendall(extra + b"250 sender\r\n")
                elif line.startswith(b"RCPT"):
                    good = b"bad@" not in line
                    accepted += [line[9:-1]] if good else []
                    connected.sendall(b"250 fine\r\n" if good else b"550 5.1.1 unknown\r\n")
                elif line == b"DATA" and not accepted:
                    connected.sendall(b"554 5.5.1 no recipients\r\n")
                elif line == b"DATA":
                    connected.sendall(b"354 go on\r\n")
                    body = b"".join(iter(lambda: next(lines) + b"\r\n", b".\r\n"))
                    self.taken.append((accepted, body))
                    after, self._after_dot = self._after_dot, b""
                    connected.sendall(b"250 taken\r\n" + after)
                else:
                    connected.sendall(b"250 fine\r\n")


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
def a_line(extra: bytes, *, pipelining: bool = True, after_dot: bytes = b"") -> Iterator[Line]:
    server = OutOfStep(extra, pipelining=pipelining, after_dot=after_dot)
    account = an_account_at("127.0.0.1", server.port, username="", sealed_password=None)
    sender = a_sender(timeouts=short_timeouts(rset=1.0))

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


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("extra", EXTRAS)
@pytest.mark.parametrize(
    "names", [NAMES, NAMES[:2], NAMES[1:], NAMES[:1], NAMES[2:], (NAMES[0], NAMES[2])]
)
def test_a_second_reply_to_a_dot_changes_nothing_for_anybody(
    names: tuple[str, ...], extra: bytes, pipelining: bool
) -> None:
    with a_line(extra, pipelining=pipelining) as line:
        assert line.send(NAMES[:1]).accepted
        handoff = line.send(names)
        assert handoff.accepted
        answers = {str(each.address): each.reply for each in handoff.recipients}
        refused = [name for name, reply in answers.items() if reply and not reply.positive]
        assert refused == [name for name in names if name.startswith("bad")]
        assert len(line.server.taken) == 2
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


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_recipient_who_is_refused_is_refused_by_his_own_reply(extra: bytes) -> None:
    with a_line(extra) as line:
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
