"""How webhooks are told: which calls are made, when again, and what is stored of them."""

import base64
import json
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from standardwebhooks import Webhook as Verifier

from application.ports.web import WebAnswer, WebProblem, WebRequest
from application.webhooks import fan_out, progress_writer, work_lease
from application.webhooks.registry import WebhookWish
from domain.access import Caller, Scope
from domain.errors import Conflict, Forbidden, InvalidInput, NotFound
from domain.event.event import BEGINNING
from domain.event.types import EventType
from domain.webhook.delivery import DELAYS, Outcome, WebhookAttempt, next_delivery, retry_after
from domain.webhook.webhook import DisabledReason, Webhook
from tests.builders import NOW, an_email, at
from tests.world import World

URL = "https://example.org/hooks?x=1"
EVERY = frozenset({"*"})
DAY_S = 86_400
Answers = Callable[[WebRequest], WebAnswer | WebProblem]


class Receiver:
    """A receiver that answers in turn what *statuses* say, the last one for ever."""

    def __init__(self, *statuses: int | WebProblem, retry_after: str | None = None) -> None:
        self.statuses = list(statuses)
        self.headers = {} if retry_after is None else {"retry-after": retry_after}
        self.got: list[tuple[float, WebRequest]] = []
        self.world: World

    def __call__(self, request: WebRequest) -> WebAnswer | WebProblem:
        self.got.append((self.world.clock.monotonic(), request))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if isinstance(status, WebProblem):
            return status
        return WebAnswer(status=status, headers=self.headers, body=b"")

    @property
    def events(self) -> list[str]:
        return [request.headers["webhook-id"] for _, request in self.got]

    @property
    def times(self) -> list[float]:
        return [when for when, _ in self.got]


def world_with(receiver: Receiver, *, types: frozenset[str] = EVERY) -> tuple[World, str]:
    """A world with one webhook, and its secret."""
    world = World()
    receiver.world = world
    world.web.serve("example.org", receiver)
    _, secret = world.application.webhooks.add(URL, types)
    return world, secret


def happen(world: World, *email_ids: int, of: EventType = EventType.EMAIL_SENT) -> None:
    for email_id in email_ids:
        email = an_email(id=email_id, updated_at=world.clock.now())
        world.store.write(lambda tx, email=email: tx.events.tell_email(of, email))


def work(world: World, seconds: float = 0.0, *, step: float = 1.0) -> None:
    """Let the outbox work for so long, looking each *step*."""
    outbox = world.application.outbox
    passed = 0.0
    while True:
        outbox.turn()
        for endpoint in outbox.open_lanes():
            outbox.run_lane(endpoint)
        if passed >= seconds:
            break
        world.clock.tick(step)
        passed += step
    world.clock.tick(progress_writer.WRITE_AFTER_S)
    outbox.turn()


def webhook_of(world: World) -> Webhook:
    return world.store.read(lambda tx: tx.webhooks.all())[0]


def waiting(world: World) -> int:
    return world.store.read(lambda tx: tx.webhooks.waiting(1))


def attempts(world: World) -> Sequence[WebhookAttempt]:
    return world.application.webhooks.attempts(1, limit=100)[::-1]


# -- what is told -------------------------------------------------------------------------------


def test_an_event_is_told_once_with_a_signature_that_the_official_library_verifies() -> None:
    receiver = Receiver(204)
    world, secret = world_with(receiver)
    happen(world, 7)
    work(world, 3)

    ((_, request),) = receiver.got
    assert (request.method, request.url) == ("POST", URL)
    assert request.headers["webhook-id"] == "evt_1"
    signed_at = int(request.headers["webhook-timestamp"])
    assert signed_at == int(NOW.timestamp())
    body = json.loads(request.body)
    assert (body["id"], body["type"], body["data"]["email_id"]) == ("evt_1", "email.sent", 7)
    assert _verified(secret, request)
    assert waiting(world) == 0
    assert [one.outcome.status for one in attempts(world)] == [204]


def _verified(secret: str, request: WebRequest) -> bool:
    """Whether a signature is the library's own (its `verify` asks the wall clock)."""
    stamp = NOW.fromtimestamp(int(request.headers["webhook-timestamp"]), tz=NOW.tzinfo)
    expected = Verifier(secret).sign(
        request.headers["webhook-id"], stamp, request.body.decode("utf-8")
    )
    return expected in request.headers["webhook-signature"].split(" ")


