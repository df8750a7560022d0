"""What every `Sender` does, whoever the server is: one suite for the fake and for the real one.

Each test plays a `Script` and says which `Handoff` must come of it. A sender that someone else
writes proves itself by subclassing `SenderContract` and saying how a script is played to it.
"""

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Final

import attrs
import pytest

from adapters.fakes.bearer import SCOPE
from adapters.fakes.sender import RSET, Answer, Fault, Rule, Script
from adapters.fakes.tokens import FakeTokens
from adapters.fakes.vault import FakeVault
from application.ports.sender import Sender
from domain.account.account import Account, AuthMechanism, Security
from domain.address import Address
from domain.errors import StoreUnavailable
from domain.message.attachment import CHUNK, Blob
from domain.message.skeleton import PlacedBlob
from domain.outcome.handoff import (
    Envelope,
    Handoff,
    LargeParts,
    Parcel,
    Problem,
    RecipientReply,
    Reply,
    Stage,
)
from tests.builders import an_account, an_envelope, an_oauth_client

PASSWORD: Final = "correct horse battery staple"
MESSAGE: Final = b"Subject: Hello\r\n\r\nHello.\r\n"
LARGE: Final = b"Subject: Large\r\n\r\n" + b"x" * 70 + b"\r\n" * 8_000_000
ADA, BOB, EVE = (Address.parse(f"{name}@example.org") for name in ("ada", "bob", "eve"))
OK: Final = Reply.of(250, "2.1.5 ok")
TAKEN: Final = Reply.of(250, "2.0.0 taken")

PASSWORD_MECHANISMS: Final = tuple(each for each in AuthMechanism if not each.takes_token)
BEARERS: Final = ("XOAUTH2", "OAUTHBEARER")
TOKEN_REFUSED: Final = Reply.of(535, f"5.7.8 token refused (status 401, scope {SCOPE})")
STAGES: Final = (
    Stage.BANNER,
    Stage.EHLO,
    Stage.AUTH,
    Stage.MAIL,
    Stage.RCPT,
    Stage.DATA,
    Stage.BODY,
    Stage.DOT,
)
PROBLEMS: Final = {
    Fault.CLOSE: Problem.CLOSED,
    Fault.RST: Problem.CLOSED,
    Fault.HANG: Problem.TIMEOUT,
    Fault.DRIP: Problem.TIMEOUT,
    Fault.GARBAGE: Problem.PROTOCOL,
    Fault.MIXED: Problem.PROTOCOL,
    Fault.ENDLESS: Problem.PROTOCOL,
    Fault.HUGE: Problem.PROTOCOL,
}


VAULT: Final = FakeVault()
TOKENS: Final = FakeTokens()


class Permission:
    """A before_dot that counts how often it was asked."""

    def __init__(self, answer: bool = True) -> None:
        self.answer = answer
        self.asked = 0

    def __call__(self) -> bool:
        self.asked += 1
        return self.answer


@attrs.frozen
class Played:
    """A sender, the account it sends for, and what its server has taken."""

    sender: Sender
    account: Account
    taken: Callable[[], list[tuple[tuple[str, ...], bytes]]]

    def by_token(self, *tokens: str | Problem) -> "Played":
        """The same, by an account that logs in with these tokens, one after the other."""
        account = attrs.evolve(self.account, sealed_password=None, oauth=an_oauth_client())
        TOKENS.give(account, *tokens)
        return attrs.evolve(self, account=account)

    @property
    def asked_for_tokens(self) -> Sequence[bool]:
        """Whether a refused one was named, each time that one was asked for."""
        return TOKENS.asked(self.account)

    def send(
        self,
        *recipients: Address,
        octets: bytes = MESSAGE,
        before_dot: Callable[[], bool] | None = None,
        still: Callable[[], bool] = lambda: True,
        envelope: Envelope | None = None,
    ) -> Handoff:
        """One attempt, to ada unless others are named; without the words meant for people."""
        names = tuple(str(address) for address in recipients or (ADA,))
        parcel = Parcel(envelope or an_envelope(*names), octets)
        with self.sender.converse(self.account) as conversation:
            return plain(
                conversation.send(parcel, before_dot=before_dot or Permission(), still=still)
            )

    def send_all(
        self, parcels: Sequence[Parcel], *, before_dot: Callable[[], bool]
    ) -> list[Handoff]:
        """One after the other in one conversation, each told with the one before it."""
        handoffs = []
        with self.sender.converse(self.account) as conversation:
            for parcel, following in zip_longest(parcels, parcels[1:]):
                handoff = conversation.send(
                    parcel, before_dot=before_dot, then=lambda parcel=following: parcel
                )
                handoffs.append(plain(handoff))
        return handoffs


def plain(handoff: Handoff) -> Handoff:
    """The hand-off without its detail, which is for people."""
    return attrs.evolve(handoff, detail="")


def an_account_at(host: str, port: int, **changes: object) -> Account:
    """An account on a server of ours, with the password it expects."""
    account = an_account(
        id=7,
        host=host,
        port=port,
        security=Security.PLAIN,
        username="user",
        sealed_password=VAULT.seal(PASSWORD, context="account:7"),
    )
    return attrs.evolve(account, **changes)


def answered(
    *replies: Reply, to: tuple[Address, ...] = (ADA, BOB, EVE)
) -> tuple[RecipientReply, ...]:
    """The replies to RCPT in the envelope's order."""
    return tuple(map(RecipientReply, to, replies))


def recipients_after(stage: Stage, problem: Problem) -> tuple[RecipientReply, ...]:
    """The same, after a problem: replies that are out of step belong to nobody."""
    lost = problem is Problem.PROTOCOL and stage in (Stage.MAIL, Stage.RCPT, Stage.DATA)
    return () if lost else recipients_by(stage)


def recipients_by(stage: Stage) -> tuple[RecipientReply, ...]:
    """Who has been accepted when a dialogue with one recipient ends at *stage*."""
    return answered(OK) if stage in (Stage.DATA, Stage.BODY, Stage.DOT) else ()


def octets_for(stage: Stage) -> bytes:
    """A message that does not fit into the kernel's buffers if its body is to meet something."""
    return LARGE if stage is Stage.BODY else MESSAGE


