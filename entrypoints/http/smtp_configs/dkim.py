"""The calls under /api/smtp-configs/{config_id}/dkim: the keys that mail is signed with."""

from typing import Annotated, Any, ClassVar, Final, Literal

from flask import Blueprint, Response
from pydantic import AfterValidator, Field, TypeAdapter

from application import Application
from domain.access import Scope
from domain.account.dkim_key import DkimKey, DkimPair
from entrypoints.addresses import server_name
from entrypoints.http.access import the_caller
from entrypoints.http.json_reader import read_object, read_optional_object
from entrypoints.http.openapi import Answer, Body, Tag, add_routes, operation
from entrypoints.http.replies import reply, reply_list
from entrypoints.http.schemas import Absent, Done, Instant, ReplyModel, RequestModel, Selector
from entrypoints.http.times import rfc3339
from entrypoints.http.validation import parse

_RECORD: Final[dict[str, Any]] = {
    "name": "mail-ed25519._domainkey.example.com",
    "type": "TXT",
    "value": "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "strings": ["v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="],
}
_PAIR: Final[dict[str, Any]] = {
    "selector": "mail",
    "domain": "example.com",
    "active": False,
    "created_at": "2026-01-31T09:30:00.000000Z",
    "records": [
        {
            "name": "mail-rsa._domainkey.example.com",
            "type": "TXT",
            "value": "v=DKIM1; k=rsa; p=MIIBIjANBgkq…",
            "strings": ["v=DKIM1; k=rsa; p=MIIBIjANBgkq…"],
        },
        _RECORD,
    ],
}


def _ascii_domain(text: str | None) -> str | None:
    """A name of any script as the DNS has it. ValueError."""
    return None if text is None else server_name(text)


class DkimRequest(RequestModel):
    """What the keys are called in the DNS."""

    selector: Annotated[
        Absent[Selector],
        Field(
            description="What the names of the records begin with. If left out: es, the id of the "
            "SMTP configuration and the date."
        ),
    ] = None
    domain: Annotated[
        Absent[str],
        Field(
            min_length=1,
            max_length=253,
            description="The domain that signs: that of email_address (the default) or of an "
            "alias, or one above it.",
            examples=["example.com"],
        ),
        AfterValidator(_ascii_domain),
    ] = None


class DkimSwitch(RequestModel):
    """Whether mail is signed with these keys."""

    active: Annotated[
        bool,
        Field(description="Set it to true only when the records can be looked up in the DNS."),
    ]


class DnsRecordReply(ReplyModel):
    """A record to publish in the DNS."""

    name: Annotated[str, Field(examples=["mail-rsa._domainkey.example.com"])]
    type: Literal["TXT"]
    value: str
    strings: Annotated[
        list[str],
        Field(
            description="The value in strings of at most 255 octets, for DNS servers that want them"
            " apart."
        ),
    ]


class DkimReply(ReplyModel):
    """A pair of keys that mail is signed with, without the private ones."""

    selector: str
    domain: str
    active: Annotated[bool, Field(description="Whether mail is signed with these keys.")]
    created_at: Instant
    records: list[DnsRecordReply]


_PAIRS: Final = TypeAdapter(list[DkimReply])


def dkim_reply(pair: DkimPair) -> DkimReply:
    """A pair as the API shows it."""
    return DkimReply(
        selector=pair.selector,
        domain=pair.domain,
        active=pair.active,
        created_at=rfc3339(pair.created_at),
        records=list(map(_record, pair.keys)),
    )


def _record(key: DkimKey) -> DnsRecordReply:
    record = key.published
    return DnsRecordReply(
        name=record.name, type="TXT", value=record.value, strings=list(record.strings)
    )


class Dkim:
    """The calls under /api/smtp-configs/{config_id}/dkim."""

    BLUEPRINT: ClassVar = "dkim"

    def __init__(self, application: Application) -> None:
        self._dkim_keys = application.dkim_keys

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint(self.BLUEPRINT, __name__)
        add_routes(routes, self)
        return routes

    @operation(
        "POST",
        "/api/smtp-configs/{config_id}/dkim",
        name="createDkimKeys",
        tag=Tag.DKIM,
        scope=Scope.ADMIN,
        body=Body(
            model=DkimRequest,
            examples={"of its own domain": {}, "named": {"selector": "mail"}},
            required=False,
        ),
        answer=Answer(
            status=201,
            description="Made.",
            model=DkimReply,
            example=_PAIR,
            links=("switchDkimKeys", "deleteDkimKeys"),
        ),
        refusals=(409,),
    )
    def create(self, config_id: int) -> Response:
        """Create DKIM keys.

        Makes an RSA and an Ed25519 key and answers the DNS records to publish. Nothing is signed
        until you set active. 409 if the selector is in use or there are five pairs already.
        """
        wanted = parse(DkimRequest, read_optional_object())
        pair = self._dkim_keys.create(
            config_id, selector=wanted.selector, domain=wanted.domain, caller=the_caller()
        )
        return reply(dkim_reply(pair), 201)

    @operation(
        "GET",
        "/api/smtp-configs/{config_id}/dkim",
        name="listDkimKeys",
        tag=Tag.DKIM,
        scope=Scope.READ,
        answer=Answer(
            description="Every pair of keys, the oldest first.",
            model=DkimReply,
            many=True,
            example=[_PAIR],
        ),
    )
    def index(self, config_id: int) -> Response:
        """List DKIM keys.

        With the DNS records of each, and whether it signs.
        """
        pairs = self._dkim_keys.of(config_id, caller=the_caller())
        return reply_list(_PAIRS, [dkim_reply(pair) for pair in pairs])

    @operation(
        "PATCH",
        "/api/smtp-configs/{config_id}/dkim/{selector}",
        name="switchDkimKeys",
        tag=Tag.DKIM,
        scope=Scope.ADMIN,
        body=Body(model=DkimSwitch, examples={"sign": {"active": True}}),
        answer=Answer(
            description="The keys as they are now.",
            model=DkimReply,
            example={**_PAIR, "active": True},
        ),
    )
    def switch(self, config_id: int, selector: str) -> Response:
        """Start or stop signing with DKIM keys.

        Start only when the records can be looked up in the DNS: the service does not check, and a
        signature whose key cannot be found is worse than none. Other keys of the same domain stop.
        """
        wanted = parse(DkimSwitch, read_object())
        pair = self._dkim_keys.switch(
            config_id, selector, active=wanted.active, caller=the_caller()
        )
        return reply(dkim_reply(pair))

    @operation(
        "DELETE",
        "/api/smtp-configs/{config_id}/dkim/{selector}",
        name="deleteDkimKeys",
        tag=Tag.DKIM,
        scope=Scope.ADMIN,
        answer=Answer(
            description="Removed.",
            model=Done,
            example={"message": "DKIM keys deleted successfully"},
        ),
    )
    def delete(self, config_id: int, selector: str) -> Response:
        """Delete DKIM keys.

        Leave their records in the DNS for a week: mail that is under way is still verified.
        """
        self._dkim_keys.delete(config_id, selector, caller=the_caller())
        return reply(Done(message="DKIM keys deleted successfully"))
