"""What is known of a mail provider: where it takes mail, how one logs in, what it allows.

The facts stand in ``providers.toml``, each figure with the page it is from and the date it was read
there. They are where an account starts: its owner may change whatever they fill in, and what the
provider's replies say goes before them.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date
from enum import StrEnum
from typing import Final

import attrs

from domain.account.account import Security
from domain.account.limits import Limits, LimitUnit, Window
from domain.account.oauth import OAuthProvider
from domain.address import Address
from domain.errors import FieldError, InvalidInput, NotFound

# What an account starts with where nothing is published: slow enough for any provider.
SAFE: Final = {"messages_per_minute": 20, "connections": 1, "messages_per_connection": 100}
MOST_CONNECTIONS: Final = 10  # that are filled in where a provider allows more
ADDRESS: Final = "{address}"  # in a username: the address of the account
REGION: Final = "{region}"  # in a host
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-[1-9]")  # as Amazon names them
_PER: Final = {
    "messages": "messages_per_{window}",
    "recipients": "recipients_per_{window}",
}


class ProviderKind(StrEnum):
    """A mailbox of a person, a relay that is rented to send, or a server of one's own."""

    MAILBOX = "mailbox"
    RELAY = "relay"
    OWN = "own"


class PasswordKind(StrEnum):
    """What is to be stored as the password. ``MAILBOX`` is that which one reads mail with."""

    MAILBOX = "mailbox"
    APP_PASSWORD = "app_password"  # noqa: S105 - a kind of password
    SMTP_PASSWORD = "smtp_password"  # noqa: S105 - made for SMTP alone
    API_KEY = "api_key"


class Confidence(StrEnum):
    """How a fact is known: read at the provider, quoted by others, or not published at all.

    A figure that is not published is a safe default of ours, with the page that does not tell it.
    """

    PUBLISHED = "published"
    SECONDARY = "secondary"
    UNPUBLISHED = "unpublished"


@attrs.frozen(kw_only=True)
class Origin:
    """Where a fact was read, an https URL, and when."""

    source: str
    checked_on: date
    confidence: Confidence


@attrs.frozen(kw_only=True)
class Figure:
    """One limit, such as ``messages_per_day``; octets for ``message_bytes``. None: no limit."""

    name: str
    value: int | None
    origin: Origin


@attrs.frozen(kw_only=True)
class Port:
    """A port that mail is taken at."""

    number: int
    security: Security


