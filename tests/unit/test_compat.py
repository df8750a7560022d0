"""Which Pythons the compatibility run takes."""

import sys
from pathlib import Path

from tests.compat import installed


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
