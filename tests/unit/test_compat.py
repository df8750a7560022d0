"""Which Pythons the compatibility run takes."""

import sys
from pathlib import Path

import pytest

from tests.compat import ends, installed, main


def a_python(folder: Path, name: str, says: str, *, code: int = 0) -> str:
    """Answers every question with *says*."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    path.chmod(0o755)
    return str(path)


def test_one_of_each_other_version_that_can_run_us_is_taken(tmp_path: Path) -> None:
    own = " ".join(map(str, sys.version_info[:3]))
    first = a_python(tmp_path, "first", "3 99 1")
    pythons = [
        str(tmp_path / "missing"),
        a_python(tmp_path, "own", own),
        a_python(tmp_path, "old", "3 10 9"),
        a_python(tmp_path, "without_venv", "3 98 0", code=1),
        first,
        a_python(tmp_path, "again", "3 99 1"),
    ]

    assert installed(pythons) == {(3, 99, 1): first}


@pytest.mark.parametrize(
    ("found", "taken"), [("", ""), ("a", "a"), ("ab", "ab"), ("abc", "ac"), ("abcd", "ad")]
)
def test_the_oldest_and_the_newest_are_taken(found: str, taken: str) -> None:
    assert list(ends(found)) == list(taken)


def a_python_with_environments(folder: Path, name: str, says: str, *, fails: str = "") -> str:
    """Makes environments of a Python that fails whenever it runs the module *fails*."""
    path = folder / name
    path.write_text(
        f"""#!/bin/sh
[ "$2" = venv ] || {{ echo '{says}'; exit 0; }}
mkdir -p "$3/bin"
printf '#!/bin/sh\n[ "$2" != "{fails}" ]\n' > "$3/bin/python"
chmod 755 "$3/bin/python"
"""
    )
    path.chmod(0o755)
    return str(path)


def test_the_run_succeeds_if_the_tests_pass_with_every_version(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = a_python_with_environments(tmp_path, "first", "3 98 0")
    second = a_python_with_environments(tmp_path, "second", "3 99 1")

    assert main([second, first]) == 0
    assert capfd.readouterr().out.splitlines() == [
        f"-- Python 3.98.0 ({first})",
        f"-- Python 3.99.1 ({second})",
    ]


@pytest.mark.parametrize("module", ["pip", "pytest"])
def test_a_version_that_fails_is_named_and_the_others_are_tried(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], module: str
) -> None:
    first = a_python_with_environments(tmp_path, "first", "3 98 0", fails=module)
    second = a_python_with_environments(tmp_path, "second", "3 99 1")

    assert main([first, second]) == 1
    assert capfd.readouterr().out.splitlines()[1:] == [
        f"-- Python 3.99.1 ({second})",
        "failed with Python 3.98.0",
    ]