@attrs.frozen(kw_only=True)
class Region:
    """A part of a provider with a server of its own."""

    name: str
    host: str
    domains: tuple[str, ...] = ()
    mx: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Provider:
    """One row of the catalogue.

    ``domains`` are mail domains that it alone has, ``mx`` what the names of its mail exchangers end
    with. ``host`` is None where a region must be named; ``region_host`` has ``{region}`` in it.
    ``username`` may be ``{address}``; None: each account has its own. The first of ``ports`` and of
    ``passwords`` is the usual one; without passwords nobody logs in. ``unit`` is what its limits
    count. ``steps`` are what a person does there, ``notes`` what else is to be known.
    """

    id: str
    title: str
    kind: ProviderKind
    domains: tuple[str, ...] = ()
    mx: tuple[str, ...] = ()
    host: str | None = None
    region_host: str | None = None
    regions: tuple[Region, ...] = ()
    ports: tuple[Port, ...]
    username: str | None = None
    passwords: tuple[PasswordKind, ...] = ()
    oauth: OAuthProvider | None = None
    unit: LimitUnit = LimitUnit.MESSAGES
    announce_next: bool = False
    figures: tuple[Figure, ...]
    steps: tuple[str, ...]
    notes: tuple[str, ...] = ()
    origin: Origin

    @property
    def all_domains(self) -> tuple[str, ...]:
        """Those of its regions too."""
        return (*self.domains, *(name for region in self.regions for name in region.domains))

    @property
    def all_mx(self) -> tuple[str, ...]:
        """Those of its regions too."""
        return (*self.mx, *(name for region in self.regions for name in region.mx))

    def serves(self, host: str) -> bool:
        """Whether *host* is one of its servers, in any region."""
        if host == self.host or any(host == region.host for region in self.regions):
            return True
        if self.region_host is None:
            return False
        before, _, after = self.region_host.partition(REGION)
        return host.startswith(before) and host.endswith(after)

    def host_in(self, region: str | None) -> str:
        """The server of a region, None for the usual one. InvalidInput."""
        if region is None:
            if self.host is None:
                raise InvalidInput(FieldError("region", f"is required: {self._region_told}"))
            return self.host
        for one in self.regions:
            if one.name == region:
                return one.host
        if self.region_host is not None and _REGION.fullmatch(region):
            return self.region_host.replace(REGION, region)
        raise InvalidInput(FieldError("region", self._region_told))

    @property
    def _region_told(self) -> str:
        if self.region_host is not None:
            return f"{self.title} has regions such as eu-west-1: name yours, or the host"
        if not self.regions:
            return f"{self.title} has no regions: leave it out"
        names = ", ".join(region.name for region in self.regions)
        return f"{self.title} has the regions {names}: name one of them, or the host"

    def username_of(self, address: Address) -> str | None:
        """What one logs in as; None if each account has a name of its own, or nobody logs in."""
        return None if self.username is None else self.username.replace(ADDRESS, str(address))

    def port(self, number: int | None = None, security: Security | None = None) -> Port | None:
        """The first port with this number and this security, as far as they are given."""
        for port in self.ports:
            if number in (None, port.number) and security in (None, port.security):
                return port
        return None

    def figure(self, name: str) -> Figure | None:
        """The figure of this name."""
        return next((figure for figure in self.figures if figure.name == name), None)

    def limits(self, unit: LimitUnit | None = None) -> Limits:
        """What an account starts with, counted in *unit*, by default that of the provider.

        A limit on recipients holds for messages too, as each has one at least; the reverse does
        not, so that an account that counts recipients has no limit where only messages are counted.
        """
        unit = unit or self.unit
        connections = self.figure("connections")
        most = MOST_CONNECTIONS if connections is None else connections.value
        return Limits(
            daily=self._smallest(Window.DAY, unit),
            hourly=self._smallest(Window.HOUR, unit),
            minute=self._smallest(Window.MINUTE, unit),
            unit=unit,
            max_connections=min(most or MOST_CONNECTIONS, MOST_CONNECTIONS),
        )

    def limiting(self, window: Window, unit: LimitUnit) -> Sequence[Figure]:
        """The figures that bound what an account which counts in *unit* may send in a window."""
        counted = ("recipients",) if unit is LimitUnit.RECIPIENTS else ("messages", "recipients")
        names = [_PER[one].format(window=window.value) for one in counted]
        return [figure for figure in self.figures if figure.name in names]

    def _smallest(self, window: Window, unit: LimitUnit) -> int | None:
        values = [figure.value for figure in self.limiting(window, unit)]
        return min((value for value in values if value is not None), default=None)


@attrs.frozen
class Match:
    """The provider that a domain or a mail exchanger belongs to, and its region if it has any."""

    provider: Provider
    region: str | None = None


class Providers:
    """The catalogue."""

    def __init__(self, rows: Iterable[Provider] = ()) -> None:
        self._rows = {row.id: row for row in rows}
        places = [(Match(row), row.domains, row.mx) for row in self._rows.values()]
        places += [
            (Match(row, region.name), region.domains, region.mx)
            for row in self._rows.values()
            for region in row.regions
        ]
        self._domains = {domain: match for match, domains, _ in places for domain in domains}
        self._mx = {suffix: match for match, _, suffixes in places for suffix in suffixes}

    def all(self) -> Sequence[Provider]:
        """Every row, in the order of the file."""
        return tuple(self._rows.values())

    def get(self, provider_id: str) -> Provider:
        """NotFound if there is none."""
        if provider_id not in self._rows:
            raise NotFound(f"there is no provider {provider_id}")
        return self._rows[provider_id]

    def named(self, provider_id: str) -> Provider:
        """The one that an owner named. InvalidInput that lists them all."""
        if provider_id not in self._rows:
            known = ", ".join(self._rows)
            raise InvalidInput(FieldError("provider", f"is not known here: name one of {known}"))
        return self._rows[provider_id]

    def of_domain(self, domain: str) -> Match | None:
        """Whose mail domain it is, for those that one provider alone has."""
        return self._domains.get(domain.lower())

    def of_mail_exchanger(self, name: str) -> Match | None:
        """Whose server a mail exchanger is, by the longest end of its name that is known."""
        labels = name.lower().rstrip(".").split(".")
        ends = (".".join(labels[start:]) for start in range(len(labels)))
        return next((self._mx[end] for end in ends if end in self._mx), None)
