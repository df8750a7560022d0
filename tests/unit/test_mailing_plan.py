"""What is read of a file once: counts, first entries, batches and outcomes, in bounded memory."""

import io
import json
import tracemalloc
from collections.abc import Collection, Sequence
from hashlib import sha256
from typing import Any

from domain.mailing.rows import Why
from domain.message.template import Variable
from entrypoints.mailing_plan import MOST_OCTETS, Plan, Unwanted, Wishes, read_plan

WISHES = Wishes(template="welcome", declared=(Variable(name="name"),))
FEW = b"email,name\nada@example.org,Ada\nnobody,X\nbo@example.org,Bo\nADA@example.org,Ada\n"


def table(rows: int, *, name: str = "x") -> bytes:
    return b"email,name\n" + b"".join(f"u{n}@example.org,{name}\n".encode() for n in range(rows))


def nobody(addresses: Sequence[str]) -> Collection[str]:
    return ()


def with_plan(octets: bytes, use: Any, *, unwanted: Unwanted = nobody) -> Any:
    with read_plan(io.BytesIO(octets), WISHES, unwanted=unwanted) as plan:
        return use(plan)


def test_it_counts_rows_of_each_kind_and_keeps_the_first_ones() -> None:
    def use(plan: Plan) -> None:
        counts = plan.counts
        assert (counts.rows, counts.entries, counts.invalid, counts.duplicate) == (4, 2, 1, 1)
        assert [one.row for one in plan.first] == [2, 4]
        assert [(one.row, one.why) for one in plan.left_out] == [
            (3, Why.INVALID),
            (5, Why.DUPLICATE),
        ]
        assert plan.run.file == sha256(FEW).hexdigest()

    with_plan(FEW, use)


def test_batches_have_the_entries_as_the_api_takes_them() -> None:
    [batch] = with_plan(FEW, lambda plan: list(plan.batches()))

    assert (batch.first, batch.last, batch.rows) == (2, 4, (2, 4))
    assert [json.loads(one) for one in batch.entries] == [
        {"recipient": "ada@example.org", "variables": {"name": "Ada"}},
        {"recipient": "bo@example.org", "variables": {"name": "Bo"}},
    ]


def test_batches_are_cut_by_rows_and_by_octets() -> None:
    by_rows = with_plan(table(1_001), lambda plan: [len(one.rows) for one in plan.batches()])
    by_size = with_plan(
        table(200, name="x" * 60_000),
        lambda plan: [len("".join(b.entries)) for b in plan.batches()],
    )

    assert by_rows == [500, 500, 1]
    assert len(by_size) > 1
    assert max(by_size) <= MOST_OCTETS


def test_every_address_is_looked_up_once_in_calls_of_500() -> None:
    asked: list[Sequence[str]] = []

    def unwanted(addresses: Sequence[str]) -> Collection[str]:
        asked.append(addresses)
        return addresses[:1]

    outcomes = with_plan(table(1_001), lambda plan: list(plan.outcomes()), unwanted=unwanted)

    assert [len(each) for each in asked] == [500, 500, 1]
    assert [one.row for one in outcomes if one.suppressed] == [2, 502, 1002]


def test_outcomes_tell_every_row_in_its_order() -> None:
    outcomes = with_plan(FEW, lambda plan: list(plan.outcomes()))

    assert [(one.row, one.address, one.left_out) for one in outcomes] == [
        (2, "ada@example.org", None),
        (3, "nobody", Why.INVALID),
        (4, "bo@example.org", None),
        (5, "ADA@example.org", Why.DUPLICATE),
    ]


def test_halves_and_what_is_left_are_batches_too() -> None:
    [batch] = with_plan(table(5), lambda plan: list(plan.batches()))
    first, second = batch.halves()

    assert (first.rows, second.rows) == ((2, 3), (4, 5, 6))
    assert batch.without({2, 4}).rows == (3, 5, 6)
    assert batch.without({7}) is batch


def test_memory_does_not_grow_with_the_file() -> None:
    def peak(rows: int) -> int:
        octets = table(rows, name="x" * 2_000)
        tracemalloc.start()
        with_plan(octets, lambda plan: sum(len(one.rows) for one in plan.batches()))
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    small, large = peak(1_000), peak(9_000)

    assert large - small < 4 * 1024 * 1024  # of 16 MB more; the addresses' cache is a part of it
