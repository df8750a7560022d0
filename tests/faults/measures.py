"""Counts and measures: copies, windows, medians, memory. All but the memory are pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median


def window_maximum(times: Iterable[float], length_s: float) -> int:
    """The most events that any half-open window of *length_s* seconds holds."""
    ordered = sorted(times)
    first = most = 0
    for last, time in enumerate(ordered):
        while time - ordered[first] >= length_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def extra_copies(subjects: Iterable[str]) -> int:
    """Copies beyond the first of each."""
    return sum(count - 1 for count in Counter(subjects).values())


def inversions(numbers: Sequence[int]) -> int:
    """How many numbers come right after a greater one."""
    return sum(after < before for before, after in pairwise(numbers))


def lowest_median(rows: Mapping[str, Sequence[float]]) -> tuple[str, float]:
    """The name with the lowest median, and that median."""
    medians = {name: median(values) for name, values in rows.items()}
    return min(medians.items(), key=lambda item: item[1])


def resident_mb(pid: int | str = "self", *, peak: bool = False) -> float:
    """Resident memory of a process, or the most it ever was."""
    field = "VmHWM:" if peak else "VmRSS:"
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise ValueError(f"process {pid} has no {field}")
