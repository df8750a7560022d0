"""Ids of emails in the forms that vendors give theirs."""

from typing import Final
from uuid import RFC_4122, UUID

from domain.errors import NotFound

_MARK: Final = 0x65732D72656D  # the first 48 bits, so that an id of ours is known as one
_MOST_ID: Final = 2**62


def uuid_of(email_id: int) -> str:
    """The UUID (RFC 9562, version 8) that stands for an email's id."""
    return str(UUID(int=_MARK << 80 | 0x8 << 76 | 0b10 << 62 | email_id))


def id_of(text: str) -> int:
    """The email's id that *text* stands for. NotFound for any other text."""
    try:
        uuid = UUID(text)
    except ValueError:
        raise NotFound("Email not found") from None
    email_id = uuid.int & (_MOST_ID - 1)
    if uuid.variant != RFC_4122 or not email_id or text.lower() != uuid_of(email_id):
        raise NotFound("Email not found")
    return email_id
