"""From the fields of a request to the drafts and demands of the use cases."""

from itertools import chain
from typing import Final, TypeAlias

from application.intake.budget import Demand
from application.intake.draft import Draft, TemplateChoice, UploadedFile
from domain.address import Address
from domain.email.labels import NO_LABELS, labels
from domain.mailbox import NO_NAMES, Mailbox, Names
from domain.message.attachment import Attachment, type_of
from domain.message.calendar import CalendarMethod, CalendarPart
from domain.suppression import SuppressionReason
from entrypoints.http.emails.part_schemas import AttachmentRequest, CalendarRequest
from entrypoints.http.emails.schemas import EmailRequest
from entrypoints.http.json_reader import JsonObject

Headers: TypeAlias = tuple[tuple[str, str], ...]

_ADDRESS_FIELDS: Final = ("recipients", "cc", "bcc")
_TEXT_FIELDS: Final = ("html_content", "text_content")
# An email of up to so much is parsed, composed and refused where it is stored in two milliseconds.
CHEAP_RECIPIENTS: Final = 4
CHEAP_TEXT: Final = 20_000
_NO_NAME: Final = frozenset({Address})
_Addresses: TypeAlias = tuple[Address, ...]


def draft_of(wanted: EmailRequest, headers: Headers, files: tuple[Attachment, ...] = ()) -> Draft:
    """An email of the API as the application takes it; *files* come after its own."""
    to, cc, bcc, names = _recipients(wanted)
    used = wanted.template
    return Draft(
        subject=wanted.subject,
        html=wanted.html_content,
        text=wanted.text_content,
        to=to,
        cc=cc,
        bcc=bcc,
        names=names,
        sender=None if wanted.sender is None else mailbox_of(wanted.sender),
        reply_to=tuple(map(mailbox_of, wanted.reply_to)) if wanted.reply_to else (),
        in_reply_to=wanted.in_reply_to,
        headers=(*headers, *wanted.headers.items()) if wanted.headers else headers,
        attachments=_attachments(wanted) + files if wanted.attachments else files,
        calendar=_calendar(wanted.calendar) if wanted.calendar else None,
        priority=wanted.priority,
        account_id=wanted.smtp_config_id,
        send_at=wanted.send_at,
        expires_at=wanted.expires_at,
        at_most_once=wanted.at_most_once,
        topic=wanted.topic,
        bypassed=frozenset(map(SuppressionReason, wanted.bypass_suppression or ())),
        labels=labels(wanted.tags, wanted.metadata or {})
        if wanted.tags or wanted.metadata
        else NO_LABELS,
        template=None if used is None else TemplateChoice(used.name, used.version, used.locale),
        variables=wanted.variables or {},
    )


def _recipients(wanted: EmailRequest) -> tuple[_Addresses, _Addresses, _Addresses, Names]:
    """The addresses of to, cc and bcc, and the name that each has where it stands first."""
    fields = (wanted.recipients, wanted.cc, wanted.bcc)
    if _NO_NAME.issuperset(map(type, chain.from_iterable(fields))):
        to, cc, bcc = map(tuple, fields)
        return to, cc, bcc, NO_NAMES  # type: ignore[return-value]  # each is an Address
    names: dict[Address, str] = {}
    for one in map(mailbox_of, chain.from_iterable(fields)):
        names.setdefault(one.address, one.name)
    named = {address: name for address, name in names.items() if name}
    to, cc, bcc = [tuple([mailbox_of(one).address for one in field]) for field in fields]
    return to, cc, bcc, named


def mailbox_of(one: Address | Mailbox) -> Mailbox:
    """An address that was given with or without a name."""
    return one if isinstance(one, Mailbox) else Mailbox(one)


def _attachments(wanted: EmailRequest) -> tuple[Attachment | UploadedFile, ...]:
    return tuple(map(_attachment, wanted.attachments))


def _attachment(file: AttachmentRequest) -> Attachment | UploadedFile:
    if file.content is None:
        assert file.attachment_id is not None, "one of the two is there"
        return UploadedFile(
            attachment_id=file.attachment_id,
            filename=file.filename,
            content_type=file.content_type,
            content_id=file.content_id,
        )
    return Attachment(
        filename=file.filename,
        content_type=file.content_type or type_of(file.filename),
        octets=file.content,
        content_id=file.content_id,
    )


def _calendar(wanted: CalendarRequest) -> CalendarPart:
    return CalendarPart(content=wanted.content, method=CalendarMethod(wanted.method))


def count_named(body: JsonObject) -> int:
    """How many addresses it has, whatever they are."""
    named = 0
    for field in _ADDRESS_FIELDS:
        addresses = body.get(field)
        if isinstance(addresses, list):
            named += len(addresses)
    return named


def is_costly(body: JsonObject) -> bool:
    """Whether to parse and compose it costs far more than to ask the store for the quota."""
    if body.get("attachments"):
        return True
    length = 0
    for field in _TEXT_FIELDS:
        text = body.get(field)
        if isinstance(text, str):
            length += len(text)
    return length > CHEAP_TEXT or count_named(body) > CHEAP_RECIPIENTS


def demand_of(body: JsonObject) -> Demand:
    """What it asks for, as far as that can be told at once."""
    named: set[str] = set()
    for field in _ADDRESS_FIELDS:
        addresses = body.get(field)
        if isinstance(addresses, list):
            named.update(filter(None, map(_address_text, addresses)))
    account_id = body.get("smtp_config_id")
    known = isinstance(account_id, int) and not isinstance(account_id, bool)
    return Demand(recipients=len(named), account_id=account_id if known else None)


def _address_text(item: object) -> str | None:
    """The address that an item of a list names, as far as that can be told at once."""
    if isinstance(item, dict):
        item = item.get("address")
    if not isinstance(item, str):
        return None
    return item.rpartition("<")[2].removesuffix(">").lower()
