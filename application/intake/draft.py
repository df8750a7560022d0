"""What every way in makes of what it was sent: a draft."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

import attrs

from domain.account.account import Account
from domain.account.limits import NORMAL, PRIORITIES
from domain.address import Address
from domain.email.detail import Detail, TemplateUsed
from domain.email.labels import NO_LABELS, Labels
from domain.email.recipient import Recipient, RecipientField
from domain.errors import FieldError, InvalidInput
from domain.intake import LARGEST_BODY, LONGEST_SUBJECT, errors_of_times, is_too_large
from domain.mailbox import NO_NAMES, Mailbox, Names
from domain.message.attachment import Attachment
from domain.message.calendar import CalendarPart
from domain.message.client_headers import RESERVED, header_errors, is_reserved
from domain.message.compose import Content
from domain.message.raw import RawMessage
from domain.message.template import Value
from domain.suppression import TOPIC, TOPIC_RULE, SuppressionReason
from domain.throughput import Via

_OF_TOPIC: Final = frozenset({"list-unsubscribe", "list-unsubscribe-post"})


@attrs.frozen
class TemplateChoice:
    """Which template writes an email: what is published of it, or that *version* of the locale."""

    name: str
    version: int | None = None
    locale: str | None = None


@attrs.frozen(kw_only=True)
class UploadedFile:
    """A file that was uploaded before. Without a type: that of the upload, or of the name."""

    attachment_id: str
    filename: str
    content_type: str | None = None
    content_id: str | None = None


@attrs.frozen(kw_only=True)
class Draft:
    """An email as a client asks for it, parsed.

    It has text, HTML or both, unless a *template* writes them and the subject, with *variables*;
    *template_used* says which version did. *to* and *cc* are the visible recipients; *envelope*
    names those who get it, whoever is visible, and None stands for everybody in *to*, *cc* and
    *bcc*. *names* are those of recipients. *account_id* pins it to an account, *sender* to the
    accounts that may send as that address; None leaves the choice. *in_reply_to* is the id of an
    email of ours, or a Message-ID. *topic* is what its one recipient may unsubscribe from.
    *raw* is the message itself, where the client made it: then it has no content, and *sender* is
    who stands in its From, or None if its account is to.
    """

    subject: str
    html: str | None = attrs.field(default=None, repr=False)
    text: str | None = attrs.field(default=None, repr=False)
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    names: Names = NO_NAMES
    envelope: tuple[Address, ...] | None = None
    sender: Mailbox | None = None
    reply_to: tuple[Mailbox, ...] = ()
    in_reply_to: int | str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment | UploadedFile, ...] = ()
    calendar: CalendarPart | None = attrs.field(default=None, repr=False)
    priority: int = NORMAL
    account_id: int | None = None
    send_at: datetime | None = None
    expires_at: datetime | None = None
    at_most_once: bool = False
    topic: str | None = None
    bypassed: frozenset[SuppressionReason] = frozenset()
    labels: Labels = NO_LABELS
    template: TemplateChoice | None = None
    variables: Mapping[str, Value] = attrs.field(factory=dict, repr=False)
    template_used: TemplateUsed | None = None
    raw: RawMessage | None = None
    via: Via = Via.API

    def recipients(self) -> tuple[Recipient, ...]:
        """Everybody who gets it, once, in order, under the first field that names them."""
        if self.envelope is None and len(self.to) == 1 and not self.cc and not self.bcc:
            return (Recipient(address=self.to[0]),)
        named: dict[Address, Recipient] = {}
        for field, addresses in (
            (RecipientField.TO, self.to),
            (RecipientField.CC, self.cc),
            (RecipientField.BCC, self.bcc),
        ):
            for address in addresses:
                named.setdefault(address, Recipient(address=address, field=field))
        if self.envelope is None:
            return tuple(named.values())
        return tuple(
            named.get(address) or Recipient(address=address, field=RecipientField.BCC)
            for address in dict.fromkeys(self.envelope)
        )

    @property
    def number_of_recipients(self) -> int:
        """How many `recipients` it has."""
        if self.envelope is None and len(self.to) == 1 and not self.cc and not self.bcc:
            return 1
        return len(self.recipients())

    @property
    def header_names(self) -> tuple[str, ...]:
        """Those of the headers that the client has set, in a message that it made too."""
        own = () if self.raw is None else self.raw.fields
        return (*(name for name, _ in self.headers), *(field.name for field in own))

    def sent_as_account(self) -> "Draft":
        """The same with the From of whichever account it goes by, and answers to its own."""
        if self.raw is not None:
            return attrs.evolve(self, sender=None, raw=self.raw.answered_to_sender())
        asked = () if self.sender is None else (self.sender,)
        return attrs.evolve(self, sender=None, reply_to=self.reply_to or asked)

    def own_sender(self, account: Account | None) -> Mailbox | None:
        """The From of its own that the message has; None if it is that of its account.

        Without a name it has that of the *account*, unless the client made the message itself.
        """
        if self.sender is None or self.sender.name or account is None or self.raw is not None:
            return self.sender
        return Mailbox(self.sender.address, account.display_name)

    def content(
        self, *, sender: Mailbox | None = None, references: tuple[str, ...] = ()
    ) -> Content:
        """What the message shows, without its files.

        An address that stands in both *to* and *cc* is shown once. *sender* is the From of its own,
        *references* are the Message-IDs of its thread.
        """
        to = self.to if len(self.to) == 1 else tuple(dict.fromkeys(self.to))
        return Content(
            subject=self.subject,
            html=self.html,
            text=self.text,
            to=to,
            cc=tuple(each for each in dict.fromkeys(self.cc) if each not in to) if self.cc else (),
            names=self.names,
            sender=sender,
            reply_to=self.reply_to,
            headers=self.headers,
            references=references,
            calendar=self.calendar,
        )

    def detail(
        self,
        of_files: Detail,
        recipients: Sequence[Recipient],
        *,
        sender: Mailbox | None = None,
        references: tuple[str, ...] = (),
    ) -> Detail:
        """What is kept of it for people: what *of_files* says of its files, and its own part.

        *recipients* are its own, the rest is as for `content`.
        """
        if not (references or sender or self._says_more()):
            return of_files
        return attrs.evolve(
            of_files,
            sender=sender,
            reply_to=self.reply_to,
            in_reply_to=references[-1] if references else None,
            names=tuple(
                (position, self.names[recipient.address])
                for position, recipient in enumerate(recipients)
                if recipient.address in self.names
            ),
            topic=self.topic,
            expires_at=self.expires_at,
            template=self.template_used,
            bypassed=self.bypassed,
        )

    def _says_more(self) -> bool:
        """Whether there is something to keep of it for people."""
        return bool(
            self.names
            or self.reply_to
            or self.topic
            or self.expires_at
            or self.template_used
            or self.bypassed
        )

    def check(self, *, now: datetime) -> None:
        """InvalidInput for what no account and no message can make good."""
        errors = tuple(self._errors(now=now))
        if errors:
            reserved = any(is_reserved(name) for name, _ in self.headers)
            raise InvalidInput(*errors, code=RESERVED if reserved else None)

    def _errors(self, *, now: datetime) -> Iterator[FieldError]:
        if len(self.subject) > LONGEST_SUBJECT:
            yield FieldError("subject", f"must have at most {LONGEST_SUBJECT} characters")
        for field, text in (("html", self.html), ("text", self.text)):
            if text is not None and is_too_large(text):
                yield FieldError(field, f"must have at most {LARGEST_BODY} octets")
        if self.priority not in PRIORITIES:
            yield FieldError("priority", f"must be {PRIORITIES[0]} to {PRIORITIES[-1]}")
        yield from errors_of_times(self.send_at, self.expires_at, now=now)
        if self.labels is not NO_LABELS:
            yield from self.labels.errors()
        if not (self.envelope or (self.envelope is None and (self.to or self.cc or self.bcc))):
            yield FieldError("to", "must not be empty")
        if self.headers:
            yield from header_errors(self.headers)
        if self.topic is not None:
            yield from self._topic_errors(self.topic)

    def _topic_errors(self, topic: str) -> Iterator[FieldError]:
        if not TOPIC.fullmatch(topic):
            yield FieldError("topic", TOPIC_RULE)
        number = len(self.recipients())
        if number != 1:  # the others could unsubscribe the one that the link is for
            message = f"an email with a topic needs exactly one recipient, not {number}"
            yield FieldError("topic", message)
        for name in self.header_names:
            if name.lower() in _OF_TOPIC:
                yield FieldError(f"headers/{name}", "is written by the service where a topic is")
