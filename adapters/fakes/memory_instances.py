"""The instances of the store in memory."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from adapters.fakes.memory_tables import Journal, Tables
from domain.capability import ALL, Capability
from domain.email.lifecycle import Email
from domain.email.status import TERMINAL, Status
from domain.errors import Conflict


class MemoryInstances:
    """The InstanceRepository port."""

    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def join(self, *, host: str, pid: int, now: datetime, capabilities: Capability = ALL) -> int:
        for email in self._tables.emails.values():
            if email.status not in TERMINAL and _needs(self._tables, email.id) & ~capabilities:
                raise Conflict("email waits that a process of this older version would send wrong")
        by_oauth = any(account.oauth is not None for account in self._tables.accounts.values())
        if by_oauth and not capabilities & Capability.OAUTH:
            raise Conflict("there are accounts that a process of this older version would pause")
        instance = self._journal.next_id(self._tables, "instance")
        self._journal.put(self._tables.instances, instance, 0)
        self._journal.put(self._tables.capabilities, instance, capabilities)
        return instance

    def lacks(self, capability: Capability) -> bool:
        known = self._tables.capabilities
        return any(not known[instance] & capability for instance in self._tables.instances)

    def beat(self, instance: int) -> bool:
        if instance not in self._tables.instances:
            return False
        self._journal.put(self._tables.instances, instance, self._tables.instances[instance] + 1)
        return True

    def beats(self) -> Mapping[int, int]:
        return dict(sorted(self._tables.instances.items()))

    def leave(self, instance: int) -> None:
        if instance in self._tables.instances:
            self._journal.remove(self._tables.instances, instance)

    def orphaned(self) -> Sequence[int]:
        instances = {e.instance for e in self._tables.emails.values() if e.status is Status.SENDING}
        return sorted(o for o in instances if o is not None and o not in self._tables.instances)


def refuse_revival(tables: Tables, email: Email, *, was: Email) -> None:
    """Conflict if an email that had ended would wait while an instance would send it wrong."""
    if was.status not in TERMINAL or email.status in TERMINAL:
        return
    needed = _needs(tables, email.id)
    if any(needed & ~tables.capabilities[instance] for instance in tables.instances):
        raise Conflict("a process of an older version delivers still, and would send this wrong")


def _needs(tables: Tables, email_id: int) -> Capability:
    """What a process must know of to send this email as it was accepted."""
    detail = tables.details.get(email_id)
    needs = Capability(0)
    placed = tables.placed.get(email_id, ())
    if placed:
        needs |= Capability.BLOBS
    if any(blob.as_it_is for blob in placed):
        needs |= Capability.PLAIN_BLOBS
    if detail is not None and detail.sender is not None:
        needs |= Capability.OWN_FROM
    return needs
