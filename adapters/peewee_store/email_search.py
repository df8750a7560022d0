"""Pages of emails that were searched for, newest first. Its cost has a bound.

Each property that is searched for is a list of emails in an index. One list is gone along, and what
else is searched for is looked up for each of its emails. It is the list that ends soonest; if none
ends within as many emails as one page looks at, the one whose emails are the furthest apart.

No page looks at more than CANDIDATES emails of a list. So where all lists are long and few emails
stand in all of them, a page has fewer emails than it might, or none, and the next one goes on
behind the last email that was looked at.

SQL text: the expressions must be those of the indexes, which differ between the databases. What is
looked up stands in subqueries that give a value, because PostgreSQL would make joins of others and
might begin with what everybody has.
"""

# ruff: noqa: S608 - the texts are made of constants; every value is a parameter
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import attrs

from adapters.peewee_store import email_lists, rows
from adapters.peewee_store.rows import micros
from adapters.peewee_store.session import Session, marks
from domain.email.listing import Page, Search, lower_ascii
from domain.email.status import WAITING, Status

CANDIDATES: Final = 1_000
_AT_ONCE: Final = 500
_INDEXED: Final = 40  # characters of a subject: see the migration 0013
# Ids rise with created_at, but for emails that were accepted at the same moment and clocks that
# were set back by no more than this.
CLOCK_SLACK: Final = timedelta(seconds=10)
_LAST_CHARACTER: Final = "\U0010ffff"
_LARGEST_ID: Final = 2**63 - 1

_COLUMNS: Final = ", ".join(rows.SUMMARY_COLUMNS)
_EARLY: Final = (
    "COALESCE((SELECT created_at FROM email WHERE id <= (low + high) / 2"
    " ORDER BY id DESC LIMIT 1) < ?, 1 = 1)"
)
# The first email that was created at a time or later: thirty steps for a thousand million emails.
_FIRST_AT: Final = (
    "WITH RECURSIVE half (low, high) AS ("
    "SELECT CAST(0 AS BIGINT),"
    " CAST(COALESCE((SELECT MAX(id) FROM email), 0) + 1 AS BIGINT)"
    f" UNION ALL SELECT CASE WHEN {_EARLY} THEN (low + high) / 2 ELSE low END,"
    f" CASE WHEN {_EARLY} THEN high ELSE (low + high) / 2 END FROM half WHERE high - low > 1"
    ") SELECT MIN(high) FROM half"
)


@attrs.frozen(kw_only=True)
class _Span:
    """The ids from *first* to below *end*."""

    first: int = 0
    end: int = _LARGEST_ID

    @property
    def values(self) -> tuple[int, int]:
        return (self.first, self.end)


@attrs.frozen(kw_only=True)
class _List:
    """The emails with one property: the rows of *table* where *where* holds, *column* their id.

    In an index they are ordered by id, or else by *order*: then they have to be gathered.
    """

    table: str = "email"
    column: str = "id"
    where: str
    values: tuple[Any, ...] = ()
    order: str = "id"

    @property
    def ordered(self) -> bool:
        """Whether the newest of them can be had without the others."""
        return self.order == "id"

    @property
    def holds(self) -> str:
        """The condition that a row of email has the property."""
        if self.table == "email":
            return self.where
        return (
            f"(SELECT 1 FROM {self.table} WHERE {self.where}"
            f" AND {self.table}.{self.column} = email.id LIMIT 1) IS NOT NULL"
        )

    def newest(self, span: _Span, most: int) -> tuple[str, tuple[Any, ...]]:
        """The query for the ids of a span, newest first, and its values."""
        text = (
            f"SELECT DISTINCT {self.column} AS id FROM {self.table} WHERE {self.where}"
            f" AND {self.column} >= ? AND {self.column} < ? ORDER BY {self.column} DESC LIMIT ?"
        )
        return text, (*self.values, *span.values, most)

    @property
    def gathered(self) -> str:
        """The ids in the order of the index, to which that keeps the planner."""
        return f"SELECT id FROM email WHERE {self.where} ORDER BY {self.order} LIMIT ?"


