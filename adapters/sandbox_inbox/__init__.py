"""The sandbox: a mail server that keeps what it gets, and has each message read once.

``inbox`` receives, ``mailbox`` keeps and ``search`` finds.
"""

from adapters.sandbox_inbox.inbox import SandboxInbox
from adapters.sandbox_inbox.mailbox import MOST_BYTES, MOST_MESSAGES, Received

__all__ = ["MOST_BYTES", "MOST_MESSAGES", "Received", "SandboxInbox"]
