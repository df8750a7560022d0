"""What axe-core finds wrong with a page for people who cannot see it well, or use no mouse."""

import json
import tempfile
from functools import cache
from pathlib import Path

from tests.browser.page import Page
from tests.node import with_packages

HERE = Path(__file__).parent
# the rules of WCAG 2.2 up to AA, and what axe-core calls best practice
# a frame without scripts cannot answer for what stands in it
RUN = "axe.run(document, { resultTypes: ['violations'], iframes: false })"


def axe_violations(page: Page) -> list[str]:
    """One line for each element that breaks a rule: the rule, what it asks for, the element."""
    page.evaluate(f"typeof axe === 'undefined' ? (() => {{ {_source()} }})() : null")
    found = json.loads(page.evaluate(f"{RUN}.then(r => JSON.stringify(r.violations))"))
    return [
        f"{violation['id']}: {violation['help']}: {' '.join(node['target'])}: {node['html'][:200]}"
        for violation in found
        for node in violation["nodes"]
    ]


@cache
def _source() -> str:
    with tempfile.TemporaryDirectory(prefix="axe-") as folder:
        modules = with_packages(HERE, Path(folder)) / "node_modules"
        return (modules / "axe-core/axe.min.js").read_text("utf-8")
