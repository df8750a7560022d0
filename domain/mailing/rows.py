"""What becomes of each row: an entry of a batch, or the reason why it is left out."""

import json
import re
from array import array
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from hashlib import blake2b
from typing import Final, TypeAlias

import attrs

from domain.address import Address
from domain.errors import InvalidInput
from domain.mailbox import Mailbox
from domain.mailing.columns import Columns
from domain.mailing.table import Row
from domain.message.template import Value, Variable, VariableType, complete
from domain.suppression import address_key

Parse: TypeAlias = Callable[[str], Address | Mailbox]

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]{1,18}|[0-9]{1,17}\.[0-9]{1,17})")
_FLAGS: Final = {
    **dict.fromkeys(("true", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "no", "n", "0"), False),
}


class Why(StrEnum):
    """Why a row is left out."""

    INVALID = "invalid"
    DUPLICATE = "duplicate"


@attrs.frozen(kw_only=True)
class Entry:
    """A row that is sent: *recipient* may have a name, *key* is the address as in `address_key`."""

    row: int
    recipient: str
    key: str
    variables: Mapping[str, Value]


@attrs.frozen(kw_only=True)
class LeftOut:
    """A row that is not; *address* is what stands in its cell."""

    row: int
    address: str
    why: Why
    reason: str


class Judge:
    """Judges the rows of one table in their order; an address counts where it stands first.

    It remembers about 30 octets of each address.
    """

    def __init__(
        self,
        columns: Columns,
        declared: Sequence[Variable],
        *,
        common: Mapping[str, Value],
        parse: Parse,
    ) -> None:
        """*common* are values for all rows, *parse* the rule for addresses (ValueError)."""
        self._columns = columns
        self._declared = declared
        self._common = common
        self._parse = parse
        self._rows = _FirstRows()

    def judge(self, row: Row) -> Entry | LeftOut:
        """What becomes of *row*."""
        cells, columns = row.cells, self._columns
        address = cells[columns.address] if columns.address < len(cells) else ""
        if len(cells) != columns.width:
            reason = f"it has {len(cells)} cells, not {columns.width}"
            return LeftOut(row=row.number, address=address, why=Why.INVALID, reason=reason)
        try:
            entry = self._entry(row, address)
        except ValueError as error:
            reason = str(error)
        except InvalidInput as error:
            reason = "; ".join(
                f"{one.field.partition('/')[2] or one.field}: {one.message}" for one in error.errors
            )
        else:
            first = self._rows.first(_fingerprint(entry.key), row.number)
            if first == row.number:
                return entry
            reason = f"the address stands in row {first} already"
            return LeftOut(row=row.number, address=address, why=Why.DUPLICATE, reason=reason)
        return LeftOut(row=row.number, address=address, why=Why.INVALID, reason=reason)

    def _entry(self, row: Row, address: str) -> Entry:
        cells, columns = row.cells, self._columns
        name = "" if columns.name is None else cells[columns.name]
        recipient = f"{_quoted(name)} <{address}>" if name else address
        try:
            found = self._parse(recipient)
        except ValueError as error:
            raise ValueError(f"the address {error}") from None
        bare = found.address if isinstance(found, Mailbox) else found
        variables = _values(columns, cells)
        complete(self._declared, {**self._common, **variables})
        return Entry(
            row=row.number, recipient=recipient, key=address_key(bare), variables=variables
        )


class _FirstRows:
    """Where each fingerprint stood first: a hash table with open addressing, half of it in use."""

    def __init__(self) -> None:
        self._known = 0
        self._clear(4096)

    def first(self, fingerprint: int, row: int) -> int:
        """The row in which it was first; that is *row* (from 1) for a new one."""
        if 2 * self._known >= len(self._rows):
            self._grow()
        place = self._place(fingerprint)
        if not self._rows[place]:
            self._fingerprints[place], self._rows[place] = fingerprint, row
            self._known += 1
        return self._rows[place]

    def _place(self, fingerprint: int) -> int:
        """That of the fingerprint, or the free one for it."""
        size = len(self._rows)
        place = fingerprint % size
        while self._rows[place] and self._fingerprints[place] != fingerprint:
            place = (place + 1) % size
        return place

    def _grow(self) -> None:
        known = zip(self._fingerprints, self._rows, strict=True)
        self._clear(2 * len(self._rows))
        for fingerprint, row in known:
            if row:
                place = self._place(fingerprint)
                self._fingerprints[place], self._rows[place] = fingerprint, row

    def _clear(self, size: int) -> None:
        self._fingerprints = array("Q", bytes(8 * size))
        self._rows = array("L", bytes(array("L").itemsize * size))


def value_of(text: str, kind: VariableType) -> Value:
    """The value that a cell stands for. ValueError."""
    if kind is VariableType.STRING:
        return text
    if kind is VariableType.NUMBER:
        if not _NUMBER.fullmatch(text):
            raise ValueError("must be a number such as 42 or 9.5")
        return float(text) if "." in text else int(text)
    if kind is VariableType.BOOLEAN:
        flag = _FLAGS.get(text.casefold())
        if flag is None:
            raise ValueError("must be true or false")
        return flag
    return _of_json(text, kind)


def _of_json(text: str, kind: VariableType) -> Value:
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        found = None
    wanted = list if kind is VariableType.LIST else dict
    if not isinstance(found, wanted):
        raise ValueError(
            'must be a list such as ["a", "b"]'
            if wanted is list
            else 'must be an object such as {"a": "b"}'
        )
    return found


def _no_constant(name: str) -> Value:
    raise ValueError(f"{name} is not a number")


def _values(columns: Columns, cells: Sequence[str]) -> dict[str, Value]:
    """The variables of a row. An empty cell is no value, unless nothing says what there must be."""
    values: dict[str, Value] = {}
    for place, variable in columns.variables:
        text = cells[place]
        if not text and (variable.required or variable.default is not None):
            continue
        if not text and variable.type is not VariableType.STRING:
            continue
        try:
            values[variable.name] = value_of(text, variable.type)
        except ValueError as error:
            raise ValueError(f"{variable.name}: {error}") from None
    return values


def _quoted(name: str) -> str:
    """As a quoted string (RFC 5322, 3.2.4)."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _fingerprint(key: str) -> int:
    """Of a million addresses two have the same one with a chance of 1 to 37 million."""
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")