class SenderContract:
    """The suite. A subclass says how a script is played, and with or without PIPELINING."""

    pipelining = True
    announces = False
    security = Security.PLAIN

    def playing(self, script: Script) -> AbstractContextManager[Played]:
        """A sender and an account whose server follows *script*."""
        raise NotImplementedError

    @contextmanager
    def played(self, *rules: Rule, **offers: object) -> Iterator[Played]:
        """The same, for a few rules and the extensions of this class."""
        script = attrs.evolve(Script(rules, password=PASSWORD), **offers)
        if not self.pipelining:
            kept = tuple(each for each in script.extensions if each != "PIPELINING")
            script = attrs.evolve(script, extensions=kept)
        with self.playing(script) as played:
            yield played

    # --- a good server

    def test_a_message_is_accepted_with_the_servers_last_reply(self) -> None:
        with self.played() as played:
            handoff = played.send()
        assert handoff == Handoff(stage=Stage.DOT, reply=TAKEN, recipients=answered(OK))

    def test_the_server_gets_the_octets_unchanged(self) -> None:
        octets = b"Subject: Dots\r\n\r\n.\r\n..\r\n.a\r\n\r\n.\r\n"
        with self.played() as played:
            played.send(octets=octets)
            assert played.taken() == [((str(ADA),), octets)]

    def test_recipients_are_asked_in_the_envelopes_order(self) -> None:
        with self.played() as played:
            handoff = played.send(EVE, ADA, BOB)
        assert [answer.address for answer in handoff.recipients] == [EVE, ADA, BOB]

    def test_many_messages_go_one_after_the_other(self) -> None:
        with self.played() as played:
            handoffs = [played.send() for _ in range(5)]
            assert all(handoff.accepted for handoff in handoffs)
            assert len(played.taken()) == 5

    def test_an_accepted_message_leaves_the_session_usable(self) -> None:
        with self.played() as played:
            assert played.send().usable

    # --- the permission before the dot

    def test_the_permission_is_asked_once(self) -> None:
        permission = Permission()
        with self.played() as played:
            played.send(before_dot=permission)
        assert permission.asked == 1

    def test_without_the_permission_nothing_is_accepted(self) -> None:
        with self.played() as played:
            handoff = played.send(before_dot=Permission(False))
            assert not played.taken()
        assert handoff == Handoff(
            stage=Stage.BODY, problem=Problem.STOPPED, recipients=answered(OK)
        )
        assert not handoff.usable

    def test_a_permission_that_no_longer_holds_in_the_last_moment_is_none(self) -> None:
        asked: list[str] = []
        with self.played() as played:
            handoff = played.send(
                before_dot=lambda: not asked.append("before"),  # type: ignore[func-returns-value]
                still=lambda: bool(asked.append("still")),  # type: ignore[func-returns-value]
            )
            assert not played.taken()
            assert played.send().accepted
        assert asked == ["before", "still"]
        assert (handoff.stage, handoff.problem) == (Stage.BODY, Problem.STOPPED)

    def test_after_a_denied_permission_the_next_message_goes_out(self) -> None:
        with self.played() as played:
            played.send(before_dot=Permission(False))
            assert played.send().accepted
            assert len(played.taken()) == 1

    def test_what_the_permission_raises_is_passed_on_and_nothing_is_accepted(self) -> None:
        def broken() -> bool:
            raise RuntimeError("the store is gone")

        with self.played() as played:
            with pytest.raises(RuntimeError, match="the store is gone"):
                played.send(before_dot=broken)
            assert not played.taken()
            assert played.send().accepted

    @pytest.mark.parametrize("stage", [s for s in STAGES if s is not Stage.DOT])
    def test_the_permission_is_not_asked_when_the_dialogue_ends_before(self, stage: Stage) -> None:
        permission = Permission()
        with self.played(Rule(stage, "451 4.3.0 later")) as played:
            played.send(octets=octets_for(stage), before_dot=permission)
        assert permission.asked == 0

    # --- refusals

    @pytest.mark.parametrize("stage", STAGES)
    @pytest.mark.parametrize("text", ["421 4.3.2 going", "450 4.2.0 later", "550 5.0.0 never"])
    def test_a_refusal_ends_at_its_stage_with_the_reply(self, stage: Stage, text: str) -> None:
        reply = Reply.of(int(text[:3]), text[4:])
        heard = answered(reply) if stage is Stage.RCPT else recipients_by(stage)
        with self.played(Rule(stage, text)) as played:
            handoff = played.send(octets=octets_for(stage))
            assert not played.taken()
        assert handoff == Handoff(stage=stage, reply=reply, recipients=heard)

    @pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT])
    def test_a_refused_transaction_leaves_the_session_usable(self, stage: Stage) -> None:
        with self.played(Rule(stage, "550 5.0.0 never", times=1)) as played:
            assert played.send().usable
            assert played.send().accepted

    @pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT])
    def test_a_421_does_not_leave_the_session_usable(self, stage: Stage) -> None:
        with self.played(Rule(stage, "421 4.3.2 going", times=1)) as played:
            assert not played.send().usable
            assert played.send().accepted

    def test_the_reply_keeps_all_its_lines_and_its_enhanced_status(self) -> None:
        rule = Rule(Stage.DOT, "554-5.7.1 refused\n554 5.7.1 see https://example.org")
        with self.played(rule) as played:
            reply = played.send().reply
        assert reply is not None
        assert reply.enhanced == "5.7.1"
        assert reply.text == "5.7.1 refused see https://example.org"

    def test_a_refused_recipient_does_not_stop_the_others(self) -> None:
        with self.played(Rule(Stage.RCPT, "550 5.1.1 unknown", recipient=str(BOB))) as played:
            handoff = played.send(ADA, BOB, EVE)
            assert [names for names, _ in played.taken()] == [(str(ADA), str(EVE))]
        assert handoff == Handoff(
            stage=Stage.DOT,
            reply=TAKEN,
            recipients=answered(OK, Reply.of(550, "5.1.1 unknown"), OK),
        )

    def test_the_replies_251_and_252_accept_a_recipient(self) -> None:
        with self.played(
            Rule(Stage.RCPT, "251 will forward", recipient=str(ADA)),
            Rule(Stage.RCPT, "252 will try", recipient=str(BOB)),
        ) as played:
            handoff = played.send(ADA, BOB)
        assert handoff.accepted

    def test_when_all_recipients_are_refused_the_last_reply_ends_it(self) -> None:
        first, last = Reply.of(450, "4.2.1 busy"), Reply.of(550, "5.1.1 unknown")
        with self.played(
            Rule(Stage.RCPT, str(first), recipient=str(ADA)),
            Rule(Stage.RCPT, str(last), recipient=str(BOB)),
        ) as played:
            handoff = played.send(ADA, BOB)
        assert handoff == Handoff(stage=Stage.RCPT, reply=last, recipients=answered(first, last))

    def test_an_empty_message_for_nobody_is_never_counted_as_accepted(self) -> None:
        refused = Reply.of(550, "5.1.1 unknown")
        with self.played(
            Rule(Stage.RCPT, str(refused)), Rule(Stage.DATA, "354 all the same")
        ) as played:
            handoff = played.send()
            assert not played.taken()
        assert handoff == Handoff(stage=Stage.RCPT, reply=refused, recipients=answered(refused))

    def test_a_421_to_one_recipient_ends_the_dialogue(self) -> None:
        gone = Reply.of(421, "4.3.2 going")
        with self.played(Rule(Stage.RCPT, str(gone), recipient=str(BOB))) as played:
            handoff = played.send(ADA, BOB, EVE)
        assert handoff == Handoff(stage=Stage.RCPT, reply=gone, recipients=answered(OK, gone))

    @pytest.mark.parametrize("announcing", [False, True])
    @pytest.mark.parametrize(
        "answer", [Fault.ACCEPT_CLOSE, Fault.CLOSE, Fault.GARBAGE, "421 4.3.2 bye", "503 5.5.1 no"]
    )
    def test_what_follows_a_dot_on_a_used_connection_is_told_and_never_sent_again(
        self, answer: Answer, announcing: bool
    ) -> None:
        with self.played(Rule(Stage.DOT, answer, message=2)) as played:
            if announcing:
                handoffs = played.send_all([a_parcel(n) for n in range(2)], before_dot=Permission())
            else:
                handoffs = [played.send(), played.send()]
            assert [handoff.accepted for handoff in handoffs] == [True, False]
            assert handoffs[1].stage is Stage.DOT
            assert len(played.taken()) == (2 if answer is Fault.ACCEPT_CLOSE else 1)

    # --- replies that are none

    @pytest.mark.parametrize("stage", [s for s in STAGES if s is not Stage.DATA])
    def test_a_3xx_where_none_is_expected_is_no_reply(self, stage: Stage) -> None:
        with self.played(Rule(stage, "354 what?")) as played:
            handoff = played.send(octets=octets_for(stage))
        assert handoff == Handoff(
            stage=stage, problem=Problem.PROTOCOL, recipients=recipients_by(stage)
        )

    @pytest.mark.parametrize("text", ["250 ok", "334 what?"])
    def test_nothing_below_400_but_354_is_a_reply_to_data(self, text: str) -> None:
        with self.played(Rule(Stage.DATA, text)) as played:
            handoff = played.send()
        assert handoff == Handoff(stage=Stage.DATA, problem=Problem.PROTOCOL)

    @pytest.mark.parametrize("fault", PROBLEMS)
    @pytest.mark.parametrize("stage", STAGES)
    def test_a_fault_ends_at_its_stage_with_its_problem(self, stage: Stage, fault: Fault) -> None:
        with self.played(Rule(stage, fault)) as played:
            handoff = played.send(octets=octets_for(stage))
            assert not played.taken()
        assert handoff == Handoff(
            stage=stage,
            problem=PROBLEMS[fault],
            recipients=recipients_after(stage, PROBLEMS[fault]),
        )
        assert not handoff.usable

    @pytest.mark.parametrize("fault", PROBLEMS)
    def test_only_a_fault_after_the_dot_leaves_the_outcome_unknown(self, fault: Fault) -> None:
        with self.played(Rule(Stage.DOT, fault)) as played:
            assert played.send().unknown
        with self.played(Rule(Stage.DATA, fault)) as played:
            assert not played.send().unknown

    @pytest.mark.parametrize(
        ("fault", "problem"),
        [(Fault.ACCEPT_HANG, Problem.TIMEOUT), (Fault.ACCEPT_CLOSE, Problem.CLOSED)],
    )
    def test_a_message_that_is_taken_in_silence_has_an_unknown_outcome(
        self, fault: Fault, problem: Problem
    ) -> None:
        with self.played(Rule(Stage.DOT, fault)) as played:
            handoff = played.send()
            assert len(played.taken()) == 1
        assert handoff == Handoff(stage=Stage.DOT, problem=problem, recipients=answered(OK))
        assert handoff.unknown

    @pytest.mark.parametrize("stage", [Stage.BANNER, Stage.EHLO, Stage.AUTH, Stage.DATA])
    def test_the_message_after_a_fault_goes_out(self, stage: Stage) -> None:
        with self.played(Rule(stage, Fault.CLOSE, times=1)) as played:
            assert not played.send().accepted
            assert played.send().accepted

    # --- one reply too many

    @pytest.mark.parametrize(
        ("stage", "noticed"),
        [
            (Stage.BANNER, Stage.EHLO),
            (Stage.EHLO, Stage.AUTH),
            (Stage.AUTH, Stage.MAIL),
            (Stage.DATA, Stage.BODY),
            (Stage.BODY, Stage.BODY),
        ],
    )
    def test_a_reply_nobody_asked_for_is_not_taken_for_an_answer(
        self, stage: Stage, noticed: Stage
    ) -> None:
        with self.played(Rule(stage, Fault.EXTRA)) as played:
            handoff = played.send(octets=octets_for(stage))
            assert not played.taken()
        if stage is Stage.EHLO and self.security is Security.STARTTLS:
            noticed = Stage.STARTTLS
        assert handoff == Handoff(
            stage=noticed, problem=Problem.PROTOCOL, recipients=recipients_by(noticed)
        )

    @pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT])
    def test_a_reply_too_many_in_the_envelope_never_becomes_a_success(self, stage: Stage) -> None:
        with self.played(Rule(stage, Fault.EXTRA)) as played:
            handoff = played.send()
            assert not played.taken()
        assert handoff.problem is Problem.PROTOCOL
        assert handoff.recipients == ()

    @pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT])
    def test_a_reply_too_many_on_a_used_connection_costs_the_connection_alone(
        self, stage: Stage
    ) -> None:
        with self.played(Rule(stage, Fault.EXTRA, message=2)) as played:
            assert played.send().accepted
            assert played.send() == Handoff(stage=Stage.DOT, reply=TAKEN, recipients=answered(OK))

    def test_a_reply_too_many_after_the_dot_spoils_neither_this_message_nor_the_next(self) -> None:
        with self.played(Rule(Stage.DOT, Fault.EXTRA, times=1)) as played:
            assert played.send().accepted
            handoff = played.send()
        assert handoff == Handoff(stage=Stage.DOT, reply=TAKEN, recipients=answered(OK))

    # --- what the server offers

    def test_large_parts_are_read_and_encoded_on_their_way(self) -> None:
        read: list[tuple[bytes, int]] = []
        parcel, whole = with_large_part(read)
        with self.played(extensions=("PIPELINING", f"SIZE {parcel.size}")) as played:
            handoffs = played.send_all([parcel, a_parcel(2)], before_dot=Permission())

            assert [handoff.accepted for handoff in handoffs] == [True, True]
            (_, first), (_, second) = played.taken()
        assert first == whole
        assert second == a_parcel(2).octets
        assert read == [(b"d" * 32, 0), (b"d" * 32, 1)]

    def test_the_size_of_a_message_counts_its_large_parts(self) -> None:
        parcel, _ = with_large_part([])
        with self.played(extensions=(f"SIZE {parcel.size - 1}",)) as played:
            [handoff] = played.send_all([parcel], before_dot=Permission())

        assert handoff.problem is Problem.TOO_BIG

    def test_a_part_that_cannot_be_read_ends_the_attempt_without_the_dot(self) -> None:
        parcel, _ = with_large_part([], broken_at=1)
        permission = Permission()
        with self.played() as played:
            with (
                pytest.raises(StoreUnavailable),
                played.sender.converse(played.account) as conversation,
            ):
                conversation.send(parcel, before_dot=permission)

            assert permission.asked == 0
            assert played.send().accepted
            assert len(played.taken()) == 1

    @pytest.mark.parametrize(
        ("offered", "most"), [("SIZE 1000000", 1_000_000), ("SIZE", 0), ("HELP", 0)]
    )
    def test_the_size_that_a_server_takes_is_reported(self, offered: str, most: int) -> None:
        with self.played(extensions=("PIPELINING", offered)) as played:
            assert played.send().max_octets == most

    def test_a_message_larger_than_the_announced_size_is_not_begun(self) -> None:
        with self.played(extensions=("PIPELINING", "SIZE 10")) as played:
            handoff = played.send()
        assert handoff == Handoff(stage=Stage.MAIL, problem=Problem.TOO_BIG)
        assert handoff.usable

    @pytest.mark.parametrize("announced", ["SIZE", "SIZE 0"])
    def test_a_size_without_a_number_is_no_limit(self, announced: str) -> None:
        with self.played(extensions=(announced,)) as played:
            assert played.send().accepted

    def test_an_address_beyond_ascii_needs_smtputf8(self) -> None:
        envelope = an_envelope("jürgen@example.org")
        with self.played(extensions=("PIPELINING", "8BITMIME")) as played:
            handoff = played.send(envelope=envelope)
        assert handoff == Handoff(stage=Stage.MAIL, problem=Problem.SMTPUTF8)
        assert handoff.usable

    def test_an_address_beyond_ascii_goes_to_a_server_with_smtputf8(self) -> None:
        with self.played() as played:
            handoff = played.send(envelope=an_envelope("jürgen@example.org", smtputf8=True))
            assert handoff.accepted
            assert [names for names, _ in played.taken()] == [("jürgen@example.org",)]

    def test_headers_beyond_ascii_need_smtputf8(self) -> None:
        with self.played(extensions=()) as played:
            handoff = played.send(envelope=an_envelope(smtputf8=True))
        assert handoff == Handoff(stage=Stage.MAIL, problem=Problem.SMTPUTF8)

    # --- AUTH

    @pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
    def test_each_mechanism_logs_in(self, mechanism: str) -> None:
        with self.played(mechanisms=(mechanism,)) as played:
            assert played.send().accepted

    @pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
    def test_a_wrong_password_ends_at_auth(self, mechanism: str) -> None:
        with self.played(mechanisms=(mechanism,), password="another") as played:
            handoff = played.send()
        assert handoff == Handoff(
            stage=Stage.AUTH, reply=Reply.of(535, "5.7.8 wrong user or password")
        )

    @pytest.mark.parametrize("mechanism", PASSWORD_MECHANISMS)
    def test_an_account_logs_in_with_its_own_mechanism_alone(
        self, mechanism: AuthMechanism
    ) -> None:
        others = tuple(other.upper() for other in AuthMechanism if other is not mechanism)
        with self.played(mechanisms=others) as played:
            account = attrs.evolve(played.account, auth_mechanism=mechanism)
            handoff = attrs.evolve(played, account=account).send()
        assert handoff == Handoff(stage=Stage.AUTH, problem=Problem.NO_MECHANISM)

    @pytest.mark.parametrize("mechanisms", [(), ("GSSAPI", "XOAUTH2")])
    def test_without_a_common_mechanism_nothing_is_tried(self, mechanisms: tuple[str]) -> None:
        with self.played(mechanisms=mechanisms) as played:
            handoff = played.send()
        assert handoff == Handoff(stage=Stage.AUTH, problem=Problem.NO_MECHANISM)

    def test_a_password_that_cannot_be_opened_ends_at_auth(self) -> None:
        with self.played() as played:
            account = attrs.evolve(
                played.account, sealed_password=VAULT.seal(PASSWORD, context="account:8")
            )
            handoff = attrs.evolve(played, account=account).send()
        assert handoff == Handoff(stage=Stage.AUTH, problem=Problem.SECRET)

    def test_an_account_whose_password_is_missing_opens_no_connection(self) -> None:
        with self.played(Rule(Stage.BANNER, "554 5.3.2 nobody was to come")) as played:
            account = attrs.evolve(played.account, sealed_password=None)
            handoff = attrs.evolve(played, account=account).send()
            probed = played.sender.probe(account)
        assert handoff == plain(probed) == Handoff(stage=Stage.AUTH, problem=Problem.NO_PASSWORD)

    def test_a_pooled_connection_is_not_used_once_the_password_is_missing(self) -> None:
        with self.played() as played:
            assert played.send().accepted
            moved = attrs.evolve(played.account, sealed_password=None, version=2)
            handoff = attrs.evolve(played, account=moved).send()
        assert handoff == Handoff(stage=Stage.AUTH, problem=Problem.NO_PASSWORD)

    def test_an_account_without_a_user_does_not_log_in(self) -> None:
        with self.played(mechanisms=()) as played:
            account = attrs.evolve(played.account, username="", sealed_password=None)
            assert attrs.evolve(played, account=account).send().accepted

    def test_a_server_without_ehlo_is_not_sent_a_password(self) -> None:
        with self.played(Rule(Stage.EHLO, "502 5.5.1 what?")) as played:
            handoff = played.send()
        assert handoff == Handoff(stage=Stage.EHLO, reply=Reply.of(502, "5.5.1 what?"))

    def test_a_server_without_ehlo_will_do_only_without_password_and_tls(self) -> None:
        with self.played(Rule(Stage.EHLO, "502 5.5.1 what?")) as played:
            relay = attrs.evolve(played.account, username="", sealed_password=None)
            handoff = attrs.evolve(played, account=relay).send()
        assert handoff.accepted is (self.security is Security.PLAIN)

    # --- AUTH with a token

    @pytest.mark.parametrize("mechanism", BEARERS)
    @pytest.mark.parametrize("length", [20, 3_000, 6_000])
    def test_a_token_of_any_length_logs_in(self, mechanism: str, length: int) -> None:
        token = "t" * length
        with self.played(mechanisms=(mechanism,), token=token) as played:
            oauth = played.by_token(token)
            assert oauth.send().accepted
            assert list(oauth.asked_for_tokens) == [False]

    def test_a_connection_that_is_used_again_needs_no_token(self) -> None:
        with self.played(mechanisms=BEARERS, token="good") as played:
            oauth = played.by_token("good")
            assert all(oauth.send().accepted for _ in range(3))
            assert list(oauth.asked_for_tokens) == [False]

    @pytest.mark.parametrize("mechanism", BEARERS)
    @pytest.mark.parametrize("length", [20, 3_000])
    def test_a_refused_token_is_replaced_by_a_fresh_one(self, mechanism: str, length: int) -> None:
        good = "good-" + "t" * length
        with self.played(mechanisms=(mechanism,), token=good) as played:
            oauth = played.by_token("old-" + "t" * length, good)
            assert oauth.send().accepted
            assert list(oauth.asked_for_tokens) == [False, True]

    @pytest.mark.parametrize("mechanism", BEARERS)
    def test_a_fresh_token_that_is_refused_ends_at_auth(self, mechanism: str) -> None:
        with self.played(mechanisms=(mechanism,), token="good") as played:
            oauth = played.by_token("old-token", "another-token", "good")
            handoff = oauth.send()
            assert list(oauth.asked_for_tokens) == [False, True]
        assert handoff == Handoff(stage=Stage.AUTH, reply=TOKEN_REFUSED)
        assert handoff.by_token

    def test_a_token_that_is_refused_at_once_is_replaced_too(self) -> None:
        rule = Rule(Stage.AUTH, "535 5.7.3 Authentication unsuccessful", times=1)
        with self.played(rule, mechanisms=BEARERS) as played:
            oauth = played.by_token("first-token", "second-token")
            assert oauth.send().accepted
            assert list(oauth.asked_for_tokens) == [False, True]

    def test_a_server_that_closes_over_a_token_is_shown_a_fresh_one(self) -> None:
        rule = Rule(Stage.AUTH, Fault.CLOSE, times=1)
        with self.played(rule, mechanisms=BEARERS, token="good-token") as played:
            oauth = played.by_token("old-token", "good-token")
            assert oauth.send().accepted
            assert list(oauth.asked_for_tokens) == [False, True]

    def test_a_server_that_closes_over_both_tokens_is_left_alone(self) -> None:
        rule = Rule(Stage.AUTH, Fault.CLOSE)
        with self.played(rule, mechanisms=BEARERS, token="good-token") as played:
            oauth = played.by_token("old-token", "another-token", "good-token")
            handoff = oauth.send()
            assert list(oauth.asked_for_tokens) == [False, True]
        assert handoff == Handoff(stage=Stage.AUTH, problem=Problem.CLOSED)

    @pytest.mark.parametrize("text", ["454 4.7.0 later", "421 4.7.0 later"])
    def test_a_login_that_is_put_off_asks_for_no_fresh_token(self, text: str) -> None:
        with self.played(Rule(Stage.AUTH, text), mechanisms=BEARERS) as played:
            oauth = played.by_token("first-token", "second-token")
            handoff = oauth.send()
            assert list(oauth.asked_for_tokens) == [False]
        assert handoff == Handoff(stage=Stage.AUTH, reply=Reply.of(int(text[:3]), text[4:]))

    @pytest.mark.parametrize(
        "problem", [Problem.NEEDS_CONSENT, Problem.OAUTH_CLIENT, Problem.TOKEN_SERVER]
    )
    def test_an_account_without_a_token_opens_no_connection(self, problem: Problem) -> None:
        with self.played(Rule(Stage.BANNER, "554 5.3.2 nobody was to come")) as played:
            oauth = played.by_token(problem)
            handoff, probed = oauth.send(), oauth.sender.probe(oauth.account)
            steps = oauth.sender.verify(oauth.account, recipient=ADA)
        assert handoff == plain(probed) == Handoff(stage=Stage.AUTH, problem=problem)
        assert [(step.stage, step.problem) for step in steps] == [(Stage.AUTH, problem)]

    def test_a_fresh_token_that_cannot_be_had_ends_at_auth(self) -> None:
        with self.played(mechanisms=BEARERS, token="good-token") as played:
            handoff = played.by_token("old-token", Problem.TOKEN_SERVER).send()
        assert handoff == Handoff(stage=Stage.AUTH, problem=Problem.TOKEN_SERVER)

    @pytest.mark.parametrize("mechanisms", [(), ("PLAIN", "LOGIN", "CRAM-MD5")])
    def test_a_token_is_presented_in_no_other_way(self, mechanisms: tuple[str]) -> None:
        with self.played(mechanisms=mechanisms) as played:
            handoff = played.by_token("token").send()
        assert handoff == Handoff(stage=Stage.AUTH, problem=Problem.NO_MECHANISM)

    def test_verifying_tells_of_the_login_that_counted(self) -> None:
        with self.played(mechanisms=BEARERS, token="good-token") as played:
            oauth = played.by_token("old-token", "good-token")
            assert all(step.ok for step in oauth.sender.verify(oauth.account, recipient=ADA))
            again = played.by_token("old-token", "another-token")
            steps = again.sender.verify(again.account, recipient=ADA)
        assert [step.ok for step in steps] == [True] * (len(steps) - 1) + [False]
        assert (steps[-1].stage, steps[-1].reply) == (Stage.AUTH, TOKEN_REFUSED)

    def test_no_reply_to_a_login_shows_the_token(self) -> None:
        rule = Rule(Stage.AUTH, "535 5.7.8 no: a-token-that-is-secret")
        with self.played(rule, mechanisms=BEARERS) as played:
            handoff = played.by_token("a-token-that-is-secret", "another-one").send()
        assert handoff == Handoff(stage=Stage.AUTH, reply=Reply.of(535, "5.7.8"))

    # --- probing

    def test_a_probe_that_goes_well_ends_before_mail(self) -> None:
        with self.played() as played:
            assert plain(played.sender.probe(played.account)) == Handoff(stage=Stage.MAIL)

    @pytest.mark.parametrize("stage", [Stage.BANNER, Stage.EHLO, Stage.AUTH])
    def test_a_probe_ends_where_it_fails(self, stage: Stage) -> None:
        with self.played(Rule(stage, "454 4.7.0 later")) as played:
            handoff = played.sender.probe(played.account)
        assert plain(handoff) == Handoff(stage=stage, reply=Reply.of(454, "4.7.0 later"))

    # --- verifying

    def test_verifying_goes_as_far_as_the_recipient_and_sends_nothing(self) -> None:
        with self.played() as played:
            steps = played.sender.verify(played.account, recipient=BOB)
            assert not played.taken()
            assert played.send().accepted
        replied = [step.stage for step in steps if step.reply is not None]
        encrypted = self.security is Security.STARTTLS
        again = [Stage.STARTTLS, Stage.EHLO] if encrypted else []
        assert replied == [
            *(Stage.BANNER, Stage.EHLO, *again),
            *(Stage.AUTH, Stage.MAIL, Stage.RCPT),
        ]
        assert all(step.ok for step in steps)

    def test_verifying_tells_the_version_of_tls_and_when_the_certificate_ends(self) -> None:
        with self.played() as played:
            steps = played.sender.verify(played.account, recipient=BOB)
        facts = [step.tls for step in steps if step.tls is not None]
        assert [step.stage for step in steps if step.tls is not None] == (
            [] if self.security is Security.PLAIN else [Stage.TLS]
        )
        for tls in facts:
            assert tls.version in ("TLSv1.2", "TLSv1.3")
            assert tls.not_after is not None
            assert tls.not_after.utcoffset() == timedelta(0)
            assert tls.not_after > datetime(2026, 1, 5, tzinfo=UTC)

    @pytest.mark.parametrize(
        "stage", [Stage.BANNER, Stage.EHLO, Stage.AUTH, Stage.MAIL, Stage.RCPT]
    )
    @pytest.mark.parametrize("text", ["421 4.3.2 going", "450 4.7.1 later", "550 5.7.1 never"])
    def test_verifying_ends_with_the_stage_that_was_refused(self, stage: Stage, text: str) -> None:
        with self.played(Rule(stage, text)) as played:
            steps = played.sender.verify(played.account, recipient=ADA)
        assert [step.ok for step in steps] == [True] * (len(steps) - 1) + [False]
        assert (steps[-1].stage, steps[-1].reply) == (stage, Reply.of(int(text[:3]), text[4:]))

    @pytest.mark.parametrize(
        "stage", [Stage.BANNER, Stage.EHLO, Stage.AUTH, Stage.MAIL, Stage.RCPT]
    )
    @pytest.mark.parametrize("fault", [Fault.CLOSE, Fault.GARBAGE])
    def test_verifying_ends_with_the_problem(self, stage: Stage, fault: Fault) -> None:
        with self.played(Rule(stage, fault)) as played:
            steps = played.sender.verify(played.account, recipient=ADA)
        assert [step.ok for step in steps] == [True] * (len(steps) - 1) + [False]
        assert (steps[-1].stage, steps[-1].problem) == (stage, PROBLEMS[fault])

    def test_verifying_asks_for_the_recipient_it_is_told(self) -> None:
        with self.played(Rule(Stage.RCPT, "550 5.1.1 unknown", recipient=str(BOB))) as played:
            assert all(step.ok for step in played.sender.verify(played.account, recipient=ADA))
            assert not played.sender.verify(played.account, recipient=BOB)[-1].ok

    # --- what does not count

    @pytest.mark.parametrize("answer", ["500 no", Fault.CLOSE, Fault.GARBAGE])
    def test_trouble_at_rset_and_quit_concerns_no_message(self, answer: Answer) -> None:
        rules = Rule("rset", answer), Rule("quit", answer)
        with self.played(*rules, Rule(Stage.RCPT, "450 4.2.1 busy", message=1)) as played:
            assert played.send().reply == Reply.of(450, "4.2.1 busy")
            assert played.send().accepted
            assert plain(played.sender.probe(played.account)) == Handoff(stage=Stage.MAIL)

    def test_after_retire_the_next_message_goes_out(self) -> None:
        with self.played() as played:
            played.send()
            played.sender.retire(played.account.id)
            assert played.send().accepted

    def test_a_detail_names_the_server_and_no_secret(self) -> None:
        with self.played(Rule(Stage.AUTH, Fault.GARBAGE)) as played:
            with played.sender.converse(played.account) as conversation:
                parcel = Parcel(an_envelope(), MESSAGE)
                handoff = conversation.send(parcel, before_dot=Permission())
            assert f"{played.account.host}:{played.account.port}" in handoff.detail
        assert PASSWORD not in repr(handoff)

    # -- reports about what becomes of a message ------------------------------------------------

    def with_dsn(self, *rules: Rule) -> AbstractContextManager[Played]:
        return self.played(*rules, extensions=(*Script().extensions, "DSN"))

    @pytest.mark.parametrize(
        ("stage", "parameter"),
        [
            (Stage.MAIL, "<sender@example.com> SIZE=26 RET=HDRS ENVID=0123456789abcdef"),
            (Stage.RCPT, "<ada@example.org> NOTIFY=FAILURE,DELAY ORCPT=rfc822;ada@example.org"),
        ],
    )
    def test_a_server_that_offers_dsn_is_asked_for_reports(
        self, stage: Stage, parameter: str
    ) -> None:
        with self.with_dsn(Rule(stage, "550 5.0.0 heard", parameter=parameter)) as played:
            handoff = played.send(envelope=an_envelope(message_id="<0123456789abcdef@here>"))
        assert (handoff.stage, handoff.reply) == (stage, Reply.of(550, "5.0.0 heard"))
        assert handoff.dsn

    def test_a_server_that_does_not_offer_dsn_is_not_asked(self) -> None:
        with self.played(Rule(Stage.RCPT, "550 5.0.0 heard", parameter=" ")) as played:
            handoff = played.send()
        assert handoff.reply == Reply.of(550, "5.0.0 heard")  # RCPT TO has one blank itself
        with self.played(Rule(Stage.RCPT, "550 5.0.0 heard", parameter="> ")) as played:
            handoff = played.send()
        assert handoff.accepted
        assert not handoff.dsn

    @pytest.mark.parametrize(
        ("stage", "parameter"), [(Stage.MAIL, "ENVID="), (Stage.RCPT, "NOTIFY=")]
    )
    @pytest.mark.parametrize(
        "text", ["501 5.5.4 bad parameter", "504 not implemented", "555 5.5.4 unsupported option"]
    )
    def test_an_email_goes_without_the_parameters_of_dsn_if_they_are_refused(
        self, stage: Stage, parameter: str, text: str
    ) -> None:
        with self.with_dsn(Rule(stage, text, parameter=parameter)) as played:
            permission = Permission()
            handoff = played.send(
                envelope=an_envelope(message_id="<a@here>"), before_dot=permission
            )
            assert handoff == Handoff(stage=Stage.DOT, reply=TAKEN, recipients=answered(OK))
            assert not handoff.dsn
            assert permission.asked == 1
            assert len(played.taken()) == 1

    def test_a_refusal_of_the_parameters_is_remembered(self) -> None:
        with self.with_dsn(Rule(Stage.MAIL, "555 5.5.4 no option", parameter="RET=")) as played:
            played.send()
            handoffs = [played.send() for _ in range(3)]
            assert all(handoff.accepted and not handoff.dsn for handoff in handoffs)
            played.sender.drop_idle()
            again = played.send()
            assert again.accepted
            assert not again.dsn

    def test_a_refusal_that_the_bare_envelope_meets_too_is_told_and_not_remembered(self) -> None:
        rule = Rule(Stage.RCPT, "501 5.5.2 what", recipient=str(BOB))
        with self.with_dsn(rule) as played:
            handoff = played.send(BOB)
            refused = Reply.of(501, "5.5.2 what")
            assert (handoff.stage, handoff.reply) == (Stage.RCPT, refused)
            assert not handoff.dsn
            following = played.send(ADA)
            assert following.accepted
            assert following.dsn

    def test_recipients_refused_for_a_parameter_do_not_stop_the_others(self) -> None:
        rule = Rule(Stage.RCPT, "555 5.5.4 no", recipient=str(BOB), parameter="NOTIFY=")
        with self.with_dsn(rule) as played:
            handoff = played.send(ADA, BOB)
            assert handoff.accepted
            assert handoff.dsn
            assert [answer.reply for answer in handoff.recipients] == [
                OK,
                Reply.of(555, "5.5.4 no"),
            ]
            again = played.send(BOB)
            assert again.accepted
            assert not again.dsn
            assert [names for names, _ in played.taken()] == [(str(ADA),), (str(BOB),)]

    def test_what_was_announced_goes_without_the_parameters_too(self) -> None:
        rule = Rule(Stage.RCPT, "501 5.5.4 no", recipient=a_name(1)[0], parameter="NOTIFY=")
        with self.with_dsn(rule) as played:
            handoffs = played.send_all([a_parcel(n) for n in range(4)], before_dot=Permission())
            assert [handoff.accepted for handoff in handoffs] == [True] * 4
            assert not any(handoff.announcement_refused for handoff in handoffs)
            assert [names for names, _ in played.taken()] == [a_name(n) for n in range(4)]

    def test_a_server_that_hangs_up_on_the_parameters_gets_the_message_all_the_same(self) -> None:
        with self.with_dsn(
            Rule(Stage.MAIL, "501 5.5.4 no", parameter="RET="), Rule(RSET, Fault.CLOSE, times=1)
        ) as played:
            assert played.send().accepted
            assert played.send().accepted

    # -- one message announced with the one before it -------------------------------------------

    def test_what_is_announced_is_handed_over_in_its_turn(self) -> None:
        with self.played() as played:
            parcels = [a_parcel(n) for n in range(5)]
            handoffs = played.send_all(parcels, before_dot=Permission())
            assert all(handoff.accepted for handoff in handoffs)
            assert played.taken() == [
                (tuple(map(str, one.envelope.recipients)), one.octets) for one in parcels
            ]

    @pytest.mark.parametrize(
        ("stage", "code"),
        [
            (Stage.MAIL, "550 5.0.0 no"),
            (Stage.RCPT, "450 4.2.1 busy"),
            (Stage.RCPT, "550 5.0.0 no"),
            (Stage.DATA, "450 4.2.0 later"),
            (Stage.DATA, "550 5.0.0 no"),
            (Stage.DOT, "450 4.2.0 later"),
            (Stage.DOT, "550 5.0.0 no"),
        ],
    )
    def test_a_refusal_concerns_one_message_and_not_the_next(self, stage: Stage, code: str) -> None:
        with self.played(Rule(stage, code, message=2)) as played:
            handoffs = played.send_all([a_parcel(n) for n in range(4)], before_dot=Permission())
            assert [handoff.accepted for handoff in handoffs] == [True, False, True, True]
            assert handoffs[1].stage is stage
            assert [names for names, _ in played.taken()] == [a_name(0), a_name(2), a_name(3)]

    def test_a_server_that_says_goodbye_to_data_has_taken_nothing_more(self) -> None:
        with self.played(Rule(Stage.DATA, "421 4.3.2 going down", message=2)) as played:
            handoffs = played.send_all([a_parcel(n) for n in range(3)], before_dot=Permission())
            # where it was announced the announcement is to blame: it goes again
            taken = [0, 1, 2] if self.announces and self.pipelining else [0, 2]
            assert [names for names, _ in played.taken()] == [a_name(n) for n in taken]
            assert [n for n, handoff in enumerate(handoffs) if handoff.accepted] == taken

    @pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT])
    @pytest.mark.parametrize(
        "text",
        [
            "421 4.7.0 too many messages",
            "450 4.7.1 enough",
            "450 enough",
            "451 4.3.0 enough",
            "452 4.5.3 Too many messages sent",
        ],
    )
    def test_the_end_of_a_session_that_has_delivered_costs_no_email_anything(
        self, stage: Stage, text: str
    ) -> None:
        with self.played(Rule(stage, text, message=2)) as played:
            handoffs = played.send_all([a_parcel(n) for n in range(3)], before_dot=Permission())
            assert [handoff.accepted for handoff in handoffs] == [True, True, True]
            assert [names for names, _ in played.taken()] == [a_name(0), a_name(1), a_name(2)]

    @pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT])
    def test_a_refusal_that_a_fresh_connection_hears_too_is_told(self, stage: Stage) -> None:
        with self.played(
            Rule(stage, "450 4.7.1 later", message=2), Rule(stage, "450 4.7.1 later", message=3)
        ) as played:
            handoffs = played.send_all([a_parcel(n) for n in range(3)], before_dot=Permission())
            assert [handoff.accepted for handoff in handoffs] == [True, False, True]
            assert handoffs[1].reply == Reply.of(450, "4.7.1 later")

    @pytest.mark.parametrize("text", ["450 4.2.1 busy", "451 4.1.8 unknown", "452 4.2.2 full"])
    def test_a_recipients_own_trouble_is_not_the_end_of_a_session(self, text: str) -> None:
        with self.played(Rule(Stage.RCPT, text, message=2)) as played:
            handoffs = played.send_all([a_parcel(n) for n in range(3)], before_dot=Permission())
            assert [handoff.accepted for handoff in handoffs] == [True, False, True]

    def test_a_refused_permission_drops_what_was_announced_and_nothing_else(self) -> None:
        with self.played() as played:
            answers = iter([True, False, True])
            parcels = [a_parcel(n) for n in range(3)]
            handoffs = played.send_all(parcels, before_dot=lambda: next(answers))
            assert [handoff.accepted for handoff in handoffs] == [True, False, True]
            assert [names for names, _ in played.taken()] == [a_name(0), a_name(2)]

    def test_what_was_announced_and_never_sent_is_not_accepted(self) -> None:
        with self.played() as played:
            with played.sender.converse(played.account) as conversation:
                conversation.send(a_parcel(0), before_dot=Permission(), then=lambda: a_parcel(1))
            assert played.send(octets=MESSAGE).accepted
            assert [names for names, _ in played.taken()] == [a_name(0), (str(ADA),)]

    def test_another_message_than_the_announced_one_goes_out_as_itself(self) -> None:
        with self.played() as played:
            with played.sender.converse(played.account) as conversation:
                conversation.send(a_parcel(0), before_dot=Permission(), then=lambda: a_parcel(1))
                conversation.send(a_parcel(2), before_dot=Permission())
            assert [names for names, _ in played.taken()] == [a_name(0), a_name(2)]

    def test_an_unknown_outcome_takes_the_announcement_with_it(self) -> None:
        with self.played(Rule(Stage.DOT, Fault.CLOSE, message=1)) as played:
            handoffs = played.send_all([a_parcel(n) for n in range(2)], before_dot=Permission())
            assert [handoff.unknown for handoff in handoffs] == [True, False]
            assert handoffs[1].accepted


