"""The names that were given up for the terms of the field are used no more."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.documents import PACKAGED, shown, text, tree_of

# (a name that was given up, the name of the same thing now)
RENAMED: Final = {
    "Happening": "Transition",
    "ARROWS": "TRANSITIONS",
    "Kind": "RecipientField",
    "Fate": "RecipientStatus",
    "fate": "status",
    "Lapse": "AbandonedAttempt",
    "Placing": "Scheduler",
    "Commits": "ResultWriter",
    "Together": "WriteGroup",
    "Mark": "CommitPermit",
    "took": "acquire",
    "took_more": "extend",
    "took_back": "roll_back",
    "gave_back": "release",
    "took_time": "record_latency",
    "others_wait": "should_yield",
    "hold": "on_claimed",
    "in_turn": "round_robin",
    "persist_again": "retry_writes",
    "roomiest": "most_headroom",
    "Overview": "Queries",
    "Administration": "AccountService",
    "discretion": "redaction",
    "discreet": "redacted",
    "bury": "remove_dead",
    "Basket": "ClaimPolicy",
    "Ahead": "DueRows",
    "Tally": "StatusCounts",
    "tally": "status_counts",
    "Touches": "LastSentTimes",
    "KeptBack": "WriteBuffer",
    "Keeping": "WriteBuffer",
    "execute_apart": "execute_unflushed",
    "Overtaken": "SerializationConflict",
    "glance": "read_latest",
    "Brake": "CancelToken",
    "Brakes": "CancelToken",
    "brake": "cancel_token",
    "brakes": "cancel_tokens",
    "hurried": "pipelined",
    "Broken": "ConnectionFailed",
    "Ended": "ExchangeEnded",
    "Siblings": "ChildProcesses",
    "sibling": "child",
    "siblings": "children",
    "heed": "watch_parent",
    "OneProcessor": "CpuAffinity",
    "give_way": "use_batch_scheduling",
    "Bell": "Signal",
    "bell": "signal",
    "ring": "notify",
    "rung": "notified",
    "rouse": "wake",
    "roused": "woken",
    "Crew": "TaskRunner",
    "crew": "task_runner",
    "Line": "HintPublisher",
    "GATHER_S": "COALESCE_S",
    "moving": "copy",
    "throttle": "rate_limit",
    "owner": "instance",
    "owners": "instances",
    "AccessRules": "AccessPolicy",
    "DeliveryRules": "DeliveryPolicy",
    "DispatcherRules": "DispatcherPolicy",
    "LeaseRules": "LeasePolicy",
    "ServiceRules": "ServicePolicy",
}
# Names that the database has: a version before this one reads them.
OF_THE_DATABASE = "adapters/peewee_store/tables.py"
COLUMNS = frozenset({"fate"})


def names_in(tree: ast.AST) -> Iterator[str]:
    """Every identifier that a file defines or uses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.arg | ast.keyword):
            yield node.arg or ""
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name


def given_up_in(path: Path) -> set[str]:
    """The names of `RENAMED` that are identifiers of a file."""
    words = {word.strip("_") for word in re.findall(r"\w+", text(path))}
    if not words & RENAMED.keys():  # to parse every file takes a second
        return set()
    found = {name for name in names_in(tree_of(path)) if name.strip("_") in RENAMED}
    return found - (COLUMNS if shown(path) == OF_THE_DATABASE else set())


def test_no_name_that_was_given_up_is_an_identifier() -> None:
    assert {shown(path): found for path in PACKAGED if (found := given_up_in(path))} == {}


def test_no_module_has_a_name_that_was_given_up() -> None:
    parts = {part.removesuffix(".py") for path in PACKAGED for part in Path(shown(path)).parts}

    assert parts & RENAMED.keys() == set()
