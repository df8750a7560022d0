"""The tables of docs/building/scaling.md are those that its script computes from the numbers."""

import tomllib

import attrs
import pytest

from tests.benchmarks.scaling import (
    MISSING,
    NUMBERS,
    PAPER,
    VOLUMES,
    Numbers,
    need,
    rounded,
    simulate,
    tables,
    written,
)

GIVEN = Numbers.read()


def with_measured(**values: float) -> Numbers:
    return attrs.evolve(GIVEN, measured={**GIVEN.measured, **values})


def test_the_paper_shows_what_the_script_prints() -> None:
    paper = PAPER.read_text("utf-8")

    assert written(paper, GIVEN) == paper
    assert all(table in paper for _, table in tables(GIVEN))


def test_each_measured_number_has_its_method_and_date() -> None:
    told = tomllib.loads(NUMBERS.read_text("utf-8"))

    assert told["machine"]
    for name, entry in told["measured"].items():
        assert set(entry) == {"value", "unit", "what", "command", "date", "source"}, name
        assert entry["value"] > 0


def test_a_number_that_was_not_measured_is_shown_as_missing() -> None:
    without = attrs.evolve(
        GIVEN,
        measured={
            name: value
            for name, value in GIVEN.measured.items()
            if name not in ("database_core", "broker", "body_bytes", "row_bytes")
        },
    )
    [text] = [text for name, text in tables(without) if name == "needs"]

    assert text.count(MISSING) == 5 * len(VOLUMES)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, MISSING),
        (3.58, "3.6"),
        (11.57, "12"),
        (1_157.4, "1,200"),
        (1_200_000, "1.2 million"),
        (526_000_000, "530 million"),
        (5.26e10, "53 billion"),
        (999_999, "1,000,000"),
    ],
)
def test_a_number_is_shown_with_two_significant_digits(value: float | None, text: str) -> None:
    assert rounded(value) == text


def test_a_hundred_times_the_mail_needs_a_hundred_times_the_processes() -> None:
    small, large = need(100_000_000, GIVEN), need(10_000_000_000, GIVEN)

    assert large.peak == pytest.approx(100 * small.peak)
    # what is needed is rounded up to whole ones, which counts for more where there are few
    assert 100 * (small.delivering - 1) < large.delivering <= 100 * small.delivering
    assert 100 * (small.accounts - 1) < large.accounts <= 100 * small.accounts


def test_a_process_twice_as_fast_halves_how_many_are_needed() -> None:
    rate = GIVEN.measured["handoff_process"]
    faster = need(10_000_000_000, with_measured(handoff_process=2 * rate))

    assert faster.delivering == pytest.approx(need(10_000_000_000, GIVEN).delivering / 2, abs=1)


def test_a_database_core_that_was_measured_gives_cores() -> None:
    assumed = GIVEN.assumed
    each = need(100_000_000, with_measured(database_core=1000.0))
    attempts_a_second = 100e6 / 86400 * assumed["peak"] * (1 + assumed["retried"])

    assert each.database_cores == pytest.approx(attempts_a_second / (1000 * assumed["used"]))


def test_a_planned_day_leaves_no_email_waiting() -> None:
    for emails in VOLUMES:
        assert need(emails, GIVEN).calm.longest_wait_s < 60


def test_a_simulated_day_brings_all_of_its_mail_and_the_peak_that_is_assumed() -> None:
    # nothing goes: what waits in the end is what came
    day = simulate(1_000_000, rate=1e-9, assumed=GIVEN.assumed, campaign=0.0)
    assert day.most_waiting == pytest.approx(1_000_000, rel=0.15)
    # exactly the peak goes: nothing is left over; a little less: something is
    peak = 1_000_000 / 86_400 * GIVEN.assumed["peak"]
    assert simulate(1_000_000, rate=peak, assumed=GIVEN.assumed, campaign=0).longest_wait_s == 0
    less = simulate(1_000_000, rate=0.9 * peak, assumed=GIVEN.assumed, campaign=0)
    assert less.longest_wait_s > 60


def test_behind_a_campaign_mail_waits_as_long_as_the_campaign_takes() -> None:
    peak = 1_000_000 / 86_400 * GIVEN.assumed["peak"]
    day = simulate(1_000_000, rate=1e4, assumed=GIVEN.assumed, campaign=0.9)

    assert day.most_waiting == pytest.approx(900_000 + 60 * peak)
    assert day.longest_wait_s == pytest.approx((900_000 + 60 * peak) / 1e4 - 60)
