"""XOAUTH2 and OAUTHBEARER without a socket: what is said, and what a refusal leads to."""

import base64
import json
from collections.abc import Sequence

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.account.account import Account, AuthMechanism, Security
from domain.dialogue.bearer import LONGEST_WORD, error_of
from domain.dialogue.credential import Credential
from domain.dialogue.ends import ConnectionFailed, ExchangeEnded
from domain.dialogue.opening import LONGEST_COMMAND, Ask, LoggingIn, Opening, Resumed
from domain.dialogue.redaction import Redaction
from domain.dialogue.replies import ServerReply
from domain.outcome.handoff import Problem
from tests.builders import an_account, an_oauth_client

SCOPE = "https://mail.google.com/"
WELCOME = ServerReply(235, ("2.7.0 Accepted",))
REFUSED = ServerReply(535, ("5.7.8 Username and Password not accepted",))
LEFT = ServerReply(200, ("the server has left",))
PROMPT = ServerReply(334, ("",))
FIRST, FRESH = "ya29.first-token", "ya29.fresh-token"


def b64(text: str) -> bytes:
    return base64.b64encode(text.encode())


def challenge(told: object) -> ServerReply:
    return ServerReply(334, (b64(told if isinstance(told, str) else json.dumps(told)).decode(),))


ERROR = challenge({"status": "400", "schemes": "Bearer", "scope": SCOPE})


def account(**changes: object) -> Account:
    return an_account(
        username="ada@example.com",
        security=Security.TLS,
        sealed_password=None,
        oauth=an_oauth_client(),
        **changes,
    )


class Dialogue:
    """One login. ``lines`` are what was written, ``asked`` the tokens that were asked for."""

    def __init__(
        self,
        *replies: ServerReply | None,
        of: Account | None = None,
        offers: str = "XOAUTH2 OAUTHBEARER PLAIN LOGIN",
        tokens: Sequence[str | ExchangeEnded] = (FIRST, FRESH),
    ) -> None:
        self.lines: list[bytes] = []
        self.asked: list[bool] = []
        self.redaction = Redaction()
        self.of = of or account()
        self._tokens = list(tokens)
        self.credential = Credential(self.of, password=self._no_password, token=self._token)
        self._replies = [ServerReply(250, ("here", f"AUTH {offers}")), *replies]

    def _no_password(self) -> str:
        raise AssertionError("an OAuth account has no password")

    def _token(self, refused: str) -> str:
        self.asked.append(bool(refused))
        token = self._tokens.pop(0)
        if isinstance(token, ExchangeEnded):
            raise token
        return token

    def run(self) -> None:
        """All of it; a reply of None is a closed connection, one of LEFT was closed before."""
        self.credential.prepare()
        self.go_on()

    def go_on(self) -> None:
        opening = Opening(self.of, own_name="client", credential=self.credential, is_local=False)
        steps, answer = opening.steps(), None
        try:
            while True:
                event = steps.send(answer)
                answer = None
                if isinstance(event, Ask):
                    self.lines.append(event.line.removesuffix(b"\r\n"))
                    answer = self._replies.pop(0)
                    if answer is None:
                        raise ConnectionFailed(Problem.CLOSED, "closed")
                elif isinstance(event, Resumed) and self._replies[:1] == [LEFT]:
                    self._replies.pop(0)
                    raise ConnectionFailed(Problem.CLOSED, "closed meanwhile")
                elif isinstance(event, LoggingIn):
                    self.redaction.begin_login(event.forms)
        except StopIteration:
            assert not self._replies

    def refused(self) -> ExchangeEnded:
        with pytest.raises(ExchangeEnded) as ended:
            self.run()
        assert not self._replies, "it ended before the server was heard"
        return ended.value

    @property
    def auths(self) -> int:
        return sum(line.startswith(b"AUTH") for line in self.lines)


def xoauth2(token: str) -> bytes:
    return b64(f"user=ada@example.com\1auth=Bearer {token}\1\1")


def oauthbearer(token: str, user: str = "ada@example.com") -> bytes:
    return b64(f"n,a={user},\1host=smtp.example.com\1port=587\1auth=Bearer {token}\1\1")


def test_a_token_takes_one_command_and_one_reply() -> None:
    dialogue = Dialogue(WELCOME)
    dialogue.run()
    assert dialogue.lines == [b"EHLO client", b"AUTH XOAUTH2 " + xoauth2(FIRST)]
    assert dialogue.asked == [False]


