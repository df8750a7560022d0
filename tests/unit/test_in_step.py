"""Surplus replies, and every moment at which they may arrive: nothing goes to the wrong command.

The server's replies name the command that they belong to, so that a test can compare. Bytes that
were sent arrive when the client reads, or already when it looks whether the server is silent: a
schedule decides at each look.
"""

import itertools
from collections import deque
from collections.abc import Iterator
from functools import cache

import attrs
import pytest

from domain.dialogue.driver import open_transaction, recover
from domain.dialogue.ends import ConnectionFailed, ExchangeEnded
from domain.dialogue.extensions import Extensions
from domain.dialogue.replies import ServerReply
from domain.dialogue.transaction import DOT, MailTransaction, State
from domain.outcome.handoff import Parcel, Problem, Stage
from tests.builders import an_envelope

LOOKS = 8  # after so many the schedule begins again
NEVER, ALWAYS = (False,) * LOOKS, (True,) * LOOKS
SCHEDULES = [NEVER, ALWAYS, *[tuple(n == at for n in range(LOOKS)) for at in range(LOOKS)]]
SURPLUS = [
    codes
    for length in (1, 2)
    for codes in itertools.product((220, 250, 334, 450, 550), repeat=length)
]


@attrs.frozen
class Server:
    """What a server answers to MAIL, each RCPT and DATA of every email, and what it adds.

    *surplus* is sent after the replies to so many commands as *place* says, in the first email. A
    354 is not in it: that is what proves the step.
    A 354 to DATA after refusals is what RFC 2920 allows.
    """

    mail: int = 250
    rcpts: tuple[int, ...] = (250,)
    data: int = 354
    surplus: tuple[int, ...] = ()
    place: int = 0
    pipelining: bool = True
    takes_data: bool = False


class Line:
    """The connection to a `Server`: a `domain.dialogue.driver.Connection`."""

    def __init__(self, server: Server, schedule: tuple[bool, ...]) -> None:
        self._server = server
        self._looks = itertools.cycle(schedule)
        self._sent: deque[ServerReply | Problem] = deque()
        self._arrived = 0
        self._answered = 0
        self._accepted: list[bool] = []
        self._rcpts: Iterator[int] = iter(())
        self._mail_taken = False
        self.takes_body = False
        self._send_surplus()

    @property
    def silent(self) -> bool:
        if next(self._looks):
            self._arrived = len(self._sent)
        return not self._arrived

    def begin(self, stage: Stage | None) -> None:
        pass

    def write(self, octets: bytes) -> None:
        for command in octets.decode().splitlines():
            if self._sent and self._sent[-1] is Problem.CLOSED:
                return
            if self.takes_body and command != ".":
                continue  # a line of the message
            self._hear(command[:4])

    def read(self) -> ServerReply:
        if not self._sent:
            raise ConnectionFailed(Problem.TIMEOUT, "")
        said = self._sent[0]
        if isinstance(said, Problem):
            raise ConnectionFailed(said, "")
        self._sent.popleft()
        self._arrived = max(self._arrived - 1, 0)
        return said

    def encrypt(self) -> None:
        raise NotImplementedError

    def _hear(self, command: str) -> None:
        server = self._server
        match command:
            case "MAIL":
                self._rcpts, self._accepted = iter(server.rcpts), []
                self._mail_taken = server.mail < 300
                self._say(server.mail, "MAIL")
            case "RCPT":
                code = next(self._rcpts)
                self._accepted.append(self._mail_taken and code < 300)
                self._say(code if self._mail_taken else 503, f"RCPT {len(self._accepted)}")
            case "DATA":
                taken = any(self._accepted) or (server.takes_data and self._mail_taken)
                code = server.data if taken else 503
                self.takes_body = code == 354
                self._say(code, "DATA")
            case ".":
                self.takes_body = False
                self._say(250 if any(self._accepted) else 554, "DOT")
            case "RSET":
                self._say(250, "RSET")
            case _:
                self._say(221, "QUIT")
                self._sent.append(Problem.CLOSED)

    def _say(self, code: int, command: str) -> None:
        self._sent.append(ServerReply(code, (command,)))
        self._answered += 1
        self._send_surplus()

    def _send_surplus(self) -> None:
        if self._answered == self._server.place:
            self._sent += [ServerReply(code, ("surplus",)) for code in self._server.surplus]


