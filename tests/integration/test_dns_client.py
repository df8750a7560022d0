"""The DNS client against name servers that are slow, wrong, far or not there."""

import time
from ipaddress import ip_address

import dns.rcode
import pytest

from adapters.clock import SystemClock
from adapters.dns_client import DnsClient
from application.ports.dns import DnsUnknown, NameServer
from tests.dns_server import DnsServer
from tests.running import free_port


def asking(*ports: int, timeout_s: float = 5.0) -> DnsClient:
    servers = [NameServer(ip_address("127.0.0.1"), port) for port in ports]
    return DnsClient(clock=SystemClock(), servers=servers, timeout_s=timeout_s)


def test_an_answer_that_is_too_long_for_udp_is_asked_for_by_tcp() -> None:
    texts = [f'"{n:04} {"x" * 200}"' for n in range(100)]
    with DnsServer() as server:
        server.add("long.example", "TXT", *texts)
        found = asking(server.port).txt("long.example")

    assert len(found) == 100
    assert [by for by, _, _ in server.asked] == ["udp", "tcp"]


def test_aliases_are_followed() -> None:
    with DnsServer() as server:
        server.add("a.example", "CNAME", "b.example.")
        server.add("b.example", "CNAME", "c.example.")
        server.add("c.example", "TXT", "found")
        assert asking(server.port).txt("a.example") == ["found"]


def test_an_alias_that_leads_nowhere_is_nothing() -> None:
    with DnsServer() as server:
        server.add("a.example", "CNAME", "gone.example.")
        assert asking(server.port).txt("a.example") == []


def test_aliases_in_a_ring_are_unknown() -> None:
    with DnsServer() as server:
        server.add("a.example", "CNAME", "b.example.")
        server.add("b.example", "CNAME", "a.example.")
        with pytest.raises(DnsUnknown):
            asking(server.port, timeout_s=1.0).txt("a.example")


@pytest.mark.parametrize(
    "code", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.FORMERR, dns.rcode.NOTIMP]
)
def test_an_error_of_the_name_server_is_unknown(code: dns.rcode.Rcode) -> None:
    with DnsServer() as server:
        server.fail("a.example", code)
        with pytest.raises(DnsUnknown):
            asking(server.port, timeout_s=1.0).txt("a.example")


def test_silence_is_unknown_within_the_time() -> None:
    with DnsServer() as server:
        server.silence("a.example")
        begun = time.monotonic()
        for ask in ("txt", "addresses"):
            with pytest.raises(DnsUnknown, match="in time"):
                getattr(asking(server.port, timeout_s=0.4), ask)("a.example")
        assert time.monotonic() - begun < 4.0


def test_no_name_server_at_all_is_unknown() -> None:
    with pytest.raises(DnsUnknown):
        asking(free_port(), timeout_s=0.4).txt("a.example")


def test_the_next_name_server_is_asked_where_one_fails() -> None:
    with DnsServer() as broken, DnsServer() as sound:
        broken.fail("a.example")
        sound.add("a.example", "TXT", "x")
        assert asking(broken.port, sound.port).txt("a.example") == ["x"]


@pytest.mark.parametrize(
    "change",
    [
        lambda octets: bytes([octets[0] ^ 255]) + octets[1:],
        lambda octets: octets[:-3],
        lambda octets: octets[:5],
        lambda octets: b"\xff" * len(octets),
        lambda octets: octets.replace(b"\x01a\x07example", b"\x01b\x07example"),
    ],
    ids="other-id cut head noise other-question".split(),
)
def test_an_answer_that_is_none_is_unknown(change) -> None:
    with DnsServer() as server:
        server.add("a.example", "TXT", "x")
        server.garble("a.example", change)
        with pytest.raises(DnsUnknown):
            asking(server.port, timeout_s=0.6).txt("a.example")


def test_one_unknown_half_makes_the_addresses_unknown() -> None:
    with DnsServer() as server:
        server.add("a.example", "A", "192.0.2.1")
        client = asking(server.port)
        assert client.addresses("a.example") == [ip_address("192.0.2.1")]
        assert [kind for _, _, kind in server.asked] == ["A", "AAAA"]
