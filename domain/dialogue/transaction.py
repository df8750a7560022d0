"""Mail transactions on one connection: from MAIL to the reply after the final dot, and RSET.

Commands wait in a queue and are written in groups: one command a group, or many if the server
offers PIPELINING (RFC 2920). Replies are read in the order of the commands, so what they mean does
not depend on how they were grouped.

The driver repeats: write `next_group` if no reply is owed, read one reply, call `heard`. It writes
the body in state BODY, and the final dot followed by `announce`. Where a group is not one of
`AT_ONCE`, the server must be silent before it is written: a reply that came earlier would be taken
for the answer to the next command, and is given to `unasked` instead.

Silence proves nothing: a surplus reply may be on its way, and then each reply is taken for that to
the command after its own. What a reply means therefore counts only once something proves that the
connection is in step:

- 354: no other command has it.
- 250 to each of RESETS RSETs, where DATA was written before: the reply to DATA is never 250, and
  with at most so many surplus replies it would be taken for one of theirs. So DATA follows the
  refusal of a sender or of all recipients; without PIPELINING too, where it costs a round trip.
- 221 to QUIT. It costs the connection, so it is asked for only where RSET proves nothing, or the
  connection has had ERRORS refused commands in a row: servers slow down or end those (Postfix
  delays each reply by a second after 10, Exim takes no more RSETs after 10).

Without a proof a refusal does not count where an email went before on the connection: it fails
with Problem.PROTOCOL, and the sender hands the email off again over a new one. On a new connection
a server that closes it after a refusal, or answers RSET with nonsense, is believed: nothing better
is to be had from it.

The reply after a final dot is not proved. A surplus reply to DATA that comes after the dot was
written cannot be told from the dot's; to find out would cost every email a round trip.
"""

from enum import StrEnum
from typing import Final

import attrs

from domain.dialogue.ends import ConnectionFailed, ExchangeEnded, unasked, unexpected
from domain.dialogue.extensions import Extensions
from domain.dialogue.replies import ServerReply
from domain.outcome.handoff import Parcel, Problem, Stage

GROUP: Final = 100  # commands in one write; their replies fit into any socket's buffer
DOT: Final = b".\r\n"
RSET: Final = b"RSET\r\n"
QUIT: Final = b"QUIT\r\n"
RESETS: Final = 2  # more surplus replies are not expected of any server
ERRORS: Final = 8  # refused commands since the last message that was accepted


class State(StrEnum):
    """What the server is expected to say next, or what may be written."""

    READY = "ready"  # for MAIL
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"  # the server waits for the message and has nothing to say
    DOT = "dot"
    DRAINING = "draining"  # after a refusal, up to the reply to DATA
    EMPTY_DOT = "empty dot"  # DATA was taken after a refusal; the message is ended empty
    RESETTING = "resetting"
    LEAVING = "leaving"  # QUIT is sent to find out whether an earlier reply is still owed
    LEFT = "left"  # the reply to QUIT had another one before it
    OVER = "over"  # the connection is of no further use


class Effect(StrEnum):
    """What a reply changes."""

    ADVANCE = "advance"  # the state that follows in NEXT
    REFUSE = "refuse"  # the email is refused, the session goes on if it stays in step
    END = "end"  # the email is refused and the session is over
    LEAVE = "leave"  # only the session is over
    EMPTY = "empty"  # DATA was taken after a refusal: end the message empty
    DOUBT = "doubt"  # something was taken after a refusal: only QUIT can prove the step
    ASK = "ask"  # RSET was answered wrongly: an earlier reply may have come in its place
    OUT_OF_STEP = "out of step"  # no reply can be attributed to its command


_A, _R, _E, _L = Effect.ADVANCE, Effect.REFUSE, Effect.END, Effect.LEAVE
_M, _D, _Q, _X = Effect.EMPTY, Effect.DOUBT, Effect.ASK, Effect.OUT_OF_STEP

