"""An account from an address alone: the look-up over HTTP, against name and web servers of ours."""

import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address, ip_network
from typing import Any

import attrs
import pytest
from flask.testing import FlaskClient

from adapters.clock import SystemClock
from adapters.dns_client import DnsClient
from adapters.name_resolver import NameResolver
from adapters.web_client import UrllibWebClient
from application.ports.dns import DnsUnknown, NameServer
from application.ports.network import Endpoint, Unresolved
from application.ports.web import WebAnswer
from application.provider_lookup import ProviderLookup
from domain.account.network import NetworkPolicy
from domain.account.provider import Providers
from domain.address import Address
from domain.outcome.handoff import Problem
from tests.applications import a_client, a_keyed_client, an_application, pointers
from tests.autoconfig_files import a_config, a_server
from tests.dns_server import DnsServer
from tests.web_asking import Names, a_certificate, endpoint, trusting
from tests.web_asking import a_client as a_web_client
from tests.web_server import Arrived, Connection, WebServer, answering

NETWORK = NetworkPolicy(allowed=(ip_network("127.0.0.0/8"),))
PASSWORD = "correct horse battery staple"
WEB_HOSTS = ("autoconfig.example.org", "example.org", "autoconfig.thunderbird.net")


@attrs.define
class Internet:
    """A name server, a web server for every host of WEB_HOSTS, and the API."""

    dns: DnsServer
    files: dict[str, bytes]
    asked: list[str]
    client: FlaskClient

    def publish(self, host: str, path: str, *servers: str) -> None:
        """The web server has a file, and the DNS its host."""
        self.dns.add(host, "A", "127.0.0.1")
        self.files[f"{host}{path}"] = a_config(*servers)

    def look_up(self, address: str = "ada@example.org") -> dict[str, Any]:
        reply = self.client.get("/api/providers/lookup", query_string={"address": address})
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = reply.json
        return found

    def set_up(self, found: dict[str, Any]) -> dict[str, Any]:
        """The SMTP configuration that is made of what was found and a password."""
        assert found["missing"] == ["password"]
        body = {**found["smtp_config"], "password": PASSWORD}
        reply = self.client.post("/api/smtp-configs", json=body)
        assert reply.status_code == 201, reply.text
        shown: dict[str, Any] = self.client.get(reply.headers["Location"]).json
        return shown


@pytest.fixture
def internet() -> Iterator[Internet]:
    files: dict[str, bytes] = {}
    asked: list[str] = []

    def publish(arrived: Arrived) -> WebAnswer:
        place = arrived.headers["host"] + arrived.target
        asked.append(place)
        body = files.get(place.partition("?")[0])
        return WebAnswer(status=404 if body is None else 200, headers={}, body=body or b"")

    certificate: ssl.SSLContext = a_certificate(*WEB_HOSTS)
    with (
        DnsServer() as dns_server,
        WebServer(answering(publish), tls=certificate) as secure,
        WebServer(answering(publish)) as plain,
    ):
        servers = [NameServer(ip_address("127.0.0.1"), dns_server.port)]
        dns = DnsClient(clock=SystemClock(), servers=servers)
        ports = {443: secure.port, 80: plain.port}

        def look_up(host: str, port: int) -> list[Endpoint]:
            try:
                found = dns.addresses(host)
            except DnsUnknown:
                raise Unresolved(Problem.DNS, "no answer") from None
            return [endpoint(str(address), ports[port]) for address in found]

        web = UrllibWebClient(
            resolver=NameResolver(allow=NETWORK.allows, look_up=look_up),
            network=NETWORK,
            clock=SystemClock(),
            ssl_context=trusting,
        )
        application = an_application(web=web, dns=dns, clock=SystemClock())
        yield Internet(dns_server, files, asked, a_client(application))
        web.close()


@pytest.mark.parametrize(
    ("address", "provider", "host"),
    [
        ("ada@gmail.com", "gmail", "smtp.gmail.com"),
        ("ada@yahoo.com", "yahoo", "smtp.mail.yahoo.com"),
        ("ada@icloud.com", "icloud", "smtp.mail.me.com"),
        ("ada@fastmail.com", "fastmail", "smtp.fastmail.com"),
        ("ada@zoho.com", "zoho", "smtp.zoho.com"),
    ],
)
def test_a_known_domain_is_set_up_without_any_network(
    internet: Internet, address: str, provider: str, host: str
) -> None:
    found = internet.look_up(address)
    assert (found["found_by"], found["provider"]) == ("known_domain", provider)
    assert found["source"].startswith("https://")
    assert internet.set_up(found)["smtp_host"] == host
    assert internet.dns.asked == []
    assert internet.asked == []


def test_a_known_domain_that_takes_tokens_only_says_so(internet: Internet) -> None:
    found = internet.look_up("ada@outlook.com")
    assert (found["provider"], found["login"]) == ("outlook.com", "oauth")
    assert (found["missing"], internet.dns.asked) == (["auth"], [])


def test_a_domain_that_only_its_exchanger_tells_is_set_up(internet: Internet) -> None:
    internet.dns.add("example.org", "MX", "1 aspmx.l.google.com.")
    found = internet.look_up()

    assert (found["found_by"], found["provider"]) == ("mx", "google-workspace")
    shown = internet.set_up(found)
    assert (shown["smtp_host"], shown["username"]) == ("smtp.gmail.com", "ada@example.org")
    assert shown["daily_limit"] == 2000


