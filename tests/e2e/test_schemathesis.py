"""Generated calls find nothing: a started server answers as the contract says."""

from pathlib import Path

import pytest

from tests.generated_calls import CHAPTERS, LIMITS, SEED, fill, generated, generated_calls
from tests.running import running

ENOUGH = 500  # of each chapter


@pytest.mark.parametrize("tags", CHAPTERS, ids="-".join)
def test_generated_calls_find_nothing_that_the_contract_does_not_say(
    tmp_path: Path, tags: tuple[str, ...]
) -> None:
    with running(tmp_path, **LIMITS) as service:
        fill(service)
        report = generated_calls(service, *tags)
        log = service.output()

    print(f"seed {SEED}")
    assert report.returncode == 0, report.stdout + report.stderr + log[-5000:]
    assert "Traceback" not in log
    assert generated(report) >= ENOUGH
