"""How ``providers.toml`` is read and checked. What is wrong with a row is told with its id."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final

import attrs

from domain.account.account import Security
from domain.account.limits import LimitUnit
from domain.account.oauth import OAuthProvider
from domain.account.provider import (
    ADDRESS,
    REGION,
    SAFE,
    Confidence,
    Figure,
    Origin,
    PasswordKind,
    Port,
    Provider,
    ProviderKind,
    Providers,
    Region,
)

FIGURES: Final = frozenset(
    {
        *(
            f"{unit}_per_{window}"
            for unit in ("messages", "recipients")
            for window in ("minute", "hour", "day")
        ),
        "external_recipients_per_day",
        "recipients_per_message",
        "connections",
        "messages_per_connection",
        "message_bytes",
    }
)
_FIELDS: Final = frozenset(field.name for field in attrs.fields(Provider)) - {"origin"} | {
    "source",
    "checked_on",
    "confidence",
}
_FIGURE_FIELDS: Final = frozenset({"value", "no_limit", "source", "checked_on", "confidence"})
_ID: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,39}")
_SOURCE: Final = re.compile(r"https://[\w.-]+\.[a-z]+(/[^\s<>\"]*)?")
_MAIL_DOMAIN: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
RESERVED: Final = frozenset({"lookup"})  # a path of the API beside the ids


def parse_providers(table: Mapping[str, Any]) -> Providers:
    """The catalogue that *table* is. ValueError names the row and what is wrong with it."""
    rows = [_named(row) for row in table["provider"]]
    seen: dict[str, str] = {}
    for row in rows:
        for what in (f"the id {row.id}", *_places(row)):
            if what in seen:
                raise ValueError(f"{row.id}: {what} stands at {seen[what]} too")
            seen[what] = row.id
    return Providers(rows)


def _places(row: Provider) -> Iterator[str]:
    yield from (f"the domain {domain}" for domain in row.all_domains)
    yield from (f"the mail exchanger {end}" for end in row.all_mx)


def _named(row: Mapping[str, Any]) -> Provider:
    try:
        return _checked(_provider(row))
    except (KeyError, TypeError, ValueError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{row.get('id', 'a provider without an id')}: {what}") from None


def _provider(row: Mapping[str, Any]) -> Provider:
    _refuse_unknown(row, _FIELDS)
    return Provider(
        id=row["id"],
        title=row["title"],
        kind=ProviderKind(row["kind"]),
        domains=tuple(row.get("domains", ())),
        mx=tuple(row.get("mx", ())),
        host=row.get("host"),
        region_host=row.get("region_host"),
        regions=tuple(_region(name, region) for name, region in row.get("regions", {}).items()),
        ports=tuple(_port(port) for port in row["ports"]),
        username=row.get("username"),
        passwords=tuple(map(PasswordKind, row["passwords"])),
        oauth=OAuthProvider(row["oauth"]) if "oauth" in row else None,
        unit=LimitUnit(row["unit"]),
        announce_next=row.get("announce_next", False),
        figures=_figures(row),
        steps=tuple(row["steps"]),
        notes=tuple(row.get("notes", ())),
        origin=_origin(row),
    )


def _region(name: str, region: Mapping[str, Any]) -> Region:
    return Region(
        name=name,
        host=region["host"],
        domains=tuple(region.get("domains", ())),
        mx=tuple(region.get("mx", ())),
    )


def _port(port: Mapping[str, Any]) -> Port:
    return Port(number=port["port"], security=Security(port["security"]))


def _origin(row: Mapping[str, Any]) -> Origin:
    source, checked_on = row["source"], row["checked_on"]
    if not _SOURCE.fullmatch(source):
        raise ValueError(f"the source {source!r} must be an https URL")
    if type(checked_on) is not date:
        raise ValueError(f"checked_on must be a date, not {checked_on!r}")
    return Origin(source=source, checked_on=checked_on, confidence=Confidence(row["confidence"]))


def _figures(row: Mapping[str, Any]) -> tuple[Figure, ...]:
    """Those of the file, and the safe ones of which nothing is published."""
    figures = [_figure(name, figure) for name, figure in row.get("figures", {}).items()]
    known = {figure.name for figure in figures}
    if "recipients_per_minute" in known:
        known.add("messages_per_minute")
    unpublished = attrs.evolve(_origin(row), confidence=Confidence.UNPUBLISHED)
    figures += [
        Figure(name=name, value=value, origin=unpublished)
        for name, value in SAFE.items()
        if name not in known
    ]
    return tuple(figures)


def _figure(name: str, figure: Mapping[str, Any]) -> Figure:
    if name not in FIGURES:
        raise ValueError(f"{name} is no figure: there are {', '.join(sorted(FIGURES))}")
    _refuse_unknown(figure, _FIGURE_FIELDS)
    if ("value" in figure) == figure.get("no_limit", False):
        raise ValueError(f"{name} must have either a value or no_limit = true")
    value = figure.get("value")
    if value is not None and (type(value) is not int or value < 1):
        raise ValueError(f"{name} must be a whole number from 1")
    return Figure(name=name, value=value, origin=_origin(figure))


def _refuse_unknown(given: Mapping[str, Any], known: frozenset[str]) -> None:
    if unknown := sorted(given.keys() - known):
        raise ValueError(f"{unknown[0]} is unknown")


def _checked(row: Provider) -> Provider:
    if not _ID.fullmatch(row.id) or row.id in RESERVED:
        raise ValueError("the id must be small letters, digits, dots and dashes")
    if not (row.host or row.region_host or row.regions):
        raise ValueError("a host or regions are missing")
    if row.region_host is not None and REGION not in row.region_host:
        raise ValueError(f"region_host must have {REGION}")
    if not row.ports or not row.steps:
        raise ValueError("ports and steps must not be empty")
    if row.username is not None and ADDRESS not in row.username and "{" in row.username:
        raise ValueError(f"a username may have {ADDRESS} only")
    for name in (*row.all_domains, *row.all_mx):
        if not _MAIL_DOMAIN.fullmatch(name):
            raise ValueError(f"{name!r} must be a domain in small letters")
    return row
