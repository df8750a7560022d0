"""E26: generated calls, many of them, and not one answer that the contract does not describe."""

import itertools
from collections import Counter
from pathlib import Path

from tests.faults.harness import Numbers, ended
from tests.generated_calls import CHAPTERS, LIMITS, SEED, fill, generated, generated_calls
from tests.running import Running


def generated_calls_find_nothing(folder: Path, *, cases: int = 10_000) -> Numbers:
    """E26: by schemathesis with all its checks, chapter by chapter, seed by seed.

    Every answer is held against its schema, so each is JSON; a 5xx fails unless it is the 503 that
    the contract has. A service lives for one run: bad keys in numbers would shut its door.
    """
    counts: Counter[str] = Counter()
    runs = 0
    for seed in itertools.count(SEED):
        for number, tags in enumerate(CHAPTERS):
            place = folder / f"{seed}-{number}"
            place.mkdir()
            service = Running(place, **LIMITS)
            with ended(service):
                fill(service.start())
                report = generated_calls(service, *tags, seed=seed)
                log = service.output()
            runs += 1
            told = f"seed {seed}, {tags}: {report.stdout}{report.stderr}"
            assert report.returncode == 0, told
            assert "Traceback" not in log, f"seed {seed}, {tags}: {log}"
            counts[tags[0]] += generated(report)
        if counts.total() >= cases:
            return {
                "generated calls": counts.total(),
                **{f"of {name}": count for name, count in counts.items()},
                "seeds": runs // len(CHAPTERS),
                "against the contract": 0,
            }
    raise AssertionError("seeds do not end")
