"""The envelope's machine without a socket: every state and every class of reply."""

from collections.abc import Iterable

import pytest

from domain.dialogue.ends import ConnectionFailed, ExchangeEnded
from domain.dialogue.extensions import Extensions
from domain.dialogue.replies import ServerReply
from domain.dialogue.transaction import (
    DOT,
    EFFECTS,
    GROUP,
    IDLE,
    NEXT,
    QUIT,
    RECOVERING,
    RSET,
    STAGES,
    Effect,
    MailTransaction,
    State,
)
from domain.outcome.handoff import Parcel, Problem, Stage
from tests.builders import an_envelope

PIPELINING = Extensions({"PIPELINING": ""}, pipelining=True)
ONE_BY_ONE = Extensions()
CODES = (220, 221, 250, 251, 334, 354, 421, 450, 451, 500, 502, 550)
END, LEAVE = "end", "leave"


def reply(code: int) -> ServerReply:
    return ServerReply(code, ("text",))


def a_parcel(*names: str, octets: bytes = b"a\r\n") -> Parcel:
    return Parcel(an_envelope(*(names or ("ada@example.org",))), octets)


def begun(parcel: Parcel | None = None, *, offers: Extensions = PIPELINING) -> MailTransaction:
    transaction = MailTransaction(offers)
    transaction.begin(parcel or a_parcel())
    transaction.next_group()
    return transaction


def hear(transaction: MailTransaction, codes: Iterable[int]) -> MailTransaction:
    """Write what is due before each reply is read."""
    for code in codes:
        if not transaction.owed:
            transaction.next_group()
        transaction.heard(reply(code))
    return transaction


def at_dot(parcel: Parcel | None = None, *, then: Parcel | None = None) -> MailTransaction:
    transaction = hear(begun(parcel), [250, 250, 354])
    transaction.announce(then)
    transaction.dot_written()
    return transaction


def in_state(state: State, *, delivered: int = 0) -> MailTransaction:
    """A transaction that has come to *state* by replies; one reply is owed."""
    transaction = MailTransaction(PIPELINING)
    if delivered:
        transaction = at_dot()
        transaction.heard(reply(250))
    if state is State.DOT:
        transaction = hear(begun(), [250, 250, 354])
        transaction.dot_written()
        return transaction
    transaction.begin(a_parcel())
    transaction.next_group()
    codes = {
        State.MAIL: [],
        State.RCPT: [250],
        State.DATA: [250, 250],
        State.BODY: [250, 250, 354],
        State.DRAINING: [250, 550],
        State.EMPTY_DOT: [250, 550, 354],
        State.RESETTING: [250, 550, 554, 250],
        State.LEAVING: [250, 550, 554, 250, 500],
        State.LEFT: [250, 550, 554, 250, 500, 250],
    }
    hear(transaction, codes[state])
    if not transaction.owed and state is not State.BODY:
        transaction.next_group()
    assert transaction.state is state
    return transaction


def class_of(code: int) -> str:
    named = {221: "221", 250: "250", 354: "354", 421: "421"}
    return named.get(code, f"{code // 100}xx")


