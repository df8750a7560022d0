"""The questions of ``email-service accounts add``: from an address to an account that works.

What a provider fills in is told with its source, and the account is tried out before it is stored.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias, cast

import attrs
import click

from application import Application
from application.account_writer import AccountFields
from application.provider_presets import with_preset
from domain.account.account import Security, default_security
from domain.account.limits import Limits, Window
from domain.account.provider import (
    Confidence,
    Figure,
    Match,
    PasswordKind,
    Provider,
    ProviderKind,
)
from domain.address import Address, is_loopback
from domain.errors import InvalidInput, NameTaken
from entrypoints.addresses import email_address, server_name
from entrypoints.cli.oauth_questions import ask_oauth
from entrypoints.cli.stages import tell_stages


@attrs.frozen(kw_only=True)
class Proposed:
    """A server that somebody names for an address, and who: it is used only if a person agrees."""

    host: str
    port: int
    security: Security
    username: str | None = None
    source: str
    warnings: tuple[str, ...] = ()


# What is known of an address: its provider, or else a server.
Find: TypeAlias = Callable[[Address], Match | Proposed | None]

_ASKED: Final = {
    PasswordKind.MAILBOX: "Password of the mailbox",
    PasswordKind.APP_PASSWORD: "App password",
    PasswordKind.SMTP_PASSWORD: "SMTP password",
    PasswordKind.API_KEY: "API key",
}
_KNOWN: Final = {
    Confidence.PUBLISHED: "published at",
    Confidence.SECONDARY: "told by others at",
    Confidence.UNPUBLISHED: "a safe start, nothing is published at",
}
_LIST: Final = "?"


def by_look_up(application: Application) -> Find:
    """Asks the catalogue, and of a domain that it does not have the DNS and the web."""

    def find(address: Address) -> Match | Proposed | None:
        if application.providers.of_domain(address.domain) is None:
            click.echo(f"Looking {address.domain} up (its DNS and web servers are asked)…")
        looked_up = application.provider_lookup.look_up(address)
        if looked_up.unknown:
            click.echo(f"No answer from {', '.join(looked_up.unknown)}.")
        proposal = looked_up.proposal
        if proposal is not None and proposal.provider is not None:
            return Match(proposal.provider, proposal.region)
        if proposal is None or proposal.server is None:
            return None
        server = proposal.server
        return Proposed(
            host=server.host,
            port=server.port,
            security=server.security,
            username=server.username or None,
            source=proposal.source,
            warnings=looked_up.warnings,
        )

    return find


def by_catalogue(application: Application) -> Find:
    """Asks nobody outside."""
    return lambda address: application.providers.of_domain(address.domain)


class Walk:
    """One conversation. *verifies* False stores the account without trying it out.

    *oauth*: by OAuth also where the provider takes passwords. ``to_authorize`` tells at the end
    whether a person must consent before it can be tried out, ``provider`` whose account it is.
    """

    def __init__(
        self,
        application: Application,
        *,
        find: Find,
        verifies: bool = True,
        oauth: bool = False,
    ) -> None:
        self._application = application
        self._find = find
        self._verifies = verifies
        self._oauth = oauth
        self.to_authorize = False
        self.provider: Provider | None = None

    def run(self, address: Address | None = None) -> int | None:
        """The id of the new account; None if the person decided against it."""
        address = address or _prompt("Email address", email_address)
        found = self._server(address)
        provider = self.provider = found.provider if isinstance(found, Match) else None
        region = self._region(found) if isinstance(found, Match) else None
        if provider is not None and not (self._oauth and provider.passwords):
            _tell_steps(provider)  # they are about its passwords, if it takes any
        said: dict[str, Any] = {"name": str(address), "address": address}
        usual = "-"
        if isinstance(found, Proposed):
            usual = found.username or "-"
            said |= {"host": found.host, "port": found.port, "security": found.security}
        said |= self._login(provider, address, usual=usual)
        fields = with_preset(cast(AccountFields, said), provider, region)
        _tell_limits(provider, fields)
        self.to_authorize = "auth" in fields
        if self._verifies and not self.to_authorize:
            tried = self._tried_out(provider, fields)
            if tried is None:
                return None
            fields = tried
        return self._stored(fields)

    def _server(self, address: Address) -> Match | Proposed:
        """The provider, or a server where it is none that is known."""
        found = self._find(address)
        if isinstance(found, Match):
            click.echo(f"{address.domain} is at {found.provider.title}.")
            return found
        if found is not None and _agreed(found):
            return found
        if found is None:
            click.echo(f"{address.domain} is no mail domain that is known here.")
        providers = self._application.providers
        known = {provider.id: provider for provider in providers.all()}
        while True:
            answer = _prompt(f"Provider, or host of the mail server ({_LIST} lists providers)", str)
            if answer == _LIST:
                click.echo("  " + "\n  ".join(f"{one.id}: {one.title}" for one in known.values()))
            elif answer.lower() in known:
                return Match(known[answer.lower()])
            else:
                try:
                    return _own_server(_host(answer))
                except ValueError as error:
                    click.echo(f"Error: {error}", err=True)

    def _region(self, match: Match) -> str | None:
        provider = match.provider
        if match.region is not None or not (provider.regions or provider.region_host):
            return match.region
        names = ", ".join(region.name for region in provider.regions) or "such as eu-west-1"
        usual = next((one.name for one in provider.regions if one.host == provider.host), None)

        def checked(text: str) -> str:
            try:
                provider.host_in(text)
            except InvalidInput as error:
                raise ValueError(error.errors[0].message) from None
            return text

        region: str = _prompt(f"Region ({names})", checked, default=usual)
        return region

    def _login(self, provider: Provider | None, address: Address, *, usual: str) -> dict[str, Any]:
        """Username and password, or an application of OAuth; none where nobody logs in."""
        if provider is not None and provider.oauth is not None:
            if not provider.passwords:
                click.echo(f"{provider.title} takes no password, only tokens (OAuth).")
            if self._oauth or not provider.passwords:
                return ask_oauth(provider.oauth, address)
        if self._oauth:
            raise click.ClickException("no login by OAuth is known for it: use the API, or a file")
        username = None if provider is None else provider.username_of(address)
        if provider is None or provider.kind is ProviderKind.OWN:
            username = click.prompt("Username (- for none)", default=usual)
            if username == "-":
                return {}
        elif username in (None, str(address)):
            username = click.prompt("Username", default=username)
        return {"username": username, "password": _password(provider)}

    def _tried_out(self, provider: Provider | None, fields: AccountFields) -> AccountFields | None:
        """The fields that are to be stored; None to store nothing."""
        while True:
            click.echo(f"Trying {fields['host']}:{fields['port']} (nothing is sent):")
            verification = self._application.account_import.try_out(fields)
            tell_stages(verification)
            if verification.failed is None:
                return fields
            choice = click.prompt(
                "p: another password, s: store it all the same, q: quit",
                type=click.Choice(["p", "s", "q"]),
                default="p",
            )
            if choice == "s":
                return fields
            if choice == "q":
                return None
            fields = {**fields, "password": _password(provider)}

    def _stored(self, fields: AccountFields) -> int:
        while True:
            name = click.prompt("Name", default=fields["name"])
            try:
                return self._application.account_service.create({**fields, "name": name})
            except NameTaken as error:
                click.echo(f"Error: {error}", err=True)


def _prompt(text: str, parse: Callable[[str], Any], *, default: str | None = None) -> Any:
    """Asks until *parse* takes the answer; it says by ValueError what is wrong."""

    def checked(answer: str) -> Any:
        try:
            return parse(answer.strip())
        except ValueError as error:
            raise click.UsageError(str(error)) from None

    return click.prompt(text, value_proc=checked, default=default)


def _agreed(proposed: Proposed) -> bool:
    """Whether the person takes the server; one with a warning is not taken by pressing return."""
    server = f"{proposed.host}:{proposed.port} ({proposed.security.value})"
    click.echo(f"{proposed.source} names the server {server}.")
    for warning in proposed.warnings:
        click.echo(f"Warning: {warning}")
    return click.confirm("Use it?", default=not proposed.warnings)


def _own_server(host: str) -> Proposed:
    port = click.prompt("Port", default=587, type=click.IntRange(1, 65535))
    kinds = [one.value for one in (Security.STARTTLS, Security.TLS, Security.PLAIN)]
    usual = default_security(port).value
    chosen = click.prompt("Protection", default=usual, type=click.Choice(kinds))
    return Proposed(host=host, port=port, security=Security(chosen), source="you")


def _host(text: str) -> str:
    """A mail server; a word without a dot is rather a provider that is misspelt. ValueError."""
    host = server_name(text)
    if not is_loopback(host) and not set(".:") & set(host):
        raise ValueError("no such provider is known, and a host name has a dot")
    return host


def _password(provider: Provider | None) -> str:
    kind = provider.passwords[0] if provider and provider.passwords else None
    asked = "Password" if kind is None else _ASKED[kind]
    password: str = click.prompt(f"{asked} (not shown)", hide_input=True)
    return password


def _tell_steps(provider: Provider) -> None:
    click.echo(f"\nWhat to do at {provider.title}:")
    for number, step in enumerate(provider.steps, start=1):
        click.echo(f"  {number}. {step}")
    for note in provider.notes:
        click.echo(f"  - {note}")
    click.echo()


def _tell_limits(provider: Provider | None, fields: AccountFields) -> None:
    """What the account starts with, and why."""
    if provider is None:
        usual = Limits()
        click.echo(
            f"It starts with {usual.daily} messages a day, {usual.hourly} an hour and "
            f"{usual.max_connections} connections: the usual start, change it to what the server "
            "allows."
        )
        return
    click.echo("It starts with:")
    for line in limit_lines(provider):
        click.echo(f"  {line}")


def limit_lines(provider: Provider) -> Iterator[str]:
    """Each limit that the provider fills in, with where it is from."""
    limits = provider.limits()
    for window in (Window.DAY, Window.HOUR, Window.MINUTE):
        limit = limits.of(window)
        if limit is None:
            continue
        figures = provider.limiting(window, limits.unit)
        [figure, *_] = [one for one in figures if one.value == limit]
        yield f"{limit:,} {limits.unit.value} a {window.value} ({_why(figure)})"
    connections = provider.figure("connections")
    assert connections is not None, "every provider has this figure"
    word = "connection" if limits.max_connections == 1 else "connections"
    yield f"{limits.max_connections} {word} ({_why(connections)})"
    size = provider.figure("message_bytes")
    if size is not None and size.value is not None:
        yield f"{size.value:,} octets a message, with its files in base64 ({_why(size)})"


def _why(figure: Figure) -> str:
    origin = figure.origin
    return f"{_KNOWN[origin.confidence]} {origin.source}, {origin.checked_on}"
