"""One thing that the doctor looked at, and what it came to."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import attrs


class Status(StrEnum):
    """How it stands. UNKNOWN: it could not be found out, which says nothing about it."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


class Group(StrEnum):
    """The chapters of a report, in order."""

    CONNECTION = "Connection"
    SPF = "SPF"
    DKIM = "DKIM"
    DMARC = "DMARC"
    DOMAIN = "Domain"
    BULK = "Bulk mail"


@attrs.frozen(kw_only=True)
class Finding:
    """``found`` is what is there, ``expected`` what should be, ``fix`` what a person should do (""
    if there is nothing to do), ``source`` where it is written down. ``absent``: there is nothing of
    the kind at all, which a bulk sender is not forgiven.
    """

    code: str
    status: Status
    found: str
    expected: str
    fix: str = ""
    source: str
    absent: bool = False

    @property
    def group(self) -> Group:
        """Its chapter."""
        first = self.code.partition("_")[0]
        return _GROUPS.get(self.code) or _BY_FIRST_WORD.get(first, Group.CONNECTION)


_GROUPS: Final = {
    "alignment": Group.DMARC,
    "mx": Group.DOMAIN,
    "ptr": Group.DOMAIN,
    "mta_sts": Group.DOMAIN,
}
_BY_FIRST_WORD: Final = {
    "spf": Group.SPF,
    "dkim": Group.DKIM,
    "dmarc": Group.DMARC,
    "bulk": Group.BULK,
}
_WORST_FIRST: Final = (Status.FAIL, Status.UNKNOWN, Status.WARN)
_LONGEST_SHOWN: Final = 300


def worst(findings: Iterable[Finding]) -> Status:
    """What they come to together: FAIL before UNKNOWN before WARN before OK."""
    statuses = {finding.status for finding in findings}
    return next((status for status in _WORST_FIRST if status in statuses), Status.OK)


def shown(text: str) -> str:
    """A stranger's text as a report may show it: printable, and not too long."""
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return clean if len(clean) <= _LONGEST_SHOWN else f"{clean[:_LONGEST_SHOWN]}…"


def listed(texts: Iterable[str], *, most: int = 8) -> str:
    """Several of them, separated by commas; those beyond *most* are only counted."""
    every = list(texts)
    rest = len(every) - most
    return ", ".join(map(shown, every[:most])) + (f" and {rest} more" if rest > 0 else "")