# What each class of reply leads to: a state, the end of email and session, or a problem.
OUT = Problem.PROTOCOL
TABLE: dict[State, dict[str, State | Problem | str]] = {
    State.MAIL: {
        **dict.fromkeys(("221", "250", "2xx"), State.RCPT),
        **dict.fromkeys(("354", "3xx"), OUT),
        "421": END,
        **dict.fromkeys(("4xx", "5xx"), State.DRAINING),
    },
    State.RCPT: {
        **dict.fromkeys(("221", "250", "2xx"), State.DATA),
        **dict.fromkeys(("354", "3xx"), OUT),
        "421": END,
        **dict.fromkeys(("4xx", "5xx"), State.DRAINING),
    },
    State.DATA: {
        **dict.fromkeys(("221", "250", "2xx", "3xx"), OUT),
        "354": State.BODY,
        "421": END,
        **dict.fromkeys(("4xx", "5xx"), State.RESETTING),
    },
    State.BODY: {
        **dict.fromkeys(("221", "250", "2xx", "354", "3xx"), OUT),
        **dict.fromkeys(("421", "4xx", "5xx"), END),
    },
    State.DOT: {
        **dict.fromkeys(("221", "250", "2xx"), State.READY),
        **dict.fromkeys(("354", "3xx"), OUT),
        "421": LEAVE,
        **dict.fromkeys(("4xx", "5xx"), State.RESETTING),
    },
    State.DRAINING: {
        **dict.fromkeys(("221", "250", "2xx"), State.LEAVING),
        "3xx": OUT,
        "354": State.EMPTY_DOT,
        "421": LEAVE,
        **dict.fromkeys(("4xx", "5xx"), State.RESETTING),
    },
    State.EMPTY_DOT: {
        **dict.fromkeys(("221", "250", "2xx"), State.LEAVING),
        **dict.fromkeys(("354", "3xx"), OUT),
        "421": LEAVE,
        **dict.fromkeys(("4xx", "5xx"), State.RESETTING),
    },
    State.RESETTING: {
        "250": State.READY,
        "421": LEAVE,
        **dict.fromkeys(("221", "2xx", "4xx", "5xx"), State.LEAVING),
        **dict.fromkeys(("354", "3xx"), OUT),
    },
    State.LEAVING: {
        "221": LEAVE,
        **dict.fromkeys(("354", "3xx"), OUT),
        **dict.fromkeys(("250", "2xx", "421", "4xx", "5xx"), State.LEFT),
    },
    State.LEFT: dict.fromkeys(("221", "250", "2xx", "354", "3xx", "421", "4xx", "5xx"), OUT),
}


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("state", TABLE)
def test_each_reply_leads_where_the_table_says(state: State, code: int) -> None:
    transaction = in_state(state)
    expected = TABLE[state][class_of(code)]
    if expected is OUT:
        with pytest.raises(ConnectionFailed) as failed:
            transaction.heard(reply(code))
        assert failed.value.problem is Problem.PROTOCOL
        expected = LEAVE
    elif expected == END:
        with pytest.raises(ExchangeEnded) as ended:
            transaction.heard(reply(code))
        assert ended.value.reply == reply(code)
        expected = LEAVE
    else:
        transaction.heard(reply(code))
    assert transaction.state is (State.OVER if expected == LEAVE else expected)


def test_every_state_that_expects_a_reply_is_in_the_table() -> None:
    assert set(TABLE) == set(EFFECTS) == set(State) - {State.READY, State.OVER}
    advancing = {state for state in EFFECTS if Effect.ADVANCE in EFFECTS[state].values()}
    assert advancing == set(NEXT) | RECOVERING - {State.LEFT}
    assert set(EFFECTS) == set(STAGES) | RECOVERING
    assert all(set(range(2, 6)) <= set(effects) for effects in EFFECTS.values())


@pytest.mark.parametrize("state", [State.DRAINING, State.EMPTY_DOT])
@pytest.mark.parametrize("code", [220, 250, 334])
def test_what_is_taken_after_a_refusal_is_out_of_step_where_an_email_went_before(
    state: State, code: int
) -> None:
    with pytest.raises(ConnectionFailed, match="more replies than commands"):
        in_state(state, delivered=1).heard(reply(code))


@pytest.mark.parametrize("state", TABLE)
def test_the_stage_is_the_one_that_the_email_came_to(state: State) -> None:
    refused_at = Stage.RCPT if state in RECOVERING else STAGES.get(state)
    assert in_state(state).stage is refused_at


# --- groups


def test_with_pipelining_the_envelope_is_one_group() -> None:
    transaction = MailTransaction(PIPELINING)
    transaction.begin(a_parcel("ada@example.org", "bob@example.org"))
    assert transaction.next_group() == (
        b"MAIL FROM:<sender@example.com>\r\n"
        b"RCPT TO:<ada@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"
    )
    assert transaction.owed == 4


def test_without_pipelining_each_command_waits_for_its_reply() -> None:
    transaction = MailTransaction(ONE_BY_ONE)
    transaction.begin(a_parcel())
    written = []
    for code in (250, 250, 354):
        written.append(transaction.next_group())
        transaction.heard(reply(code))
    assert [command[:4] for command in written] == [b"MAIL", b"RCPT", b"DATA"]
    assert transaction.state is State.BODY


def test_a_large_envelope_goes_in_groups_whose_replies_fit_into_a_buffer() -> None:
    transaction = MailTransaction(PIPELINING)
    transaction.begin(a_parcel(*[f"reader-{n}@example.org" for n in range(150)]))
    assert transaction.next_group().count(b"\r\n") == GROUP
    for _ in range(GROUP):
        transaction.heard(reply(250))
    assert transaction.next_group().count(b"\r\n") == 152 - GROUP


