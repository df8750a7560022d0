"""How ``top`` looks: as many columns and rows as the terminal has room for.

What comes from outside is text, never markup, and without what a terminal takes for an order.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from application.live import AccountLine, LiveView, PriorityLine
from domain.account.account import AccountState
from domain.account.limits import Window
from domain.email.listing import EmailSummary
from domain.email.status import Status
from entrypoints.cli.tables import printable, time_text

_STATES: Final = {AccountState.OPEN: "green", AccountState.INACTIVE: "dim"}  # others are red
_BESIDE: Final = 5  # lines that are neither rows of accounts nor of the other tables
_LEAST: Final = 3  # rows of accounts, however low the terminal is
_WITH_QUEUE, _WITH_FAILURES = 14, 18  # lines that a terminal with these tables must have
# title, right-aligned, the least width of a terminal that has it, and the cell
_Column = tuple[str, bool, int, Callable[[AccountLine, datetime], Text]]


def rendered(view: LiveView, *, width: int, height: int | None) -> Group:
    """All of it. *height* None is as long as it must be."""
    if height is not None and height < _WITH_FAILURES:
        view = attrs.evolve(view, failures=())
    if height is not None and height < _WITH_QUEUE:
        view = attrs.evolve(view, priorities=())
    parts: list[RenderableType] = [_head(view), _accounts(view, width, _rows(view, height))]
    if view.priorities:
        parts.append(_queue(view))
    if view.failures:
        parts.append(_failures(view, width, None if height is None else _few(height)))
    return Group(*parts)


def _rows(view: LiveView, height: int | None) -> int:
    """How many accounts there is room for."""
    if height is None:
        return len(view.accounts)
    others = len(view.priorities) + 2 * bool(view.priorities)
    failed = min(len(view.failures), _few(height))
    others += failed + 2 * bool(failed)
    return max(_LEAST, height - _BESIDE - others)


def _few(height: int) -> int:
    """How many failures there is room for."""
    return 5 if height >= 30 else 2


def _head(view: LiveView) -> Text:
    words = [
        f"{number:,} {status.value}"
        for status in Status
        if (number := view.emails.get(status, 0)) or status is Status.QUEUED
    ]
    told = f"{time_text(view.at)}  {'  '.join(words)}"
    return Text(told, style="bold", overflow="ellipsis", no_wrap=True)


def _accounts(view: LiveView, width: int, rows: int) -> Table:
    columns = [one for one in _COLUMNS if one[2] <= width]
    table = _table()
    for title, right, _, _ in columns:
        table.add_column(title, justify="right" if right else "left", overflow="ellipsis")
    for line in view.accounts[:rows]:
        table.add_row(*(cell(line, view.at) for _, _, _, cell in columns))
    more = len(view.accounts) - rows
    if more > 0:
        table.caption = f"and {more:,} more"
        table.caption_justify = "left"
    if not view.accounts:
        table.caption = "There is no SMTP configuration yet"
    elif view.shared and more <= 0:
        table.caption = f"{view.shared:,} more wait for any of them"
        table.caption_justify = "left"
    return table


def _queue(view: LiveView) -> Table:
    table = _table()
    for title in ("PRIORITY", "DUE", "LATER", "OLDEST DUE FOR"):
        table.add_column(title, justify="right")
    for line in view.priorities:
        table.add_row(*map(Text, _queue_cells(line, view.at)))
    return table


def _queue_cells(line: PriorityLine, now: datetime) -> Iterator[str]:
    yield str(line.priority)
    yield f"{line.due:,}"
    yield f"{line.later:,}"
    yield "" if line.due_since is None else duration(now - line.due_since)


def _failures(view: LiveView, width: int, most: int | None) -> Table:
    table = _table()
    for title in ("FAILED", "REASON", "TO", "SUBJECT")[: 4 if width >= 100 else 3]:
        table.add_column(
            title, overflow="ellipsis", justify="right" if title == "FAILED" else "left"
        )
    for email in view.failures[:most]:
        table.add_row(*map(_plain, _failure_cells(email)[: len(table.columns)]))
    return table


def _failure_cells(email: EmailSummary) -> Sequence[str]:
    to = str(email.recipients[0]) if email.recipients else ""
    more = f" +{len(email.recipients) - 1}" if len(email.recipients) > 1 else ""
    return str(email.id), email.reason_code or "", to + more, email.subject


def _table() -> Table:
    return Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))


def _plain(text: str) -> Text:
    return Text(printable(text), overflow="ellipsis", no_wrap=True)


def _state(line: AccountLine, now: datetime) -> Text:
    return Text(line.state.value, style=_STATES.get(line.state, "red"))


def _why(line: AccountLine, now: datetime) -> Text:
    until = f", {duration(line.until - now)} more" if line.until and line.until > now else ""
    return _plain(f"{line.why}{until}" if line.why else "")


def _used(window: Window) -> Callable[[AccountLine, datetime], Text]:
    def cell(line: AccountLine, now: datetime) -> Text:
        used, limit = line.used.get(window, 0), line.limits.get(window)
        if limit is None:
            return Text(f"{used:,}")
        style = "red" if used >= limit else "yellow" if 10 * used >= 8 * limit else ""
        return Text(f"{used:,}/{limit:,}", style=style)

    return cell


def _learned(line: AccountLine, now: datetime) -> Text:
    words: Mapping[str, str] = {one.window.value: f"{one.least:,}" for one in line.learned}
    return Text(", ".join(f"{number}/{window}" for window, number in words.items()))


_COLUMNS: Final[Sequence[_Column]] = (
    ("ID", True, 50, lambda line, _: Text(str(line.id))),
    ("NAME", False, 0, lambda line, _: _plain(line.name)),
    ("STATE", False, 0, _state),
    ("WAITING", True, 0, lambda line, _: Text(f"{line.waiting:,}")),
    ("/MIN", True, 60, lambda line, _: Text(f"{line.handed_off:,}")),
    ("MINUTE", True, 120, _used(Window.MINUTE)),
    ("HOUR", True, 60, _used(Window.HOUR)),
    ("DAY", True, 70, _used(Window.DAY)),
    ("LEARNED", False, 140, _learned),
    ("WHY", False, 80, _why),
)


def duration(time: timedelta) -> str:
    """In its two largest units."""
    seconds = max(0, int(time.total_seconds()))
    for unit, length, smaller, part in (("d", 86_400, "h", 3600), ("h", 3600, "m", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit} {seconds % length // part} {smaller}"
    return f"{seconds // 60} m {seconds % 60} s" if seconds >= 60 else f"{seconds} s"
