"""A mailing as it was read from a file once: what each row comes to, before anything is sent.

`read_plan` reads the file and keeps what came of it in a temporary file of its own: what changes in
the file afterwards changes nothing here, and memory does not grow with it. Then `Plan.counts` and
`Plan.first` are for a person to look at, `Plan.batches` for the calls, `Plan.outcomes` for a
report. For the command line and for pages alike; the rules are those of `domain.mailing`.

    with open("people.csv", "rb") as file, read_plan(file, wishes, unwanted=ask) as plan:
        print(plan.counts, plan.first)
        for batch in plan.batches(rows_of_call(size_of_a_preview)):
            ...  # post {"template": …, "to": [*batch.entries]} with plan.run.key(batch.first, …)
"""

import json
import tempfile
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import IO, Any, BinaryIO, Final, TypeAlias

import attrs

from domain.intake import MOST_EMAILS
from domain.mailing import columns
from domain.mailing.batches import Run
from domain.mailing.columns import Columns
from domain.mailing.decoding import decoded
from domain.mailing.rows import Entry, Judge, LeftOut, Why
from domain.mailing.table import read_table
from domain.message.template import Value, Variable
from entrypoints.mailboxes import mailbox

Unwanted: TypeAlias = Callable[[Sequence[str]], Collection[str]]

SHOWN: Final = 3  # entries, for previews
REASONS: Final = 10  # rows that are left out, to show
MOST_OCTETS: Final = 4 * 1024 * 1024  # of the entries of one call
_PIECE: Final = 64 * 1024


@attrs.frozen(kw_only=True)
class Wishes:
    """What a person says about a mailing, beside the file.

    *declared* are the variables of the template, *common* values that are the same for all.
    """

    template: str
    run: str = ""
    declared: tuple[Variable, ...] = ()
    common: Mapping[str, Value] = attrs.field(factory=dict)
    address_column: str | None = None
    name_column: str | None = None
    delimiter: str | None = None
    encoding: str | None = None


@attrs.define(kw_only=True)
class Counts:
    """How many rows there are of each kind; *entries* are sent, *suppressed* ones are of them."""

    entries: int = 0
    invalid: int = 0
    duplicate: int = 0
    suppressed: int = 0

    @property
    def rows(self) -> int:
        """All of them."""
        return self.entries + self.invalid + self.duplicate


@attrs.frozen(kw_only=True)
class Batch:
    """The rows of one call: *entries* are objects for its field ``to``, as JSON."""

    rows: tuple[int, ...]
    entries: tuple[str, ...]

    @property
    def first(self) -> int:
        """The number of its first row."""
        return self.rows[0]

    @property
    def last(self) -> int:
        """The number of its last row."""
        return self.rows[-1]

    def without(self, rows: Container[int]) -> "Batch":
        """The others; its first and last row may be others too."""
        kept = [one for one in zip(self.rows, self.entries, strict=True) if one[0] not in rows]
        if len(kept) == len(self.rows):
            return self
        return Batch(rows=tuple(row for row, _ in kept), entries=tuple(entry for _, entry in kept))

    def halves(self) -> tuple["Batch", "Batch"]:
        """The first half and the second one; it must have two rows."""
        middle = len(self.rows) // 2
        return (
            Batch(rows=self.rows[:middle], entries=self.entries[:middle]),
            Batch(rows=self.rows[middle:], entries=self.entries[middle:]),
        )


@attrs.frozen(kw_only=True)
class Outcome:
    """What becomes of a row, as far as the file and the suppression list tell."""

    row: int
    address: str
    left_out: Why | None = None
    reason: str = ""
    suppressed: bool = False


