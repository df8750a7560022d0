"""An address with the name that people see for it. The envelope has addresses alone."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

import attrs

from domain.address import Address

LONGEST_NAME: Final = 200  # characters


@attrs.frozen
class Mailbox:
    """An address with the name that is shown for it; *name* is "" where there is none."""

    address: Address
    name: str = ""


Names: TypeAlias = Mapping[Address, str]  # of the addresses that have one
NO_NAMES: Final[Names] = MappingProxyType({})
