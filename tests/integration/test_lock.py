"""The locks are complete for every Python and system: nothing is resolved while installing."""

import sys
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement

from tests.lock import (
    PYTHONS,
    SYSTEMS,
    Unknown,
    environment,
    holes,
    installed_requirements,
    lock,
    roots,
)

# What is installed on another system or Python only, so that nothing can be read of it here. It
# needs nothing itself.
ELSEWHERE = {"async-timeout", "colorama", "tzdata"}
HERE = environment(".".join(map(str, sys.version_info[:3])), sys.platform)
SETS = ("run", "image", "dev", "build")


def requirements_of(package: str) -> list[Requirement]:
    try:
        return list(installed_requirements(package))
    except Unknown:
        if package in ELSEWHERE:
            return []
        raise


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("name", SETS)
def test_every_requirement_of_every_pin_is_pinned(name: str, system: str, python: str) -> None:
    where = environment(python, system)

    assert list(holes(roots(name), lock(name), where, requirements_of=requirements_of)) == []


@pytest.mark.parametrize("name", ["dev", "build"])
def test_what_is_read_of_the_pins_is_read_of_the_pinned_versions(name: str) -> None:
    here = [pin for pin in lock(name) if pin.holds(HERE)]

    assert len(here) >= 1
    assert [
        (p.name, p.version, version(p.name)) for p in here if version(p.name) != p.version
    ] == []


@pytest.mark.parametrize("name", ["run", "image"])
def test_development_has_the_same_versions(name: str) -> None:
    """So `make run` beside `make setup` changes no package, and tests run on what is shipped."""
    assert set(lock(name)) <= set(lock("dev"))


def test_the_tools_that_make_the_lock_are_pinned_too() -> None:
    assert {"uv", "pip-audit"} <= {pin.name for pin in lock("tools")}
