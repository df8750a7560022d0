"""A message for a transport without an envelope: its headers name exactly who is to get it.

Such a transport delivers to whoever stands in To, Cc and Bcc, and to nobody else. Whom an attempt
names and the headers do not show goes into a Bcc, which the transport takes out again. Whom the
headers show and the attempt does not name (the address is suppressed, it has the message already,
or it is a client's own message with an envelope of its own) is taken out of To and Cc: otherwise it
would get the message. The rest of the message stays as it is.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import attrs

from domain.address import Address
from domain.message.compose import TO_NOBODY

_VISIBLE: Final = frozenset({b"to", b"cc"})
_OURS: Final = frozenset({b"bcc", b"resent-to", b"resent-cc", b"resent-bcc"})
# One mailbox of a list (RFC 5322 section 3.4) without comments, routes and quoted local parts:
# what is written in another way is not taken for an address of ours.
_MAILBOX: Final = re.compile(
    r"""[ \t]*
    (?: (?:"(?:[^"\\]|\\.)*"|[^"(),:;<>@\[\]\\])* <(?P<angle>[^<>()\s",:;\[\]\\]+)>
      | (?P<bare>[^<>()\s",:;\[\]\\]+) )
    [ \t]*(?:,|\Z)""",
    re.VERBOSE,
)
_NOBODY: Final = re.compile(r'[^"(),:;<>@\[\]\\]*:[ \t]*;')
_Key = tuple[str, str]


@attrs.frozen
class _Shown:
    """A mailbox of a header: as it is written there, and whom it names."""

    written: str
    key: _Key


def addressed(octets: bytes, recipients: Sequence[Address]) -> bytes:
    """The message *octets*, with CRLF line ends, for exactly *recipients*.

    A To or Cc that is not understood is left out, and everybody in it is hidden.
    """
    end = octets.index(b"\r\n\r\n") + 2
    wanted = {_key(address): address for address in recipients}
    kept, seen, visible = list[bytes](), set[_Key](), False
    for name, field in _fields(octets[:end]):
        if name in _OURS:
            continue
        if name not in _VISIBLE:
            kept.append(field)
            continue
        shown = _mailboxes(_value(field))
        if shown is None:
            continue
        named = [one for one in shown if one.key in wanted]
        seen.update(one.key for one in named)
        if len(named) == len(shown):
            kept.append(field)
        elif named:
            kept.append(_written(name, [one.written for one in named]))
        visible = visible or len(named) == len(shown) or bool(named)
    if not visible:
        kept.append(TO_NOBODY.encode())
    hidden = [str(address) for key, address in wanted.items() if key not in seen]
    if hidden:
        kept.append(_written(b"bcc", hidden))
    return b"".join([*kept, octets[end:]])


def _key(address: Address) -> _Key:
    return address.local.lower(), address.domain


def _fields(head: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each header's name in small letters, and its lines."""
    for field in re.split(rb"(?<=\r\n)(?![ \t])", head):
        if field:
            yield field.partition(b":")[0].strip().lower(), field


def _value(field: bytes) -> str:
    text = field.decode("utf-8", "surrogateescape").partition(":")[2]
    return text.replace("\r\n", "").strip(" \t")


def _mailboxes(value: str) -> Sequence[_Shown] | None:
    """Those of a header; None if it is not understood as a whole."""
    if _NOBODY.fullmatch(value):
        return ()
    found, at = list[_Shown](), 0
    while at < len(value):
        match = _MAILBOX.match(value, at)
        if match is None:
            return None
        try:
            address = Address.parse(match["angle"] or match["bare"])
        except ValueError:
            return None
        found.append(_Shown(match[0].rstrip(", \t").strip(), _key(address)))
        at = match.end()
    return found or None


def _written(name: bytes, mailboxes: Iterable[str]) -> bytes:
    """The header, each mailbox on a line of its own."""
    value = ",\r\n ".join(mailboxes).encode("utf-8", "surrogateescape")
    return name.title() + b": " + value + b"\r\n"
