"""The sandbox: a mail server that keeps what it gets, and has each message read once."""

from adapters.sandbox_inbox.inbox import MOST_BYTES, MOST_MESSAGES, Received, SandboxInbox

__all__ = ["MOST_BYTES", "MOST_MESSAGES", "Received", "SandboxInbox"]
