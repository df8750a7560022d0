"""Where the next page begins, as a text that a client passes back and cannot make up."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final
from zlib import crc32

from domain.errors import InvalidInput
from entrypoints.http.fields import RequestError

_ID_OCTETS: Final = 8
_IDS: Final = range(1, 2**63)  # what a database can hold
_CURSOR: Final = re.compile(r"[A-Za-z0-9_-]{16}")


def cursor_after(email_id: int) -> str:
    """The cursor of the page that follows *email_id*."""
    octets = email_id.to_bytes(_ID_OCTETS)
    return urlsafe_b64encode(octets + _check(octets)).decode("ascii")


def email_id_before(cursor: str) -> int:
    """The id that *cursor* stands behind. InvalidInput for a cursor that is not one of ours."""
    octets = urlsafe_b64decode(cursor) if _CURSOR.fullmatch(cursor) else b""
    head, check = octets[:_ID_OCTETS], octets[_ID_OCTETS:]
    email_id = int.from_bytes(head)
    if check != _check(head) or email_id not in _IDS:
        raise InvalidInput(
            RequestError("/cursor", "must come from the Link header of the page before")
        )
    return email_id


def _check(octets: bytes) -> bytes:
    return crc32(octets).to_bytes(4)
