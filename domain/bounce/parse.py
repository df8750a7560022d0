"""What a message says about recipients of an email that was sent: `parse_report`.

Whether it is a report at all is decided here: mail that people write, their automatic answers and
receipts give a report without recipients.
"""

import re
from collections.abc import Sequence
from typing import Final

import attrs

from domain.bounce.judge import Judge
from domain.bounce.judged import each_once, judged
from domain.bounce.mail_parts import Part, decoded_words, parts_of
from domain.bounce.recognition import is_answer, is_from_server
from domain.bounce.report import (
    MOST_RECIPIENTS,
    BounceKind,
    Report,
    ReportedRecipient,
    Told,
)
from domain.bounce.returned import (
    RECIPIENT_HEADERS,
    is_hotmails_complaint,
    references_of,
    written_to,
)
from domain.bounce.ses import notification, references, told_by_ses
from domain.bounce.status_fields import (
    DELIVERY_STATUS,
    FEEDBACK,
    addresses_in,
    complaint,
    delivery_status,
)
from domain.bounce.text_report import (
    TextReport,
    names_recipients,
    read_text,
    says_not_delivered,
    shown,
)
from domain.outcome.rules_file import Rules

LONGEST_REPORT: Final = 262_144  # octets; what comes after them is not read

_LONGEST_TEXT: Final = 60_000  # characters of a report's text that are looked at


def parse_report(octets: bytes, *, rules: Rules) -> Report:
    """What *octets*, a message or SES' JSON, report; `Report()` for what is no report.

    At most `LONGEST_REPORT` of them are read. Never raises.
    """
    octets = octets[:LONGEST_REPORT]
    judge = Judge(rules)
    if octets.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return _of_ses(octets.decode("utf-8", "replace").lstrip("\ufeff"), judge) or Report()
    return _Reading(parts_of(octets), judge).report()


def _of_ses(text: str, judge: Judge) -> Report | None:
    document = notification(text)
    if document is None:
        return None
    recipients = []
    for one in told_by_ses(document):
        made = judged(one.told, judge, kind=one.kind)
        if made is not None:
            recipients.append(made)
    complained = any(one.kind is BounceKind.COMPLAINT for one in recipients)
    return Report(
        recipients=each_once(recipients), is_complaint=complained, references=references(document)
    )


