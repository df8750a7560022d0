"""Mail addresses and server names as people write them, made into what the wire carries.

Whether a text is an address is decided by email-validator; `Address` then makes sure that nothing
else can be read from it. International domains come out in ASCII (IDNA), for the envelope.
"""

import re
from functools import lru_cache
from ipaddress import ip_address
from typing import Final
from unicodedata import normalize

from email_validator import EmailNotValidError, validate_email

from domain.address import Address

LONGEST_ADDRESS: Final = 254
LONGEST_HOST: Final = 253
LONGEST_LABEL: Final = 63
_DOTS: Final = re.compile("[.\u3002\uff0e\uff61]")  # those of IDNA (RFC 3490 section 3.1)
_NO_ADDRESS: Final = "must be an email address such as ada@example.com"
_NO_HOST: Final = "must be a host name or an IP address, without scheme, port or path"

# The library refuses these names because nobody has them on the Internet. Inside of a house people
# do (.local), and newcomers try things out with .invalid; .test it takes with test_environment.
_HOUSE_DOMAIN: Final = re.compile(r"(?<=\.)(?:local|invalid)\Z", re.IGNORECASE)
_STAND_IN: Final = "test"

_HOST_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST: Final = re.compile(rf"{_HOST_LABEL}(?:\.{_HOST_LABEL})*")
# "127.1", "2130706433" and "0x7f000001" are addresses to a resolver and names to a careless check.
_LIKE_AN_ADDRESS: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9a-fA-F]*)")


def email_address(text: object) -> Address:
    """The address that *text* is. ValueError with what is wrong about it."""
    if not isinstance(text, str):
        raise ValueError("must be a string")  # not TypeError: told with the other bad fields
    if len(text) > LONGEST_ADDRESS:
        raise ValueError(f"must have at most {LONGEST_ADDRESS} characters")
    return _address(text)


@lru_cache(maxsize=8192)
def _address(text: str) -> Address:
    if "=?" in text:
        raise ValueError("must not contain =?")  # a reader may decode it to something else
    if not text.isascii() and _has_long_label(text):
        raise ValueError(_NO_ADDRESS)
    house = _HOUSE_DOMAIN.search(text)
    local, domain = _validated(text[: house.start()] + _STAND_IN if house else text)
    if house:
        domain = domain.removesuffix(_STAND_IN) + house[0].lower()
    try:
        return Address(local, domain)
    except ValueError:
        raise ValueError(_NO_ADDRESS) from None


def _has_long_label(text: str) -> bool:
    """Whether a label has more characters than its ASCII form may: found before that is made."""
    domain = normalize("NFC", text.rpartition("@")[2])
    return any(len(label) > LONGEST_LABEL for label in _DOTS.split(domain))


def _validated(text: str) -> tuple[str, str]:
    try:
        valid = validate_email(text, check_deliverability=False, test_environment=True, strict=True)
    except EmailNotValidError:
        raise ValueError(_NO_ADDRESS) from None
    if "." not in valid.ascii_domain:
        raise ValueError(_NO_ADDRESS)
    return valid.local_part, valid.ascii_domain


def server_name(text: str) -> str:
    """The host as it is connected to: ASCII, lower case; an IP address in its usual form.

    The dot of a fully qualified name is removed: certificates and SNI have none (RFC 6066, 3).
    ValueError with what is wrong about it.
    """
    if _DOTS.fullmatch(text[-1:]) and ":" not in text:
        text = text[:-1]
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if ":" in bare or _LIKE_AN_ADDRESS.fullmatch(bare):
        return _ip(bare)
    name = text if text.isascii() else _ascii_name(text)
    if len(name) > LONGEST_HOST or not _HOST.fullmatch(name):
        raise ValueError(_NO_HOST)
    return name.lower()


def _ip(text: str) -> str:
    if "%" in text:
        raise ValueError(_NO_HOST)
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(_NO_HOST) from None


def _ascii_name(text: str) -> str:
    if len(text) > LONGEST_HOST or "@" in text:
        raise ValueError(_NO_HOST)
    try:
        return validate_email(
            f"postmaster@{text}", check_deliverability=False, globally_deliverable=False
        ).ascii_domain
    except EmailNotValidError:
        raise ValueError(_NO_HOST) from None
