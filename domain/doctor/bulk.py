"""What Gmail, Outlook.com and Yahoo ask of whoever sends much, as of November 2026."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs

from domain.doctor.finding import Finding, Status

THRESHOLD: Final = 5000  # messages a day to personal mailboxes of one provider


@attrs.frozen(kw_only=True)
class Receiver:
    """A provider of mailboxes, and the findings that it requires to be well. ``one_click``: it asks
    for List-Unsubscribe-Post in marketing mail.
    """

    code: str
    name: str
    mailboxes: str
    requires: tuple[str, ...]
    one_click: bool
    note: str
    source: str


_BOTH: Final = ("spf_one_record", "spf_syntax", "spf_lookups", "spf_covers_relay")
_KEYS: Final = ("dkim_selector", "dkim_key")
RECEIVERS: Final[Sequence[Receiver]] = (
    Receiver(
        code="bulk_gmail",
        name="Gmail",
        mailboxes="personal Gmail",
        requires=(*_BOTH, *_KEYS, "dmarc", "alignment", "ptr", "tls"),
        one_click=True,
        note="the subdomains of a domain are counted together, and whoever came near it once counts"
        " as a bulk sender for ever; spam reports below 0.3 %",
        source="https://support.google.com/a/answer/81126",
    ),
    Receiver(
        code="bulk_outlook",
        name="Outlook.com",
        mailboxes="outlook.com, hotmail.com and live.com",
        requires=(*_BOTH, *_KEYS, "dmarc", "alignment"),
        one_click=False,
        note="both SPF and DKIM must pass; others are refused with 550 5.7.515",
        source="https://techcommunity.microsoft.com/blog/microsoftdefenderforoffice365blog/"
        "strengthening-email-ecosystem-outlook%E2%80%99s-new-requirements-for-high%E2%80%90volume-"
        "senders/4399730",
    ),
    Receiver(
        code="bulk_yahoo",
        name="Yahoo",
        mailboxes="Yahoo and AOL",
        requires=(*_BOTH, *_KEYS, "dmarc", "alignment", "ptr"),
        one_click=True,
        note="Yahoo publishes no number: that of Gmail is taken; spam reports below 0.3 %",
        source="https://senders.yahooinc.com/best-practices/",
    ),
)


def judge_bulk(
    sent: int, findings: Sequence[Finding], *, one_click: bool | None
) -> Iterator[Finding]:
    """Of *sent* emails of the last 24 hours, against *findings* about the domain.

    Whom they went to is not counted: *sent* are all, so that too many are asked, never too few.
    *one_click*: whether the message has List-Unsubscribe-Post; None without a message.
    """
    by_code: dict[str, list[Finding]] = {}
    for finding in findings:
        by_code.setdefault(finding.code, []).append(finding)
    for receiver in RECEIVERS:
        yield _judged(receiver, sent, by_code, one_click)


def _judged(
    receiver: Receiver,
    sent: int,
    by_code: Mapping[str, Sequence[Finding]],
    one_click: bool | None,
) -> Finding:
    found = f"{sent} emails in the last 24 hours, whoever they went to"
    status, fix = Status.OK, ""
    if sent >= THRESHOLD:
        status, missing = _missing(receiver, by_code, one_click)
        if missing:
            found = f"{found}; not met: {', '.join(missing)}"
            fix = (
                "Mend these (see their own lines); one-click unsubscription is for marketing mail."
            )
    return Finding(
        code=receiver.code,
        status=status,
        found=found,
        expected=f"fewer than {THRESHOLD} a day to {receiver.mailboxes}, or {_rules(receiver)} "
        f"({receiver.note})",
        fix=fix,
        source=receiver.source,
    )


def _missing(
    receiver: Receiver, by_code: Mapping[str, Sequence[Finding]], one_click: bool | None
) -> tuple[Status, list[str]]:
    """What is not met, and how bad that is."""
    failed, unknown = [], []
    for code in receiver.requires:
        statuses = {finding.status for finding in by_code.get(code, ())}
        is_absent = any(finding.absent for finding in by_code.get(code, ()))
        if Status.FAIL in statuses or is_absent:
            failed.append(code)
        elif Status.UNKNOWN in statuses:
            unknown.append(f"{code} (unknown)")
    doubtful = receiver.one_click and not one_click
    marks = ["one-click unsubscription (not seen)"] if doubtful else []
    if failed:
        return Status.FAIL, [*failed, *unknown, *marks]
    if unknown:
        return Status.UNKNOWN, [*unknown, *marks]
    return (Status.WARN if marks else Status.OK), marks


def _rules(receiver: Receiver) -> str:
    rules = "SPF, DKIM and aligned DMARC"
    if "tls" in receiver.requires:
        rules += ", PTR, TLS"
    return f"{rules}, one-click unsubscription" if receiver.one_click else rules
