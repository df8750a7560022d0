"""Mail addresses and server names as people write them, made into what the wire carries.

Every way in uses this, for no other layer may know email-validator, which decides whether a text is
an address; `Address` then makes sure that nothing else can be read from it. International domains
come out in ASCII (IDNA), for the envelope.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import Final
from unicodedata import normalize

from email_validator import EmailNotValidError, validate_email

from domain.address import Address, like_an_address
from domain.message.headers import unsafe_character

LONGEST_ADDRESS: Final = 254
LONGEST_HOST: Final = 253
LONGEST_LOCAL: Final = 64
LONGEST_LABEL: Final = 63
_DOTS: Final = re.compile("[.\u3002\uff0e\uff61]")  # those of IDNA (RFC 3490 section 3.1)
_NO_ADDRESS: Final = "must be an email address such as ada@example.com"
_NO_HOST: Final = "must be a host name or an IP address, without scheme, port or path"

# The library refuses these names because nobody has them on the Internet. Inside of a house people
# do (.local), and newcomers try things out with .invalid; .test it takes with test_environment.
_HOUSE_DOMAIN: Final = re.compile(r"(?<=\.)(?:local|invalid)\Z", re.IGNORECASE)
_STAND_IN: Final = "test"
_LOCAL_CHARACTERS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~\u00a1-\U0010ffff-]+")

_HOST_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST: Final = re.compile(rf"{_HOST_LABEL}(?:\.{_HOST_LABEL})*")


def email_address(text: object) -> Address:
    """The address that *text* is. ValueError with what is wrong about it."""
    if not isinstance(text, str):
        # not TypeError: told with the other bad fields
        what = "one address in a string, not a list" if isinstance(text, list) else "a string"
        raise ValueError(f"must be {what}")
    if len(text) > LONGEST_ADDRESS:
        raise ValueError(f"must have at most {LONGEST_ADDRESS} characters")
    return _address(text)


@lru_cache(maxsize=8192)  # a POST to somebody new takes 12 % more instructions
def _address(text: str) -> Address:
    if "=?" in text:
        raise ValueError("must not contain =?")  # a reader may decode it to something else
    if not text.isascii() and _has_long_label(text):
        raise ValueError(why_no_address(text))
    house = _HOUSE_DOMAIN.search(text)
    local, domain = _validated(text[: house.start()] + _STAND_IN if house else text, text)
    if house:
        domain = domain.removesuffix(_STAND_IN) + house[0].lower()
    try:
        return Address(local, domain)
    except ValueError:
        raise ValueError(why_no_address(text)) from None


def _has_long_label(text: str) -> bool:
    """Whether a label has more characters than its ASCII form may: found before that is made."""
    domain = normalize("NFC", text.rpartition("@")[2])
    return any(len(label) > LONGEST_LABEL for label in _DOTS.split(domain))


def _validated(text: str, as_given: str) -> tuple[str, str]:
    try:
        valid = validate_email(text, check_deliverability=False, test_environment=True, strict=True)
    except EmailNotValidError:
        raise ValueError(why_no_address(as_given)) from None
    if "." not in valid.ascii_domain:
        raise ValueError(why_no_address(as_given))
    return valid.local_part, valid.ascii_domain


def why_no_address(text: str) -> str:
    """What is wrong with a text that is no address, in words that differ by fault.

    They never repeat the text: an error may be logged where an address must not be.
    """
    return next((told for holds, told in _FAULTS if holds(text)), _NO_ADDRESS)


def _local(text: str) -> str:
    return text.rpartition("@")[0]


def _domain(text: str) -> str:
    return text.rpartition("@")[2]


def _is_one_of_several(text: str) -> bool:
    return bool(re.search(r"[,;]", text)) and (text.count("@") > 1 or text[-1] in ",;")


def _is_an_ip(text: str) -> bool:
    domain = _domain(text)
    return domain.startswith("[") or bool(re.fullmatch(r"[0-9.]+", domain))


# from what spoils all of it to what spoils a part; the first that holds is told
_FAULTS: Final[Sequence[tuple[Callable[[str], object], str]]] = (
    (lambda text: not text, "must not be empty"),
    (
        unsafe_character,
        "must not contain a line end, a control character or one that changes direction",
    ),
    (
        lambda text: re.search(r"[<>]", text),
        "must be the address alone, without a name and without angle brackets",
    ),
    (
        lambda text: text.lower().startswith("mailto:"),
        "must be the address alone, without mailto:",
    ),
    (_is_one_of_several, "must be one address: write each as an item of the list"),
    (lambda text: text != text.strip(), "must not have blanks before or after it"),
    (lambda text: re.search(r"\s", text), "must not contain a blank"),
    (lambda text: "@" not in text, "must have an @, as in ada@example.com"),
    (lambda text: '"' in _local(text), "must not have quotes before the @"),
    (lambda text: text.count("@") > 1, "must have no more than one @"),
    (lambda text: not _local(text), "must have a name before the @, as in ada@example.com"),
    (lambda text: not _domain(text), "must have a domain after the @, as in ada@example.com"),
    (
        lambda text: len(_local(text).encode()) > LONGEST_LOCAL,
        f"must have at most {LONGEST_LOCAL} octets before the @",
    ),
    (
        lambda text: re.search(r"^\.|\.\.|\.$", _local(text)),
        "must not have a dot first, last or twice in a row before the @",
    ),
    (_is_an_ip, "must have a domain name after the @, not an IP address"),
    (
        lambda text: re.search(r"^\.|\.\.|\.$", _domain(text)),
        "must not have a dot first, last or twice in a row after the @",
    ),
    (
        lambda text: "." not in _domain(text) or _domain(text).lower().endswith(".localhost"),
        "must have a domain with a dot after the @, such as example.com",
    ),
    (
        lambda text: len(_domain(text)) > LONGEST_HOST,
        f"must have at most {LONGEST_HOST} characters after the @",
    ),
    (
        lambda text: max(map(len, _domain(text).split("."))) > LONGEST_LABEL,
        f"must have at most {LONGEST_LABEL} characters between the dots after the @",
    ),
    (
        lambda text: not _LOCAL_CHARACTERS.fullmatch(_local(text)),
        "must have only letters, digits and .!#$%&'*+-/=?^_`{|}~ before the @",
    ),
    (lambda text: True, "must have a domain that can exist after the @, such as example.com"),
)


def server_name(text: str) -> str:
    """The host as it is connected to: ASCII, lower case; an IP address in its usual form.

    The dot of a fully qualified name is removed: certificates and SNI have none (RFC 6066, 3).
    ValueError with what is wrong about it.
    """
    if _DOTS.fullmatch(text[-1:]) and ":" not in text:
        text = text[:-1]
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if ":" in bare or like_an_address(bare):
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
