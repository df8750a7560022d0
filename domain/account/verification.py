"""Trying an account out without sending: what each stage answered."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import attrs

from domain.account.account import Account
from domain.outcome.handoff import Handoff, Problem, Reply, Stage


@attrs.frozen(kw_only=True)
class TlsFacts:
    """What a handshake came to: the protocol ("TLSv1.3"), and when the certificate ends (UTC)."""

    version: str
    not_after: datetime | None = None

    @classmethod
    def of(cls, version: str | None, not_after: object) -> "TlsFacts":
        """From what Python's ssl tells: *not_after* as in ``Jun  1 12:00:00 2030 GMT``."""
        return cls(version=version or "TLS", not_after=_moment(str(not_after)))


@attrs.frozen(kw_only=True)
class Step:
    """The result of one stage: a reply, a problem, or neither where the server sends nothing.

    ``tls`` is there after a handshake that succeeded.
    """

    stage: Stage
    reply: Reply | None = None
    problem: Problem | None = None
    detail: str = ""
    tls: TlsFacts | None = None

    @property
    def ok(self) -> bool:
        """Whether the dialogue may go on."""
        return self.problem is None and (self.reply is None or self.reply.positive)

    @property
    def text(self) -> str:
        """The reply or the detail, for a person."""
        return str(self.reply) if self.reply is not None else self.detail

    @classmethod
    def of(cls, handoff: Handoff) -> "Step":
        """The last step of a dialogue that failed."""
        return cls(
            stage=handoff.stage,
            reply=handoff.reply,
            problem=handoff.problem,
            detail=handoff.detail,
        )


@attrs.frozen
class Verification:
    """How far a dialogue got that ends before DATA; the last step is the one that failed.

    *unsigned*: mail from its own address goes out without the DKIM signature that it is to have.
    """

    account: Account
    steps: Sequence[Step]
    unsigned: bool = False

    @property
    def failed(self) -> Step | None:
        """The step that it ended with; None if all went well."""
        return next((step for step in self.steps if not step.ok), None)


# strptime would read the names of the months in the language of the system
_MONTHS: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def _moment(text: str) -> datetime | None:
    try:
        month, day, clock, year, _ = text.split()
        hours, minutes, seconds = map(int, clock.split(":"))
        number = _MONTHS.index(month) + 1
        return datetime(int(year), number, int(day), hours, minutes, seconds, tzinfo=UTC)
    except ValueError:
        return None