@pytest.mark.parametrize("code", [450, 550])
def test_only_data_is_written_of_an_envelope_that_is_refused(code: int) -> None:
    transaction = hear(begun(offers=ONE_BY_ONE), [code])
    assert (transaction.state, transaction.next_group()) == (State.DRAINING, b"DATA\r\n")


def test_only_data_follows_the_first_group_of_a_large_envelope_that_is_refused() -> None:
    names = [f"reader-{n}@example.org" for n in range(150)]
    transaction = hear(begun(a_parcel(*names)), [550] + [503] * (GROUP - 1))
    assert (transaction.state, transaction.next_group()) == (State.DRAINING, b"DATA\r\n")


def test_no_data_follows_where_recipients_were_accepted_after_a_refusal() -> None:
    names = [f"reader-{n}@example.org" for n in range(150)]
    transaction = hear(begun(a_parcel(*names)), [550] + [250] * (GROUP - 1))
    assert (transaction.state, transaction.next_group()) == (State.LEAVING, QUIT)


def refused(transaction: MailTransaction) -> bytes:
    """Refuse the only recipient of an email; what is written then. RSETs are answered."""
    transaction.begin(a_parcel("a@example.org"))
    transaction.next_group()
    hear(transaction, [250, 550, 554])
    group = transaction.next_group()
    if group != QUIT:
        hear(transaction, [250, 250])
    return group


def test_a_connection_is_left_after_so_many_refused_commands() -> None:
    transaction = MailTransaction(PIPELINING)
    assert [refused(transaction) for _ in range(4)] == [RSET * 2] * 3 + [QUIT]
    transaction.heard(reply(221))
    assert (transaction.state, transaction.refusal) == (State.OVER, reply(550))


def test_an_accepted_message_begins_the_count_of_refused_commands_anew() -> None:
    transaction = MailTransaction(PIPELINING)
    assert [refused(transaction) for _ in range(3)] == [RSET * 2] * 3
    transaction.begin(a_parcel("b@example.org"))
    transaction.next_group()
    hear(transaction, [250, 250, 354])
    transaction.dot_written()
    transaction.heard(reply(250))
    assert [refused(transaction) for _ in range(3)] == [RSET * 2] * 3


# --- recipients


def test_one_accepted_recipient_is_enough() -> None:
    transaction = hear(begun(a_parcel("a@example.org", "b@example.org")), [250, 550, 250, 354])
    assert transaction.state is State.BODY
    assert [each.code for each in transaction.replies] == [550, 250]


def test_when_all_recipients_are_refused_the_last_reply_is_the_refusal() -> None:
    transaction = hear(begun(a_parcel("a@example.org", "b@example.org")), [250, 450, 550])
    assert transaction.refusal == reply(550)
    assert [each.code for each in transaction.replies] == [450, 550]


def test_the_recipient_who_hears_the_goodbye_is_among_the_replies() -> None:
    transaction = begun(a_parcel("a@example.org", "b@example.org"))
    with pytest.raises(ExchangeEnded):
        hear(transaction, [250, 250, 421])
    assert [each.code for each in transaction.replies] == [250, 421]


# --- recovering


def test_a_refusal_is_followed_by_rset() -> None:
    transaction = hear(begun(), [250, 550, 554])
    assert transaction.next_group() == RSET * 2
    hear(transaction, [250, 250])
    assert transaction.state is State.READY
    assert transaction.stage is Stage.RCPT


def test_data_that_was_taken_after_a_refusal_is_ended_empty() -> None:
    transaction = hear(begun(), [250, 550, 354])
    assert (transaction.state, transaction.next_group()) == (State.EMPTY_DOT, DOT)
    transaction.heard(reply(554))
    assert transaction.next_group() == RSET * 2


def test_no_recipient_who_was_accepted_after_a_refused_sender_gets_an_empty_message() -> None:
    parcel = a_parcel("ada@example.org", "bob@example.org")
    transaction = hear(begun(parcel), [550, 250, 550, 354])

    assert transaction.state is State.OVER
    assert transaction.refusal == reply(550)


def test_a_354_that_is_not_the_last_reply_is_none_to_data() -> None:
    transaction = hear(begun(a_parcel("a@example.org")), [550])
    with pytest.raises(ConnectionFailed, match="more replies than commands"):
        transaction.heard(reply(354))
    assert transaction.state is State.OVER