@cache
def a_parcel(recipients: int) -> Parcel:
    names = [f"reader-{n}@example.org" for n in range(recipients)]
    return Parcel(an_envelope(*names), b"a\r\n")


def hand_off(transaction: MailTransaction, line: Line, parcel: Parcel) -> ConnectionFailed | None:
    """One email up to its dot; every reply that counts is that to its own command."""
    names = [f"RCPT {n + 1}" for n in range(len(parcel.envelope.recipients))]
    refusal: ServerReply | None = None
    try:
        open_transaction(transaction, line, parcel)
    except ConnectionFailed as failed:
        return failed
    except ExchangeEnded as ended:
        refusal = ended.reply
    heard = [reply.lines[0] for reply in transaction.replies]
    if refusal is None:
        assert line.takes_body
        assert heard == names
        line.write(DOT)
        transaction.dot_written()
        return None
    own = {Stage.MAIL: "MAIL", Stage.RCPT: names[-1], Stage.DATA: "DATA"}[transaction.stage]
    assert refusal.lines == (own,)
    assert heard == ([] if transaction.stage is Stage.MAIL else names)
    return None


def read_dot(transaction: MailTransaction, line: Line) -> bool:
    """Whether another email may follow."""
    if transaction.state is State.DOT:
        try:
            transaction.heard(line.read())
        except ConnectionFailed:
            return False
    try:
        recover(transaction, line)
    except ConnectionFailed:
        return False
    return transaction.state is State.READY


def converse(server: Server, schedule: tuple[bool, ...]) -> list[ConnectionFailed | None]:
    """Three emails over one connection, as long as it may be used."""
    offers = Extensions({}, pipelining=server.pipelining)
    transaction, line = MailTransaction(offers), Line(server, schedule)
    ends = []
    for _ in range(3):
        ends.append(hand_off(transaction, line, a_parcel(len(server.rcpts))))
        assert ends[-1] is None or ends[-1].problem is Problem.PROTOCOL
        if not read_dot(transaction, line):
            break
    return ends


ANSWERS = [
    attrs.evolve(server, pipelining=pipelining)
    for pipelining in (True, False)
    for server in (
        *[Server(rcpts=rcpts) for n in (1, 2) for rcpts in itertools.product((250, 550), repeat=n)],
        Server(rcpts=(550, 450, 250)),
        Server(rcpts=(550,), takes_data=True),
        Server(rcpts=(550, 550), takes_data=True),
        Server(mail=450),
        Server(mail=550, rcpts=(250, 250)),
        Server(data=451),
        Server(data=550, rcpts=(550, 250)),
    )
]


@pytest.mark.parametrize("server", ANSWERS, ids=str)
def test_no_surplus_reply_is_taken_for_that_to_another_command(server: Server) -> None:
    for surplus, place in itertools.product(SURPLUS, range(len(server.rcpts) + 3)):
        if place == len(server.rcpts) + 2 and server.data == 354 and 250 in server.rcpts:
            continue  # between 354 and the dot: see the module of the transaction
        with_surplus = attrs.evolve(server, surplus=surplus, place=place)
        for schedule in SCHEDULES:
            converse(with_surplus, schedule)


@pytest.mark.parametrize("server", ANSWERS, ids=str)
def test_a_server_in_step_is_believed(server: Server) -> None:
    for schedule in SCHEDULES:
        assert not any(converse(server, schedule)), schedule


@pytest.mark.parametrize("pipelining", [True, False])
def test_an_email_after_a_surplus_reply_is_never_refused_by_it(pipelining: bool) -> None:
    server = Server(rcpts=(550, 250), surplus=(250, 250), pipelining=pipelining)
    (end,) = converse(server, NEVER)
    assert end is not None
