"""Runs experiments and prints their numbers as the table that docs/building/guarantees.md shows.

python -m tests.faults               all of them
python -m tests.faults E01 SOAK      some
python -m tests.faults --short       the sizes of CI
python -m tests.faults > table.md    the table alone: progress and failures are told on stderr
"""

import argparse
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Collection, Sequence
from pathlib import Path

import attrs

from tests.faults.catalogue import EXPERIMENTS, Experiment
from tests.faults.harness import Numbers
from tests.faults.requirements import MissingRequirement

CANNOT_RUN = 2


@attrs.frozen(kw_only=True)
class Row:
    """What became of one experiment."""

    experiment: Experiment
    numbers: Numbers
    holds: bool
    seconds: float

    def __str__(self) -> str:
        numbers = "; ".join(f"{name}: {number}" for name, number in self.numbers.items())
        cells = (
            self.experiment.name,
            self.experiment.claim,
            "holds" if self.holds else "**fails**",
            numbers,
            _duration(self.seconds),
        )
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def main(
    arguments: Sequence[str] | None = None, *, experiments: Sequence[Experiment] = EXPERIMENTS
) -> int:
    """The exit code: 0 if all hold, 1 if one fails, 2 if something needed is not there."""
    by_name = {experiment.name: experiment for experiment in experiments}
    options = _options(arguments, known=by_name)
    chosen = [by_name[name] for name in options.names] or [
        each for each in experiments if each.short is not None or not options.short
    ]
    missing = _missing(chosen)
    if missing:
        print(*missing, "Nothing was run.", sep="\n", file=sys.stderr)
        return CANNOT_RUN
    rows: list[Row] = []
    try:
        for experiment in chosen:
            rows.append(_run(experiment, short=options.short, keep=options.keep))
            print(rows[-1], file=sys.stderr, flush=True)
    finally:
        _print_table(rows, of=len(chosen), short=options.short)
    return int(not all(row.holds for row in rows))


def _options(arguments: Sequence[str] | None, *, known: Collection[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="E01", help="which; all if none is named")
    parser.add_argument("--short", action="store_true", help="the sizes of CI, and its list")
    parser.add_argument("--keep", type=Path, help="keep databases and logs in this folder")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(known):
        parser.error(f"there is no {min(unknown)}: choose from {', '.join(known)}")
    return options


def _missing(experiments: Sequence[Experiment]) -> list[str]:
    """A line for each experiment that this machine cannot run: known before hours have passed."""
    lines = []
    for experiment in experiments:
        for need in experiment.needs:
            try:
                need()
            except MissingRequirement as error:
                lines.append(f"{experiment.name}: {error}")
    return lines


def _run(experiment: Experiment, *, short: bool, keep: Path | None) -> Row:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"{experiment.name}-") as temporary:
        folder = Path(temporary)
        if keep is not None:
            folder = keep / experiment.name
            folder.mkdir(parents=True, exist_ok=True)
        try:
            numbers, holds = experiment(folder, short=short), True
        except Exception as error:  # the next one must run, whatever went wrong in this one
            traceback.print_exc(file=sys.stderr)
            numbers = {type(error).__name__: str(error).replace("\n", " ")[:200]}
            holds = False
    seconds = time.monotonic() - started
    return Row(experiment=experiment, numbers=numbers, holds=holds, seconds=seconds)


def _print_table(rows: Sequence[Row], *, of: int, short: bool) -> None:
    held = sum(row.holds for row in rows)
    print("| id | claim | result | numbers | time |", "| --- | --- | --- | --- | --- |", sep="\n")
    print(*rows, sep="\n")
    print(
        f"\n{time.strftime('%d %B %Y')}, {len(os.sched_getaffinity(0))} processors, "
        f"{platform.system()}, Python {platform.python_version()}"
        f"{', the sizes of CI' if short else ''}: {held} of {of} hold, "
        f"{_duration(sum(row.seconds for row in rows))} in all.",
        flush=True,
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


if __name__ == "__main__":
    sys.exit(main())
