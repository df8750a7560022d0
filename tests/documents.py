"""What the documents and the code name: read from their text, for tests that compare the two."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.running import ROOT

PACKAGES = ("domain", "application", "adapters", "entrypoints")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
# A changelog and a superseded decision speak of what is gone.
CURRENT = [
    document
    for document in DOCUMENTS
    if document.name != "CHANGELOG.md" and "*Superseded by" not in document.read_text("utf-8")
]
SOURCES = sorted(path for folder in (*PACKAGES, "tests") for path in ROOT.glob(f"{folder}/**/*.py"))
# Those of the four packages.
PACKAGED = [path for path in SOURCES if path.relative_to(ROOT).parts[0] in PACKAGES]
CONFIGURATION = [
    *(path for path in sorted(ROOT.glob("deploy/*")) if path.is_file()),
    ROOT / ".env.example",
    ROOT / "Makefile",
    ROOT / "gunicorn.conf.py",
]


def shown(path: Path) -> str:
    """*path* as a failure names it."""
    return str(path.relative_to(ROOT))


@cache
def text(path: Path) -> str:
    """What stands in a file."""
    return path.read_text("utf-8")


@cache
def tree_of(path: Path) -> ast.Module:
    """A Python file, parsed."""
    return ast.parse(text(path))


def code_of(document: Path) -> Iterator[str]:
    """What a document sets as code: the lines of its blocks, and what stands in backticks."""
    outside = []
    for number, part in enumerate(re.split(r"^ *```.*$", text(document), flags=re.MULTILINE)):
        if number % 2:
            yield from part.replace("\\\n", " ").splitlines()
        else:
            outside.append(part)
    for part in outside:
        yield from re.findall(r"^ {4}(\S.*)$", part, re.MULTILINE)
        yield from (" ".join(found.split()) for found in re.findall(r"`([^`]+)`", part))


@cache
def names_in(path: Path) -> frozenset[str]:
    """Every name that a Python file defines: NAME, function, Class, Class.member."""
    return frozenset(_defined(tree_of(path).body))


def _defined(body: list[ast.stmt], *, within: str = "") -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield within + node.name
        if isinstance(node, ast.ClassDef):
            yield from _defined(node.body, within=f"{within}{node.name}.")
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield within + node.target.id
        if isinstance(node, ast.Assign):
            yield from (within + one.id for one in node.targets if isinstance(one, ast.Name))


@cache
def words_defined_in(path: Path) -> frozenset[str]:
    """Every word that may be a name a Python file defines; quicker than `names_in`."""
    return frozenset(
        re.findall(r"(?:\b(?:def|class) +|^ *)(\w+)(?= *[(:=])", text(path), re.MULTILINE)
    )


@cache
def all_names() -> frozenset[str]:
    """Every name that the four packages define."""
    return frozenset(name for path in PACKAGED for name in names_in(path))


def strings_in(path: Path) -> Iterator[str]:
    """Every string constant of a Python file."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def docstrings_of(path: Path) -> Iterator[str]:
    """The docstrings of a Python file, found by their quotes: to parse every file takes seconds."""
    yield from re.findall(r'"""(.*?)"""', text(path), re.DOTALL)


def name_of(called: ast.expr) -> str | None:
    """The last name of what is called: ``evolve`` of ``attrs.evolve(…)``."""
    if isinstance(called, ast.Attribute):
        return called.attr
    return called.id if isinstance(called, ast.Name) else None
