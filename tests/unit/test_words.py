"""What the code calls an account is an SMTP configuration in every text of the API."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = (
    *(ROOT / "domain").rglob("*.py"),
    *(ROOT / "application").rglob("*.py"),
    *(ROOT / "entrypoints/http").rglob("*.py"),
    *(ROOT / "adapters/peewee_store").rglob("*.py"),
    ROOT / "adapters/fakes/memory_store.py",
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


def texts(tree: ast.AST) -> Iterator[str]:
    """Every text of an error, a gate or a field's description."""
    for node in ast.walk(tree):
        raised = isinstance(node, ast.Raise) and node.exc is not None
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if raised or (called and node.func.id in VALUES):  # type: ignore[union-attr, attr-defined]
            for part in ast.walk(node):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


def test_no_error_calls_an_smtp_configuration_an_account() -> None:
    found = [
        (str(path.relative_to(ROOT)), text)
        for path in SOURCES
        for text in texts(ast.parse(path.read_text("utf-8")))
        if re.search(r"\baccounts?\b(?!:)", text, re.IGNORECASE)
    ]
    assert found == []