@pytest.mark.parametrize(
    ("names", "offers", "codes"),
    [
        (["a@example.org"], ONE_BY_ONE, [550]),
        (["a@example.org"], ONE_BY_ONE, [250, 550]),
        (["a@example.org", "b@example.org"], ONE_BY_ONE, [250, 450, 550]),
    ],
)
def test_a_refusal_before_data_is_proved_by_data_and_two_resets(
    names: list[str], offers: Extensions, codes: list[int]
) -> None:
    transaction = hear(begun(a_parcel(*names), offers=offers), codes)
    for command, code in ((b"DATA\r\n", 503), (RSET, 250), (RSET, 250)):
        assert transaction.next_group() == command
        transaction.heard(reply(code))
    assert (transaction.state, transaction.refusal) == (State.READY, reply(codes[-1]))


@pytest.mark.parametrize(
    ("offers", "codes"),
    [(PIPELINING, [550, 503, 503]), (PIPELINING, [250, 250, 451]), (ONE_BY_ONE, [250, 250, 451])],
)
def test_after_data_was_written_two_resets_prove_the_refusal(
    offers: Extensions, codes: list[int]
) -> None:
    transaction = hear(begun(offers=offers), codes)
    assert transaction.state is State.RESETTING
    hear(transaction, [250])
    assert transaction.state is State.RESETTING
    hear(transaction, [250])
    assert transaction.state is State.READY


def test_both_resets_are_answered_before_a_wrong_answer_is_checked() -> None:
    transaction = hear(begun(), [250, 550, 554, 500])
    assert (transaction.state, transaction.owed) == (State.RESETTING, 1)
    transaction.heard(reply(250))
    assert (transaction.state, transaction.next_group()) == (State.LEAVING, QUIT)


def test_a_wrong_answer_to_rset_is_checked_by_leaving() -> None:
    transaction = hear(begun(), [250, 550, 554, 500, 500])
    assert (transaction.state, transaction.next_group()) == (State.LEAVING, QUIT)
    transaction.heard(reply(221))
    assert transaction.state is State.OVER


def test_a_refused_dot_leaves_rset_to_the_next_email() -> None:
    transaction = at_dot()
    transaction.heard(reply(451))
    assert transaction.state in IDLE
    assert transaction.next_group() == RSET


def lost(problem: Problem) -> ConnectionFailed:
    return ConnectionFailed(problem, "lost")


@pytest.mark.parametrize("state", [*STAGES])
def test_a_connection_that_fails_in_an_email_is_told(state: State) -> None:
    transaction = in_state(state)
    with pytest.raises(ConnectionFailed):
        transaction.lost(lost(Problem.CLOSED))
    assert transaction.state is State.OVER


@pytest.mark.parametrize("state", sorted(RECOVERING))
def test_a_connection_that_is_lost_after_a_refusal_leaves_the_refusal(state: State) -> None:
    transaction = in_state(state)
    transaction.lost(lost(Problem.CLOSED))
    assert (transaction.state, transaction.refusal) == (State.OVER, reply(550))


@pytest.mark.parametrize("problem", [Problem.CLOSED, Problem.TIMEOUT, Problem.PROTOCOL])
@pytest.mark.parametrize("state", sorted(RECOVERING))
def test_a_refusal_that_nothing_proves_does_not_count_where_an_email_went_before(
    state: State, problem: Problem
) -> None:
    with pytest.raises(ConnectionFailed) as failed:
        in_state(state, delivered=1).lost(lost(problem))
    assert failed.value.problem is Problem.PROTOCOL


@pytest.mark.parametrize("state", [State.DRAINING, State.EMPTY_DOT, State.RESETTING])
def test_a_goodbye_proves_no_refusal_where_an_email_went_before(state: State) -> None:
    with pytest.raises(ConnectionFailed, match="earlier reply"):
        in_state(state, delivered=1).heard(reply(421))


@pytest.mark.parametrize("state", [State.LEAVING, State.LEFT])
def test_a_late_reply_to_quit_after_a_wrong_one_to_rset_makes_the_refusal_doubtful(
    state: State,
) -> None:
    with pytest.raises(ConnectionFailed, match="earlier reply"):
        in_state(state).lost(lost(Problem.TIMEOUT))


