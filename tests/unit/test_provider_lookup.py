"""Which server is proposed for an address, by whom, and what is never proposed."""

from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from adapters.fakes.clock import FakeClock
from adapters.fakes.dns import FakeDns
from adapters.fakes.web import FakeWeb
from application.ports.web import WebAnswer, WebProblem, WebRequest
from application.provider_lookup import FoundBy, Lookup, ProviderLookup
from domain.access import Caller, Scope
from domain.account.account import Security
from domain.account.autoconfig import Login
from domain.account.network import NetworkPolicy
from domain.address import Address
from domain.errors import Forbidden
from tests.autoconfig_files import a_config, a_server
from tests.shipped_rules import PROVIDERS

ADA = "ada@example.org"
ISPDB = "autoconfig.thunderbird.net"
READER = Caller(key_id=1, scopes=frozenset({Scope.READ}))
SENDER = Caller(key_id=1, scopes=frozenset({Scope.SEND}))


class Internet:
    """What there is to be asked; it counts the questions."""

    def __init__(self, *, network: NetworkPolicy | None = None) -> None:
        network = network or NetworkPolicy()
        self.dns = FakeDns()
        self.web = FakeWeb(network=network)
        self._lookup = ProviderLookup(
            providers=PROVIDERS,
            web=self.web,
            dns=self.dns,
            network=network,
            clock=FakeClock(),
        )

    def publish(self, url: str, *servers: str, status: int = 200, **kind: Any) -> None:
        """A file at *url*, whose host has no other."""
        scheme, _, rest = url.partition("://")
        host, _, path = rest.partition("/")
        answer = WebAnswer(status=status, headers={}, body=a_config(*servers))
        absent = WebAnswer(status=404, headers={}, body=b"no")

        def handler(request: WebRequest) -> WebAnswer:
            asked = request.url.partition("?")[0]
            return answer if asked == f"{scheme}://{host}/{path}" else absent

        self.web.serve(host, handler, **kind)

    def look_up(self, address: str = ADA, **who: Caller) -> Lookup:
        return self._lookup.look_up(Address.parse(address), **who)


def host_of(lookup: Lookup) -> str | None:
    if lookup.proposal is None or lookup.proposal.server is None:
        return None
    return lookup.proposal.server.host


@pytest.mark.parametrize(
    ("address", "provider", "host", "port"),
    [
        ("ada@gmail.com", "gmail", "smtp.gmail.com", 587),
        ("ada@googlemail.com", "gmail", "smtp.gmail.com", 587),
        ("ada@outlook.com", "outlook.com", "smtp-mail.outlook.com", 587),
        ("ada@icloud.com", "icloud", "smtp.mail.me.com", 587),
        ("ada@fastmail.com", "fastmail", "smtp.fastmail.com", 465),
        ("ADA@GMAIL.COM", "gmail", "smtp.gmail.com", 587),
    ],
)
def test_a_known_domain_needs_no_network(address: str, provider: str, host: str, port: int) -> None:
    internet = Internet()
    internet.dns.break_all()
    lookup = internet.look_up(address, caller=READER)

    found = lookup.proposal
    assert found is not None
    assert found.server is not None
    assert found.provider is not None
    assert (found.found_by, found.provider.id) == (FoundBy.KNOWN_DOMAIN, provider)
    assert (found.server.host, found.server.port) == (host, port)
    assert found.server.username == str(Address.parse(address))
    assert lookup.unknown == ()
    assert internet.web.requests == []


def test_only_an_admin_may_ask_about_another_domain() -> None:
    internet = Internet()
    for caller in (READER, SENDER):
        with pytest.raises(Forbidden, match="'admin'"):
            internet.look_up(caller=caller)
    with pytest.raises(Forbidden, match="'read'"):
        internet.look_up("ada@gmail.com", caller=SENDER)
    assert internet.web.requests == []


def test_the_preferred_exchanger_tells_the_provider() -> None:
    internet = Internet()
    internet.dns.add_mx("example.org", 1, "aspmx.l.google.com.")
    found = internet.look_up().proposal

    assert found is not None
    assert found.provider is not None
    assert (found.found_by, found.provider.id) == (FoundBy.MX, "google-workspace")
    assert found.source == "MX aspmx.l.google.com"
    assert found.missing == ("password",)


def test_a_provider_that_only_keeps_mail_for_another_is_not_the_one() -> None:
    internet = Internet()
    internet.dns.add_mx("example.org", 10, "mx.example.org.")
    internet.dns.add_mx("example.org", 20, "aspmx.l.google.com.")
    assert internet.look_up().proposal is None


PLACES = [
    (
        "https://autoconfig.example.org/mail/config-v1.1.xml",
        FoundBy.AUTOCONFIG,
        f"https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress={ADA}",
    ),
    (
        "https://example.org/.well-known/autoconfig/mail/config-v1.1.xml",
        FoundBy.AUTOCONFIG,
        "https://example.org/.well-known/autoconfig/mail/config-v1.1.xml",
    ),
    (f"https://{ISPDB}/v1.1/example.org", FoundBy.ISPDB, f"https://{ISPDB}/v1.1/example.org"),
]


