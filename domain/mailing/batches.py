"""Calls of a mailing: how many rows each has, and the key that makes it happen only once."""

import json
from hashlib import sha256
from typing import Final

import attrs

from domain.intake import MOST_EMAILS, MOST_RENDERED

_MARGIN: Final = 2  # a row may come to so many times what the first rows come to


@attrs.frozen(kw_only=True)
class Run:
    """What makes two mailings the same: the octets of the file, the template and a name.

    All else, such as the version of the template, the sender or the topic, does not: who changes it
    and repeats a call must be refused, and not send everything twice. *name* is for who wants that.
    """

    file: str  # SHA-256, in hexadecimal digits
    template: str
    name: str = ""

    def key(self, first: int, last: int) -> str:
        """The Idempotency-Key of the call for the rows from *first* to *last*."""
        told = json.dumps([self.file, self.template, self.name, first, last])
        return f"mailing-{sha256(told.encode()).hexdigest()}"


def rows_of_call(rendered: int) -> int:
    """How many rows one call may have if each comes to *rendered* characters or a bit more."""
    return max(1, min(MOST_EMAILS, MOST_RENDERED // max(1, _MARGIN * rendered)))
