"""Whatever changes an email, an account or the suppression list says so in the same work."""

import ast
from pathlib import Path

import application
from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from adapters.fakes.script import Rule
from application.maintenance.sweep import SLICE
from domain.account.account import OnUnknown
from domain.email.retry import RetryPolicy
from domain.event.event import BEGINNING, AccountFacts, EventFilter
from domain.event.types import ALL_EVENTS, NO_EVENTS, USUAL_EVENTS, EventType
from domain.outcome.handoff import Stage
from tests.builders import an_email, at
from tests.world import World

PAUSES = EventFilter(types=(EventType.ACCOUNT_PAUSED,))
APPLICATION = Path(application.__file__).parent
HELPER = APPLICATION / "telling.py"


def direct_calls(source: str) -> list[str]:
    """The calls of `emails.save`, `accounts.save` and `accounts.save_health`, and of what changes
    the suppression list.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        method, of = node.func.attr, repository_of(node.func)
        if (
            method == "save_health"
            or (method == "save" and of in ("emails", "accounts"))
            or (method in ("put", "replace", "remove") and of == "suppressions")
        ):
            found.append(f"line {node.lineno}: {ast.unparse(node.func)}")
    return found


def repository_of(function: ast.Attribute) -> str | None:
    """The last name before the method's: ``emails`` of ``tx.emails.save``."""
    match function.value:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return None


def test_every_change_goes_through_the_helper_that_tells_it() -> None:
    calls = {
        str(path.relative_to(APPLICATION)): found
        for path in sorted(APPLICATION.rglob("*.py"))
        if path != HELPER and (found := direct_calls(path.read_text(encoding="utf-8")))
    }

    assert calls == {}


def test_a_direct_call_is_found() -> None:
    assert len(direct_calls("tx.emails.save(a, was=b); emails.save(a); tx.accounts.save(a)")) == 3
    assert direct_calls("accounts.save_health(a)")
    assert len(direct_calls("tx.suppressions.put(a); tx.suppressions.remove([a])")) == 2
    assert direct_calls("tx.keys.save(a); self._health.save(tx)") == []
    assert len(direct_calls(HELPER.read_text(encoding="utf-8"))) == 6


# -- what the use cases tell -----------------------------------------------------------------------


def told(world: World) -> list[tuple[str, int | None]]:
    page = world.store.read(lambda tx: tx.events.page(BEGINNING, limit=500))
    return [(event.type.value, event.email_id) for event in page.events]


def test_submission_hand_off_and_the_clients_changes_are_told_in_their_order() -> None:
    world = World()
    world.account()
    sent, cancelled = world.submit(), world.submit(send_at=at(3600))
    world.run()
    world.application.email_changes.cancel(cancelled)

    assert told(world) == [
        ("email.accepted", sent),
        ("email.accepted", cancelled),
        ("email.sent", sent),
        ("email.cancelled", cancelled),
    ]


def test_a_deferral_a_refusal_and_an_expiry_are_told() -> None:
    world = World(retry=RetryPolicy(max_retries=2))
    world.account()
    world.play(Rule(Stage.RCPT, "451 4.7.1 later"))
    deferred = world.submit()
    world.run()
    world.clock.tick(400)
    world.run()
    world.play(Rule(Stage.RCPT, "550 5.1.1 no such user"))
    world.clock.tick(4000)
    world.run()
    scheduled = world.submit("bob@example.org", send_at=at(9000))
    world.clock.tick(10 * 24 * 3600)
    world.application.maintenance.sweep()

    assert told(world) == [
        ("email.accepted", deferred),
        ("email.deferred", deferred),
        ("email.failed", deferred),
        ("suppression.created", None),
        ("email.accepted", scheduled),
        ("email.failed", scheduled),
    ]


def test_an_account_that_is_paused_by_its_server_is_told_with_what_the_server_said() -> None:
    world = World()
    account = world.account()
    world.play(Rule(Stage.AUTH, "535 5.7.8 bad credentials"))
    world.submit()
    world.run()

    page = world.store.read(lambda tx: tx.events.page(BEGINNING, PAUSES, limit=500))
    (paused,) = page.events
    assert paused.account_id == account.id
    assert isinstance(paused.facts, AccountFacts)
    assert "535" in paused.facts.text


def test_an_email_of_a_process_that_died_is_told_when_another_one_takes_it() -> None:
    world = World(on_unknown=OnUnknown.HOLD)
    world.account()
    email_id = world.submit()
    (batch,) = world.claim()
    world.store.write(
        lambda tx: tx.emails.mark_committing(
            [(email.id, email.attempt_no) for email in batch.emails], instance=batch.instance
        )
    )
    world.application.delivery.recover(batch.instance)

    assert told(world)[-1] == ("email.unknown", email_id)


def test_old_events_are_removed_by_the_sweep_and_newer_ones_stay() -> None:
    world = World()

    def tell(email_id: int, *, days: int) -> None:
        email = an_email(id=email_id, updated_at=at(days * 24 * 3600))
        world.store.write(lambda tx: tx.events.tell_email(EventType.EMAIL_SENT, email))

    for number in range(SLICE + 1):
        tell(number, days=0)
    tell(1000, days=2)
    world.clock.tick(31 * 24 * 3600)
    world.application.maintenance.sweep()

    assert told(world) == [("email.sent", 1000)]


def test_a_store_keeps_events_of_the_types_that_it_was_made_for() -> None:
    clock = FakeClock()
    for kept, expected in (
        (USUAL_EVENTS, [("email.sent", 1)]),
        (NO_EVENTS, []),
        (ALL_EVENTS, [("email.accepted", 1), ("email.sent", 1)]),
    ):
        world = World(store=MemoryStore(clock=clock, events=kept), clock=clock)
        world.account()
        world.submit()
        world.run()

        assert told(world) == expected