@pytest.mark.parametrize(("url", "found_by", "source"), PLACES)
def test_a_published_file_tells_the_server(url: str, found_by: FoundBy, source: str) -> None:
    internet = Internet()
    internet.publish(url, a_server(port="465", socketType="SSL"))
    lookup = internet.look_up()

    found = lookup.proposal
    assert found is not None
    assert found.server is not None
    assert (found.found_by, found.source, found.provider) == (found_by, source, None)
    assert (found.server.host, found.server.port) == ("smtp.example.org", 465)
    assert (found.server.security, found.server.username) == (Security.TLS, ADA)
    assert lookup.warnings == ()


def test_a_file_by_plain_http_is_a_proposal_with_a_warning() -> None:
    internet = Internet()
    url = "http://autoconfig.example.org/mail/config-v1.1.xml"
    internet.publish(url, a_server())
    lookup = internet.look_up()

    assert lookup.proposal is not None
    assert lookup.proposal.source == url
    (warning,) = lookup.warnings
    assert "not protected" in warning
    assert "smtp.example.org" in warning


def test_the_address_is_not_told_by_plain_http_and_not_to_the_database() -> None:
    internet = Internet()
    nothing = WebAnswer(status=404, headers={}, body=b"")
    for host in ("autoconfig.example.org", "example.org", ISPDB):
        internet.web.serve(host, lambda request: nothing)
    internet.look_up()

    told = [request.url for request in internet.web.requests if "ada" in request.url]
    assert told == [f"https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress={ADA}"]
    assert len(internet.web.requests) == 5


@pytest.mark.parametrize(
    ("name", "port", "security"),
    [("_submissions._tcp", 465, Security.TLS), ("_submission._tcp", 587, Security.STARTTLS)],
)
def test_a_service_record_is_a_proposal_with_a_warning(
    name: str, port: int, security: Security
) -> None:
    internet = Internet()
    internet.dns.add_srv(f"{name}.example.org", port, "mail.example.net.")
    lookup = internet.look_up()

    found = lookup.proposal
    assert found is not None
    assert found.server is not None
    assert (found.found_by, found.source) == (FoundBy.SRV, f"SRV {name}.example.org")
    assert (found.server.host, found.server.port) == ("mail.example.net", port)
    assert (found.server.security, found.server.username) == (security, ADA)
    assert "mail.example.net" in lookup.warnings[0]


def test_the_first_service_record_counts() -> None:
    internet = Internet()
    name = "_submissions._tcp.example.org"
    internet.dns.add_srv(name, 465, "b.example.org.", priority=2)
    internet.dns.add_srv(name, 465, "a.example.org.", priority=1)
    internet.dns.add_srv("_submission._tcp.example.org", 587, "c.example.org.")
    assert host_of(internet.look_up()) == "a.example.org"


def test_a_service_that_is_decidedly_not_offered_is_told_as_that() -> None:
    internet = Internet()
    for name in ("_submissions._tcp.example.org", "_submission._tcp.example.org"):
        internet.dns.add_srv(name, 0, ".")
    lookup = internet.look_up()

    assert lookup.proposal is None
    assert len(lookup.warnings) == 2
    assert all("offers no such service" in warning for warning in lookup.warnings)


def everything() -> Internet:
    """A domain about which every source tells another server."""
    internet = Internet()
    internet.dns.add_mx("example.org", 1, "aspmx.l.google.com.")
    internet.dns.add_srv("_submissions._tcp.example.org", 465, "srv.example.org.")
    servers = {
        "https://autoconfig.example.org": "first.example.org",
        "https://example.org": "second.example.org",
        f"https://{ISPDB}": "third.example.org",
        "http://autoconfig.example.org": "fourth.example.org",
        "http://example.org": "fifth.example.org",
    }

    def handler(request: WebRequest) -> WebAnswer:
        origin = "/".join(request.url.split("/")[:3])
        body = a_config(a_server(hostname=servers[origin]))
        return WebAnswer(status=200, headers={}, body=body)

    for host in ("autoconfig.example.org", "example.org", ISPDB):
        internet.web.serve(host, handler)
    return internet


def test_the_source_that_is_trusted_most_is_taken() -> None:
    internet = everything()
    assert host_of(internet.look_up()) == "smtp.gmail.com"
    internet.dns.break_name("example.org")
    lookup = internet.look_up()
    assert host_of(lookup) == "first.example.org"
    assert lookup.unknown == ("MX example.org",)


@pytest.mark.parametrize(
    "problem",
    [WebProblem.TIMEOUT, WebProblem.TLS, WebProblem.PROTOCOL, WebProblem.UNREACHABLE,
     WebProblem.TOO_LARGE],
)  # fmt: skip
def test_a_source_without_an_answer_is_told_and_the_others_count(problem: WebProblem) -> None:
    internet = Internet()
    internet.web.serve("autoconfig.example.org", lambda request: problem)
    internet.publish(f"https://{ISPDB}/v1.1/example.org", a_server())
    lookup = internet.look_up()

    assert lookup.proposal is not None
    assert lookup.proposal.found_by is FoundBy.ISPDB
    assert lookup.unknown == (
        f"https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress={ADA}",
    )


