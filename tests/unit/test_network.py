"""T-SSRF-1: what may be connected to, however it is written."""

from ipaddress import ip_address, ip_network

import pytest

from domain.network import NetworkPolicy

PRODUCTION = NetworkPolicy()
DEVELOPMENT = NetworkPolicy(private=True)
NEVER = [
    "169.254.169.254", "::ffff:169.254.169.254", "100.100.100.200", "fd00:ec2::254",
    "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "0.0.0.0", "224.0.0.1", "::", "fe80::1", "ff02::1",
    "255.255.255.255", "::a9fe:a9fe", "240.0.0.1", "64:ff9b::e000:1",
]  # fmt: skip
PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "::1", "fd12::1",
    "::ffff:127.0.0.1", "2002:7f00:1::", "::7f00:1", "64:ff9b::7f00:1", "2002:c0a8:101::",
    "192.0.2.1", "2001:db8::1", "198.18.0.1",
]  # fmt: skip


@pytest.mark.parametrize("text", NEVER)
@pytest.mark.parametrize("policy", [PRODUCTION, DEVELOPMENT])
def test_t_ssrf_1_metadata_and_what_is_no_host_is_never_reached(text, policy):
    everything = NetworkPolicy(
        private=policy.private, allowed=(ip_network("0.0.0.0/0"), ip_network("::/0"))
    )

    assert not policy.allows(ip_address(text))
    assert not everything.allows(ip_address(text))


@pytest.mark.parametrize("text", PRIVATE)
def test_t_ssrf_2_private_ranges_are_reached_only_where_the_owner_allows_it(text):
    assert not PRODUCTION.allows(ip_address(text))
    assert DEVELOPMENT.allows(ip_address(text))


@pytest.mark.parametrize("text", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "2002:808:808::"])
def test_the_internet_is_reached(text):
    assert PRODUCTION.allows(ip_address(text))


def test_a_named_range_is_reached_in_production_and_its_neighbour_is_not():
    policy = NetworkPolicy(allowed=(ip_network("10.1.0.0/16"),))

    assert policy.allows(ip_address("10.1.2.3"))
    assert policy.allows(ip_address("::ffff:10.1.2.3"))
    assert not policy.allows(ip_address("10.2.2.3"))


def test_a_host_that_is_an_address_is_judged_and_a_name_waits_for_its_resolution():
    assert not PRODUCTION.allows_host("127.0.0.1")
    assert not PRODUCTION.allows_host("localhost")
    assert PRODUCTION.allows_host("smtp.example.com")
    assert DEVELOPMENT.allows_host("localhost")
    assert NetworkPolicy(allowed=(ip_network("127.0.0.0/8"),)).allows_host("localhost")


@pytest.mark.parametrize(("port", "answer"), [(25, True), (587, True), (22, False), (6379, False)])
def test_t_ssrf_3_only_the_ports_of_mail_are_reached(port, answer):
    assert PRODUCTION.allows_port("smtp.example.com", port) is answer
    assert DEVELOPMENT.allows_port("smtp.example.com", port) is answer


def test_in_development_any_port_of_this_machine_is_reached():
    assert DEVELOPMENT.allows_port("127.0.0.1", 40000)
    assert not PRODUCTION.allows_port("127.0.0.1", 40000)