def test_a_secret_has_32_octets_behind_its_mark_and_is_sealed() -> None:
    world, secret = world_with(Receiver(204))

    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert webhook_of(world).sealed_secret != secret.encode()


def test_a_new_webhook_is_told_only_what_happens_from_now_on() -> None:
    receiver = Receiver(204)
    world = World()
    receiver.world = world
    world.web.serve("example.org", receiver)
    happen(world, 1)
    world.application.webhooks.add(URL, EVERY)
    happen(world, 2)
    work(world, 2)

    assert receiver.events == ["evt_2"]


def test_only_the_types_that_it_names_are_told() -> None:
    receiver = Receiver(204)
    world, _ = world_with(receiver, types=frozenset({"email.failed"}))
    happen(world, 1)
    happen(world, 2, of=EventType.EMAIL_FAILED)
    work(world, 2)

    assert receiver.events == ["evt_2"]


@pytest.mark.parametrize(
    ("types", "told"),
    [
        ({"*"}, []),
        ({"*", "email.deferred"}, ["evt_1"]),
        ({"email.accepted", "email.deferred"}, ["evt_1", "evt_2"]),
    ],
)
def test_what_is_only_told_by_name_is_not_in_the_star(types: set[str], told: list[str]) -> None:
    receiver = Receiver(204)
    world, _ = world_with(receiver, types=frozenset(types))
    happen(world, 1, of=EventType.EMAIL_DEFERRED)
    happen(world, 2, of=EventType.EMAIL_ACCEPTED)
    work(world, 2)

    assert receiver.events == told


def test_a_webhook_of_a_limited_key_is_told_events_of_its_accounts_redacted() -> None:
    receiver = Receiver(204)
    world = World()
    receiver.world = world
    world.web.serve("example.org", receiver)
    first, second = world.account("one"), world.account("two")
    caller = Caller(key_id=1, prefix="a", accounts=frozenset({first.id}))
    world.application.webhooks.add(URL, EVERY, caller=caller)
    for account in (first, second):
        email = an_email(id=account.id, account_id=account.id, updated_at=NOW)
        world.store.write(lambda tx, email=email: tx.events.tell_email(EventType.EMAIL_SENT, email))
    work(world, 2)

    assert [json.loads(request.body)["data"]["email_id"] for _, request in receiver.got] == [
        first.id
    ]


def test_an_event_of_an_uncommitted_work_is_not_told() -> None:
    receiver = Receiver(204)
    world, _ = world_with(receiver)

    def fails(tx: object) -> None:
        tx.events.tell_email(EventType.EMAIL_SENT, an_email(id=1))  # type: ignore[attr-defined]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        world.store.write(fails)
    work(world, 2)

    assert receiver.got == []


# -- when it is tried again ---------------------------------------------------------------------


def test_500_500_200_is_tried_at_0_5_and_305_seconds_with_new_timestamps() -> None:
    receiver = Receiver(500, 500, 200)
    world, secret = world_with(receiver)
    happen(world, 1)
    work(world, 310, step=0.25)

    assert receiver.times == pytest.approx([0, 5, 305], abs=1)  # within what a turn takes
    assert set(receiver.events) == {"evt_1"}
    stamps = [int(request.headers["webhook-timestamp"]) for _, request in receiver.got]
    assert stamps == [int(at(when).timestamp()) for when in receiver.times]
    assert all(_verified(secret, request) for _, request in receiver.got)
    assert [(one.number, one.outcome.status) for one in attempts(world)] == [
        (1, 500), (2, 500), (3, 200),
    ]  # fmt: skip
    assert waiting(world) == 0
    assert webhook_of(world).failing_since is None


def test_the_times_between_attempts_are_those_of_the_design_within_a_tenth() -> None:
    assert [delay.total_seconds() for delay in DELAYS] == [
        *(0, 5, 300, 1800),
        *(hours * 3600 for hours in (2, 5, 10, 14, 20, 24)),
    ]
    for jitter in (-1, 1):
        again = next_delivery(an_attempt(2), jitter=jitter)
        assert again is not None
        assert again.next_at - NOW == timedelta(seconds=300) * (1 + jitter / 10)


