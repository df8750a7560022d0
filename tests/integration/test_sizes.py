"""No file and no class of the core grows beyond what a reader can hold."""

import ast
from pathlib import Path

from tests.documents import PACKAGED, shown, text, tree_of
from tests.running import ROOT

CORE = [path for path in PACKAGED if shown(path).startswith(("domain/", "application/"))]
MOST_LINES = 450
MOST_METHODS = 15
# A port is a list of what may be asked of a technology.
PORTS = ROOT / "application/ports"


def test_no_file_of_the_core_is_long() -> None:
    lines = {shown(path): len(text(path).splitlines()) for path in CORE}

    assert {path: number for path, number in lines.items() if number > MOST_LINES} == {}


def methods_in(path: Path) -> dict[str, int]:
    """How many methods each class of a file has; methods are counted in the text first."""
    if text(path).count("    def ") <= MOST_METHODS:
        return {}
    return {
        f"{shown(path)}: {node.name}": sum(isinstance(part, ast.FunctionDef) for part in node.body)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ClassDef)
    }


def test_no_class_of_the_core_has_many_methods() -> None:
    methods = {
        name: number
        for path in CORE
        if PORTS not in path.parents
        for name, number in methods_in(path).items()
    }

    assert {name: number for name, number in methods.items() if number > MOST_METHODS} == {}