# By the code of the reply, or else by its first digit.
EFFECTS: Final[dict[State, dict[int, Effect]]] = {
    State.MAIL: {2: _A, 3: _X, 4: _R, 5: _R, 421: _E},
    State.RCPT: {2: _A, 3: _X, 4: _A, 5: _A, 421: _E},
    State.DATA: {2: _X, 3: _X, 4: _R, 5: _R, 354: _A, 421: _E},
    State.BODY: {2: _X, 3: _X, 4: _E, 5: _E},
    State.DOT: {2: _A, 3: _X, 4: _R, 5: _R, 421: _L},
    State.DRAINING: {2: _D, 3: _X, 4: _A, 5: _A, 354: _M, 421: _L},
    State.EMPTY_DOT: {2: _D, 3: _X, 4: _A, 5: _A, 421: _L},
    State.RESETTING: {2: _Q, 3: _X, 4: _Q, 5: _Q, 250: _A, 421: _L},
    State.LEAVING: {2: _A, 3: _X, 4: _A, 5: _A, 221: _L},
    State.LEFT: {2: _X, 3: _X, 4: _X, 5: _X},
}
NEXT: Final = {  # on the usual path; what follows a refusal is in `_recover`
    State.MAIL: State.RCPT,
    State.RCPT: State.DATA,
    State.DATA: State.BODY,
    State.DOT: State.READY,
}
STAGES: Final = {
    State.MAIL: Stage.MAIL,
    State.RCPT: Stage.RCPT,
    State.DATA: Stage.DATA,
    State.BODY: Stage.BODY,
    State.DOT: Stage.DOT,
}
IDLE: Final = frozenset({State.READY, State.RESETTING})  # between emails; RSET may be due
ENVELOPE: Final = frozenset({State.MAIL, State.RCPT, State.DATA})
RECOVERING: Final = frozenset(
    {State.DRAINING, State.EMPTY_DOT, State.RESETTING, State.LEAVING, State.LEFT}
)
AT_ONCE: Final = frozenset({State.EMPTY_DOT, State.LEAVING})