def test_the_message_of_oauthbearer_names_user_host_and_port() -> None:
    dialogue = Dialogue(WELCOME, offers="PLAIN OAUTHBEARER")
    dialogue.run()
    assert dialogue.lines[1:] == [b"AUTH OAUTHBEARER " + oauthbearer(FIRST)]


def test_a_comma_and_an_equals_sign_in_a_user_are_escaped_for_oauthbearer() -> None:
    of = attrs.evolve(account(), username="a=b,c")
    dialogue = Dialogue(WELCOME, of=of, offers="OAUTHBEARER")
    dialogue.run()
    assert dialogue.lines[1:] == [b"AUTH OAUTHBEARER " + oauthbearer(FIRST, "a=3Db=2Cc")]


@pytest.mark.parametrize("mechanism", [AuthMechanism.XOAUTH2, AuthMechanism.OAUTHBEARER])
def test_an_account_may_name_one_of_the_two(mechanism: AuthMechanism) -> None:
    dialogue = Dialogue(WELCOME, of=account(auth_mechanism=mechanism))
    dialogue.run()
    assert dialogue.lines[1].split()[1].decode().lower() == mechanism


def longest_token() -> str:
    """The longest that fits into a command."""
    room = (LONGEST_COMMAND - len(b"AUTH XOAUTH2 ")) // 4 * 3
    return "x" * (room - len("user=ada@example.com\1auth=Bearer \1\1"))


def test_a_token_that_fills_the_command_goes_with_it() -> None:
    dialogue = Dialogue(WELCOME, tokens=[longest_token()])
    dialogue.run()
    assert len(dialogue.lines) == 2
    assert LONGEST_COMMAND - 4 < len(dialogue.lines[1]) <= LONGEST_COMMAND


def test_a_token_that_is_one_longer_waits_for_the_prompt() -> None:
    token = longest_token() + "x"
    dialogue = Dialogue(PROMPT, WELCOME, tokens=[token])
    dialogue.run()
    assert dialogue.lines[1:] == [b"AUTH XOAUTH2", xoauth2(token)]


def test_a_server_that_does_not_prompt_is_not_shown_the_token() -> None:
    dialogue = Dialogue(ServerReply(504, ("5.5.4 no",)), tokens=["x" * 500])
    assert dialogue.refused().reply == ServerReply(504, ("5.5.4 no",))
    assert dialogue.lines[1:] == [b"AUTH XOAUTH2"]


# --- refusals


@pytest.mark.parametrize(
    ("offers", "answer"), [("XOAUTH2", b""), ("OAUTHBEARER", b"AQ==")], ids=["XOAUTH2", "RFC 7628"]
)
def test_a_refused_token_is_replaced_once_over_the_same_connection(
    offers: str, answer: bytes
) -> None:
    dialogue = Dialogue(ERROR, REFUSED, WELCOME, offers=offers)
    dialogue.run()
    say = xoauth2 if offers == "XOAUTH2" else oauthbearer
    auth = f"AUTH {offers} ".encode()
    assert dialogue.lines[1:] == [auth + say(FIRST), answer, auth + say(FRESH)]
    assert dialogue.asked == [False, True]


def test_a_535_without_a_challenge_is_a_refusal_too() -> None:
    dialogue = Dialogue(REFUSED, WELCOME)
    dialogue.run()
    assert dialogue.lines[1:] == [b"AUTH XOAUTH2 " + xoauth2(token) for token in (FIRST, FRESH)]


def test_a_token_with_too_little_time_left_is_replaced() -> None:
    dialogue = Dialogue(ServerReply(501, ("5.5.127 Token will expire soon",)), WELCOME)
    dialogue.run()
    assert dialogue.asked == [False, True]


@pytest.mark.parametrize("replies", [(ERROR, REFUSED) * 2, (REFUSED,) * 2])
def test_after_two_refusals_it_ends(replies: tuple[ServerReply, ...]) -> None:
    dialogue = Dialogue(*replies)
    ended = dialogue.refused()
    assert ended.reply is not None
    assert (ended.reply.code, dialogue.auths, dialogue.asked) == (535, 2, [False, True])


