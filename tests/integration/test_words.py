"""The words of errors: those of the API where its users read them, none of HTTP in the core."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.documents import PACKAGED, shown, tree_of
from tests.running import ROOT

CORE = [path for path in PACKAGED if shown(path).startswith(("domain/", "application/"))]
SOURCES = (
    *CORE,
    *(ROOT / "entrypoints/http").rglob("*.py"),
    *(ROOT / "adapters/peewee_store").rglob("*.py"),
    ROOT / "adapters/fakes/memory_store.py",
)
# Names of HTTP, and names of fields that the API alone has: entrypoints.http puts its own there.
OF_THE_EDGE = re.compile(
    r"Idempotency-Key|Authorization|Retry-After|\bHTTP\b|\bJSON\b|smtp_config|smtp_(host|port)"
    r"|email_address|(html|text)_content|\b(daily|hourly|minute)_limit\b"
)
VALUES = {
    "FieldError",
    "Gate",
    "AbandonedAttempt",
    "NotFound",
    "Conflict",
    "NameTaken",
    "Forbidden",
    "Field",
}


@cache
def texts(path: Path) -> tuple[str, ...]:
    """Every text of an error, a gate or a field's description."""
    return tuple(_texts(tree_of(path)))


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        raised = isinstance(node, ast.Raise) and node.exc is not None
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if raised or (called and node.func.id in VALUES):  # type: ignore[union-attr, attr-defined]
            for part in ast.walk(node):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


def test_no_error_calls_an_smtp_configuration_an_account() -> None:
    found = [
        (shown(path), text)
        for path in SOURCES
        for text in texts(path)
        if re.search(r"\baccounts?\b(?!:|\.\w|\.`)", text, re.IGNORECASE)
    ]
    assert found == []


def test_no_error_of_the_core_has_a_name_of_the_api() -> None:
    found = [
        (shown(path), text) for path in CORE for text in texts(path) if OF_THE_EDGE.search(text)
    ]
    assert found == []