def test_after_the_last_attempt_an_event_is_given_up_and_the_log_says_so() -> None:
    receiver = Receiver(500)
    world, _ = world_with(receiver)
    happen(world, 1)
    for delay in (*DELAYS[1:], DELAYS[-1]):
        work(world)
        world.clock.tick(delay.total_seconds())

    assert len(receiver.got) == len(DELAYS)
    assert waiting(world) == 0
    assert "webhook_gave_up" in [event.name for event in world.heard.events]


def an_attempt(number: int, **outcome: object) -> WebhookAttempt:
    return WebhookAttempt(
        webhook_id=1,
        event_id=1,
        number=number,
        at=NOW,
        duration=timedelta(0),
        outcome=Outcome(**{"status": 500, **outcome}),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("999999999", DAY_S),
        ("Mon, 05 Jan 2026 09:02:00 GMT", 120),
        ("Mon, 05 Jan 2026 08:00:00 GMT", 0),
        ("-5", None),
        ("soon", None),
        ("1" * 5000, None),
        (None, None),
    ],
)
def test_a_receiver_may_ask_for_up_to_a_day(header: str | None, seconds: int | None) -> None:
    wished = retry_after(header, now=NOW)
    assert wished == (None if seconds is None else timedelta(seconds=seconds))


def test_a_retry_after_puts_the_next_attempt_off_and_never_brings_it_forward() -> None:
    for wish, expected in ((60, 60), (1, 5)):
        attempt = an_attempt(1, retry_after=timedelta(seconds=wish))
        again = next_delivery(attempt, jitter=0)
        assert again is not None
        assert again.next_at == at(expected)


@pytest.mark.parametrize("answer", [302, 400, 199 + 200, 503, WebProblem.TIMEOUT])
def test_only_2xx_is_a_success(answer: int | WebProblem) -> None:
    receiver = Receiver(answer)
    world, _ = world_with(receiver)
    happen(world, 1)
    work(world)

    assert waiting(world) == 1
    assert webhook_of(world).failing_since == NOW


def test_an_event_that_always_fails_holds_up_no_other() -> None:
    receiver = Receiver(200)
    world, _ = world_with(receiver)
    told: list[str] = []

    def picky(request: WebRequest) -> WebAnswer:
        told.append(request.headers["webhook-id"])
        bad = request.headers["webhook-id"] == "evt_1"
        return WebAnswer(status=500 if bad else 200, headers={}, body=b"")

    world.web.serve("example.org", picky)
    happen(world, *range(1, 301))
    work(world, 60)

    assert {f"evt_{n}" for n in range(2, 301)} <= set(told)
    assert len([one for one in told if one != "evt_1"]) == 299
    assert waiting(world) == 1
    assert webhook_of(world).active


def test_while_as_much_waits_as_may_no_more_is_read_and_nothing_is_lost() -> None:
    events = fan_out.MOST_WAITING + 2 * fan_out.WINDOW
    receiver = Receiver(500)
    world, _ = world_with(receiver)
    happen(world, *range(1, events + 1))
    work(world, 1200, step=10)
    assert fan_out.MOST_WAITING <= waiting(world) < events

    receiver.statuses = [200]
    work(world, 3600, step=10)

    assert {f"evt_{n}" for n in range(1, events + 1)} <= set(receiver.events)
    assert waiting(world) == 0


def test_the_end_of_an_outage_brings_forward_what_waits() -> None:
    receiver = Receiver(500)
    world, _ = world_with(receiver)
    happen(world, 1, 2, 3)
    work(world, 3 * 3600, step=30)  # the next attempt would come in hours
    receiver.statuses = [200]
    happen(world, 4)
    before = len(receiver.got)
    work(world, 5)

    assert sorted(receiver.events[before:]) == ["evt_1", "evt_2", "evt_3", "evt_4"]
    assert waiting(world) == 0


# -- when it is disabled ------------------------------------------------------------------------


def test_410_disables_and_nothing_more_is_told() -> None:
    receiver = Receiver(410)
    world, _ = world_with(receiver)
    happen(world, 1, 2, 3)
    work(world, 3)
    happen(world, 4)
    work(world, 1000, step=10)

    assert receiver.events == ["evt_1"]
    webhook = webhook_of(world)
    assert (webhook.disabled, webhook.disabled_at) == (DisabledReason.GONE, NOW)
    told = world.store.read(lambda tx: tx.events.page(BEGINNING, limit=9)).events
    assert [event.type for event in told if event.type.startswith("webhook")] == [
        EventType.WEBHOOK_DISABLED
    ]


