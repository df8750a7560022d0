"""What a number of emails a day needs: computes the tables of docs/building/scaling.md.

python -m tests.benchmarks.scaling                 prints them
python -m tests.benchmarks.scaling --renew         writes them into docs/building/scaling.md
python -m tests.benchmarks.scaling --storage URL   measures what an email takes in an empty store

This module is arithmetic only. Every number comes from docs/building/scaling.toml; a line whose
number was not measured says so.
"""

import argparse
import math
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from adapters.fakes.clock import FakeClock
from entrypoints.stores import open_store
from tests.benchmarks.filling import TEN_KB_HTML, TEN_KB_TEXT
from tests.world import World

DOCS: Final = Path(__file__).parents[2] / "docs/building"
NUMBERS: Final = DOCS / "scaling.toml"
PAPER: Final = DOCS / "scaling.md"
VOLUMES: Final = (1_000_000, 100_000_000, 10_000_000_000)
DAY_S: Final = 86_400
MISSING: Final = "not measured"
SAMPLE: Final = 2_000
# The day's mail by the hour: quiet nights, a hill in the morning and one in the afternoon.
HOURS: Final = (1, 1, 1, 1, 1, 2, 4, 7, 10, 12, 12, 11, 9, 10, 11, 11, 10, 8, 6, 5, 4, 3, 2, 1)


@attrs.frozen(kw_only=True)
class Numbers:
    """The numbers of the file: what was measured (or None) and what is assumed."""

    measured: Mapping[str, float]
    assumed: Mapping[str, float]

    @classmethod
    def read(cls, path: Path = NUMBERS) -> "Numbers":
        """Those of the file."""
        told = tomllib.loads(path.read_text("utf-8"))
        measured = {name: float(entry["value"]) for name, entry in told["measured"].items()}
        return cls(measured=measured, assumed=told["assumed"])


@attrs.frozen(kw_only=True)
class Need:
    """What one volume needs. None is what no measurement tells."""

    emails: int
    mean: float
    peak: float
    accepting: int
    accepting_batches: int
    delivering: int
    cores: int
    database_cores: float | None
    broker: float | None
    smtp_connections: int
    database_connections: int
    accounts: int
    body_bytes_day: float | None
    row_bytes_day: float | None
    kept_bytes: float | None
    rows_day: float
    calm: "Day"
    campaign: "Day"


@attrs.frozen(kw_only=True)
class Day:
    """How a simulated day went."""

    most_waiting: float
    longest_wait_s: float


def need(emails: int, numbers: Numbers) -> Need:
    """What *emails* a day need."""
    measured, assumed = numbers.measured, numbers.assumed
    mean = emails / DAY_S
    peak = mean * assumed["peak"]
    attempts = 1 + assumed["retried"]
    delivering = _processes(peak * attempts, measured["handoff_process"] * assumed["used"])
    accepting = _processes(peak, measured["post_process"] * assumed["used"])
    round_trips_s = assumed["round_trips"] * assumed["round_trip_ms"] / 1000
    rate = delivering * measured["handoff_process"] / attempts
    body, row = measured.get("body_bytes"), measured.get("row_bytes")
    return Need(
        emails=emails,
        mean=mean,
        peak=peak,
        accepting=accepting,
        accepting_batches=_processes(peak, measured["batch_process"] * assumed["used"]),
        delivering=delivering,
        cores=accepting + delivering,
        database_cores=_share(peak * attempts, measured.get("database_core"), assumed["used"]),
        broker=_share(peak, measured.get("broker"), assumed["used"]),
        smtp_connections=math.ceil(peak * attempts * round_trips_s),
        database_connections=round((accepting + delivering) * assumed["connections_process"]),
        accounts=math.ceil(emails * assumed["recipients"] / assumed["account_day"]),
        body_bytes_day=None if body is None else emails * body,
        row_bytes_day=None if row is None else emails * row,
        kept_bytes=None
        if body is None or row is None
        else emails * (body + row) * assumed["keep_days"],
        # an email and its message, its recipients, an attempt and a reservation for each try
        rows_day=emails * (2 + assumed["recipients"] + 2 * attempts),
        calm=simulate(emails, rate=rate, assumed=assumed, campaign=0.0),
        campaign=simulate(emails, rate=rate, assumed=assumed, campaign=assumed["campaign"]),
    )


def simulate(emails: int, *, rate: float, assumed: Mapping[str, float], campaign: float) -> Day:
    """A day, minute by minute: mail comes as HOURS say, *rate* a second goes.

    A *campaign* of that share of the day comes in one minute of the busiest hour. Mail that came
    first goes first, so that whoever comes last in a minute waits for all that waits then.
    """
    weight = sum(HOURS)
    busiest = HOURS.index(max(HOURS))
    # the hill is stretched so that its highest hour is what is assumed of it
    stretch = assumed["peak"] / (max(HOURS) * len(HOURS) / weight)
    waiting = most = longest = 0.0
    for minute in range(24 * 60):
        hour = minute // 60
        share = HOURS[hour] / weight * (stretch if hour == busiest else 1)
        waiting += emails * share / 60
        if campaign and minute == busiest * 60:
            waiting += emails * campaign
        most = max(most, waiting)
        waiting = max(0.0, waiting - rate * 60)
        longest = max(longest, waiting / rate)
    return Day(most_waiting=most, longest_wait_s=longest)


def _processes(rate: float, each: float) -> int:
    return max(1, math.ceil(rate / each))


def _share(rate: float, each: float | None, used: float) -> float | None:
    return None if each is None else rate / (each * used)


