"""An address that a server says does not exist gets no mail for half a year."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from adapters.fakes.script import Fault
from adapters.fakes.sender import Rule
from application.suppressions import Entry
from domain.address import Address
from domain.email.bounces import bounces
from domain.email.recipient import RecipientStatus
from domain.email.status import Status
from domain.errors import Conflict
from domain.outcome.handoff import Stage
from domain.outcome.verdict import RecipientVerdict, Result, Subject, Verdict
from domain.suppression import EVERYTHING, Suppression, SuppressionReason
from tests.builders import NOW, a_recipient, an_email, at
from tests.world import World

ADA, GRACE = "ada@example.org", "grace@example.org"


def a_world() -> World:
    world = World()
    world.account()
    return world


def listed(world: World, address: str = ADA) -> Sequence[Suppression]:
    return world.store.read(lambda tx: tx.suppressions.of([address]))


def refused(world: World, reply: str, *, stage: Stage = Stage.RCPT) -> int:
    """The id of an email to Ada that the server has answered like this."""
    world.play(Rule(stage, reply, times=1))
    email_id = world.submit(ADA)
    world.run()
    return email_id


def test_an_address_that_does_not_exist_is_suppressed_for_all_mail_for_180_days():
    world = a_world()

    email_id = refused(world, "550 5.1.1 no such user")

    [suppression] = listed(world)
    assert suppression == Suppression(
        address=ADA,
        scope=EVERYTHING,
        reason=SuppressionReason.HARD_BOUNCE,
        email_id=email_id,
        created_at=world.clock.now(),
        expires_at=world.clock.now() + timedelta(days=180),
    )
    later = world.submit(ADA)
    assert (world.email(later).status, world.email(later).reason_code) == (
        Status.FAILED,
        "suppressed",
    )


@pytest.mark.parametrize(
    "reply",
    [
        "550 5.7.1 message rejected as spam",
        "550 5.7.26 unauthenticated mail is prohibited",
        "554 5.4.5 mail quota exceeded",
        "552 5.2.2 mailbox full",
        "452 4.2.2 mailbox full",
        "450 4.1.1 no such user",
        "552 5.3.4 message too large",
    ],
)
@pytest.mark.parametrize("stage", [Stage.RCPT, Stage.DOT])
def test_nobody_is_suppressed_for_what_is_not_the_fault_of_the_address(reply, stage):
    world = a_world()

    refused(world, reply, stage=stage)

    assert listed(world) == []


def test_mail_that_waits_is_not_sent_to_who_has_bounced_meanwhile():
    world = a_world()
    scheduled = world.submit(ADA, GRACE, send_at=at(60))

    refused(world, "550 5.1.1 no such user")
    world.clock.tick(60)
    world.run()

    assert [one.status for one in world.email(scheduled).recipients] == [
        RecipientStatus.SUPPRESSED,
        RecipientStatus.ACCEPTED,
    ]


def test_the_email_that_has_bounced_is_tried_again_if_a_client_asks_for_that():
    world = a_world()
    email_id = refused(world, "550 5.1.1 no such user")

    assert not world.application.email_changes.left_out_of_retry(email_id)
    world.application.email_changes.retry(email_id)
    other = world.submit(ADA)
    world.run()

    assert world.email(email_id).status is Status.SENT
    assert world.email(other).reason_code == "suppressed"
    assert len(listed(world)) == 1


def test_a_retry_that_nobody_would_get_is_refused_and_changes_nothing():
    world = a_world()
    email_id = refused(world, "550 5.7.1 not from you")
    world.application.suppressions.put(Entry(address=Address.parse(ADA)))
    email = world.email(email_id)

    with pytest.raises(Conflict, match="on the suppression list"):
        world.application.email_changes.retry(email_id)

    assert world.email(email_id) == email


def test_an_unknown_outcome_is_not_sent_again_to_an_address_on_the_list():
    world = a_world()
    world.play(Rule(Stage.DOT, Fault.ACCEPT_CLOSE))
    email_id = world.submit(ADA, at_most_once=True)
    world.run()
    world.application.suppressions.put(Entry(address=Address.parse(ADA)))

    with pytest.raises(Conflict, match="on the suppression list"):
        world.application.email_changes.resolve(email_id, as_sent=False)

    world.application.email_changes.resolve(email_id, as_sent=True)
    assert world.email(email_id).status is Status.SENT


@pytest.mark.parametrize("reason", list(SuppressionReason))
def test_a_retry_says_before_whom_it_leaves_out(reason):
    world = a_world()
    world.play(Rule(Stage.RCPT, "550 5.7.1 no", times=2))
    email_id = world.submit(ADA, GRACE, bypassed=frozenset({SuppressionReason.HARD_BOUNCE}))
    world.run()
    world.application.suppressions.put(Entry(address=Address.parse(ADA), reason=reason))

    left_out = world.application.email_changes.left_out_of_retry(email_id)

    bypassed = reason is SuppressionReason.HARD_BOUNCE
    assert list(left_out) == ([] if bypassed else [Address.parse(ADA)])
    world.play()
    world.application.email_changes.retry(email_id)
    world.run()
    got = [one.status is RecipientStatus.ACCEPTED for one in world.email(email_id).recipients]
    assert got == [bypassed, True]


def test_of_an_email_that_cannot_be_retried_nobody_is_told():
    world = a_world()
    email_id = world.submit(ADA)
    world.run()

    assert not world.application.email_changes.left_out_of_retry(email_id)


def test_a_retry_sends_once_the_address_is_removed_from_the_list():
    world = a_world()
    email_id = refused(world, "550 5.7.1 not from you")
    world.application.suppressions.put(Entry(address=Address.parse(ADA)))
    with pytest.raises(Conflict):
        world.application.email_changes.retry(email_id)
    world.application.suppressions.remove(Address.parse(ADA))

    world.application.email_changes.retry(email_id)
    world.run()

    assert world.email(email_id).status is Status.SENT


def test_what_has_expired_is_removed_by_the_sweep_and_the_rest_stays():
    world = a_world()
    refused(world, "550 5.1.1 no such user")
    manual = Suppression(
        address=ADA, scope=EVERYTHING, reason=SuppressionReason.MANUAL, created_at=NOW
    )
    world.store.write(lambda tx: tx.suppressions.put(manual))

    world.clock.tick(180 * 86_400 - 1)
    world.application.maintenance.sweep()
    assert len(listed(world)) == 2
    world.clock.tick(2)
    world.application.maintenance.sweep()

    assert listed(world) == [manual]


def test_only_who_is_rejected_for_good_and_by_such_a_rule_is_suppressed():
    def judged(result: Result, **changes: Any) -> RecipientVerdict:
        return RecipientVerdict(result=result, reason="x", **changes)

    names = ["gone", "later", "spam", "given_back"]
    was = an_email(
        id=5,
        status=Status.SENDING,
        recipients=(
            a_recipient("had@example.org", status=RecipientStatus.ACCEPTED),
            *(a_recipient(f"{name}@example.org") for name in names),
        ),
    )
    ends = dict.fromkeys(["gone", "spam"], RecipientStatus.REJECTED)
    settled = an_email(
        id=5,
        status=Status.RETRY,
        recipients=(
            was.recipients[0],
            *(
                a_recipient(f"{name}@example.org", status=ends.get(name, RecipientStatus.OPEN))
                for name in names
            ),
        ),
    )
    verdict = Verdict(
        result=Result.RETRY,
        subject=Subject.RECIPIENT,
        reason="x",
        suppress=True,
        recipients=(
            judged(Result.FAILED, suppress=True),
            judged(Result.RETRY),
            judged(Result.FAILED),
            judged(Result.FAILED, suppress=True),
        ),
    )

    found = list(bounces(was, settled, verdict, now=NOW))

    assert [(one.address, one.email_id) for one in found] == [("gone@example.org", 5)]
    assert found[0].address == str(Address.parse("gone@example.org"))