def test_five_days_of_failure_disable_and_another_webhook_is_told() -> None:
    receiver, other = Receiver(500), Receiver(200)
    world, _ = world_with(receiver)
    other.world = world
    world.web.serve("example.com", other)
    world.application.webhooks.add("https://example.com/other", frozenset({"webhook.disabled"}))
    for n in range(1, 8):
        happen(world, n)
        work(world, DAY_S, step=1800)

    webhook = webhook_of(world)
    assert webhook.disabled is DisabledReason.FAILING
    assert webhook.disabled_at is not None
    assert timedelta(days=5) <= webhook.disabled_at - NOW < timedelta(days=6)
    ((_, request),) = other.got
    body = json.loads(request.body)
    assert body["data"] == {"webhook_id": 1, "host": "example.org", "reason": "failing"}
    assert "webhook_disabled" in [event.name for event in world.heard.events]


def test_a_success_within_the_five_days_begins_them_anew() -> None:
    receiver = Receiver(*[500] * 16, 200, 500)
    world, _ = world_with(receiver)
    for n in range(1, 7):
        happen(world, n)
        work(world, DAY_S, step=1800)

    assert webhook_of(world).active


def test_one_that_is_enabled_again_is_told_what_it_was_not_told() -> None:
    receiver = Receiver(410, 200)
    world, _ = world_with(receiver)
    happen(world, 1)
    work(world, 3)
    happen(world, 2, 3)
    world.application.webhooks.change(1, WebhookWish(active=True))
    work(world, 5)

    # evt_2 says that it was disabled
    assert {"evt_1", "evt_3", "evt_4"} <= set(receiver.events)
    assert waiting(world) == 0


def test_it_is_told_since_when_nobody_calls_a_webhook() -> None:
    receiver = Receiver(200)
    world, _ = world_with(receiver, types=frozenset({"email.failed"}))
    happen(world, 1)
    registry = world.application.webhooks
    assert registry.get(1).untold_since is None, "of an event that it is not told"

    world.clock.tick(5)
    happened = world.clock.now()
    happen(world, 2, of=EventType.EMAIL_FAILED)
    world.clock.tick(60)
    assert registry.get(1).untold_since == happened

    work(world, 3)
    assert registry.get(1).untold_since is None


# -- one process does it ------------------------------------------------------------------------


def test_of_two_processes_one_tells_and_the_other_takes_over_when_it_dies() -> None:
    receiver = Receiver(200)
    world, _ = world_with(receiver)
    other = World(beside=world, pid=2)
    other.application.outbox._lease._holder = "other"  # the fakes count alike
    other.web.serve("example.org", receiver)
    happen(world, 1)
    work(world)
    work(other)
    assert receiver.events == ["evt_1"]

    happen(world, 2)  # the first process is dead now
    work(other, work_lease.LEASE.total_seconds() + work_lease.STANDBY_S)
    assert receiver.events == ["evt_1", "evt_2"]


def test_what_a_dead_process_had_begun_is_told_again_with_the_same_id() -> None:
    receiver = Receiver(200)
    world, _ = world_with(receiver)
    happen(world, 1)
    outbox = world.application.outbox
    outbox.turn()
    for endpoint in outbox.open_lanes():
        outbox.run_lane(endpoint)  # called, and killed before that is stored

    other = World(beside=world, pid=2)
    other.application.outbox._lease._holder = "other"
    other.web.serve("example.org", receiver)
    world.clock.tick(work_lease.LEASE.total_seconds())
    work(other)

    assert receiver.events == ["evt_1", "evt_1"]


def test_a_process_that_was_suspended_past_its_lease_calls_nobody() -> None:
    receiver = Receiver(200)
    world, _ = world_with(receiver)
    happen(world, 1)
    outbox = world.application.outbox
    outbox.turn()
    opened = outbox.open_lanes()
    world.clock.suspend(60)
    for endpoint in opened:
        outbox.run_lane(endpoint)

    assert receiver.got == []


