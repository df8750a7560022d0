"""Who changes a status, and which events are logged, as the source has it."""

import ast
import re

from entrypoints.event_levels import LEVELS
from tests.documents import PACKAGED, name_of, shown, text, tree_of
from tests.log_events import fields_of_events


def test_no_status_and_no_phase_is_changed_but_by_a_transition():
    found = []
    for path in PACKAGED:
        if not re.search(r"\b(status|phase)\s*=", text(path)):
            continue  # to parse every file takes a second
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and name_of(node.func) in ("evolve", "changed"):
                names = {one.arg for one in node.keywords}
                if names & {"status", "phase"}:
                    found.append(shown(path))

    # of recipients, whose statuses are their own; and `Email.moved` itself
    assert set(found) == {"domain/email/recipient.py", "domain/email/lifecycle.py"}


def test_every_event_that_has_a_level_is_in_the_code():
    assert set(LEVELS) - set(fields_of_events()) == set()