def test_a_reset_that_hangs_after_an_accepted_recipient_makes_the_refusal_doubtful() -> None:
    transaction = hear(begun(), [250, 250, 451])
    transaction.next_group()
    with pytest.raises(ConnectionFailed, match="earlier reply"):
        transaction.lost(lost(Problem.TIMEOUT))


@pytest.mark.parametrize("state", [State.DRAINING, State.EMPTY_DOT])
def test_a_reply_that_is_none_makes_the_refusal_before_it_doubtful(state: State) -> None:
    with pytest.raises(ConnectionFailed):
        in_state(state).lost(lost(Problem.PROTOCOL))


# --- replies before their command


@pytest.mark.parametrize("code", [250, 354, 450, 550])
def test_a_reply_before_its_command_is_out_of_step(code: int) -> None:
    transaction = MailTransaction(PIPELINING)
    transaction.begin(a_parcel())
    with pytest.raises(ConnectionFailed, match="nobody asked"):
        transaction.unasked(reply(code))
    assert transaction.state is State.OVER


def test_a_goodbye_before_a_command_ends_the_email() -> None:
    transaction = MailTransaction(PIPELINING)
    transaction.begin(a_parcel())
    with pytest.raises(ExchangeEnded):
        transaction.unasked(reply(421))


def test_a_goodbye_before_rset_leaves_the_refusal() -> None:
    transaction = hear(begun(), [250, 550, 554])
    transaction.unasked(reply(421))
    assert (transaction.state, transaction.refusal) == (State.OVER, reply(550))


@pytest.mark.parametrize(("second", "differs"), [(250, False), (550, True), (421, False)])
def test_two_replies_to_one_dot_end_the_session_and_may_contradict(
    second: int, differs: bool
) -> None:
    transaction = at_dot()
    transaction.heard(reply(250))
    if differs:
        with pytest.raises(ConnectionFailed, match="both 250 and 550"):
            transaction.heard_again(reply(second), reply(250))
    else:
        transaction.heard_again(reply(second), reply(250))
    assert transaction.state is State.OVER


# --- announcing


def test_an_announced_envelope_is_not_written_again() -> None:
    following = a_parcel("bob@example.org")
    transaction = at_dot(then=following)
    transaction.heard(reply(250))
    assert transaction.announced is following
    assert transaction.owed == 3
    transaction.begin(following)
    hear(transaction, [250, 250, 354])
    assert (transaction.state, transaction.announced) == (State.BODY, None)


def test_after_a_refused_dot_what_was_announced_may_be_out_of_step() -> None:
    transaction = at_dot(then=a_parcel("bob@example.org"))
    transaction.heard(reply(451))
    assert transaction.state is State.OVER


@pytest.mark.parametrize(
    ("offers", "parcel"),
    [
        (ONE_BY_ONE, a_parcel()),
        (PIPELINING, None),
        (PIPELINING, a_parcel("jürgen@example.org")),
        (PIPELINING, a_parcel(*[f"reader-{n}@example.org" for n in range(GROUP - 1)])),
    ],
)
def test_what_cannot_be_written_with_the_dot_is_not_announced(
    offers: Extensions, parcel: Parcel | None
) -> None:
    transaction = begun(offers=offers)
    assert transaction.announce(parcel) == b""
    assert transaction.announced is None


# --- what the server lacks


@pytest.mark.parametrize(
    ("offers", "parcel", "problem"),
    [
        (Extensions({"SIZE": "2"}, max_octets=2), a_parcel(), Problem.TOO_BIG),
        (PIPELINING, a_parcel("jürgen@example.org"), Problem.SMTPUTF8),
    ],
)
def test_an_email_that_the_server_cannot_take_leaves_the_session_ready(
    offers: Extensions, parcel: Parcel, problem: Problem
) -> None:
    transaction = MailTransaction(offers)
    with pytest.raises(ExchangeEnded) as ended:
        transaction.begin(parcel)
    assert ended.value.problem is problem
    assert (transaction.state, transaction.stage) == (State.READY, Stage.MAIL)


def test_the_count_of_answered_dots_includes_refusals() -> None:
    transaction = at_dot()
    transaction.heard(reply(250))
    transaction.begin(a_parcel())
    hear(transaction, [250, 250, 354])
    transaction.dot_written()
    transaction.heard(reply(550))
    assert transaction.delivered == 2
