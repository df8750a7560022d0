"""The sandbox: a mail server that keeps what it gets, and reads each message once.

``inbox`` receives and keeps, ``letter`` reads what arrived, ``charsets`` and ``shown_html`` make of
its text and HTML what may be shown. A message is somebody else's: none may stop or slow the inbox.
"""

from adapters.sandbox_inbox.inbox import MOST_BYTES, MOST_MESSAGES, Received, SandboxInbox
from adapters.sandbox_inbox.letter import Letter, read_letter

__all__ = ["MOST_BYTES", "MOST_MESSAGES", "Letter", "Received", "SandboxInbox", "read_letter"]