def test_the_challenge_is_told_in_words_after_the_servers_own() -> None:
    ended = Dialogue(ERROR, REFUSED, ERROR, REFUSED).refused()
    assert ended.reply is not None
    assert ended.reply.as_reply().text == (
        f"5.7.8 Username and Password not accepted (status 400, scope {SCOPE})"
    )


@pytest.mark.parametrize("code", [421, 432, 451, 454])
@pytest.mark.parametrize("before", [(), (ERROR,)], ids=["at once", "after a challenge"])
def test_a_temporary_refusal_asks_for_no_fresh_token(
    code: int, before: tuple[ServerReply, ...]
) -> None:
    dialogue = Dialogue(*before, ServerReply(code, ("4.7.0 later",)))
    ended = dialogue.refused()
    assert ended.reply is not None
    assert (ended.reply.code, dialogue.auths, dialogue.asked) == (code, 1, [False])


@pytest.mark.parametrize("code", [500, 501, 502, 504, 530, 534, 538, 550, 554, 555])
def test_what_is_no_judgement_of_the_token_asks_for_no_fresh_one(code: int) -> None:
    dialogue = Dialogue(ServerReply(code, ("5.5.4 no",)))
    dialogue.refused()
    assert (dialogue.auths, dialogue.asked) == (1, [False])


def test_a_fresh_token_that_cannot_be_had_ends_it_with_its_own_problem() -> None:
    no_consent = ExchangeEnded(problem=Problem.NEEDS_CONSENT, detail="authorize it again")
    dialogue = Dialogue(ERROR, REFUSED, tokens=[FIRST, no_consent])
    assert dialogue.refused() is no_consent
    assert dialogue.auths == 1


def test_a_server_that_answers_with_challenges_for_ever_is_out_of_step() -> None:
    dialogue = Dialogue(ERROR, ERROR)
    with pytest.raises(ConnectionFailed) as failed:
        dialogue.run()
    assert (failed.value.problem, dialogue.auths) == (Problem.PROTOCOL, 1)


@pytest.mark.parametrize(
    ("replies", "auths"),
    [((ERROR, None), 1), ((REFUSED, LEFT), 1), ((ERROR, REFUSED, LEFT), 1), ((REFUSED, None), 2)],
)
def test_a_server_that_closes_over_the_first_token_is_asked_again(
    replies: tuple[ServerReply | None, ...], auths: int
) -> None:
    """Over another connection; unless it has heard the fresh one over the first."""
    dialogue = Dialogue(*replies)
    with pytest.raises(ConnectionFailed) as failed:
        dialogue.run()
    goes_on = dialogue.credential.goes_on_after(failed.value)
    assert (goes_on, dialogue.auths) == (auths == 1, auths)
    assert dialogue.asked == [False, True]


def test_over_another_connection_the_fresh_token_is_the_last() -> None:
    dialogue = Dialogue(ERROR, None, ServerReply(250, ("here", "AUTH XOAUTH2")), ERROR, REFUSED)
    with pytest.raises(ConnectionFailed) as failed:
        dialogue.run()
    assert dialogue.credential.goes_on_after(failed.value)
    with pytest.raises(ExchangeEnded):
        dialogue.go_on()
    assert not dialogue.credential.goes_on_after(failed.value)
    assert (dialogue.auths, dialogue.asked) == (2, [False, True])


@pytest.mark.parametrize("problem", [Problem.TIMEOUT, Problem.PROTOCOL])
def test_only_a_closed_connection_is_followed_by_another(problem: Problem) -> None:
    dialogue = Dialogue(ERROR, None)
    with pytest.raises(ConnectionFailed):
        dialogue.run()
    assert not dialogue.credential.goes_on_after(ConnectionFailed(problem, ""))


def test_a_server_that_closes_without_a_judgement_is_not_asked_again() -> None:
    dialogue = Dialogue(None)
    with pytest.raises(ConnectionFailed) as failed:
        dialogue.run()
    assert not dialogue.credential.goes_on_after(failed.value)


# --- which mechanism


@pytest.mark.parametrize("offers", ["PLAIN LOGIN", ""])
@pytest.mark.parametrize("named", [None, AuthMechanism.OAUTHBEARER])
def test_a_server_that_takes_no_tokens_is_told_in_words(
    offers: str, named: AuthMechanism | None
) -> None:
    dialogue = Dialogue(of=account(auth_mechanism=named), offers=offers)
    ended = dialogue.refused()
    assert ended.problem is Problem.NO_MECHANISM
    assert "OAUTHBEARER, by which a token is presented" in ended.detail
    assert ended.detail.endswith(f"the server offers {offers or 'none'}")
    assert dialogue.auths == 0


