"""Sends the batches of a mailing, each once, whatever ends this process or the service."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

from entrypoints.cli.mailing.calls import MailingCalls, TemplateFound, TooLarge, WrongRows
from entrypoints.cli.mailing.progress import Begun, Progress, Rows
from entrypoints.client.failures import Failure, Refused, Unanswered, WrongUsage
from entrypoints.mailing_plan import Batch, Plan

MOST_REFUSALS: Final = 5  # of one call, for some of its rows each time
# The service remembers an Idempotency-Key for a day; an hour is for clocks and long calls.
REMEMBERED: Final = timedelta(hours=23)


class InDoubt(StrEnum):
    """What to do about a call of which nobody can tell any more whether it was accepted."""

    ACCEPTED = "accepted"
    SEND = "send"


class Sending:
    """What is left of one mailing."""

    def __init__(
        self,
        calls: MailingCalls,
        progress: Progress,
        plan: Plan,
        template: TemplateFound,
        *,
        key: str,
        in_doubt: InDoubt | None,
    ) -> None:
        """*key* is the prefix of the API key: an Idempotency-Key belongs to the API key."""
        self._calls = calls
        self._progress = progress
        self._plan = plan
        self._template = template
        self._key = key
        self._in_doubt = in_doubt

    def run(self, most: int, *, done: Callable[[int], object]) -> None:
        """Send it in calls of at most *most* rows; *done* is told how many are through. Failure."""
        for batch in self._plan.batches(most):
            self._send(batch)
            done(len(batch.rows))

    def _send(self, whole: Batch) -> None:
        rows = (whole.first, whole.last)
        batch = whole.without(self._progress.refused)
        if rows in self._progress.accepted or not batch.rows or self._was_accepted(rows):
            return
        if self._progress.is_split(rows):
            # What takes larger calls by now would not know that it has accepted parts of this one.
            self._send_halves(whole)
            return
        for _ in range(MOST_REFUSALS):
            begun = self._progress.under_way.get(rows)
            try:
                self._progress.accept(rows, self._call(rows, batch))
                return
            except TooLarge:
                if begun is not None and self._in_doubt is not InDoubt.SEND:
                    raise _nobody_can_tell(rows, begun) from None
                self._progress.refuse(rows, {})
                if len(whole.rows) == 1:
                    self._progress.refuse(rows, {whole.first: "the email is too large"})
                    return
                self._send_halves(whole)
                return
            except WrongRows as error:
                reasons = {batch.rows[place]: why for place, why in error.reasons.items()}
            self._progress.refuse(rows, reasons)
            batch = batch.without(reasons)
            if not batch.rows:
                return
        raise _many_refused(rows, reasons)

    def _send_halves(self, whole: Batch) -> None:
        for half in whole.halves():
            self._send(half)

    def _call(self, rows: Rows, batch: Batch) -> list[int]:
        """The ids. What the service refuses is not under way any more, unless it was before."""
        in_doubt = rows in self._progress.under_way
        self._progress.begin(rows, at=self._calls.now, key=self._key)
        try:
            key = self._plan.run.key(*rows)
            return list(self._calls.send(self._template, batch.entries, key=key))
        except (Refused, Unanswered) as error:
            if not in_doubt and (isinstance(error, Refused) or error.nothing_stored):
                self._progress.refuse(rows, {})
            if isinstance(error, Refused) and error.problem.get("code") == "idempotency_mismatch":
                raise _begun_otherwise(rows) from None
            raise

    def _was_accepted(self, rows: Rows) -> bool:
        """Whether a call that was under way counts as accepted. Failure if nobody can tell."""
        begun = self._progress.under_way.get(rows)
        if begun is None or self._is_remembered(begun) or self._in_doubt is InDoubt.SEND:
            return False
        if self._in_doubt is InDoubt.ACCEPTED:
            self._progress.accept(rows, ())
            return True
        raise _nobody_can_tell(rows, begun)

    def _is_remembered(self, begun: Begun) -> bool:
        now = self._calls.now
        same = begun.key == self._key
        return same and now is not None and begun.at is not None and now - begun.at < REMEMBERED


def _nobody_can_tell(rows: Rows, begun: Begun) -> Failure:
    return WrongUsage(
        f"rows {rows[0]} to {rows[1]} were being sent when it was stopped, with API key"
        f" {begun.key or '(none)'} at {begun.at or 'an unknown time'}, and the service cannot"
        " tell any more whether it has accepted them. Look for an email to the first of them,"
        " then say --in-doubt accepted or --in-doubt send"
    )


def _begun_otherwise(rows: Rows) -> Failure:
    return WrongUsage(
        f"rows {rows[0]} to {rows[1]} of this file were sent within the last day, in a call that"
        " was not quite the same: with other options or another version of the template. Use the"
        " same ones to finish that mailing; to send everything once more give it a name by --run"
    )


def _many_refused(rows: Rows, reasons: Mapping[int, str]) -> Failure:
    row, why = next(iter(reasons.items()))
    return WrongUsage(
        f"the service refuses many of rows {rows[0]} to {rows[1]}, such as row {row}: {why}"
    )
