"""No file and no class of the core grows beyond what a reader can hold."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = sorted(
    path.relative_to(ROOT)
    for package in ("domain", "application")
    for path in (ROOT / package).rglob("*.py")
)
MOST_LINES = 450
MOST_METHODS = 15
# A port is a list of what may be asked of a technology.
PORTS = Path("application/ports")


@pytest.mark.parametrize("path", CORE, ids=str)
def test_no_file_of_the_core_is_long(path: Path) -> None:
    assert len((ROOT / path).read_text("utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", [p for p in CORE if PORTS not in p.parents], ids=str)
def test_no_class_of_the_core_has_many_methods(path: Path) -> None:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    methods = {
        node.name: sum(isinstance(part, ast.FunctionDef) for part in node.body)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    assert {name: number for name, number in methods.items() if number > MOST_METHODS} == {}