def test_when_two_processes_tell_at_once_no_event_is_missed_and_no_position_is_lost() -> None:
    receiver = Receiver(200)
    world, _ = world_with(receiver)
    other = World(beside=world, pid=2)
    other.web.serve("example.org", receiver)  # the same holder: the lease keeps nobody away
    for n in range(1, 31):
        happen(world, n)
        for each in (world, other):
            each.application.outbox.turn()
            for endpoint in each.application.outbox.open_lanes():
                each.application.outbox.run_lane(endpoint)
        world.clock.tick(0.5)
    work(world, 3)

    assert set(receiver.events) == {f"evt_{n}" for n in range(1, 31)}
    assert webhook_of(world).position.id == 30


def test_a_call_that_lasts_holds_up_no_position_and_is_stored_meanwhile() -> None:
    receiver = Receiver(200)
    world, _ = world_with(receiver)
    happen(world, 1, 2)
    outbox = world.application.outbox
    outbox.turn()
    endpoint = outbox.open_lanes()[0]
    slow = endpoint.lanes.take(monotonic=world.clock.monotonic())  # its call has begun
    assert slow is not None
    outbox.run_lane(endpoint)  # the other one ends
    world.clock.tick(2)
    outbox.turn()

    assert webhook_of(world).position.id == 2
    (parked,) = world.store.read(lambda tx: tx.webhooks.due(1, now=at(DAY_S), limit=9))
    assert (parked.event_id, parked.tries) == (1, 0)
    endpoint.lanes.give_back(slow, an_attempt(1, status=200))
    world.clock.tick(1)
    outbox.turn()
    assert waiting(world) == 0


def test_a_receiver_that_does_not_answer_has_one_lane_and_the_others_keep_theirs() -> None:
    receiver = Receiver(WebProblem.TIMEOUT)
    world, _ = world_with(receiver)
    happen(world, *range(1, 11))
    outbox = world.application.outbox
    outbox.turn()
    opened = outbox.open_lanes()
    assert len(opened) == 4
    job = opened[0].lanes.take(monotonic=0)
    assert job is not None
    opened[0].lanes.give_back(job, an_attempt(1, status=None, problem="timeout"))
    for endpoint in opened:
        endpoint.lanes.end()

    assert len(outbox.open_lanes()) == 1


# -- what an admin asks for ---------------------------------------------------------------------


def test_a_test_is_one_call_that_says_so_and_is_not_repeated() -> None:
    receiver = Receiver(500)
    world, secret = world_with(receiver)
    message_id = world.application.webhooks.test(1)
    work(world, 400, step=5)

    ((_, request),) = receiver.got
    assert request.headers["webhook-id"] == message_id
    assert message_id.startswith("evt_test_")
    assert json.loads(request.body)["type"] == "webhook.test"
    assert _verified(secret, request)
    assert webhook_of(world).failing_since is None
    assert [one.outcome.status for one in attempts(world)] == [500]


def test_the_secret_before_a_rotation_signs_too_for_a_day() -> None:
    receiver = Receiver(204)
    world, old = world_with(receiver)
    _, new = world.application.webhooks.rotate(1)
    happen(world, 1)
    work(world, 2)
    world.clock.tick(DAY_S)
    happen(world, 2)
    work(world, 2)

    first, second = [request for _, request in receiver.got]
    assert _verified(old, first)
    assert _verified(new, first)
    assert _verified(new, second)
    assert not _verified(old, second)


def test_one_event_or_a_range_is_told_again() -> None:
    receiver = Receiver(204)
    world, _ = world_with(receiver)
    happen(world, *range(1, 6))
    work(world, 2)
    receiver.got.clear()

    assert world.application.webhooks.replay(1, first=2, last=2).number == 1
    work(world, 2)
    assert receiver.events == ["evt_2"]
    assert world.application.webhooks.replay(1, first=3, last=10**6).number == 3
    work(world, 2)
    assert sorted(receiver.events) == ["evt_2", "evt_3", "evt_4", "evt_5"]


def test_a_long_range_is_replayed_in_several_calls() -> None:
    world, _ = world_with(Receiver(204))
    happen(world, *range(1, 1502))

    first = world.application.webhooks.replay(1, first=1, last=1501)
    assert (first.number, first.next_id) == (1000, 1001)
    second = world.application.webhooks.replay(1, first=1001, last=1501)
    assert (second.number, second.next_id) == (501, None)


