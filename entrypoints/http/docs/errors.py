"""Every error of the API by its status, with what each code means and what to do."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import attrs

from entrypoints.http.docs.chapters import Refused, refused_of
from entrypoints.http.openapi import JsonSchema
from entrypoints.http.openapi.codes import CODES, Code
from entrypoints.http.refusals import HEADERS_TOO_LARGE, NOT_IMPLEMENTED, TIMEOUT, Refusal

# what the server refuses before there is a call: no operation describes it
_OF_THE_SERVER: Final = (TIMEOUT, HEADERS_TOO_LARGE, NOT_IMPLEMENTED)


@attrs.frozen(kw_only=True)
class CodeRow:
    """A code of a status; *anchor* is its place on the page."""

    name: str
    anchor: str
    code: Code


@attrs.frozen(kw_only=True)
class Error:
    """A status with its codes."""

    refused: Refused
    codes: Sequence[CodeRow]


def errors_of(document: JsonSchema) -> Sequence[Error]:
    """Every error there is, by status. A code that two statuses have gets two anchors."""
    described = map(refused_of, document["components"]["responses"].values())
    refused = sorted([*described, *map(_refused, _OF_THE_SERVER)], key=lambda one: one.status)
    taken: set[str] = set()
    return [
        Error(refused=one, codes=[_row(name, one, taken) for name in one.codes]) for one in refused
    ]


def _row(name: str, refused: Refused, taken: set[str]) -> CodeRow:
    anchor = f"{name}-{refused.status}" if name in taken else name
    taken.add(name)
    return CodeRow(name=name, anchor=anchor, code=CODES[name])


def _refused(refusal: Refusal) -> Refused:
    return Refused(
        status=str(refusal.status),
        title=HTTPStatus(refusal.status).phrase,
        text=f"{refusal.detail.capitalize()}.",
        codes=(refusal.code,),
        example=None,
    )
