"""The sandbox: a mail server that keeps what it gets."""

from adapters.sandbox_inbox.inbox import MOST_MESSAGES, Received, SandboxInbox

__all__ = ["MOST_MESSAGES", "Received", "SandboxInbox"]
