"""Runs benchmarks and prints a table of figure, reached, wanted: medians of three, and the spread.

python -m tests.benchmarks                    all of them
python -m tests.benchmarks hand-off post      some
python -m tests.benchmarks --peers            all, and others (pip installs them)
python -m tests.benchmarks --json             for machines
python -m tests.benchmarks --quick            small and once: whether they work, not how fast
"""

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.catalogue import BENCHMARKS, BY_NAME
from tests.benchmarks.figures import HEAD, Benchmark, Reached, Scene, lines, machine


@dataclass
class _Runs:
    benchmark: Benchmark
    reached: list[Reached] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, however fast it was."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BY_NAME))
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--peers", action="store_true", help="also what others reach")
    parser.add_argument("--quick", action="store_true", help="small sizes, one run")
    parser.add_argument("--emails", type=int, default=0, help="how many the benchmark search has")
    parser.add_argument("--runs", type=int, help="how many runs of each (3; 1 if quick)")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(BY_NAME)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {list(BY_NAME)}")
    chosen = [BY_NAME[name] for name in options.names] or [
        each for each in BENCHMARKS if not each.optional
    ]
    if options.peers:
        chosen += [each for each in BENCHMARKS if each.optional and each not in chosen]
    runs = options.runs or (1 if options.quick else 3)
    before = machine()
    done = run(chosen, runs=runs, quick=options.quick, emails=options.emails)
    if options.json:
        found = [
            line.as_json(each.benchmark.name)
            for each in done
            for line in lines(each.benchmark, each.reached)
        ]
        print(json.dumps({"machine": before, "runs": runs, "figures": found}, indent=2))
        return 0
    print(HEAD)
    for each in done:
        for line in lines(each.benchmark, each.reached):
            print(line.as_row())
    print(f"\n{before}; median of {runs}")
    return 0


def run(chosen: Sequence[Benchmark], *, runs: int, quick: bool, emails: int = 0) -> list[_Runs]:
    """Every benchmark so often, in turns, so that a noisy minute does not spoil one of them."""
    done = [_Runs(benchmark) for benchmark in chosen]
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        shared = Path(folder)
        for _ in range(runs):
            for each in done:
                each.reached.append(_run_once(each.benchmark, shared, quick=quick, emails=emails))
    return done


def _run_once(benchmark: Benchmark, shared: Path, *, quick: bool, emails: int) -> Reached:
    """What it reached; nothing if it broke, which must not lose what the others reached."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"{benchmark.name}-") as folder:
        try:
            scene = Scene(folder=Path(folder), shared=shared, quick=quick, emails=emails)
            reached = benchmark.run(scene)
        except Exception:
            traceback.print_exc()
            reached = {}
    told = ", ".join(f"{name}: {value:.4g}" for name, value in reached.items() if value is not None)
    seconds = time.monotonic() - started
    print(f"{benchmark.name}: {told} [{seconds:.0f} s]", file=sys.stderr, flush=True)
    return reached


if __name__ == "__main__":
    sys.exit(main())
