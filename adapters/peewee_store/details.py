"""The repository of what emails were submitted with, beyond what their delivery needs."""

import json
from collections.abc import Mapping
from typing import Any, Final

import attrs

from adapters.peewee_store.queries import Prepared, given
from adapters.peewee_store.rows import micros_or_none, moment_or_none
from adapters.peewee_store.session import Session
from adapters.peewee_store.tables import DetailRow
from domain.address import Address
from domain.email.detail import NOTHING, AttachedFile, Detail, TemplateUsed
from domain.mailbox import Mailbox
from domain.suppression import SuppressionReason

_INSERT: Final = "INSERT INTO email_detail (email_id, detail)"
_OF: Final = Prepared(DetailRow.select(DetailRow.detail).where(DetailRow.email_id == given("id")))


class SqlDetails:
    """The DetailRepository port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add_all(self, details: Mapping[int, Detail]) -> None:
        """Insert those that say something."""
        new = [(email_id, _json(detail)) for email_id, detail in details.items() if detail]
        if new:
            self._session.insert(_INSERT, new)

    def of(self, email_id: int) -> Detail:
        """One query."""
        row = _OF(self._session.execute, id=email_id).fetchone()
        return NOTHING if row is None else _detail(json.loads(row[0]))


def _json(detail: Detail) -> str:
    """Its fields that are not empty."""
    template = detail.template
    fields = {
        "sender": _fields_of(detail.sender),
        "reply_to": [_fields_of(one) for one in detail.reply_to],
        "names": detail.names,
        "in_reply_to": detail.in_reply_to,
        "template": None if template is None else attrs.asdict(template),
        "topic": detail.topic,
        "attachments": [_file(one) for one in detail.attachments],
        "expires_at": micros_or_none(detail.expires_at),
        "bypassed": sorted(reason.value for reason in detail.bypassed),
    }
    said = {name: value for name, value in fields.items() if value}
    return json.dumps(said, ensure_ascii=False)


def _file(file: AttachedFile) -> dict[str, object]:
    return attrs.asdict(file, filter=lambda _, value: value not in (None, ""))


def _fields_of(mailbox: Mailbox | None) -> dict[str, str] | None:
    return None if mailbox is None else {"address": str(mailbox.address), "name": mailbox.name}


def _detail(fields: dict[str, Any]) -> Detail:
    """Of the object; what a newer version may have added to it is left out."""
    sender, template = fields.get("sender"), fields.get("template")
    return Detail(
        sender=None if sender is None else _mailbox(sender),
        reply_to=tuple([_mailbox(one) for one in fields.get("reply_to", ())]),
        names=tuple([(position, name) for position, name in fields.get("names", ())]),
        in_reply_to=fields.get("in_reply_to"),
        template=None if template is None else TemplateUsed(**template),
        topic=fields.get("topic"),
        attachments=tuple([AttachedFile(**one) for one in fields.get("attachments", ())]),
        expires_at=moment_or_none(fields.get("expires_at")),
        bypassed=frozenset(map(SuppressionReason, fields.get("bypassed", ()))),
    )


def _mailbox(fields: dict[str, str]) -> Mailbox:
    return Mailbox(Address.parse(fields["address"]), fields["name"])
