"""How long each stage of a dialogue may take."""

from typing import Final

import attrs

from domain.outcome.handoff import Stage

VERIFY_S: Final = 30.0  # a person waits


@attrs.frozen(kw_only=True)
class Timeouts:
    """Seconds for each stage as a whole (RFC 5321 section 4.5.3.2), never for a single read.

    ``rcpt`` is for each recipient, ``pending`` comes on top of a stage. After ``silence`` without a
    greeting another address is tried, and, if ``banner`` leaves room, whether TLS is expected.
    """

    resolve: float = 30.0
    connect: float = 30.0
    silence: float = 5.0
    banner: float = 300.0
    ehlo: float = 60.0
    starttls: float = 30.0
    auth: float = 60.0
    mail: float = 300.0
    rcpt: float = 300.0
    data: float = 120.0
    body: float = 180.0  # the least; more at `body_rate` bytes a second
    body_rate: float = 500.0
    pending: float = 5.0  # the rest of a reply that came unasked
    dot: float = 600.0
    rset: float = 5.0
    quit: float = 5.0

    def of(self, stage: Stage | None) -> float:
        """What *stage* is given; None is what follows a refusal. A body: see `for_body`."""
        if stage is None:
            return self.rset
        return float(getattr(self, "starttls" if stage is Stage.TLS else stage))

    def at_most(self, seconds: float) -> "Timeouts":
        """The same for somebody who waits: no stage takes longer than *seconds*."""
        stages = ("resolve", "connect", "banner", "ehlo", "starttls", "auth", "mail", "rcpt")
        return attrs.evolve(self, **{stage: min(getattr(self, stage), seconds) for stage in stages})

    def for_body(self, size: int) -> float:
        """What a body of *size* bytes is given."""
        return max(self.body, size / self.body_rate)
