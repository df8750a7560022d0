"""The calls about API keys: create, look, revoke."""

from datetime import datetime
from typing import ClassVar, Final

from flask import Blueprint, Response
from pydantic import TypeAdapter

from application import Application
from application.api_keys import KeyWish
from domain.access import ApiKey, Scope
from entrypoints.http.access import the_caller
from entrypoints.http.api_keys.schemas import KeyReply, KeyRequest, KeysQuery, NewKey
from entrypoints.http.cursors import email_id_before
from entrypoints.http.json_reader import read_object
from entrypoints.http.openapi import Answer, Body, Tag, add_routes, operation
from entrypoints.http.paging import link_next
from entrypoints.http.replies import reply, reply_list
from entrypoints.http.schemas import Done
from entrypoints.http.times import rfc3339, rfc3339_if_any
from entrypoints.http.validation import parse, parse_query

_REPLIES: Final = TypeAdapter(list[KeyReply])
_EXAMPLE: Final = {
    "prefix": "0a1b2c3d",
    "name": "web",
    "scopes": ["read", "send"],
    "smtp_config_ids": [1],
    "daily_recipients": 500,
    "usable": True,
    "created_at": "2026-01-31T09:30:00.000000Z",
    "expires_at": "2099-01-31T00:00:00.000000Z",
    "revoked_at": None,
}


class KeyCalls:
    """The calls under /api/keys."""

    BLUEPRINT: ClassVar = "keys"

    def __init__(self, application: Application) -> None:
        self._keys = application.api_keys

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint(self.BLUEPRINT, __name__)
        add_routes(routes, self)
        return routes

    @operation(
        "POST",
        "/api/keys",
        name="createKey",
        tag=Tag.KEYS,
        scope=Scope.ADMIN,
        body=Body(
            model=KeyRequest,
            examples={
                "shortest": {"name": "web", "scopes": ["send"]},
                "everything": {
                    "name": "web",
                    "scopes": ["send", "read"],
                    "smtp_config_ids": [1],
                    "daily_recipients": 500,
                    "expires_at": "2099-01-31T00:00:00Z",
                },
            },
        ),
        answer=Answer(
            status=201,
            description="The new key; it may be used at once.",
            model=NewKey,
            example={**_EXAMPLE, "key": "es_0a1b2c3d_C2FVsBQIhrscChlQIMV-b5sSYspob7oDQl6Q0Wnhzck"},
        ),
        refusals=(404, 409),
    )
    def create(self) -> Response:
        """Create an API key.

        The key is shown only in this answer. It may do at most what the key that makes it may:
        403 for more recipients a day or a later end, 404 for an SMTP configuration of others. While
        the API needs no key, the first one ends that: make one with the scope admin.
        """
        wanted = parse(KeyRequest, read_object())
        ids = wanted.smtp_config_ids
        wish = KeyWish(
            name=wanted.name,
            scopes=frozenset(map(Scope, wanted.scopes)),
            accounts=None if ids is None else frozenset(ids),
            expires_at=wanted.expires_at,
            daily_recipients=wanted.daily_recipients,
        )
        key, token = self._keys.create(wish, caller=the_caller())
        fields = _fields(key, at=key.created_at)
        return reply(NewKey.model_validate({**fields, "key": token}), 201)

    @operation(
        "GET",
        "/api/keys",
        name="listKeys",
        tag=Tag.KEYS,
        scope=Scope.ADMIN,
        query=KeysQuery,
        answer=Answer(
            description="One page.",
            model=KeyReply,
            many=True,
            example=[_EXAMPLE],
            headers=("Link",),
        ),
    )
    def page(self) -> Response:
        """List API keys.

        In the order in which they were made, those that were revoked too, one page at a time; the
        Link header has the next page. A key that is limited to some SMTP configurations sees those
        that are limited to these or some of them.
        """
        query = parse_query(KeysQuery)
        found = self._keys.page(
            after=0 if query.cursor is None else email_id_before(query.cursor),
            limit=query.limit,
            caller=the_caller(),
        )
        rows = [KeyReply.model_validate(_fields(one, at=found.at)) for one in found.keys]
        return link_next(reply_list(_REPLIES, rows), query.given(), found.next_after)

    @operation(
        "DELETE",
        "/api/keys/{prefix}",
        name="revokeKey",
        tag=Tag.KEYS,
        scope=Scope.ADMIN,
        answer=Answer(
            description="Revoked.", model=Done, example={"message": "API key revoked successfully"}
        ),
        refusals=(409,),
    )
    def revoke(self, prefix: str) -> Response:
        """Revoke an API key.

        At once and for good, in every process; the key that calls may revoke itself. 409 if it was
        revoked before, and for the last usable key with the scope admin.
        """
        self._keys.revoke(prefix, caller=the_caller())
        return reply(Done(message="API key revoked successfully"))


def _fields(key: ApiKey, *, at: datetime) -> dict[str, object]:
    return {
        "prefix": key.prefix,
        "name": key.name,
        "scopes": sorted(scope.value for scope in key.scopes),
        "smtp_config_ids": None if key.accounts is None else sorted(key.accounts),
        "daily_recipients": key.daily_recipients,
        "usable": key.usable(at),
        "created_at": rfc3339(key.created_at),
        "expires_at": rfc3339_if_any(key.expires_at),
        "revoked_at": rfc3339_if_any(key.revoked_at),
    }