# -- as tables -------------------------------------------------------------------------------------

LINES: Final[Sequence[tuple[str, Callable[[Need], str]]]] = (
    ("emails a second, mean", lambda n: rounded(n.mean)),
    ("… in the busiest hour", lambda n: rounded(n.peak)),
    ("processes that accept, a POST each", lambda n: rounded(n.accepting)),
    ("… with 100 in a call", lambda n: rounded(n.accepting_batches)),
    ("processes that deliver", lambda n: rounded(n.delivering)),
    ("cores for both", lambda n: rounded(n.cores)),
    ("database cores", lambda n: rounded(n.database_cores)),
    ("brokers (with Celery)", lambda n: rounded(n.broker)),
    ("connections to mail servers", lambda n: rounded(n.smtp_connections)),
    ("connections to the database", lambda n: rounded(n.database_connections)),
    ("accounts", lambda n: rounded(n.accounts)),
    ("rows written a day", lambda n: rounded(n.rows_day)),
    ("messages a day", lambda n: _octets(n.body_bytes_day)),
    ("everything else a day", lambda n: _octets(n.row_bytes_day)),
    ("kept", lambda n: _octets(n.kept_bytes)),
    ("longest wait on a usual day", lambda n: _duration(n.calm.longest_wait_s)),
    ("longest wait behind a campaign", lambda n: _duration(n.campaign.longest_wait_s)),
    ("… most that wait then", lambda n: rounded(n.campaign.most_waiting)),
)


def tables(numbers: Numbers) -> Iterator[tuple[str, str]]:
    """Each table's name and its text."""
    needs = [need(emails, numbers) for emails in VOLUMES]
    head = ["", *(f"{rounded(emails)} a day" for emails in VOLUMES)]
    rows = [[name, *(tell(each) for each in needs)] for name, tell in LINES]
    yield "needs", _table(head, rows)
    told = tomllib.loads(NUMBERS.read_text("utf-8"))
    measured = [
        [entry["what"], f"{entry['value']:,} {entry['unit']}", f"`{entry['command']}`",
         f"{entry['date']}, {entry['source']}"]
        for entry in told["measured"].values()
    ]  # fmt: skip
    yield "measured", _table(["what", "value", "command", "when"], measured)


def written(paper: str, numbers: Numbers) -> str:
    """The paper with its tables as the numbers have them."""
    for name, table in tables(numbers):
        paper, done = re.subn(
            rf"(<!-- {name} -->\n).*?(<!-- end -->)",
            lambda found, table=table: f"{found[1]}{table}\n{found[2]}",
            paper,
            flags=re.DOTALL,
        )
        if done != 1:
            raise ValueError(f"docs/building/scaling.md has no one place for the table {name}")
    return paper


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def rounded(value: float | None) -> str:
    """Two digits that count: what was measured is no better."""
    if value is None:
        return MISSING
    if value < 10:
        return f"{value:.2g}"
    for size, word in ((1e9, " billion"), (1e6, " million"), (1, "")):
        if value >= size:
            number = value / size
            digits = max(0, math.floor(math.log10(number)) - 1)
            return f"{round(number, -digits):,.0f}{word}" if number >= 10 else f"{number:.2g}{word}"
    raise AssertionError(value)


def _octets(value: float | None) -> str:
    if value is None:
        return MISSING
    for size, word in ((1e15, "PB"), (1e12, "TB"), (1e9, "GB")):
        if value >= size:
            return f"{rounded(value / size)} {word}"
    return f"{rounded(value / 1e6)} MB"


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "less than a minute"
    if seconds < 120:
        return f"{rounded(seconds)} s"
    return f"{rounded(seconds / 60)} min" if seconds < 7200 else f"{rounded(seconds / 3600)} h"


# -- what is measured here -------------------------------------------------------------------------


def measure_storage(url: str, *, emails: int = SAMPLE) -> Mapping[str, float]:
    """Octets that an email of 10 KB takes when it has been sent: its message, and all the rest.

    In an empty store, which is left filled.
    """
    clock = FakeClock()
    store = open_store(url, clock=clock)
    store.migrate()
    world = World(store=store, clock=clock)
    before = _size(world)
    world.account()
    for _ in range(emails):
        world.submit(html=TEN_KB_HTML, text=TEN_KB_TEXT)
    world.run()
    assert len(world.sender.accepted) == emails
    (body,) = _ask(world, "SELECT AVG(LENGTH(octets)) FROM email_body")
    total = (_size(world) - before) / emails
    world.store.close()
    return {"body_bytes": float(body), "row_bytes": total - float(body)}


def _size(world: World) -> float:
    """Octets of the whole database."""
    sql = (
        "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        if type(world.store).__name__ == "SqliteStore"
        else "SELECT pg_database_size(current_database())"
    )
    return float(_ask(world, sql)[0])


def _ask(world: World, sql: str) -> Any:
    return world.store.read(lambda tx: tx.session.execute(sql).fetchone())


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scaling")
    parser.add_argument("--renew", action="store_true", help="write the tables into the paper")
    parser.add_argument("--storage", metavar="URL", help="measure on this empty store")
    options = parser.parse_args(arguments)
    if options.storage:
        for name, value in measure_storage(options.storage).items():
            print(f"{name} = {value:.0f}")
        return 0
    numbers = Numbers.read()
    if options.renew:
        PAPER.write_text(written(PAPER.read_text("utf-8"), numbers), "utf-8")
    else:
        print("\n\n".join(text for _, text in tables(numbers)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
