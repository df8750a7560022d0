"""Postmark's webhooks for bounces and complaints: one event in JSON, without a signature.

The URL's secret and, if it is set, Basic authentication are what tells Postmark from a stranger.
"""

import base64
import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Final

from domain.bounce.judge import Judge
from domain.bounce.judged import each_once, judged
from domain.bounce.mail_parts import parts_of
from domain.bounce.report import BounceKind, References, Report, Told
from domain.bounce.returned import references_of
from domain.hook.reading import (
    VendorReport,
    each_report,
    named,
    number,
    own_reference,
    part,
    read_object,
    text,
)
from domain.outcome.rules_file import Rules

# The Type of a bounce, in small letters. A kind where Postmark knows what no server has said.
_DELAYED: Final = frozenset({"transient"})
_JUDGED: Final = frozenset({"hardbounce", "softbounce", "dnserror", "unknown", "addresschange"})
_HARD: Final = {"bademailaddress": "5.1.3"}
_SOFT: Final = frozenset(
    "blocked spamnotification dmarcpolicy virusnotification challengeverification smtpapierror "
    "manuallydeactivated unconfirmed templaterenderingfailed inbounderror".split()
)
_COMPLAINT: Final = "spamcomplaint"
_LONGEST_BOUNCE: Final = 65_536  # characters of the returned message that are read


def is_allowed(authorization: str, *, name_and_password: str) -> bool:
    """Whether this Authorization header has the *name:password* that was agreed."""
    wanted = base64.b64encode(name_and_password.encode("utf-8")).decode("ascii")
    scheme, _, given = authorization.partition(" ")
    same = hmac.compare_digest(given.strip().encode("utf-8", "replace"), wanted.encode())
    return scheme.lower() == "basic" and same


def read_postmark(octets: bytes, *, rules: Rules) -> Sequence[VendorReport]:
    """What *octets*, the body of a call, report. InvalidInput."""
    event = read_object(octets)
    told, kind = _told(event)
    if told is None:
        return []
    recipients = each_once([judged(told, Judge(rules), kind=kind)])
    report = Report(recipients=recipients, references=_references(event))
    return each_report([VendorReport(report_id=_report_id(event), report=report)])


def _told(event: Mapping[str, Any]) -> tuple[Told | None, BounceKind | None]:
    record, bounce = text(event, "RecordType").lower(), text(event, "Type").lower()
    recipient = text(event, "Email") or text(event, "Recipient")
    said = text(event, "Details")
    if record not in ("bounce", "spamcomplaint"):
        return None, None
    if record == "spamcomplaint" or bounce == _COMPLAINT:
        return Told(recipient=recipient, diagnostic=said), BounceKind.COMPLAINT
    if bounce in _DELAYED:
        told = Told(recipient=recipient, action="delayed", diagnostic=said)
        return told, BounceKind.DELAYED
    if bounce in _HARD:
        told = Told(
            recipient=recipient,
            action="failed",
            status=_HARD[bounce],
            diagnostic=said or text(event, "Description"),
        )
        return told, BounceKind.HARD
    told = Told(recipient=recipient, action="failed", diagnostic=said)
    if bounce in _SOFT:
        return told, BounceKind.SOFT
    if bounce == "hardbounce" and not said:
        return told, BounceKind.HARD
    return (told, None) if bounce in _JUDGED else (None, None)


def _references(event: Mapping[str, Any]) -> References:
    """By Postmark's id, by our reference in the metadata, and by what the returned message says, if
    Postmark was asked to send it along.
    """
    provider_id = text(event, "MessageID")
    returned = text(event, "Content")[:_LONGEST_BOUNCE]
    found = References()
    if returned:
        octets = returned.encode("utf-8", "replace")
        found = references_of(parts_of(octets), {}, returned)
    return References(
        refs=named(own_reference(part(event, "Metadata")), *found.refs),
        envelope_ids=found.envelope_ids,
        message_ids=found.message_ids,
        provider_ids=named(provider_id, *found.provider_ids),
    )


def _report_id(event: Mapping[str, Any]) -> str:
    """Postmark's id of the bounce; without one what tells it apart."""
    bounce = number(event, "ID")
    if bounce and bounce != "0":
        return bounce
    names = ("RecordType", "MessageID", "Email", "BouncedAt")
    return "/".join(text(event, name) for name in names)