@pytest.mark.parametrize(
    ("host", "path", "found_by"),
    [
        ("autoconfig.example.org", "/mail/config-v1.1.xml", "autoconfig"),
        ("example.org", "/.well-known/autoconfig/mail/config-v1.1.xml", "autoconfig"),
        ("autoconfig.thunderbird.net", "/v1.1/example.org", "ispdb"),
    ],
)
def test_a_domain_that_only_a_file_tells_is_set_up(
    internet: Internet, host: str, path: str, found_by: str
) -> None:
    internet.publish(host, path, a_server(port="465", socketType="SSL"))
    found = internet.look_up()

    assert (found["found_by"], found["provider"], found["warnings"]) == (found_by, None, [])
    assert found["source"].startswith(f"https://{host}{path}")
    shown = internet.set_up(found)
    assert (shown["smtp_host"], shown["smtp_port"]) == ("smtp.example.org", 465)
    assert (shown["use_ssl"], shown["use_tls"]) == (True, False)
    assert shown["username"] == "ada@example.org"


def test_a_domain_that_only_service_records_tell_is_set_up(internet: Internet) -> None:
    internet.dns.add("_submissions._tcp.example.org", "SRV", "0 0 0 .")
    internet.dns.add("_submission._tcp.example.org", "SRV", "0 1 587 mail.example.org.")
    found = internet.look_up()

    assert (found["found_by"], found["source"]) == ("srv", "SRV _submission._tcp.example.org")
    assert any("not protected" in warning for warning in found["warnings"])
    shown = internet.set_up(found)
    assert (shown["smtp_host"], shown["smtp_port"]) == ("mail.example.org", 587)
    assert shown["use_tls"] is True


def test_a_domain_about_which_nobody_tells_anything(internet: Internet) -> None:
    found = internet.look_up()
    assert found == {
        "address": "ada@example.org",
        "found_by": None,
        "source": None,
        "provider": None,
        "login": None,
        "smtp_config": None,
        "missing": [],
        "warnings": [],
        "unknown": [],
    }


def test_a_dead_name_server_is_told_as_unknown(internet: Internet) -> None:
    for name in ("example.org", "_submissions._tcp.example.org", "_submission._tcp.example.org"):
        internet.dns.fail(name)
    internet.publish("autoconfig.thunderbird.net", "/v1.1/example.org", a_server())
    found = internet.look_up()

    assert found["found_by"] == "ispdb"
    assert found["unknown"] == [
        "MX example.org",
        "https://example.org/.well-known/autoconfig/mail/config-v1.1.xml",
    ]


def test_sources_that_are_slow_are_given_up_together() -> None:
    def drip(connection: Connection) -> None:
        connection.request()
        while connection.wait(0.05):
            connection.send(b"H")

    with (
        DnsServer() as dns_server,
        WebServer(drip, tls=a_certificate(*WEB_HOSTS)) as secure,
        WebServer(drip) as plain,
    ):
        for name in ("example.org", "_submissions._tcp.example.org"):
            dns_server.silence(name)
        servers = [NameServer(ip_address("127.0.0.1"), dns_server.port)]
        names = Names({(host, 443): [("127.0.0.1", secure.port)] for host in WEB_HOSTS})
        for host in WEB_HOSTS:
            names.add(host, 80, plain.port)
        web = a_web_client(names, network=NETWORK)
        lookup = ProviderLookup(
            providers=Providers(),
            web=web,
            dns=DnsClient(clock=SystemClock(), servers=servers, timeout_s=1.0),
            network=NETWORK,
            clock=SystemClock(),
            within_s=0.5,
        )
        begun = time.monotonic()
        found = lookup.look_up(Address.parse("ada@example.org"))
        took = time.monotonic() - begun
        web.close()

    assert found.proposal is None
    assert len(found.unknown) == 7
    assert took < 5.0


def test_t_ssrf_2_a_name_that_leads_to_a_metadata_server_is_not_asked(internet: Internet) -> None:
    internet.dns.add("autoconfig.example.org", "A", "169.254.169.254")
    internet.dns.add("example.org", "A", "127.0.0.1", "169.254.169.254")
    assert internet.look_up()["found_by"] is None
    assert internet.asked == []


def test_nothing_is_stored_unasked(internet: Internet) -> None:
    internet.dns.add("example.org", "MX", "1 aspmx.l.google.com.")
    internet.look_up()
    assert internet.client.get("/api/smtp-configs").json == []


def test_many_at_once_get_their_own_answers(internet: Internet) -> None:
    domains = [f"d{n}.example" for n in range(12)]
    for domain in domains:
        internet.dns.add(f"_submissions._tcp.{domain}", "SRV", f"0 0 465 mail.{domain}.")
    with ThreadPoolExecutor(6) as threads:
        found = threads.map(lambda domain: internet.look_up(f"ada@{domain}"), domains)
        hosts = [one["smtp_config"]["smtp_host"] for one in found]
    assert hosts == [f"mail.{domain}" for domain in domains]


def test_a_key_that_reads_may_ask_about_known_domains_only() -> None:
    application = an_application(closed=True)
    path = "/api/providers/lookup?address=ada@{}"
    for scope, known, unknown in (("send", 403, 403), ("read", 200, 403), ("admin", 200, 200)):
        client = a_keyed_client(application, scope)
        assert client.get(path.format("gmail.com")).status_code == known
        assert client.get(path.format("example.org")).status_code == unknown


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("", "/address"),
        ("?address=", "/address"),
        ("?address=ada", "/address"),
        ("?address=ada@127.0.0.1", "/address"),
        ("?address=ada@[127.0.0.1]", "/address"),
        ("?address=ada@localhost", "/address"),
        ("?address=a@gmail.com&address=b@gmail.com", "/address"),
        ("?address=a@gmail.com&save=1", "/save"),
    ],
)
def test_what_is_no_address_is_refused(query: str, pointer: str) -> None:
    reply = a_client().get(f"/api/providers/lookup{query}")
    assert reply.status_code == 400
    assert pointer in pointers(reply)
