"""Every port of the application, by subject.

The docstring is the contract, and `tests/contract` proves it.

A port speaks the domain's words. No SQL, no socket and no framework type crosses it.
"""

from application.ports.access import AuditTrail, IdempotencyRepository, KeyRepository, KeyUsage
from application.ports.accounts import AccountRepository, Ledger
from application.ports.cluster import InstanceRepository, Locks
from application.ports.queue import AttemptRepository, EmailRepository
from application.ports.sender import Conversation, Sender
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Entropy, Headroom, Observe, Vault, Wake

__all__ = [
    "AccountRepository",
    "AttemptRepository",
    "AuditTrail",
    "Clock",
    "Conversation",
    "EmailRepository",
    "Entropy",
    "Headroom",
    "IdempotencyRepository",
    "InstanceRepository",
    "KeyRepository",
    "KeyUsage",
    "Ledger",
    "Locks",
    "Observe",
    "Sender",
    "Store",
    "Transaction",
    "Vault",
    "Wake",
]
