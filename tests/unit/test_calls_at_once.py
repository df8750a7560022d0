"""Calls that come at once: stored by one work, and each answered as if it had come alone."""

from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from application import ServicePolicy
from application.intake.acceptance import Stored
from application.intake.draft import Draft
from application.intake.idempotency import IdempotencyKey
from application.intake.submit import Call
from domain.access import Caller, Scope
from domain.errors import (
    EmailServiceError,
    IdempotencyMismatch,
    InvalidInput,
    NotAccepting,
    StoreUnavailable,
    TooMany,
)
from tests.applications import a_client_with_config, a_key, an_application, delivery_rules
from tests.builders import an_address


class CountingStore(MemoryStore):
    """Counts the works that are written; *down*: refuses them."""

    works = 0
    down = False

    def write(self, work: Any) -> Any:
        self.works += 1
        if self.down:
            raise StoreUnavailable("the database cannot be reached")
        return super().write(work)


class Service:
    """An application with one account and a key that may name so many recipients a day."""

    def __init__(self, daily: int = 100, **rules: Any) -> None:
        clock = FakeClock()
        self.store = CountingStore(clock=clock)
        policy = attrs.evolve(ServicePolicy(delivery=delivery_rules()), **rules)
        self.application = an_application(store=self.store, clock=clock, rules=policy)
        a_client_with_config(self.application)
        a_key(self.application, "send")
        self.caller = Caller(
            key_id=1, scopes=frozenset({Scope.SEND}), daily_recipients=daily, prefix="0000000a"
        )
        self.store.works = 0

    def submit(self, *calls: Call) -> Sequence[int | type[EmailServiceError]]:
        """The id of each call, or what it was refused with."""
        submission = self.application.submission
        prepared = submission.prepare_calls(calls, caller=self.caller)
        outcomes = submission.store_calls(prepared, caller=self.caller)
        return [one.ids[0] if isinstance(one, Stored) else type(one) for one in outcomes]

    def subjects(self) -> Sequence[str]:
        count = self.store.read(lambda tx: sum(tx.emails.counts().values()))
        return [
            self.store.read(lambda tx, n=n: tx.emails.get(n).subject) for n in range(1, count + 1)
        ]


def call(subject: str = "Hi", *, key: str | None = None, digest: str = "1", to: int = 1) -> Call:
    addresses = tuple(an_address(f"r{n}@example.org") for n in range(to))
    draft = Draft(subject=subject, text="Hello", to=addresses)
    known_by = None if key is None else IdempotencyKey(key=key, scope="key 1", digest=digest)
    return Call(draft, known_by)


def test_they_are_stored_by_one_work_in_their_order() -> None:
    service = Service()

    assert service.submit(call("A"), call("B", key="b"), call("C")) == [1, 2, 3]
    assert service.subjects() == ["A", "B", "C"]
    assert service.store.works == 1


def test_a_call_that_cannot_be_prepared_is_refused_alone() -> None:
    service = Service()

    assert service.submit(call("A"), call("x" * 2000), call("C")) == [1, InvalidInput, 2]


def test_the_day_of_a_key_ends_in_the_middle_of_them() -> None:
    service = Service(daily=3)

    assert service.submit(call(), call(to=2), call(), call()) == [1, 2, TooMany, TooMany]
    assert service.submit(call()) == [TooMany]


def test_the_queue_is_full_in_the_middle_of_them() -> None:
    service = Service(max_queue_depth=2)

    assert service.submit(call(), call(), call()) == [1, 2, NotAccepting]


def test_calls_with_one_key_are_one_email() -> None:
    service = Service()

    assert service.submit(call("A", key="a"), call("A", key="a"), call("B")) == [1, 1, 2]
    assert service.submit(call("A", key="a"), call("C")) == [1, 3]
    assert service.subjects() == ["A", "B", "C"]


def test_a_key_that_came_with_another_body_is_refused_alone() -> None:
    service = Service()
    service.submit(call("A", key="a"))

    assert service.submit(call(), call("B", key="a", digest="2")) == [2, IdempotencyMismatch]


def test_a_call_that_would_be_refused_now_gets_the_answer_that_it_got_before() -> None:
    service = Service()
    service.submit(call("A", key="a"))

    assert service.submit(call("x" * 2000, key="a"), call()) == [1, 2]


def test_while_the_store_is_down_they_are_tried_once() -> None:
    service = Service()
    service.store.down = True

    assert service.submit(call(), call()) == [StoreUnavailable, StoreUnavailable]
    assert service.store.works == 1


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_key_without_the_scope_sends_none_of_them(number: int) -> None:
    service = Service()
    service.caller = attrs.evolve(service.caller, scopes=frozenset({Scope.READ}))

    with pytest.raises(EmailServiceError):
        service.submit(*[call()] * number)
