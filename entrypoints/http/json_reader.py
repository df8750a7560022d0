"""Reads a request body: JSON in UTF-8 without anything that parsers read differently.

The standard reader takes NaN, keeps the last of two equal names, accepts UTF-16 and half characters
and falls over at depth; here each of them is refused (RFC 8259, RFC 7493).
"""

import json
import math
import re
from codecs import BOM_UTF8
from collections.abc import Iterable
from operator import methodcaller
from typing import Any, Final

from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge, UnsupportedMediaType

from domain.errors import InvalidInput
from entrypoints.http.fields import RequestError
from entrypoints.http.requests import the_request

JsonObject = dict[str, Any]


class ContentEncoded(UnsupportedMediaType):
    """The body is compressed, or coded in another way."""


MAX_DEPTH: Final = 20
MAX_NAMES: Final = 1_000
MAX_VALUES: Final = 10_000
BATCH: Final = 100  # of a call with many emails the body may have so many times the parts
LONGEST_NAME: Final = 200
INTEGERS: Final = range(-(2**63), 2**63)
_LONGEST_INTEGER: Final = len(str(INTEGERS.start))

JSON: Final = "application/json"
_CHUNKED: Final = "HTTP_TRANSFER_ENCODING"
_SIZE: Final = re.compile("[0-9]{1,18}")
_ENDS_WITH_BACKSLASH: Final = methodcaller("endswith", "\\")
_BRACKET: Final = re.compile(r"[\[\]{}]")


def read_object(*, times: int = 1) -> JsonObject:
    """The JSON object in the body of the current request, of *times* the usual number of parts.

    InvalidInput if it is none, 415 if its content type says something else, 413 if it is too large.
    """
    check_content_type()
    return parse_object(read_body(), times=times)


def read_array(*, times: int = BATCH) -> list[Any]:
    """The JSON array in the body of the current request. Errors as of `read_object`."""
    check_content_type()
    value = _parsed(read_body(), times=times)
    if not isinstance(value, list):
        raise _refused("the body must be a JSON array")
    return value


def read_optional_object() -> JsonObject:
    """Like `read_object`; an empty body stands for no fields, whatever its type."""
    octets = read_body()
    if not octets:
        return {}
    check_content_type()
    return parse_object(octets)


def read_limit(max_body_bytes: int) -> int:
    """How much of a body may be read (MAX_CONTENT_LENGTH) so that a longer one is noticed."""
    return max_body_bytes + 1


def read_body() -> bytes:
    """The body of the current request, whatever it is. 413 if it is too large."""
    asked = the_request()
    environ, most = asked.environ, asked.max_content_length
    length: str = environ.get("CONTENT_LENGTH", "")
    if most is not None and _CHUNKED not in environ and _SIZE.fullmatch(length):
        if int(length) >= most:
            raise RequestEntityTooLarge
        octets: bytes = environ["wsgi.input"].read(int(length))
        if len(octets) != int(length):
            raise ClientDisconnected
        return octets
    octets = asked.get_data(cache=False)
    # of a chunked body werkzeug gives what fits the limit, and does not say that there was more
    if most is not None and len(octets) >= most:
        raise RequestEntityTooLarge
    return octets


def is_json() -> bool:
    """Whether the current request says so in the usual words, for which nothing is parsed."""
    return the_request().environ.get("CONTENT_TYPE") == JSON


def check_content_type() -> None:
    """415 if the headers of the current request say that its body is no JSON."""
    asked = the_request()
    if asked.environ.get("CONTENT_TYPE") != JSON:
        charset = asked.mimetype_params.get("charset", "utf-8")
        if asked.mimetype != JSON or charset.lower() not in ("utf-8", "utf8"):
            raise UnsupportedMediaType
    check_encoding()


def check_encoding() -> None:
    """415 if the headers of the current request say that its body is compressed."""
    environ = the_request().environ
    if environ.get("HTTP_CONTENT_ENCODING", "").strip().lower() not in ("", "identity"):
        raise ContentEncoded


def parse_object(octets: bytes, *, times: int = 1) -> JsonObject:
    """The JSON object in *octets*. InvalidInput if there is none."""
    value = _parsed(octets, times=times)
    if not isinstance(value, dict):
        raise _refused("the body must be a JSON object")
    return value


