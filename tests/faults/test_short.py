"""The experiments of the short list, in the sizes of CI: each proves its claim or fails here."""

from pathlib import Path

import pytest

from tests.faults.catalogue import EXPERIMENTS, Experiment
from tests.faults.requirements import MissingRequirement
from tests.missing import missing

SHORT = [experiment for experiment in EXPERIMENTS if experiment.short is not None]


@pytest.mark.parametrize("experiment", SHORT, ids=lambda experiment: experiment.name)
def test_the_claim_holds(experiment: Experiment, tmp_path: Path) -> None:
    try:
        experiment(tmp_path, short=True)
    except MissingRequirement as reason:
        missing(reason)
