"""The checks of a message's headers and lines."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Final

from domain.lint.finding import Check, Examined, Level
from domain.message.headers import MAX_LINE

RFC_5322: Final = "https://www.rfc-editor.org/rfc/rfc5322"
GMAIL: Final = "https://support.google.com/a/answer/81126"
SPAMASSASSIN: Final = "https://spamassassin.apache.org/"
_END_OF_HEADERS: Final = re.compile(rb"\r?\n\r?\n")
_NOT_ASCII: Final = re.compile(rb"[\x80-\xff]")
_LONG_LINE: Final = re.compile(rb"[^\r\n]{%d,}" % (MAX_LINE + 1))
_BARE: Final = re.compile(rb"(?<!\r)\n|\r(?!\n)")
_CAPITALS: Final = re.compile(r"[^\W\d_]")
_LEAST_CAPITALS: Final = 10  # letters: below that capitals are a name or an abbreviation
_UNSUBSCRIBES: Final = re.compile(
    r"unsubscrib|abbestellen|abmelden|désabonn|désinscri|darse de baja|annulla l'iscrizione", re.I
)
_BULK: Final = ("list-id", "feedback-id", "list-post", "x-campaign-id")


def _missing(name: str, examined: Examined) -> Sequence[str] | None:
    return None if (examined.header(name) or "").strip() else ()


def _more_than_one(examined: Examined) -> Sequence[str] | None:
    names = ("from", "sender", "to", "cc", "subject", "date", "message-id", "reply-to")
    return tuple(name.title() for name in names if len(examined.all(name)) > 1) or None


def _no_recipient(examined: Examined) -> Sequence[str] | None:
    return None if examined.header("to") or examined.header("cc") else ()


def _capitals(examined: Examined) -> Sequence[str] | None:
    subject = examined.header("subject") or ""
    letters = _CAPITALS.findall(subject)
    shouts = len(letters) >= _LEAST_CAPITALS and subject.upper() == subject != subject.lower()
    return (subject,) if shouts else None


def _raw_characters(examined: Examined) -> Sequence[str] | None:
    """None where an address needs them: then the whole message is of RFC 6532."""
    head = _END_OF_HEADERS.split(examined.octets, 1)[0]
    international = any(not address.isascii() for address in examined.recipients)
    return () if _NOT_ASCII.search(head) and not international else None


def _long_line(examined: Examined) -> Sequence[str] | None:
    longest = max(map(len, _LONG_LINE.findall(examined.octets)), default=0)
    return (f"{longest} octets",) if longest else None


def _bare_line_end(examined: Examined) -> Sequence[str] | None:
    return () if _BARE.search(examined.octets) else None


def _no_mime_version(examined: Examined) -> Sequence[str] | None:
    mime = examined.header("content-type") is not None
    return () if mime and examined.header("mime-version") is None else None


def is_bulk(examined: Examined) -> bool:
    """Whether it looks like one of a newsletter: by its headers, or a way out in its text."""
    precedence = (examined.header("precedence") or "").strip().lower()
    if precedence in ("bulk", "list") or any(examined.all(name) for name in _BULK):
        return True
    links = () if examined.outline is None else examined.outline.links
    return any(_UNSUBSCRIBES.search(f"{link.text} {link.href}") for link in links) or bool(
        _UNSUBSCRIBES.search(examined.text or "")
    )


def _no_way_out(examined: Examined) -> Sequence[str] | None:
    return () if is_bulk(examined) and not examined.header("list-unsubscribe") else None


def _no_one_click(examined: Examined) -> Sequence[str] | None:
    given = examined.header("list-unsubscribe")
    if not given:
        return None
    post = (examined.header("list-unsubscribe-post") or "").replace(" ", "").lower()
    has_both = "<https://" in given.lower() and post == "list-unsubscribe=one-click"
    return None if has_both else (given[:200],)


CHECKS: Final = (
    Check(
        code="no_from",
        level=Level.PROBLEM,
        title="There is no From header",
        advice="Name the sender in a From header: receivers refuse a message without one.",
        source="RFC 5322, 3.6",
        url=f"{RFC_5322}#section-3.6",
        found=partial(_missing, "from"),
    ),
    Check(
        code="no_date",
        level=Level.PROBLEM,
        title="There is no Date header",
        advice="Add a Date header with the time at which the message was written.",
        source="RFC 5322, 3.6; SpamAssassin MISSING_DATE",
        url=f"{RFC_5322}#section-3.6",
        found=partial(_missing, "date"),
    ),
    Check(
        code="no_message_id",
        level=Level.WARNING,
        title="There is no Message-ID header",
        advice="Add a Message-ID that no other message has, at a domain of yours.",
        source="RFC 5322, 3.6.4; SpamAssassin MISSING_MID",
        url=f"{RFC_5322}#section-3.6.4",
        found=partial(_missing, "message-id"),
    ),
    Check(
        code="no_subject",
        level=Level.WARNING,
        title="There is no subject",
        advice="Say in the Subject what the message is about.",
        source="SpamAssassin MISSING_SUBJECT",
        url=SPAMASSASSIN,
        found=partial(_missing, "subject"),
    ),
    Check(
        code="no_recipient",
        level=Level.WARNING,
        title="No header names a recipient",
        advice="Put the recipient into To, and send a message of its own to each recipient.",
        source="SpamAssassin MISSING_HEADERS",
        url=SPAMASSASSIN,
        found=_no_recipient,
    ),
    Check(
        code="header_twice",
        level=Level.PROBLEM,
        title="A header that may stand once stands more often",
        advice="Send each of these headers once: Gmail refuses what has them twice.",
        source="RFC 5322, 3.6",
        url=f"{RFC_5322}#section-3.6",
        found=_more_than_one,
    ),
    Check(
        code="capitals",
        level=Level.WARNING,
        title="The subject is written in capitals",
        advice="Write the subject as a sentence.",
        source="SpamAssassin SUBJ_ALL_CAPS",
        url=SPAMASSASSIN,
        found=_capitals,
    ),
    Check(
        code="raw_characters",
        level=Level.WARNING,
        title="A header holds characters that are not encoded",
        advice="Encode what is not ASCII in a header as an encoded word (=?utf-8?…?=).",
        source="RFC 2047; SpamAssassin SUBJ_ILLEGAL_CHARS",
        url="https://www.rfc-editor.org/rfc/rfc2047",
        found=_raw_characters,
    ),
    Check(
        code="no_mime_version",
        level=Level.WARNING,
        title="There is a Content-Type but no MIME-Version",
        advice="Add the header MIME-Version: 1.0.",
        source="RFC 2045, 4; SpamAssassin MIME_HEADER_CTYPE_ONLY",
        url="https://www.rfc-editor.org/rfc/rfc2045#section-4",
        found=_no_mime_version,
    ),
    Check(
        code="long_line",
        level=Level.PROBLEM,
        title=f"A line is longer than {MAX_LINE} octets",
        advice="Encode the part in quoted-printable or base64: servers break or refuse such lines.",
        source="RFC 5322, 2.1.1",
        url=f"{RFC_5322}#section-2.1.1",
        found=_long_line,
    ),
    Check(
        code="bare_line_end",
        level=Level.PROBLEM,
        title="A line ends with CR or LF alone",
        advice="End each line with CRLF: servers refuse others, because they allow smuggling.",
        source="RFC 5321, 2.3.8",
        url="https://www.rfc-editor.org/rfc/rfc5321#section-2.3.8",
        found=_bare_line_end,
    ),
    Check(
        code="no_list_unsubscribe",
        level=Level.PROBLEM,
        title="A newsletter without List-Unsubscribe",
        advice="Add List-Unsubscribe with an https address, and List-Unsubscribe-Post.",
        source="Gmail's rules for senders; RFC 8058",
        url=GMAIL,
        found=_no_way_out,
    ),
    Check(
        code="no_one_click",
        level=Level.WARNING,
        title="List-Unsubscribe does not work with one click",
        advice="Give it an https address, and add the header List-Unsubscribe-Post beside it.",
        source="RFC 8058, 3.1; Gmail's rules for senders",
        url="https://www.rfc-editor.org/rfc/rfc8058#section-3.1",
        found=_no_one_click,
    ),
)
