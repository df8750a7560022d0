"""What makes a message a reply: In-Reply-To and References (RFC 5322, 3.6.4)."""

import re
from collections.abc import Sequence
from typing import Final

from domain.message.headers import CRLF, FOLD_AT

LONGEST_ID: Final = 500  # characters, with its angle brackets
MOST_REFERENCES: Final = 20

_ID: Final = re.compile(r"<[!-;=?A-~]+@[!-;=?A-~]+>")
_REFERENCES: Final = re.compile(
    rb"^References:((?:[^\r]|\r\n[ \t])*)", re.MULTILINE | re.IGNORECASE
)


def is_message_id(text: str) -> bool:
    """Whether it may stand in a header of a thread, in its angle brackets."""
    # some readers would decode =? to something else
    return len(text) <= LONGEST_ID and "=?" not in text and bool(_ID.fullmatch(text))


def message_id(text: str) -> str:
    """The Message-ID that *text* is, with its angle brackets, which may be left out. ValueError."""
    written = text if text.startswith("<") else f"<{text}>"
    if not is_message_id(written):
        raise ValueError("must be the id of an email, or a Message-ID such as <1a2b@example.com>")
    return written


def thread_after(octets: bytes, message_id: str) -> tuple[str, ...]:
    """What a reply to a message of ours, its *octets* and Message-ID, refers to; oldest first.

    Of a long thread it has the first message and the last ones.
    """
    found = _REFERENCES.search(octets, 0, max(octets.find(b"\r\n\r\n"), 0))
    before = [] if found is None else _ID.findall(found[1].decode("ascii", "replace"))
    thread = (*before, message_id)
    if len(thread) > MOST_REFERENCES:
        thread = (thread[0], *thread[1 - MOST_REFERENCES :])
    return thread


def thread_lines(references: Sequence[str]) -> str:
    """In-Reply-To and References with their CRLF, folded between ids; *references* has some."""
    lines = [f"In-Reply-To: {references[-1]}", f"References: {references[0]}"]
    for one in references[1:]:
        if len(lines[-1]) + 1 + len(one) > FOLD_AT:
            lines.append(f" {one}")
        else:
            lines[-1] += f" {one}"
    return CRLF.join(lines) + CRLF