class MailTransaction:
    """One email after the other over one connection; the same object serves all of them.

    ``stage`` is where the last email stands or ended, ``replies`` what was said to each RCPT of it,
    ``owed`` how many commands were written whose replies were not read, ``delivered`` how many
    final dots were answered. ``announced`` is the email whose envelope went out with the last dot.
    ``used``: an email went before this one.
    """

    def __init__(self, extensions: Extensions) -> None:
        self.extensions = extensions
        self.state = State.READY
        self.stage = Stage.MAIL
        self.owed = 0
        self.replies: list[ServerReply] = []
        self.refusal: ServerReply | None = None
        self.delivered = 0
        self.announced: Parcel | None = None
        self.used = False
        self._begun = False
        self._queue: list[bytes] = []
        self._asked = 0
        self._accepted = 0
        self._errors = 0
        self._doubtful = False  # something did not look like what it was taken for

    def begin(self, parcel: Parcel) -> None:
        """The next email. ExchangeEnded if the server lacks what it needs: nothing was said."""
        assert self.state is State.READY, self.state
        self.stage, self.replies = Stage.MAIL, []
        self.used, self._begun = self._begun, True
        if self.announced is None:
            self._queue = self.extensions.commands(parcel)
        self.announced = None
        self.state = State.MAIL
        self._asked, self._accepted = len(parcel.envelope.recipients), 0

    def next_group(self) -> bytes:
        """What is to be written before the next reply is read. Only if no reply is owed."""
        queue = self._queue
        self.owed = min(GROUP if self.extensions.pipelining else 1, len(queue))
        group = b"".join(queue[: self.owed])
        del queue[: self.owed]
        return group

    def announce(self, parcel: Parcel | None) -> bytes:
        """What of the next envelope goes out with the dot (RFC 2920 section 3.1); b"" for nothing.

        A group of commands may begin with the end of a message, and DATA ends it: so all of it is
        said, or nothing. It is taken back by leaving: without its own dot nothing is accepted.
        """
        if parcel is None or not self.extensions.pipelining:
            return b""
        if len(parcel.envelope.recipients) + 2 > GROUP:
            return b""
        try:
            commands = self.extensions.commands(parcel)
        except ExchangeEnded:  # it is told when its turn comes
            return b""
        self.announced, self.owed = parcel, len(commands)
        return b"".join(commands)

    def dot_written(self) -> None:
        """The final dot is with the kernel: from now on the email may be accepted."""
        self.state, self.stage = State.DOT, Stage.DOT
        self.owed += 1

    def heard(self, reply: ServerReply) -> None:
        """One reply, in the order of the commands.

        ExchangeEnded if it ends the email and the session; ConnectionFailed if replies and commands
        do not match. After a refusal the state is one of RECOVERING: see `refusal`.
        """
        state, code = self.state, reply.code
        effects = EFFECTS[state]
        effect = effects.get(code) or effects[code // 100]
        self.owed -= 1
        self._errors += code >= 400
        if state is State.RCPT and effect is not _X:
            self.replies.append(reply)
            self._accepted += code < 300
            if effect is _A:
                if len(self.replies) < self._asked:
                    return
                if not self._accepted:
                    effect = _R
        if effect is not _A:
            self._depart(effect, reply)
        elif state in RECOVERING:
            self._recover()
        else:
            self.state = following = NEXT[state]
            if following is State.READY:
                self.delivered += 1
                self._errors = 0
            else:
                self.stage = STAGES[following]

    def heard_again(self, second: ServerReply, first: ServerReply) -> None:
        """A second reply to one dot. Of two that differ nobody can tell which one counts."""
        self.state = State.OVER
        if second.code != 421 and second.positive is not first.positive:
            detail = f"both {first.code} and {second.code}"
            raise ConnectionFailed(Problem.PROTOCOL, detail)

    def unasked(self, reply: ServerReply) -> None:
        """A reply before the command. It raises, but for a goodbye that follows a refusal."""
        recovering = self.state in RECOVERING
        self.state = State.OVER
        end = unasked(reply)
        if not recovering or isinstance(end, ConnectionFailed):
            raise end
        self._expect_new()

    def lost(self, failure: ConnectionFailed) -> None:
        """The connection failed. Raises it unless a refusal was read before and counts."""
        state, self.state = self.state, State.OVER
        if state not in RECOVERING:
            raise failure
        before_rset = state in (State.DRAINING, State.EMPTY_DOT) or not self.owed
        if failure.problem is Problem.PROTOCOL and before_rset:
            raise failure
        if failure.problem is Problem.TIMEOUT and (self._doubtful or self._accepted):
            raise _unproved()  # what is late may still come, or RSET was taken for the message
        self._expect_new()

    def reset(self) -> None:
        """RSET is to be written next."""
        self.state, self._queue, self._doubtful = State.RESETTING, [RSET], False

    def use_dsn(self, wanted: bool) -> None:
        """Whether reports are asked for from now on, where the server offers it."""
        offered = "DSN" in self.extensions.keywords
        self.extensions = attrs.evolve(self.extensions, dsn=wanted and offered)

    def _depart(self, effect: Effect, reply: ServerReply) -> None:
        """Leave the usual path."""
        state = self.state
        self.state = State.OVER
        if effect is _X:
            raise unexpected(reply) if state in STAGES else _too_many()
        if effect is _E:
            raise ExchangeEnded(reply=reply)
        if effect is _L and state is not State.LEAVING and state is not State.DOT:
            self._expect_new()
        if effect is _M:
            if self.owed:  # DATA was written last
                raise _too_many()
            if self._doubtful:  # a recipient was accepted too, and must not get an empty message
                self._expect_new()
            else:
                self.state, self._queue = State.EMPTY_DOT, [DOT]
        if effect is _D and self.used:  # the refusal may have been a second reply to a dot
            raise _too_many()
        if effect is _D or effect is _Q:
            self.state, self._queue, self._doubtful = state, [], True
            self._recover()
        if state is State.DOT:
            self.delivered += 1
        if effect is _R:
            self._refuse(reply, state)

    def _refuse(self, reply: ServerReply, state: State) -> None:
        """DATA follows if it was not written, then RSET or QUIT, each once no reply is owed. After
        a dot none may be owed: what was announced may be out of step.
        """
        self.refusal = reply
        if state is State.DOT:
            if not self.owed:
                self.reset()
            return
        self._queue = self._queue[-1:]  # DATA is the last
        self.state, self._doubtful = State.DRAINING, False
        self._recover()

    def _recover(self) -> None:
        """What follows a reply after a refusal: RSET or QUIT, which prove that replies and commands
        are in step, once no reply is owed.
        """
        resetting = self.state is State.RESETTING
        if self.state is State.LEAVING:
            self.state, self.owed, self._doubtful = State.LEFT, 1, True
        elif self.owed or self._queue:
            pass
        elif self._doubtful:
            self.state, self._queue = State.LEAVING, [QUIT]
        elif resetting:
            self.state = State.READY
        elif self._errors >= ERRORS:
            self.state, self._queue = State.LEAVING, [QUIT]
        else:
            self.state, self._queue = State.RESETTING, [RSET] * RESETS

    def _expect_new(self) -> None:
        """ConnectionFailed where an email went before: its surplus replies may have come first."""
        if self.used:
            raise _unproved()


def _unproved() -> ConnectionFailed:
    return ConnectionFailed(Problem.PROTOCOL, "a refusal that may be an earlier reply")


def _too_many() -> ConnectionFailed:
    return ConnectionFailed(Problem.PROTOCOL, "more replies than commands")
