"""Which server an address may send by, found out from the address alone.

What the catalogue knows needs no network. For any other domain, what its owner has published is
looked up in the DNS and on the web, all at once: who does not answer is told, and the others count.
Nothing that is found is stored: it is a proposal that says where it is from.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import Final, Literal

import attrs

from application.ports.dns import Dns, DnsUnknown
from application.ports.system import Clock
from application.ports.web import WebClient, WebFailed, WebProblem, WebRequest
from domain.access import LOCAL, Caller, Scope
from domain.account.account import Security
from domain.account.autoconfig import (
    Login,
    MailServer,
    NotAutoconfig,
    Place,
    database_place,
    plain_places,
    provider_places,
    read_servers,
)
from domain.account.network import NetworkPolicy
from domain.account.provider import Match, Provider, Providers
from domain.address import Address, is_host_name, like_an_address

WITHIN_S: Final = 10.0
_THREADS: Final = 16  # two look-ups at a time: the questions of a third wait
# RFC 6186 and RFC 8314 section 5.1; TLS from the first octet goes before STARTTLS
_SERVICES: Final = (
    ("_submissions._tcp", Security.TLS),
    ("_submission._tcp", Security.STARTTLS),
)
_UNPROTECTED: Final = (
    "{source} is not protected: whoever is between could have changed it. Check that {host} is a "
    "server of your provider before you give it a password."
)
_NOT_ALLOWED: Final = "{source} names a server that this service may not connect to"
_BY_OAUTH: Final = "{host} takes no password: one logs in by OAuth 2.0"
_NO_SUBMISSION: Final = "{source} says that the domain offers no such service"


Missing = Literal["region", "username", "password", "auth"]


class FoundBy(StrEnum):
    """What told the server: the catalogue by the domain or by its mail exchanger, a file that the
    provider published, Thunderbird's database, or SRV records.
    """

    KNOWN_DOMAIN = "known_domain"
    MX = "mx"
    AUTOCONFIG = "autoconfig"
    ISPDB = "ispdb"
    SRV = "srv"


@attrs.frozen(kw_only=True)
class Proposal:
    """A server for the address, and where it is from.

    *provider* is its row in the catalogue; *server* None: one of its regions must be named first.
    """

    found_by: FoundBy
    source: str
    server: MailServer | None
    provider: Provider | None = None
    region: str | None = None

    @property
    def missing(self) -> Sequence[Missing]:
        """The fields of an account that its owner must add."""
        if self.server is None:
            return ("region", "username", "password")
        if self.server.login is Login.OAUTH:
            return ("auth",)
        if self.server.login is Login.NONE:
            return ()
        return ("password",) if self.server.username else ("username", "password")


@attrs.frozen(kw_only=True)
class Lookup:
    """What became of one: *proposal* None if nobody told anything.

    *unknown* are the sources that gave no answer; another look-up may find more.
    """

    address: Address
    proposal: Proposal | None = None
    warnings: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@attrs.frozen
class _Told:
    """What one source told."""

    proposal: Proposal | None = None
    warnings: tuple[str, ...] = ()


_NOTHING: Final = _Told()


@attrs.frozen
class _Step:
    """One source; *ask* is given the moment by which it must be done. DnsUnknown, WebFailed."""

    source: str
    ask: Callable[[float], _Told]


class ProviderLookup:
    """The look-ups, each within so many seconds. Safe from many threads."""

    def __init__(
        self,
        *,
        providers: Providers,
        web: WebClient,
        dns: Dns,
        network: NetworkPolicy,
        clock: Clock,
        within_s: float = WITHIN_S,
    ) -> None:
        self._providers = providers
        self._web = web
        self._dns = dns
        self._network = network
        self._monotonic = clock.monotonic
        self._within_s = within_s
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="provider-lookup")

    def look_up(self, address: Address, *, caller: Caller = LOCAL) -> Lookup:
        """A server for *address*. Forbidden.

        Whoever reads may ask about a domain of the catalogue; only an admin makes this service ask
        the servers of a stranger, which takes *within_s* seconds at most.
        """
        match = self._providers.of_domain(address.domain)
        if match is None:
            caller.require(Scope.ADMIN)
            return self._asked(address)
        caller.require(Scope.READ)
        source = match.provider.origin.source
        return Lookup(
            address=address, proposal=_of(match, address, FoundBy.KNOWN_DOMAIN, source=source)
        )

    def _asked(self, address: Address) -> Lookup:
        """What the first source in their order tells that tells something."""
        deadline = self._monotonic() + self._within_s
        steps = self._steps(address)
        running = [self._pool.submit(step.ask, deadline) for step in steps]
        warnings: list[str] = []
        unknown: list[str] = []
        proposal = None
        for step, future in zip(steps, running, strict=True):
            try:
                told = future.result(max(deadline - self._monotonic(), 0))
            except (DnsUnknown, WebFailed, TimeoutError):
                unknown.append(step.source)
                continue
            warnings += told.warnings
            proposal = told.proposal
            if proposal is not None:
                break
        for future in running:
            future.cancel()
        return Lookup(
            address=address, proposal=proposal, warnings=tuple(warnings), unknown=tuple(unknown)
        )

    def _steps(self, address: Address) -> Sequence[_Step]:
        """The sources, those that are trusted most first.

        The exchangers go before what the domain publishes: where a web host answers for every name,
        its file names servers of its own, though the mail is elsewhere.
        """
        exchangers = _Step(f"MX {address.domain}", lambda _: self._by_exchanger(address))
        files = [
            *((FoundBy.AUTOCONFIG, place) for place in provider_places(address)),
            (FoundBy.ISPDB, database_place(address)),
            *((FoundBy.AUTOCONFIG, place) for place in plain_places(address)),
        ]
        return (
            exchangers,
            *(self._file_step(found_by, place, address) for found_by, place in files),
            *(self._service_step(name, security, address) for name, security in _SERVICES),
        )

    def _by_exchanger(self, address: Address) -> _Told:
        records = self._dns.mx(address.domain)
        for record in records:
            match = self._providers.of_mail_exchanger(record.host) if record.host else None
            if match is not None and record.preference == records[0].preference:
                source = f"MX {record.host}"
                return _Told(_of(match, address, FoundBy.MX, source=source))
        return _NOTHING

    def _file_step(self, found_by: FoundBy, place: Place, address: Address) -> _Step:
        def ask(deadline: float) -> _Told:
            try:
                servers = read_servers(self._file(place, deadline), address)
            except NotAutoconfig:
                return _NOTHING
            return self._first(servers, found_by, place.url, insecure=place.plain)

        return _Step(place.url, ask)

    def _file(self, place: Place, deadline: float) -> bytes:
        """What is published there; nothing if there is nothing. WebFailed."""
        try:
            answer = self._web.fetch(
                WebRequest(url=place.url, headers={"Accept": "text/xml, application/xml"}),
                timeout_s=deadline - self._monotonic(),
                plain=place.plain,
            )
        except WebFailed as failed:
            if failed.problem in (WebProblem.NOT_FOUND, WebProblem.FORBIDDEN):
                return b""
            raise
        if answer.status == 429 or answer.status >= 500:
            raise WebFailed(WebProblem.UNREACHABLE, "not now", may_have_arrived=True)
        return answer.body if answer.status == 200 else b""

    def _service_step(self, name: str, security: Security, address: Address) -> _Step:
        source = f"SRV {name}.{address.domain}"

        def ask(_: float) -> _Told:
            records = self._dns.srv(f"{name}.{address.domain}")
            if records and not any(record.host for record in records):
                return _Told(warnings=(_NO_SUBMISSION.format(source=source),))
            servers = [
                MailServer(
                    host=record.host,
                    port=record.port,
                    security=security,
                    username=str(address),  # RFC 6186 section 4
                )
                for record in records
                if is_host_name(record.host) and not like_an_address(record.host)
            ]
            return self._first(servers, FoundBy.SRV, source, insecure=True)

        return _Step(source, ask)

    def _first(
        self, servers: Sequence[MailServer], found_by: FoundBy, source: str, *, insecure: bool
    ) -> _Told:
        """The first server that may be connected to."""
        warnings: list[str] = []
        for server in servers:
            if not (
                self._network.allows_host(server.host)
                and self._network.allows_port(server.host, server.port)
            ):
                warnings.append(_NOT_ALLOWED.format(source=source))
                continue
            if insecure:
                warnings.append(_UNPROTECTED.format(source=source, host=server.host))
            if server.login is Login.OAUTH:
                warnings.append(_BY_OAUTH.format(host=server.host))
            proposal = Proposal(found_by=found_by, source=source, server=server)
            return _Told(proposal, tuple(dict.fromkeys(warnings)))
        return _Told(warnings=tuple(dict.fromkeys(warnings)))


def _of(match: Match, address: Address, found_by: FoundBy, *, source: str) -> Proposal:
    """What the catalogue says of a provider."""
    provider = match.provider
    server = None
    if match.region is not None or provider.host is not None:
        server = MailServer(
            host=provider.host_in(match.region),
            port=provider.ports[0].number,
            security=provider.ports[0].security,
            username=provider.username_of(address) or "",
            login=_login(provider),
        )
    return Proposal(
        found_by=found_by, source=source, server=server, provider=provider, region=match.region
    )


def _login(provider: Provider) -> Login:
    if provider.passwords:
        return Login.PASSWORD
    return Login.OAUTH if provider.oauth else Login.NONE
