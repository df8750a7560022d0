"""What became of a mailing: in numbers, and row by row as a CSV file."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TextIO

import attrs

from entrypoints.cli.mailing.progress import Progress, Rows
from entrypoints.csv_cells import guarded
from entrypoints.mailing_plan import Outcome, Plan

COLUMNS: Final = ("row", "address", "outcome", "email_id", "reason")
ACCEPTED, SUPPRESSED, INVALID, NOT_SENT = "accepted", "suppressed", "invalid", "not sent"
SHOWN: Final = 10


@attrs.frozen(kw_only=True)
class RowReport:
    """One row of the file: *email_id* None is not accepted, or not known."""

    row: int
    address: str
    outcome: str
    email_id: int | None
    reason: str


@attrs.define(kw_only=True)
class Report:
    """How many rows ended how; *reasons* are those of the first invalid ones, by row."""

    rows: int = 0
    accepted: int = 0
    suppressed: int = 0
    invalid: int = 0
    duplicate: int = 0
    not_sent: int = 0
    reasons: dict[int, str] = attrs.field(factory=dict)

    def add(self, line: RowReport) -> None:
        """Count one more."""
        self.rows += 1
        name = line.outcome.replace(" ", "_")
        setattr(self, name, getattr(self, name) + 1)
        if line.outcome == INVALID and len(self.reasons) < SHOWN:
            self.reasons[line.row] = line.reason

    def told(self) -> Mapping[str, Any]:
        """For programs."""
        reasons = [{"row": row, "reason": reason} for row, reason in self.reasons.items()]
        return {**attrs.asdict(self), "reasons": reasons}

    def words(self) -> Iterator[str]:
        """For people, a line each."""
        parts = [f"{self.accepted:,} accepted", f"{self.suppressed:,} suppressed"]
        parts += [f"{self.invalid:,} invalid", f"{self.duplicate:,} duplicate"]
        if self.not_sent:
            parts.append(f"{self.not_sent:,} not sent")
        yield f"{self.rows:,} rows: {', '.join(parts)}"
        for row, reason in self.reasons.items():
            yield f"  row {row}: {reason}"
        if self.invalid > len(self.reasons):
            yield f"  and {self.invalid - len(self.reasons):,} more"


def report(plan: Plan, progress: Progress, file: TextIO | None) -> Report:
    """The numbers; with a *file* also a line for each row of the mailing, written to it."""
    found = Report()
    writer = None if file is None else csv.writer(file, lineterminator="\r\n")
    if writer is not None:
        writer.writerow(COLUMNS)
    for line in _lines(plan, progress):
        found.add(line)
        if writer is not None:
            writer.writerow(
                [
                    line.row,
                    guarded(line.address),
                    line.outcome,
                    "" if line.email_id is None else line.email_id,
                    guarded(line.reason),
                ]
            )
    return found


def _lines(plan: Plan, progress: Progress) -> Iterator[RowReport]:
    calls: Sequence[tuple[Rows, Sequence[int]]] = sorted(progress.accepted.items())
    call = told = 0  # which one comes next, and how many of its emails were told
    for one in plan.outcomes():
        while call < len(calls) and one.row > calls[call][0][1]:
            call, told = call + 1, 0
        refused = progress.refused.get(one.row)
        if refused is not None:
            yield _line(one, INVALID, reason=refused)
        elif one.left_out is not None:
            yield _line(one, one.left_out.value, reason=one.reason)
        elif call == len(calls) or one.row < calls[call][0][0]:
            yield _line(one, NOT_SENT)
        else:
            ids = calls[call][1]
            email_id = ids[told] if told < len(ids) else None
            told += 1
            yield _line(one, SUPPRESSED if one.suppressed else ACCEPTED, email_id=email_id)


def _line(
    one: Outcome, outcome: str, *, email_id: int | None = None, reason: str = ""
) -> RowReport:
    return RowReport(
        row=one.row, address=one.address, outcome=outcome, email_id=email_id, reason=reason
    )
