"""How a call is read: JSON of a stranger, of which nothing is trusted but its size.

What a text may hold that a database refuses, control characters and halves of characters, is taken
out here once.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from domain.bounce.report import References, Report, ReportedRecipient
from domain.errors import FieldError, InvalidInput

LONGEST_NAME: Final = 998  # characters of what names an email: the longest line (RFC 5322)
MOST_NAMES: Final = 20  # of one sort, of one event
MOST_EVENTS: Final = 20_000  # of one call; so many fit into no call that is read
_STATUS: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}", re.ASCII)
_UNKNOWN: Final = "5.0.0"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")


@attrs.frozen(kw_only=True)
class VendorReport:
    """One event of a provider. *report_id* is what the provider calls it: the same when it is sent
    again, never empty.
    """

    report_id: str
    report: Report


def read_json(octets: bytes) -> Any:
    """The document in *octets*. InvalidInput for anything else, however deep it is."""
    try:
        return json.loads(octets.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise refused("the call cannot be read") from None


def read_object(octets: bytes) -> Mapping[str, Any]:
    """The object in *octets*. InvalidInput."""
    document = read_json(octets)
    if not isinstance(document, dict):
        raise refused("the call must be one object")
    return document


def refused(message: str) -> InvalidInput:
    """The error for a call that says nothing that can be read."""
    return InvalidInput(FieldError("", message))


def part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object at *name*, {} if it is none."""
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def text(document: Mapping[str, Any], name: str) -> str:
    """The text at *name*, "" if it is none."""
    value = document.get(name)
    return value if isinstance(value, str) else ""


def number(document: Mapping[str, Any], name: str) -> str:
    """The number or the text at *name* as text, "" if it is neither."""
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return ""
    return str(value)[:64]


def named(*texts: str) -> tuple[str, ...]:
    """Those that may name an email, each once, in their order."""
    clean = (_CONTROL.sub("", one).strip()[:LONGEST_NAME] for one in texts)
    return tuple(dict.fromkeys(one for one in clean if one))[:MOST_NAMES]


def message_id(value: str) -> str:
    """A Message-ID with its angle brackets; "" for what is none."""
    value = value.strip().strip("<>")
    return f"<{value}>" if "@" in value and not re.search(r"[\s<>]", value) else ""


def status_in(value: str) -> str:
    """An enhanced status (RFC 3463), "" for anything else."""
    return value if _STATUS.fullmatch(value) else ""


def own_reference(document: Mapping[str, Any]) -> str:
    """The value of X-Email-Ref where the sender has the provider give it back with each event."""
    for name in ("X-Email-Ref", "x-email-ref", "email_ref"):
        if found := text(document, name):
            return found
    return ""


def cleaned(report: Report) -> Report:
    """*report*, without what no database takes as text."""
    told = report.references
    return attrs.evolve(
        report,
        recipients=tuple(map(_clean_recipient, report.recipients)),
        references=References(
            refs=named(*told.refs),
            envelope_ids=named(*told.envelope_ids),
            message_ids=named(*told.message_ids),
            tags=named(*told.tags),
            provider_ids=named(*told.provider_ids),
        ),
    )


def each_report(reports: Iterable[VendorReport]) -> Sequence[VendorReport]:
    """Those that say something about somebody, cleaned, each once."""
    found: dict[str, VendorReport] = {}
    for one in reports:
        if (one.report.recipients or one.report.is_complaint) and one.report_id:
            report_id = _CONTROL.sub("", one.report_id)[:LONGEST_NAME]
            clean = VendorReport(report_id=report_id, report=cleaned(one.report))
            found.setdefault(report_id, clean)
    return list(found.values())


def _clean_recipient(recipient: ReportedRecipient) -> ReportedRecipient:
    return ReportedRecipient(
        recipient=_CONTROL.sub("", recipient.recipient),
        status=recipient.status and (status_in(recipient.status) or _UNKNOWN),
        kind=recipient.kind,
        diagnostic=_CONTROL.sub(" ", recipient.diagnostic),
    )
