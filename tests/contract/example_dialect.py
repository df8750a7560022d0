"""An example of a dialect: the API of a vendor whose emails have a `letter` and a `rcpt`."""

import re
from collections.abc import Mapping
from typing import Any, Final

from entrypoints.http.dialects.dialect import (
    Dialect,
    Order,
    Receipt,
    Reply,
    Sending,
    Wanted,
    told,
)
from entrypoints.http.dialects.reading import address, checked, copied, required
from entrypoints.http.failure import Failure
from entrypoints.http.json_reader import read_object

NAMES: Final = {"sender": "from", "title": "subject", "letter": "text_content"}
THEIRS: Final = {**{ours: theirs for theirs, ours in NAMES.items()}, "recipients": "rcpt"}


def key(environ: Mapping[str, Any]) -> str | None:
    found: str | None = environ.get("HTTP_X_TOY_KEY")
    return found


def read() -> Order:
    body = read_object()
    fields, ignored = checked(body, known=(*NAMES, "rcpt"), ignored=("track",))
    required(fields, "sender", "rcpt")
    email = copied(fields, NAMES) | {"recipients": [address(fields["rcpt"])]}
    return Order(wanted=[Wanted(fields=email)], compared=body, ignored=ignored)


def answer(_: Order, receipt: Receipt) -> Reply:
    return Reply(status=202, body={"letter_no": receipt.ids[0]})


def error(failure: Failure) -> Reply:
    return Reply(status=failure.status, body={"oops": told(failure, THEIRS)})


TOY: Final = Dialect(
    name="toy",
    paths=re.compile(r"/toy(?:/|\Z)"),
    key=key,
    key_hint="as X-Toy-Key",
    calls=(Sending(path="/toy/letters", read=read, answer=answer),),
    error=error,
)