@attrs.frozen
class _Reading:
    """One message as parts, the message itself first."""

    parts: Sequence[Part]
    judge: Judge

    def report(self) -> Report:
        """The first way of reading that finds recipients decides."""
        if is_answer(self.parts):
            return Report()
        for read in (self._complaint, self._delivery_status, self._text):
            report = read()
            if report is not None:
                return report
        return Report()

    @property
    def top(self) -> Part:
        """The message itself."""
        return self.parts[0]

    def _own(self, *kinds: str) -> list[Part]:
        return [part for part in self.parts if not part.returned and part.kind in kinds]

    # --- complaints

    def _complaint(self) -> Report | None:
        found = self._own(FEEDBACK)
        if not (found or is_hotmails_complaint(self.parts)):
            return None
        told = complaint(found[0]) if found else {}
        if told is None:
            return Report()
        names = addresses_in(told.get("original-rcpt-to", ())) or written_to(self.parts)
        about = " ".join(told.get("user-agent", ())[:1])
        return Report(
            recipients=each_once(
                ReportedRecipient(
                    recipient=name, status=None, kind=BounceKind.COMPLAINT, diagnostic=about
                )
                for name in names
            ),
            is_complaint=True,
            references=references_of(self.parts, {}, ""),
        )

    # --- delivery reports

    def _delivery_status(self) -> Report | None:
        about: dict[str, list[str]] = {}
        told: list[Told] = []
        for part in self._own(*DELIVERY_STATUS) or self._disguised():
            fields_of_message, those = delivery_status(part)
            told += those
            for name, values in fields_of_message.items():
                about.setdefault(name, values)
        if not told:
            return None
        text = self._said()
        if any(not one.recipient or not one.diagnostic for one in told):
            told = self._completed(told, text)
        delayed = not any(one.action for one in told) and text.delayed
        recipients = [judged(one, self.judge, delayed=delayed) for one in told]
        known = each_once(filter(None, recipients))
        if not known:
            return None
        return Report(recipients=known, references=references_of(self.parts, about, text.copy))

    def _disguised(self) -> list[Part]:
        """Parts that hold the fields of a delivery report under another type."""
        if self.top.kind != "multipart/report" and not is_from_server(self.parts):
            return []
        return [
            part
            for part in self.parts
            if not part.returned
            and not part.kind.startswith("multipart/")
            and re.search(r"^Final-Recipient:", part.text, re.IGNORECASE | re.MULTILINE)
        ]

    def _completed(self, told: Sequence[Told], text: TextReport) -> list[Told]:
        """With what the text says of a recipient, where the fields lack its name or the reason."""
        failed = addresses_in(self._failed_header())
        said = {one.recipient.lower(): one.diagnostic for one in text.told}
        names = failed or [one.recipient for one in text.told]
        if len(told) == 1 and len(text.told) <= 1:
            of_all = text.of_all if not told[0].status else ""
            alone = [one.diagnostic for one in text.told] or [of_all]
            said.setdefault(told[0].recipient.lower(), alone[0])
        nameless = sum(not one.recipient for one in told)
        if nameless == 1 and len(told) == 1 and names:
            return [
                attrs.evolve(
                    told[0],
                    recipient=name,
                    diagnostic=told[0].diagnostic or said.get(name.lower(), ""),
                )
                for name in names
            ]
        free = [
            name for name in names if name.lower() not in {one.recipient.lower() for one in told}
        ]
        made = []
        for one in told:
            name = one.recipient or (free.pop(0) if free else "")
            made.append(
                attrs.evolve(
                    one, recipient=name, diagnostic=one.diagnostic or said.get(name.lower(), "")
                )
            )
        return made

    # --- texts

    def _text(self) -> Report | None:
        failed = addresses_in(self._failed_header())
        if not failed and not is_from_server(self.parts):
            return self._ses_mail()
        words = self._words()
        if not (failed or self._tells_of_failure(words)):
            return None
        text = self._said()
        told = text.told or [
            Told(recipient=name, diagnostic=text.of_all)
            for name in written_to(self.parts, text.copy)
        ]
        recipients = [judged(one, self.judge, delayed=text.delayed) for one in told]
        known = each_once(filter(None, recipients))
        return Report(recipients=known, references=references_of(self.parts, {}, text.copy))

    def _tells_of_failure(self, words: str) -> bool:
        subject = decoded_words(self.top.header("subject"))
        if says_not_delivered(f"{subject}\n{words}"):
            return True
        # in a language that is not known here
        return any(part.returned for part in self.parts) and names_recipients(words)

    def _ses_mail(self) -> Report | None:
        """SNS may send a notification as mail."""
        for part in self._own("text/plain", "application/json")[:1]:
            text = part.text.lstrip()
            if text.startswith("{"):
                return _of_ses(text.partition("\n\n--\n")[0].strip(), self.judge)
        return None

    def _failed_header(self) -> list[str]:
        return [
            name
            for value in self.top.headers.get("x-failed-recipients", ())
            for name in value.split(",")[:MOST_RECIPIENTS]
        ]

    def _words(self) -> str:
        """What the report says to people."""
        texts = [part.text[:_LONGEST_TEXT] for part in self._own("text/plain", "text")[:4]]
        if not any(text.strip() for text in texts):
            texts = [shown(part.text[:_LONGEST_TEXT]) for part in self._own("text/html")[:2]]
        if not texts and self.top.octets:
            texts = [self.top.text[:_LONGEST_TEXT]]
        return "\n".join(texts)

    def _said(self) -> TextReport:
        top = self.top
        own = {
            name.lower()
            for header in (*RECIPIENT_HEADERS, "from", "sender", "reply-to")
            for value in top.headers.get(header, ())
            for name in addresses_in(value.split(",")[:50])
        }
        failed = addresses_in(self._failed_header())
        return read_text(self._words(), failed=failed, own=own - {name.lower() for name in failed})
