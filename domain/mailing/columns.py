"""Which column of a table has the address, and which ones the variables of a template."""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final

import attrs

from domain.errors import FieldError, InvalidInput
from domain.message.template import VARIABLE, Variable

# What a column with addresses is called, the likeliest first, without blanks and signs
_ADDRESS_NAMES: Final = (
    "email",
    "emailaddress",
    "mail",
    "recipient",
    "emailadresse",
    "to",
    "address",
)
_SIGNS: Final = re.compile(r"[\W_]+")
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9]+")


@attrs.frozen(kw_only=True)
class Columns:
    """The places of what is needed of a row, and the names of the columns that are not.

    *name* is that of the column with the name that recipients see beside their address, if any.
    """

    width: int
    address: int
    name: int | None
    variables: tuple[tuple[int, Variable], ...]
    unused: tuple[str, ...]


def match(
    header: Sequence[str],
    declared: Sequence[Variable],
    *,
    address: str | None = None,
    name: str | None = None,
    given: Collection[str] = (),
) -> Columns:
    """What each column of *header* is for. *address* and *name* say which columns have these.

    A column is the variable of its name, small and capital letters, blanks and signs aside. If the
    template declares none, every column is one. *given* are variables that are the same for all.
    InvalidInput names all that is wrong: no column of addresses, a variable without a column.
    """
    errors: list[str] = []
    at = _address(header, address, errors)
    named = None if name is None else _named(header, name, errors)
    found = _declared(header, declared, errors) if declared else _undeclared(header)
    here = {variable.name for _, variable in found}
    missing = [
        one.name
        for one in declared
        if one.required and one.default is None and one.name not in here and one.name not in given
    ]
    if missing:
        names = ", ".join(missing)
        errors.append(f"the template needs {names}: there is no such column, and no value for all")
    unknown = sorted(set(given) - {one.name for one in declared}) if declared else ()
    errors += [f"{one} is no variable of the template" for one in unknown]
    if errors:
        raise InvalidInput(*(FieldError("", error) for error in errors))
    used = {at, named, *(place for place, _ in found)}
    return Columns(
        width=len(header),
        address=at,
        name=named,
        variables=tuple(found),
        unused=tuple(one for place, one in enumerate(header) if one and place not in used),
    )


def _address(header: Sequence[str], wanted: str | None, errors: list[str]) -> int:
    if wanted is not None:
        return _named(header, wanted, errors)
    plain = [_SIGNS.sub("", one).casefold() for one in header]
    for likely in _ADDRESS_NAMES:
        if likely in plain:
            return plain.index(likely)
    if len(header) == 1:
        errors.append(f"the only column is called {header[0]!r}, not email: has it a header?")
    else:
        columns = ", ".join(filter(None, header))
        errors.append(f"no column is called email: say which of them has the addresses: {columns}")
    return 0


def _named(header: Sequence[str], wanted: str, errors: list[str]) -> int:
    if wanted in header:
        return header.index(wanted)
    errors.append(f"there is no column {wanted!r} among {', '.join(filter(None, header))}")
    return 0


def _declared(
    header: Sequence[str], declared: Iterable[Variable], errors: list[str]
) -> list[tuple[int, Variable]]:
    found = []
    for variable in declared:
        if variable.name in header:
            found.append((header.index(variable.name), variable))
            continue
        alike = [n for n, one in enumerate(header) if _plain(one) == _plain(variable.name)]
        if len(alike) > 1:
            columns = ", ".join(header[n] for n in alike)
            errors.append(f"several columns may be meant by {variable.name}: {columns}")
        found += [(place, variable) for place in alike[:1]]
    return found


def _undeclared(header: Sequence[str]) -> list[tuple[int, Variable]]:
    """Each column as a text, under its own name or with _ for what no name may have."""
    found: dict[str, int] = {}
    for place, column in enumerate(header):
        name = column if VARIABLE.fullmatch(column) else _NO_NAME.sub("_", column).strip("_")
        if VARIABLE.fullmatch(name):
            found.setdefault(name, place)
    return [(place, Variable(name=name, required=False)) for name, place in found.items()]


def _plain(name: str) -> str:
    return _SIGNS.sub("_", name).strip("_").casefold()
