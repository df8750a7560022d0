"""The walk through the lock's metadata finds every kind of hole, by made-up packages."""

from collections.abc import Sequence

import pytest
from packaging.requirements import Requirement

from tests.lock import Pin, Unknown, environment, holes, pinned

HASH = "sha256:" + "0" * 64
LINUX = environment("3.11.2", "linux")
NEWER = environment("3.12.0", "linux")
WINDOWS = environment("3.11.2", "win32")


def lock_of(*lines: str) -> Sequence[Pin]:
    return pinned("".join(f"{line} \\\n    --hash={HASH}\n" for line in lines))


def found(pins: Sequence[Pin], where=LINUX, **packages: Sequence[str]) -> Sequence[str]:
    """The holes of a project that needs `web`, by the requirements of each package."""

    def requirements_of(name: str) -> Sequence[Requirement]:
        if name not in packages:
            raise Unknown(name)
        return [Requirement(text) for text in packages[name]]

    return holes([Requirement("web>=2")], pins, where, requirements_of=requirements_of)


def test_a_lock_that_satisfies_all_that_it_pins_has_no_hole():
    pins = lock_of("web==2.1", "words==1.0")
    assert found(pins, web=["words<2"], words=[]) == []


def test_a_requirement_of_a_pin_that_is_not_pinned_is_a_hole():
    assert found(lock_of("web==2.1"), web=["words<2"]) == [
        "web 2.1 needs words<2, and nothing is pinned"
    ]


def test_a_requirement_of_the_project_that_is_not_pinned_is_a_hole():
    assert found(lock_of()) == ["the project needs web>=2, and nothing is pinned"]


def test_a_pin_of_a_version_that_another_one_refuses_is_a_hole():
    pins = lock_of("web==2.1", "words==2.0")
    assert "web 2.1 needs words<2, and 2.0 is pinned" in found(pins, web=["words<2"], words=[])


def test_what_only_one_python_needs_is_a_hole_for_that_one():
    web = ['words; python_full_version < "3.11.3"']
    assert found(lock_of("web==2.1"), LINUX, web=web)
    assert not found(lock_of("web==2.1"), NEWER, web=web)


def test_what_is_pinned_for_another_system_is_a_hole_here():
    pins = lock_of("web==2.1", "words==1.0 ; sys_platform == 'win32'")
    assert found(pins, LINUX, web=["words"], words=[])
    assert not found(pins, WINDOWS, web=["words"], words=[])


def test_what_an_extra_needs_counts_where_the_extra_is_asked_for():
    extra = ["words; extra == 'fast'"]
    pins = lock_of("web==2.1", "site==1.0")
    assert not found(pins, web=["site"], site=extra)
    assert found(pins, web=["site[fast]"], site=extra)


def test_a_pin_that_nothing_needs_is_reported():
    assert found(lock_of("web==2.1", "words==1.0"), web=[], words=[]) == ["nothing needs words"]


def test_two_pins_of_one_package_are_reported():
    assert found(lock_of("web==2.1", "web==2.2"), web=[]) == ["web is pinned twice"]


def test_a_package_whose_requirements_cannot_be_read_is_not_passed_over():
    with pytest.raises(Unknown, match="web"):
        found(lock_of("web==2.1"))


@pytest.mark.parametrize(
    "text", ["web==2.1\n", "web>=2\n", f"web \\\n    --hash={HASH}\n", "-e .\n"]
)
def test_a_line_that_is_no_pin_with_a_hash_is_refused(text):
    with pytest.raises(AssertionError, match="neither a pin"):
        pinned(text)