class Plan:
    """What was read. It is good until the `with` of `read_plan` ends."""

    run: Run

    def __init__(self, columns: Columns, spool: IO[str]) -> None:
        self.columns: Final = columns
        self.counts: Final = Counts()
        self.first: Final[list[Entry]] = []
        self.left_out: Final[list[LeftOut]] = []
        self._suppressed: Final[set[int]] = set()
        self._spool = spool

    def batches(self, most: int = MOST_EMAILS) -> Iterator[Batch]:
        """All entries, cut into calls of at most *most*: the same for the same file and *most*."""
        rows: list[int] = []
        entries: list[str] = []
        size = 0
        for row, what, told in self._lines():
            if what:
                continue
            if rows and (len(rows) == most or size + len(told) > MOST_OCTETS):
                yield Batch(rows=tuple(rows), entries=tuple(entries))
                rows, entries, size = [], [], 0
            rows.append(row)
            entries.append(told)
            size += len(told)
        if rows:
            yield Batch(rows=tuple(rows), entries=tuple(entries))

    def outcomes(self) -> Iterator[Outcome]:
        """One for each row, in their order."""
        for row, what, told in self._lines():
            if what:
                address, reason = json.loads(told)
                yield Outcome(row=row, address=address, left_out=Why(what), reason=reason)
            else:
                address = json.loads(told)["recipient"]
                yield Outcome(row=row, address=address, suppressed=row in self._suppressed)

    def add(self, judged: Entry | LeftOut) -> None:
        """Keep what came of the next row."""
        if isinstance(judged, Entry):
            self.counts.entries += 1
            if len(self.first) < SHOWN:
                self.first.append(judged)
            fields: dict[str, Any] = {"recipient": judged.recipient}
            if judged.variables:
                fields["variables"] = judged.variables
            self._keep(judged.row, "", fields)
            return
        if judged.why is Why.INVALID:
            self.counts.invalid += 1
        else:
            self.counts.duplicate += 1
        if len(self.left_out) < REASONS:
            self.left_out.append(judged)
        self._keep(judged.row, judged.why.value, [judged.address, judged.reason])

    def suppress(self, rows: Collection[int]) -> None:
        """Count these as suppressed."""
        self._suppressed.update(rows)
        self.counts.suppressed = len(self._suppressed)

    def _keep(self, row: int, what: str, told: object) -> None:
        # no line ends in it: they are escaped
        self._spool.write(f"{row}\t{what}\t{json.dumps(told)}\n")

    def _lines(self) -> Iterator[tuple[int, str, str]]:
        self._spool.seek(0)
        for line in self._spool:
            row, what, told = line.rstrip("\n").split("\t", 2)
            yield int(row), what, told


@contextmanager
def read_plan(
    file: BinaryIO,
    wishes: Wishes,
    *,
    unwanted: Unwanted | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> Iterator[Plan]:
    """The plan of a *file*. InvalidInput if it or the *wishes* cannot be used.

    *unwanted* says which of up to 500 addresses (as in `address_key`) are suppressed; *progress* is
    told how many octets more were read.
    """
    digest = sha256()

    def pieces() -> Iterator[bytes]:
        while piece := file.read(_PIECE):
            digest.update(piece)
            progress(len(piece))
            yield piece

    with tempfile.TemporaryFile("w+", encoding="ascii", newline="\n") as spool:
        table = read_table(decoded(pieces(), encoding=wishes.encoding), delimiter=wishes.delimiter)
        found = columns.match(
            table.header,
            wishes.declared,
            address=wishes.address_column,
            name=wishes.name_column,
            given=wishes.common.keys(),
        )
        judge = Judge(found, wishes.declared, common=wishes.common, parse=mailbox)
        plan = Plan(found, spool)
        waiting: dict[str, int] = {}
        for row in table.rows:
            judged = judge.judge(row)
            plan.add(judged)
            if unwanted is not None and isinstance(judged, Entry):
                waiting[judged.key] = judged.row
                if len(waiting) == MOST_EMAILS:
                    _look_up(plan, waiting, unwanted)
        if unwanted is not None and waiting:
            _look_up(plan, waiting, unwanted)
        plan.run = Run(file=digest.hexdigest(), template=wishes.template, name=wishes.run)
        yield plan


def _look_up(plan: Plan, waiting: dict[str, int], unwanted: Unwanted) -> None:
    plan.suppress([waiting[key] for key in unwanted(list(waiting))])
    waiting.clear()