@attrs.frozen(kw_only=True)
class _WaitingList(_List):
    """All that wait: the index by status has a list for each of their statuses."""

    where: str = rows.IS_WAITING

    def newest(self, span: _Span, most: int) -> tuple[str, tuple[Any, ...]]:
        parts = [
            f"SELECT id FROM (SELECT id FROM email WHERE status = '{status}'"
            f" AND status <> 'sending' AND id >= ? AND id < ? ORDER BY id DESC LIMIT ?) AS newest"
            for status in sorted(WAITING)
        ]
        text = f"SELECT id FROM ({' UNION ALL '.join(parts)}) AS newest ORDER BY id DESC LIMIT ?"
        return text, ((*span.values, most) * len(parts) + (most,))


_ALL: Final = _List(where="1 = 1")


def page(
    session: Session,
    *,
    search: Search,
    status: Status | None,
    account_id: int | None,
    key_id: int | None,
    among: Collection[int] | None,
    before: int | None,
    limit: int,
) -> Page:
    """Look along the shortest list until the page is full or CANDIDATES are looked at."""
    session.plan_by_values()
    lists = [
        *_lists_of(session, search),
        *_lists_of_email(status=status, account_id=account_id, key_id=key_id),
    ]
    filters = list(_filters(search, among))
    span = _span(session, search, before)
    alone = not filters and len(lists) == 1 and lists[0].ordered
    most = limit + 1 if alone else CANDIDATES
    candidates, walked, complete = _candidates(session, lists, span, most=most)
    conditions = [(each.holds, each.values) for each in lists if each is not walked] + filters
    found: list[rows.Row] = []
    for start in range(0, len(candidates), _AT_ONCE):
        some = candidates[start : start + _AT_ONCE]
        found += _having(session, some, conditions, limit=limit + 1 - len(found))
        if len(found) > limit:
            break
    shown = email_lists.summaries(session, found[:limit])
    if len(found) > limit:
        return Page(shown, next_before=shown[-1].id)
    return Page(shown, next_before=None if complete else candidates[-1])


def _lists_of(session: Session, search: Search) -> Iterator[_List]:
    """One for each property that an index has; what few emails have usually comes first."""
    if search.recipient is not None:
        yield _List(
            table="recipient",
            column="email_id",
            where=f"{session.lower('address')} = ?",
            values=(lower_ascii(str(search.recipient)),),
        )
    for pair in search.metadata:
        yield _List(
            table="email_metadata", column="email_id", where="name = ? AND value = ?", values=pair
        )
    if search.tag is not None:
        yield _List(table="email_tag", column="email_id", where="tag = ?", values=(search.tag,))
    if search.queue is not None:
        where = f"queue = ? AND {rows.IS_WAITING}"
        yield _List(where=where, values=(search.queue,), order="priority, eligible_at, id")
        yield _WaitingList()
    if search.subject is not None:
        yield _with_subject(session, lower_ascii(search.subject))


def _with_subject(session: Session, prefix: str) -> _List:
    """A range of the index; a longer *prefix* than it has is compared as a whole too."""
    indexed = session.lower(f"substr(subject, 1, {_INDEXED})")
    where: str
    values: tuple[str, ...]
    if len(prefix) >= _INDEXED:
        whole = session.lower(f"substr(subject, 1, {len(prefix)})")
        where, values = f"{indexed} = ? AND {whole} = ?", (prefix[:_INDEXED], prefix)
    elif end := _behind(prefix):
        where, values = f"{indexed} >= ? AND {indexed} < ?", (prefix, end)
    else:
        where, values = f"{indexed} >= ?", (prefix,)
    return _List(where=where, values=values, order=indexed)


def _behind(prefix: str) -> str:
    """The first text behind all that begin with *prefix*; "" if there is none."""
    head = prefix.rstrip(_LAST_CHARACTER)
    if not head:
        return ""
    following = ord(head[-1]) + 1
    if 0xD800 <= following <= 0xDFFF:  # no text of a database has these
        following = 0xE000
    return head[:-1] + chr(following)


