"""Generated calls find nothing: a started server answers as the contract says."""

from pathlib import Path

import pytest

from tests.e2e.schemathesis_hooks import TEMPLATE
from tests.generated_calls import CHAPTERS, LIMITS, SEED, generated, generated_calls
from tests.running import Running, free_port, running

ENOUGH = 500  # of each chapter


@pytest.mark.parametrize("tags", CHAPTERS, ids="-".join)
def test_generated_calls_find_nothing_that_the_contract_does_not_say(
    tmp_path: Path, tags: tuple[str, ...]
) -> None:
    with running(tmp_path, **LIMITS) as service:
        service.account(free_port())
        publish_a_template(service)
        report = generated_calls(service, *tags)
        log = service.output()

    print(f"seed {SEED}")
    assert report.returncode == 0, report.stdout + report.stderr + log[-5000:]
    assert "Traceback" not in log
    assert generated(report) >= ENOUGH


def publish_a_template(service: Running) -> None:
    """The template that the hooks let emails be written by."""
    body = {"name": TEMPLATE, "subject": "x", "html": "x"}
    assert service.post("/api/templates", body)[0] == 201
    assert service.post(f"/api/templates/{TEMPLATE}/publish", {})[0] == 200
