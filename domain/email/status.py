"""The statuses of an email and the table of its transitions; nothing else may change a status.

The store is the queue, so a status says who acts next. A client or the sweep acts on a waiting
email, the instance of the attempt on one that is `sending`, and a person on one that
has ended.

The stores carry out two transitions with statements of their own, for many emails at once: CLAIMED
and COMMITTING. The contract suite compares them with this table.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Status(StrEnum):
    """Where an email stands."""

    QUEUED = "queued"  # waits for its first try, or was put back uncharged
    SCHEDULED = "scheduled"  # waits for send_at
    SENDING = "sending"  # claimed: one process holds the current attempt
    SENT = "sent"  # no recipient is open any more and at least one was accepted
    RETRY = "retry"  # was deferred; waits for eligible_at
    FAILED = "failed"  # ended with no recipient accepted, or with an unknown outcome
    CANCELLED = "cancelled"  # the client took it back before any recipient got it


class Phase(StrEnum):
    """How far the instance that holds a `sending` email may have got."""

    CLAIMED = "claimed"  # no final dot was sent: a crash here lost nothing
    COMMITTING = "committing"  # the dot may have been sent: a crash here is an unknown outcome


class Transition(StrEnum):
    """What can happen to an email."""

    CLAIMED = "claimed"
    COMMITTING = "committing"
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REFUSED = "refused"
    RELEASED = "released"
    CANCELLED = "cancelled"
    RESCHEDULED = "rescheduled"
    EXPIRED = "expired"
    SUPPRESSED = "suppressed"
    RETRIED = "retried"
    RESOLVED = "resolved"


_S, _T = Status, Transition
WAITING: Final = frozenset({_S.QUEUED, _S.SCHEDULED, _S.RETRY})
TERMINAL: Final = frozenset({_S.SENT, _S.FAILED, _S.CANCELLED})

# (from, what happens) -> the statuses it may lead to
TRANSITIONS: Final[Mapping[tuple[Status, Transition], frozenset[Status]]] = MappingProxyType(
    {
        (_S.QUEUED, _T.CLAIMED): frozenset({_S.SENDING}),
        (_S.SCHEDULED, _T.CLAIMED): frozenset({_S.SENDING}),
        (_S.RETRY, _T.CLAIMED): frozenset({_S.SENDING}),
        (_S.SENDING, _T.COMMITTING): frozenset({_S.SENDING}),
        (_S.SENDING, _T.ACCEPTED): frozenset({_S.SENT}),
        (_S.RETRY, _T.ACCEPTED): frozenset({_S.SENT}),  # by an attempt that was given up too early
        (_S.SENDING, _T.DEFERRED): frozenset({_S.RETRY}),
        (_S.SENDING, _T.REFUSED): frozenset({_S.FAILED}),
        (_S.SENDING, _T.RELEASED): frozenset({_S.QUEUED, _S.RETRY}),
        (_S.QUEUED, _T.CANCELLED): frozenset({_S.CANCELLED}),
        (_S.SCHEDULED, _T.CANCELLED): frozenset({_S.CANCELLED}),
        (_S.RETRY, _T.CANCELLED): frozenset({_S.CANCELLED}),
        (_S.QUEUED, _T.RESCHEDULED): frozenset({_S.QUEUED, _S.SCHEDULED}),
        (_S.SCHEDULED, _T.RESCHEDULED): frozenset({_S.QUEUED, _S.SCHEDULED}),
        (_S.RETRY, _T.RESCHEDULED): frozenset({_S.RETRY}),
        (_S.QUEUED, _T.EXPIRED): frozenset({_S.FAILED}),
        (_S.SCHEDULED, _T.EXPIRED): frozenset({_S.FAILED}),
        (_S.RETRY, _T.EXPIRED): frozenset({_S.FAILED, _S.SENT}),
        (_S.QUEUED, _T.SUPPRESSED): frozenset({_S.FAILED}),
        (_S.SCHEDULED, _T.SUPPRESSED): frozenset({_S.FAILED}),
        (_S.RETRY, _T.SUPPRESSED): frozenset({_S.FAILED, _S.SENT}),
        (_S.SENDING, _T.SUPPRESSED): frozenset({_S.FAILED, _S.SENT}),  # in the claim itself
        (_S.FAILED, _T.RETRIED): frozenset({_S.RETRY}),
        (_S.FAILED, _T.RESOLVED): frozenset({_S.SENT}),
    }
)

# The phase that a transition leads to. An email that is not `sending` has none.
PHASES: Final[Mapping[Transition, Phase]] = MappingProxyType(
    {_T.CLAIMED: Phase.CLAIMED, _T.COMMITTING: Phase.COMMITTING}
)


def initial(*, due: bool) -> Status:
    """The status of a new email: it waits for its first attempt, or for its time."""
    return Status.QUEUED if due else Status.SCHEDULED


def allows(status: Status, transition: Transition, to: Status) -> bool:
    """Whether *transition* may lead from *status* to the status *to*."""
    return to in TRANSITIONS.get((status, transition), frozenset())
