"""What a person sees of a mailing before it is sent."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from domain.mailing.rows import Entry
from entrypoints.cli.mailing.calls import TemplateFound
from entrypoints.cli.tables import printable
from entrypoints.mailing_plan import Plan

_LINES: Final = 10  # of a preview's text
_WIDTH: Final = 100  # characters of a line


def counted(path: str, plan: Plan, template: TemplateFound) -> Iterator[str]:
    """How many rows there are of each kind, and what the columns are for."""
    counts, columns = plan.counts, plan.columns
    locale = f" ({template.locale})" if template.locale else ""
    version = f"version {template.version} of the template {template.name}{locale}"
    yield f"{path}: {counts.rows:,} rows, {counts.entries:,} to send with {version}"
    yield f"  variables: {', '.join(one.name for _, one in columns.variables) or 'none'}"
    if columns.unused:
        yield f"  Warning: the template has nothing for the columns {', '.join(columns.unused)}"
    yield f"  {counts.suppressed:,} suppressed (they get nothing)"
    yield f"  {counts.invalid:,} invalid, {counts.duplicate:,} duplicate (they are left out)"
    for one in plan.left_out:
        yield f"    row {one.row}: {one.reason}"
    more = counts.invalid + counts.duplicate - len(plan.left_out)
    if more:
        yield f"    and {more:,} more"


def previewed(entry: Entry, shown: Mapping[str, Any]) -> Iterator[str]:
    """One email, as far as it fits."""
    yield f"Row {entry.row}, to {_plain(entry.recipient)}"
    yield f"Subject: {_plain(shown['subject'])}"
    lines = [line.rstrip() for line in shown["text"].splitlines() if line.strip()]
    for line in lines[:_LINES]:
        yield f"  {_plain(line)}"
    if len(lines) > _LINES:
        yield f"  ({len(lines) - _LINES} more lines)"


def _plain(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= _WIDTH else shown[: _WIDTH - 1] + "…"