def _lists_of_email(
    *, status: Status | None, account_id: int | None, key_id: int | None
) -> Iterator[_List]:
    if account_id is not None:
        yield _List(where="account_id = ?", values=(account_id,))
    if key_id is not None:
        yield _List(where="key_id = ?", values=(key_id,))
    if status is Status.SENDING:
        yield _List(where="status = 'sending'", order="owner, id")
    elif status is not None:
        yield _List(where="status = ? AND status <> 'sending'", values=(status.value,))


def _filters(
    search: Search, among: Collection[int] | None
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """What no index has."""
    if search.since is not None:
        yield "created_at >= ?", (micros(search.since),)
    if search.until is not None:
        yield "created_at < ?", (micros(search.until),)
    if among is not None:
        yield f"account_id IN ({marks(len(among))})" if among else "1 = 0", tuple(sorted(among))


def _span(session: Session, search: Search, before: int | None) -> _Span:
    """The ids that an email may have which was created at that time."""
    first, end = 0, _LARGEST_ID if before is None else before
    if search.since is not None:
        first = _first_at(session, _moved(search.since, -CLOCK_SLACK))
    if search.until is not None:
        end = min(end, _first_at(session, _moved(search.until, CLOCK_SLACK)))
    return _Span(first=first, end=end)


def _moved(moment: datetime, by: timedelta) -> int:
    return micros(moment) + by // timedelta(microseconds=1)


def _first_at(session: Session, at: int) -> int:
    (first,) = session.execute(_FIRST_AT, (at, at)).fetchone()
    return int(first)


def _candidates(
    session: Session, lists: Sequence[_List], span: _Span, *, most: int
) -> tuple[Sequence[int], _List, bool]:
    """Ids of the list to go along, newest first; the list; and whether these are all of them."""
    ordered = [each for each in lists if each.ordered]
    best, ends = (ordered[0], False) if ordered else (_ALL, False)
    if len(lists) > 1 and ordered:
        depths = [_depth(session, each, span) for each in ordered]
        depth, place = min(zip(depths, range(len(depths)), strict=True))
        best, ends = ordered[place], depth[0] == 0
    if not ends:
        for each in lists:
            gathered = None if each.ordered else _gathered(session, each, span)
            if gathered is not None:
                return gathered, each, True
    found = session.execute(*best.newest(span, most)).fetchall()
    return [email_id for (email_id,) in found], best, len(found) < most


def _depth(session: Session, of: _List, span: _Span) -> tuple[int, int]:
    """(0, how many emails it has), or if they are too many (1, the id that CANDIDATES reach)."""
    text, values = of.newest(span, CANDIDATES)
    last, number = session.execute(
        f"SELECT MIN(id), COUNT(*) FROM ({text}) AS newest", values
    ).fetchone()
    return (0, number) if number < CANDIDATES else (1, last)


def _gathered(session: Session, of: _List, span: _Span) -> Sequence[int] | None:
    """All ids of the span, newest first; None if the list has too many of any span."""
    found = session.execute(of.gathered, (*of.values, CANDIDATES + 1)).fetchall()
    if len(found) > CANDIDATES:
        return None
    ids = (email_id for (email_id,) in found if span.first <= email_id < span.end)
    return sorted(ids, reverse=True)


def _having(
    session: Session,
    ids: Sequence[int],
    conditions: Sequence[tuple[str, tuple[Any, ...]]],
    *,
    limit: int,
) -> Sequence[rows.Row]:
    """The rows of those among *ids* that meet the *conditions*."""
    among, listed = session.among(ids)
    where = " AND ".join([f"id {among}", *(text for text, _ in conditions)])
    values = [value for _, some in conditions for value in some]
    return session.execute(
        f"SELECT {_COLUMNS} FROM email WHERE {where} ORDER BY id DESC LIMIT ?",
        (*listed, *values, limit),
    ).fetchall()