def _parsed(octets: bytes, *, times: int) -> object:
    """The JSON value in *octets*.

    A byte order mark before it is skipped: some editors and libraries write one (RFC 8259, 8.1).
    """
    octets = octets.removeprefix(BOM_UTF8)
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise _refused("the body is not UTF-8") from None
    if not text.strip():
        raise _refused("the body is empty: send a JSON object")
    _check_shape(text, octets, times=times)
    try:
        value: object = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise _refused(f"the body is not JSON: {error.msg} ({place})") from None
    _check_characters(value)
    return value


def _check_shape(text: str, octets: bytes, *, times: int) -> None:
    """Refuse what is too deep or has too many parts before anything is built from it."""
    if _is_small(octets):
        return
    skeleton = outside_strings(text)
    if skeleton.count(":") > MAX_NAMES * times:
        raise _refused(f"the body has more than {MAX_NAMES * times} names")
    if _parts(skeleton) > MAX_VALUES * times:
        raise _refused(f"the body has more than {MAX_VALUES * times} values")
    if _depth(skeleton) > MAX_DEPTH:
        raise _refused(f"the body is nested more than {MAX_DEPTH} deep")


def outside_strings(text: str) -> str:
    """The parts of a JSON text outside its strings.

    Of a text that is none it holds at least all that a reader gets to see before it gives up: up
    to there both agree on where strings begin and end.
    """
    pieces = text.split('"')
    # whether a quote may be part of a string: to search for two signs takes ten times as long
    if any(map(_ENDS_WITH_BACKSLASH, pieces)):
        pieces = text.replace("\\\\", "").replace('\\"', "").split('"')
    return "".join(pieces[::2])


def _is_small(octets: bytes) -> bool:
    """Whether no limit can be exceeded even if every sign in them stood outside of strings."""
    opened = _count(octets, b"[") + _count(octets, b"{")
    return (
        opened <= MAX_DEPTH
        and _count(octets, b":") <= MAX_NAMES
        and _count(octets, b",") <= MAX_VALUES
    )


def _count(octets: bytes, sign: bytes) -> int:
    """How often *sign* occurs; for a rare one `bytes.count` takes ten times as long."""
    return len(octets) - len(octets.replace(sign, b""))


def _parts(skeleton: str) -> int:
    return skeleton.count(",") + skeleton.count("[") + skeleton.count("{")


def _depth(skeleton: str) -> int:
    depth = deepest = 0
    for bracket in _BRACKET.findall(skeleton):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _check_characters(value: object) -> None:
    """Refuse half characters, which only ``\\uD800`` to ``\\uDFFF`` can make."""
    if isinstance(value, str):
        if not value.isascii():  # a flag of the string: nothing is searched
            try:
                value.encode()
            except UnicodeEncodeError:
                raise _refused(
                    "the body has half a character: a surrogate without its pair"
                ) from None
    elif isinstance(value, dict):
        _check_each(value)
        _check_each(value.values())
    elif isinstance(value, list):
        _check_each(value)


def _check_each(values: Iterable[object]) -> None:
    for value in values:
        # most are, and a call for each would cost an email of a batch 1 % of its instructions
        if not (isinstance(value, str) and value.isascii()):
            _check_characters(value)


def _integer(digits: str) -> int:
    # the length comes first: int() takes quadratic time and refuses more than 4,300 digits
    if len(digits) > _LONGEST_INTEGER or int(digits) not in INTEGERS:
        raise _refused("the body has an integer outside of 64 bits")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _refused("the body has a number that is too large")
    return number


def _constant(name: str) -> float:
    raise _refused(f"the body is not JSON: {name} is no number")


def _object(pairs: list[tuple[str, Any]]) -> JsonObject:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _refused("the body has a name twice in one object")
    if max(map(len, members), default=0) > LONGEST_NAME:
        raise _refused(f"the body has a name longer than {LONGEST_NAME} characters")
    return members


def _refused(reason: str) -> InvalidInput:
    return InvalidInput(RequestError("", reason), code="invalid_json")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
