"""Trouble of an account, and the emails that it came with.

One email is no proof against an account. Evidence that is only circumstantial (what a server says
in the middle of one email's dialogue) counts when a second email, to other recipients, got the same
with no success between.

What was under way together and failed together is one event: a server that dies with four emails in
their dialogues has died once.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Final

import attrs

from domain.address import Address

MOST_WITNESSES: Final = 32  # that are remembered of one account
MOST_RECIPIENTS: Final = 20  # by which two emails are compared


def together(began: datetime | None, counted: datetime | None) -> bool:
    """Whether what began then was under way when the last event of its kind was *counted*."""
    return began is not None and counted is not None and began < counted


@attrs.frozen(kw_only=True)
class Witness:
    """An email whose hand-off brought trouble to its account; ``recipients`` are short digests."""

    email_id: int
    recipients: tuple[str, ...] = ()

    @classmethod
    def of(cls, email_id: int, recipients: Sequence[Address]) -> "Witness":
        """The email and the recipients that this attempt named."""
        named = sorted({_digest(address) for address in recipients[:MOST_RECIPIENTS]})
        return cls(email_id=email_id, recipients=tuple(named))

    def independent_of(self, others: Sequence["Witness"]) -> bool:
        """Whether it is another email, to other recipients."""
        return all(
            self.email_id != other.email_id and not set(self.recipients) & set(other.recipients)
            for other in others
        )


def _digest(address: Address) -> str:
    return blake2b(str(address).lower().encode(), digest_size=4).hexdigest()


@attrs.frozen(kw_only=True)
class Suspicion:
    """Trouble of one kind since the last success, and the emails that it came with.

    ``known`` are all their ids, the latest last; ``independent`` have no recipient in common.
    ``at`` is when the latest event was counted, of trouble that is counted by events.
    """

    kind: str
    independent: tuple[Witness, ...] = ()
    known: tuple[int, ...] = ()
    anonymous: int = 0  # attempts that failed before any email was spoken of
    at: datetime | None = None

    @property
    def strength(self) -> int:
        """How many independent times it was seen."""
        return len(self.independent) + self.anonymous

    def heard(self, witness: Witness | None) -> "Suspicion":
        """The same with one more witness; None for an attempt that spoke of no email."""
        if witness is None:
            return attrs.evolve(self, anonymous=self.anonymous + 1)
        others = [known for known in self.known if known != witness.email_id]
        known = (*others, witness.email_id)[-MOST_WITNESSES:]
        counts = len(self.independent) < MOST_WITNESSES and witness.independent_of(self.independent)
        independent = (*self.independent, witness) if counts else self.independent
        return attrs.evolve(self, known=known, independent=independent)

    def met(self, witness: Witness | None, *, began: datetime | None, now: datetime) -> "Suspicion":
        """Like `heard`, of an email whose connection broke: together with others it counts once."""
        heard = self.heard(witness)
        if together(began, self.at):
            return attrs.evolve(self, known=heard.known)
        return attrs.evolve(heard, at=now)

    def clock_set_back(self, now: datetime) -> "Suspicion":
        """The same, counted at *now* at the latest."""
        return self if self.at is None else attrs.evolve(self, at=min(self.at, now))


def suspicion_of(kind: str, suspicions: Sequence[Suspicion]) -> Suspicion:
    """What was seen of this kind since the last success."""
    found = (suspicion for suspicion in suspicions if suspicion.kind == kind)
    return next(found, Suspicion(kind=kind))


def with_suspicion(suspicion: Suspicion, suspicions: Sequence[Suspicion]) -> tuple[Suspicion, ...]:
    """*suspicions* with *suspicion* in the place of what was known of its kind."""
    others = [known for known in suspicions if known.kind != suspicion.kind]
    return (*others, suspicion)
