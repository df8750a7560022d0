"""The log events that the four packages create, with their fields: read from the code's text.

An `Event` is often made in a method that is told its name. So an expression is followed to the
strings that it may be: through the calls of its function, what a function returns, and tables.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import attrs

from domain.email.status import TRANSITIONS, Status
from tests.documents import PACKAGED, name_of, shown, text, tree_of

_NAME = re.compile(r"[a-z]+(?:_[a-z]+)*")
_OF_ALL = ("email_id", "account_id", "attempt")
# What becomes of an email by an attempt; reporting.py makes a name of it.
_ENDS = {
    f"email_{status}"
    for (before, _), after in TRANSITIONS.items()
    if before is Status.SENDING
    for status in after - {before}
}
Function = ast.FunctionDef | ast.AsyncFunctionDef


@attrs.frozen
class Site:
    """Where an event is made: a call, in a function of a file."""

    path: Path
    function: Function
    call: ast.Call


def fields_of_events() -> dict[str, set[str]]:
    """The fields that each event may have."""
    found: dict[str, set[str]] = {}
    for site in _sites("Event", "Happened"):
        given = {one.arg: one.value for one in site.call.keywords}
        if "name" not in given:
            continue  # that of threading
        own = {name for name in _OF_ALL if name in given}
        own |= _keys(given.get("fields"), site)
        for name, more in _names(given["name"], site):
            found.setdefault(name, set()).update(own, more)
    return found


def _sites(*called: str) -> Iterator[Site]:
    words = re.compile(rf"\b(?:{'|'.join(called)})\(")
    for path in PACKAGED:
        if words.search(text(path)):
            for function in _functions(path):
                for node in _own(function):
                    if isinstance(node, ast.Call) and name_of(node.func) in called:
                        yield Site(path, function, node)


def _functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _own(function: Function) -> Iterator[ast.AST]:
    """What stands in it; what stands in a function within it is that one's."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting.extend(ast.iter_child_nodes(node))


def _names(of: ast.AST, site: Site) -> Iterator[tuple[str, set[str]]]:
    """The strings that an expression may be, each with the keywords of the call that gave it."""
    if isinstance(of, ast.Constant):
        if isinstance(of.value, str) and _NAME.fullmatch(of.value):
            yield of.value, set()
    elif isinstance(of, ast.JoinedStr):
        yield from ((name, set()) for name in _ENDS)
    elif isinstance(of, ast.IfExp):
        yield from _names(of.body, site)
        yield from _names(of.orelse, site)
    elif isinstance(of, ast.Subscript):
        yield from _names_in_table(name_of(of.value), site)
    elif isinstance(of, ast.Attribute):  # of BackgroundThreads, which is told it as it is made
        for maker in _sites("BackgroundThreads"):
            given = {one.arg: one.value for one in maker.call.keywords}
            yield from _names(given[of.attr.lstrip("_")], maker)
    elif isinstance(of, ast.Call):
        for function in _functions(site.path):
            if function.name == name_of(of.func):
                for node in _own(function):
                    if isinstance(node, ast.Return) and node.value is not None:
                        yield from _names(node.value, site)
    elif isinstance(of, ast.Name):
        yield from _names_of_variable(of.id, site)


def _names_in_table(table: str | None, site: Site) -> Iterator[tuple[str, set[str]]]:
    for node in tree_of(site.path).body:
        if isinstance(node, ast.AnnAssign) and name_of(node.target) == table:
            for child in ast.walk(node):
                yield from _names(child, site) if isinstance(child, ast.Constant) else ()


def _names_of_variable(variable: str, site: Site) -> Iterator[tuple[str, set[str]]]:
    arguments = site.function.args
    parameters = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
    if variable not in parameters:
        for value in _values(variable, site):
            yield from _names(value, site)
        return
    place = parameters.index(variable) - ("self" in parameters)
    for caller in _callers(site):
        for value in caller.call.args[place : place + 1]:
            for name, more in _names(value, caller):
                if arguments.kwarg is None:
                    yield name, more
                else:
                    yield name, more | {one.arg for one in caller.call.keywords if one.arg}


def _callers(site: Site) -> Iterator[Site]:
    """Where the function of *site* is called; of two of one name, the one that is imported."""
    name, home = site.function.name, shown(site.path).removesuffix(".py").replace("/", ".")
    for caller in _sites(name):
        imported = re.search(rf"^from (\S+) import .*\b{name}\b", text(caller.path), re.M)
        if caller.path == site.path or (
            imported.group(1) == home
            if imported
            else not name.startswith("_") and isinstance(caller.call.func, ast.Attribute)
        ):
            yield caller


def _values(variable: str, site: Site) -> Iterator[ast.expr]:
    """What is assigned to it in its function."""
    for node in _own(site.function):
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if variable in map(name_of, targets) and node.value is not None:
            yield node.value


def _keys(of: ast.expr | None, site: Site) -> set[str]:
    """The keys that a dictionary may have."""
    found: set[str] = set()
    if isinstance(of, ast.Dict):
        found = {key.value for key in of.keys if isinstance(key, ast.Constant)}
    elif isinstance(of, ast.Name):
        before = [one for one in _values(of.id, site) if one.lineno < site.call.lineno]
        found = _keys(max(before, key=lambda one: one.lineno, default=None), site)
    elif isinstance(of, ast.Call):
        for function in _functions(site.path):
            if function.name == name_of(of.func):
                for node in _own(function):
                    if isinstance(node, ast.Return):
                        found |= _keys(node.value, site)
    return found