def test_where_nobody_answers_everything_is_unknown() -> None:
    internet = Internet()
    internet.dns.break_all()
    for host in ("autoconfig.example.org", "example.org", ISPDB):
        internet.web.serve(host, lambda request: WebProblem.TIMEOUT)
    lookup = internet.look_up()

    assert lookup.proposal is None
    assert len(lookup.unknown) == 8


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_cannot_now_is_unknown(status: int) -> None:
    internet = Internet()
    internet.publish(PLACES[2][0], a_server(), status=status)
    lookup = internet.look_up()
    assert (lookup.proposal, lookup.unknown) == (None, (PLACES[2][2],))


@pytest.mark.parametrize("status", [204, 301, 302, 307, 401, 403, 404, 410])
def test_a_redirect_or_refusal_is_nothing(status: int) -> None:
    internet = Internet()
    internet.publish(PLACES[0][0], a_server(), status=status)
    assert internet.look_up() == Lookup(address=Address.parse(ADA))


@pytest.mark.parametrize(
    "body", [b"", b"<html>welcome</html>", b"\xff", b'<!DOCTYPE x><clientConfig/>', a_config()]
)  # fmt: skip
def test_a_page_that_is_no_file_is_nothing(body: bytes) -> None:
    internet = Internet()
    answer = WebAnswer(status=200, headers={}, body=body)
    internet.web.serve("example.org", lambda request: answer)
    assert internet.look_up() == Lookup(address=Address.parse(ADA))


@pytest.mark.parametrize(
    "changes", [{"socketType": "plain"}, {"port": "25", "socketType": "plain"}]
)
def test_a_server_without_tls_is_never_proposed(changes: dict[str, str]) -> None:
    internet = Internet()
    internet.publish(PLACES[0][0], a_server(**changes))  # type: ignore[arg-type]
    assert internet.look_up().proposal is None


@pytest.mark.parametrize(
    "changes",
    [{"hostname": "localhost"}, {"hostname": "LOCALHOST."}, {"port": "22"}, {"port": "443"}],
)
def test_t_ssrf_1_a_server_that_may_not_be_connected_to_is_not_proposed(
    changes: dict[str, str],
) -> None:
    internet = Internet()
    internet.publish(PLACES[0][0], a_server(**changes))  # type: ignore[arg-type]
    lookup = internet.look_up()
    assert lookup.proposal is None
    assert lookup.warnings == (
        f"{PLACES[0][2]} names a server that this service may not connect to",
    )


def test_t_ssrf_2_a_domain_in_a_forbidden_network_is_not_asked() -> None:
    internet = Internet()
    for address in ("169.254.169.254", "10.0.0.1", "::ffff:127.0.0.1"):
        internet.publish(PLACES[0][0], a_server(), addresses=(address,))
        assert internet.look_up() == Lookup(address=Address.parse(ADA))
    assert internet.web.requests == []


def test_the_owners_own_network_is_asked() -> None:
    internet = Internet(network=NetworkPolicy(allowed=(ip_network("10.0.0.0/8"),)))
    internet.publish(PLACES[0][0], a_server(), addresses=("10.0.0.1",))
    assert host_of(internet.look_up()) == "smtp.example.org"


def test_a_server_that_takes_tokens_only_is_proposed_with_a_warning() -> None:
    internet = Internet()
    internet.publish(PLACES[0][0], a_server(authentication=("OAuth2",)))
    lookup = internet.look_up()

    found = lookup.proposal
    assert found is not None
    assert found.server is not None
    assert (found.server.login, found.missing) == (Login.OAUTH, ("auth",))
    assert "OAuth" in lookup.warnings[0]


def test_a_server_where_nobody_logs_in_misses_nothing() -> None:
    internet = Internet()
    internet.publish(PLACES[0][0], a_server(authentication=("none",)))
    found = internet.look_up().proposal
    assert found is not None
    assert found.missing == ()


@pytest.mark.parametrize("odd", ["127.1", "0x7f.1", "a..b", "*", "[::1]"])
def test_a_service_record_with_an_odd_host_is_nothing(odd: str) -> None:
    internet = Internet()
    internet.dns.add_srv("_submissions._tcp.example.org", 465, odd)
    assert internet.look_up().proposal is None


def test_every_row_of_the_catalogue_can_be_proposed() -> None:
    asked: list[Callable[[], Lookup]] = []
    for provider in PROVIDERS.all():
        for domain in provider.all_domains:
            asked.append(lambda domain=domain: Internet().look_up(f"ada@{domain}"))  # type: ignore[misc]
        for suffix in provider.all_mx:
            internet = Internet()
            internet.dns.add_mx("example.org", 1, suffix)
            asked.append(internet.look_up)
    assert len(asked) > 10
    for look_up in asked:
        found = look_up().proposal
        assert found is not None
        assert (found.server is None) is ("region" in found.missing)