def a_name(number: int) -> tuple[str, ...]:
    return (f"reader-{number}@example.org",)


def a_parcel(number: int) -> Parcel:
    return Parcel(
        an_envelope(*a_name(number)), MESSAGE.replace(b"Subject: ", b"Subject: %d " % number)
    )


def with_large_part(
    read: list[tuple[bytes, int]], *, broken_at: int | None = None
) -> tuple[Parcel, bytes]:
    """A message with a part of two chunks, and what a server gets of it. *read* notes the reads."""
    octets = bytes(range(256)) * (CHUNK // 256 + 9)
    head, tail = b"Subject: Large\r\n.dot: x\r\n\r\n--b\r\n\r\n", b"\r\n--b--\r\n.\r\n"
    blob = Blob(digest=b"d" * 32, size=len(octets))

    def chunk(digest: bytes, n: int) -> bytes:
        if n == broken_at:
            raise StoreUnavailable("the store is gone")
        read.append((digest, n))
        return octets[n * CHUNK : (n + 1) * CHUNK]

    parts = LargeParts((PlacedBlob(offset=len(head), blob=blob),), chunk)
    whole = head + base64.encodebytes(octets).replace(b"\n", b"\r\n")[:-2] + tail
    return Parcel(an_envelope(*a_name(1)), head + tail, parts), whole