def test_an_event_that_is_kept_no_longer_waits_no_longer() -> None:
    receiver = Receiver(500)
    world, _ = world_with(receiver)
    happen(world, 1)
    work(world)
    world.store.write(lambda tx: tx.events.prune(before=at(10), limit=9))
    work(world, 10)

    assert waiting(world) == 0
    assert len(receiver.got) == 1


def test_while_it_is_disabled_nothing_is_tried_and_nothing_replayed() -> None:
    world, _ = world_with(Receiver(204))
    world.application.webhooks.change(1, WebhookWish(active=False))

    assert webhook_of(world).disabled is DisabledReason.REQUEST
    with pytest.raises(Conflict, match="disabled"):
        world.application.webhooks.test(1)
    with pytest.raises(Conflict, match="disabled"):
        world.application.webhooks.replay(1, first=1, last=1)


@pytest.mark.parametrize(
    "url", ["http://example.org/", "https://10.0.0.1/", "https://example.org:25/", "file:///x"]
)
def test_a_url_is_judged_when_it_is_saved(url: str) -> None:
    world = World()
    with pytest.raises(InvalidInput, match="url"):
        world.application.webhooks.add(url, EVERY)
    world.application.webhooks.add(URL, EVERY)
    with pytest.raises(InvalidInput, match="url"):
        world.application.webhooks.change(1, WebhookWish(url=url))


def test_a_host_with_a_forbidden_address_beside_a_good_one_is_never_called() -> None:
    receiver = Receiver(200)
    world, _ = world_with(receiver)
    world.web.serve("example.org", receiver, addresses=("1.2.3.4", "127.0.0.1"))
    happen(world, 1)
    work(world, 2)

    assert receiver.got == []
    assert [one.outcome.problem for one in attempts(world)] == ["forbidden"]


@pytest.mark.parametrize("types", [frozenset[str](), frozenset({"email.sent", "nonsense"})])
def test_unknown_types_are_refused(types: frozenset[str]) -> None:
    with pytest.raises(InvalidInput, match="events"):
        World().application.webhooks.add(URL, types)


def test_only_an_admin_sees_webhooks_and_a_limited_one_only_its_own() -> None:
    world, _ = world_with(Receiver(200))
    reader = Caller(key_id=1, scopes=frozenset({Scope.READ}))
    limited = Caller(key_id=2, accounts=frozenset({3}))
    with pytest.raises(Forbidden):
        world.application.webhooks.all(caller=reader)
    with pytest.raises(Forbidden):
        world.application.webhooks.add(URL, EVERY, caller=reader)
    assert world.application.webhooks.all(caller=limited) == []
    for call in ("get", "rotate", "remove", "test"):
        with pytest.raises(NotFound):
            getattr(world.application.webhooks, call)(1, caller=limited)
    world.application.webhooks.add(URL, EVERY, caller=limited)
    assert [one.webhook.id for one in world.application.webhooks.all(caller=limited)] == [2]


def test_there_are_50_webhooks_at_most() -> None:
    world = World()
    for _ in range(50):
        world.application.webhooks.add(URL, EVERY)
    with pytest.raises(Conflict, match="50"):
        world.application.webhooks.add(URL, EVERY)


def test_what_an_admin_does_is_in_the_audit() -> None:
    world, _ = world_with(Receiver(200))
    world.application.webhooks.rotate(1)
    world.application.webhooks.change(1, WebhookWish(active=False))
    world.application.webhooks.remove(1)

    entries = world.application.api_keys.audit(limit=9)
    assert [(one.action, one.subject) for one in reversed(entries)] == [
        ("webhook_created", "webhook 1"),
        ("webhook_secret_rotated", "webhook 1"),
        ("webhook_changed", "webhook 1"),
        ("webhook_deleted", "webhook 1"),
    ]


def test_a_change_of_the_secret_key_carries_the_secrets_over() -> None:
    world, _ = world_with(Receiver(200))
    world.application.webhooks.rotate(1)
    rotation = world.application.api_keys.rotate_secret()

    assert (rotation.resealed_webhooks, rotation.unreadable_webhooks) == (1, ())