def test_a_password_is_never_presented_as_a_token() -> None:
    of = an_account(security=Security.TLS)
    with pytest.raises(ExchangeEnded) as ended:
        Dialogue(of=of, offers="XOAUTH2 OAUTHBEARER").run()
    assert ended.value.problem is Problem.NO_MECHANISM


def test_a_token_is_not_sent_without_tls() -> None:
    dialogue = Dialogue(of=attrs.evolve(account(), security=Security.PLAIN))
    ended = dialogue.refused()
    assert (ended.problem, ended.detail) == (Problem.BLOCKED, "a token is not sent without TLS")


def test_an_account_without_a_token_is_told_before_a_server_is_asked() -> None:
    unavailable = ExchangeEnded(problem=Problem.TOKEN_SERVER, detail="no answer")
    dialogue = Dialogue(tokens=[unavailable])
    with pytest.raises(ExchangeEnded) as ended:
        dialogue.run()
    assert (ended.value, dialogue.lines) == (unavailable, [])


# --- what is told of it

BAD_CHALLENGES = [
    "not json",
    "[1]",
    "{}",
    '{"status": ["400"]}',
    "[" * 60_000,
    '{"status": {"a": 1}, "scope": null}',
]


@pytest.mark.parametrize("told", BAD_CHALLENGES, ids=lambda told: told[:20])
def test_a_challenge_that_tells_nothing_is_a_refusal_all_the_same(told: str) -> None:
    dialogue = Dialogue(challenge(told), REFUSED, WELCOME)
    dialogue.run()
    assert dialogue.auths == 2


@given(st.one_of(st.text(), st.binary().map(lambda octets: base64.b64encode(octets).decode())))
def test_no_challenge_is_too_strange_to_be_told_of(text: str) -> None:
    told = error_of(ServerReply(334, (text,)))
    assert told.isprintable()
    assert len(told) <= 2 * LONGEST_WORD + 30


@given(st.dictionaries(st.sampled_from(["status", "scope", "x"]), st.text() | st.integers()))
def test_status_and_scope_are_told_if_they_are_there(claims: dict[str, object]) -> None:
    told = error_of(challenge(claims))
    assert told.isprintable()
    assert [name for name in ("status", "scope") if f"{name} " in told] or not told
    assert bool(told) is bool({"status", "scope"} & claims.keys())


def test_a_challenge_that_is_not_base64_is_a_refusal_all_the_same() -> None:
    dialogue = Dialogue(ServerReply(334, ("?",)), REFUSED, ServerReply(334, ("",)), REFUSED)
    ended = dialogue.refused()
    assert (ended.reply, dialogue.auths) == (REFUSED, 2)


def test_what_a_challenge_tells_is_short_and_printable() -> None:
    error = challenge({"status": "400\r\n\1", "scope": "s" * 5000})
    ended = Dialogue(error, REFUSED, error, REFUSED).refused()
    assert ended.reply is not None
    assert ended.reply.lines[-1] == f"(status 400, scope {'s' * LONGEST_WORD})"


@pytest.mark.parametrize("shown", [FIRST, FRESH, FRESH[5:12], xoauth2(FRESH).decode()])
def test_a_challenge_that_repeats_the_token_is_not_told(shown: str) -> None:
    error = challenge({"status": "400", "scope": f"for {shown}"})
    ended = Dialogue(error, REFUSED, error, REFUSED).refused()
    assert ended.reply == REFUSED


@pytest.mark.parametrize("token", [FIRST, FRESH])
@pytest.mark.parametrize("form", [str, lambda token: xoauth2(token).decode()])
def test_no_reply_that_holds_a_token_is_kept_whole(token: str, form) -> None:  # type: ignore[no-untyped-def]
    dialogue = Dialogue(ERROR, REFUSED, WELCOME)
    dialogue.run()
    echo = ServerReply(535, (f"5.7.8 AUTH XOAUTH2 {form(token)} is wrong",))
    assert dialogue.redaction.clean(echo).text == "5.7.8"
    dialogue.redaction.end_login()
    assert token not in dialogue.redaction.clean(echo).text
    assert form(token) not in dialogue.redaction.clean(echo).text
