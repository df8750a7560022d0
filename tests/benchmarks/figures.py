"""What a benchmark gives: figures, each with what was wanted, over several runs."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import apsw
import attrs

# name of a figure -> what one run reached; None where it cannot be had
Reached = Mapping[str, float | None]


@attrs.frozen(kw_only=True)
class Figure:
    """One line of the table. *most* says that less is better."""

    name: str
    unit: str
    least: float | None = None
    most: float | None = None

    @property
    def wanted(self) -> str:
        """In words."""
        if self.least is not None:
            return f"≥ {shown(self.least)} {self.unit}"
        return "" if self.most is None else f"≤ {shown(self.most)} {self.unit}"

    def met(self, reached: float) -> bool | None:
        """None where nothing is wanted."""
        if self.least is not None:
            return reached >= self.least
        return None if self.most is None else reached <= self.most


@attrs.frozen(kw_only=True)
class Scene:
    """What a run is given: a folder of its own, and whether sizes are to be those of a test.

    *emails* is how many are wanted where a benchmark lets one choose, 0 what it thinks right.
    """

    folder: Path
    shared: Path
    quick: bool
    emails: int = 0

    def size(self, full: int, quick: int) -> int:
        """The one that is wanted now."""
        return quick if self.quick else full


@attrs.frozen(kw_only=True)
class Benchmark:
    """Some figures that one run gives together."""

    name: str
    about: str
    figures: tuple[Figure, ...]
    run: Callable[[Scene], Reached]
    optional: bool = False


@attrs.frozen
class Line:
    """A figure and what each run reached."""

    figure: Figure
    runs: Sequence[float]

    @property
    def reached(self) -> float | None:
        """The median; None if there is nothing to measure."""
        return median(self.runs) if self.runs else None

    def as_row(self) -> str:
        """For the table."""
        if self.reached is None:
            return _row(self.figure.name, "not there", "", self.figure.wanted, "")
        spread = f"{shown(min(self.runs))} – {shown(max(self.runs))}" if len(self.runs) > 1 else ""
        met = {True: "yes", False: "**no**", None: ""}[self.figure.met(self.reached)]
        reached = f"{shown(self.reached)} {self.figure.unit}"
        return _row(self.figure.name, reached, spread, self.figure.wanted, met)

    def as_json(self, benchmark: str) -> dict[str, Any]:
        """For machines."""
        figure = self.figure
        return {
            "benchmark": benchmark,
            "figure": figure.name,
            "unit": figure.unit,
            "reached": self.reached,
            "runs": list(self.runs),
            "least": figure.least,
            "most": figure.most,
            "met": None if self.reached is None else figure.met(self.reached),
        }


HEAD: Final = "| figure | reached | spread | wanted | met |\n|---|---|---|---|---|"


def lines(benchmark: Benchmark, runs: Iterable[Reached]) -> list[Line]:
    """The figures of one benchmark over its runs."""
    several = list(runs)
    return [
        Line(figure, [run[figure.name] for run in several if run.get(figure.name) is not None])
        for figure in benchmark.figures
    ]


def shown(number: float) -> str:
    """Three digits that count."""
    if number >= 100:
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.3g}"


def machine() -> str:
    """What it ran on, and how busy that was."""
    loads = " ".join(f"{load:.2f}" for load in os.getloadavg())
    python = ".".join(map(str, sys.version_info[:3]))
    return (
        f"{os.cpu_count()} processors, CPython {python}, SQLite {apsw.sqlite_lib_version()},"
        f" load {loads}"
    )


def percentile(numbers: Sequence[float], share: float) -> float:
    """The value that *share* of them do not exceed."""
    ordered = sorted(numbers)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
