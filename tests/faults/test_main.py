"""How experiments are run: requirements first, then all of them, then one table."""

from pathlib import Path

import pytest

from tests.faults.__main__ import CANNOT_RUN, main
from tests.faults.catalogue import Experiment
from tests.faults.harness import Numbers
from tests.faults.requirements import MissingRequirement


def good(folder: Path, *, emails: int = 5000) -> Numbers:
    assert folder.is_dir()
    return {"accepted": emails, "lost": 0}


def bad(folder: Path) -> Numbers:
    raise AssertionError("3 emails were lost")


def broken(folder: Path) -> Numbers:
    raise KeyError("a bug | of the experiment")


def not_there() -> None:
    raise MissingRequirement("strace is needed: apt-get install strace")


def an_experiment(name: str, run=good, **changes) -> Experiment:  # type: ignore[no-untyped-def]
    return Experiment(name=name, claim=f"{name} holds", run=run, **changes)


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_the_table_alone_stands_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], experiments=[an_experiment("A"), an_experiment("B")]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("| id | claim | result | numbers | time |\n| --- |")
    assert rows(out) == [
        ["A", "A holds", "holds", "accepted: 5000; lost: 0", "0 s"],
        ["B", "B holds", "holds", "accepted: 5000; lost: 0", "0 s"],
    ]
    assert "2 of 2 hold" in out
    assert err.count("accepted: 5000") == 2


def test_a_failure_stops_no_other_experiment_and_sets_the_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    experiments = [an_experiment("A", bad), an_experiment("B", broken), an_experiment("C")]
    assert main([], experiments=experiments) == 1
    out, err = capsys.readouterr()
    assert [row[2] for row in rows(out)] == ["**fails**", "**fails**", "holds"]
    assert "AssertionError: 3 emails were lost" in out
    assert r"a bug \| of the experiment" in out
    assert "1 of 3 hold" in out
    assert "Traceback" in err


def test_missing_requirements_are_reported_before_anything_is_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    experiments = [an_experiment("A"), an_experiment("B", needs=(not_there,))]
    assert main([], experiments=experiments) == CANNOT_RUN
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "B: strace is needed: apt-get install strace\nNothing was run.\n"


def test_what_is_missing_matters_to_its_own_experiment_only() -> None:
    experiments = [an_experiment("A"), an_experiment("B", needs=(not_there,))]
    assert main(["A"], experiments=experiments) == 0


def test_the_short_list_is_run_in_its_own_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    experiments = [an_experiment("A", short={"emails": 7}), an_experiment("B")]
    assert main(["--short"], experiments=experiments) == 0
    assert [row[3] for row in rows(capsys.readouterr().out)] == ["accepted: 7; lost: 0"]


def test_an_experiment_that_there_is_not_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["E99"], experiments=[an_experiment("A")])
    assert "there is no E99: choose from A" in capsys.readouterr().err
