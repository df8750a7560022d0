"""T-SSRF-1: what may be connected to, however it is written."""

from ipaddress import ip_address, ip_network

import pytest

from domain.account.network import NetworkPolicy

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
def test_t_ssrf_1_metadata_services_and_invalid_hosts_are_never_reached(text, policy):
    everything = NetworkPolicy(
        private=policy.private, allowed=(ip_network("0.0.0.0/0"), ip_network("::/0"))
    )

    assert not policy.allows(ip_address(text))
    assert not everything.allows(ip_address(text))


@pytest.mark.parametrize("text", PRIVATE)
def test_t_ssrf_2_private_ranges_are_reached_only_where_the_owner_allows_it(text):
    assert not PRODUCTION.allows(ip_address(text))
    assert DEVELOPMENT.allows(ip_address(text))


# Every entry of the IANA special-purpose registries, by an address inside of it. The two that stand
# for any IPv4 address (64:ff9b::/96 and 2002::/16) are judged by the one that they carry.
REGISTRY_NEVER = {
    "0.0.0.0/8": "0.1.2.3",
    "0.0.0.0/32": "0.0.0.0",
    "169.254.0.0/16": "169.254.1.1",
    "192.0.0.0/24": "192.0.0.200",
    "192.0.0.0/29": "192.0.0.1",
    "192.0.0.8/32": "192.0.0.8",
    "192.0.0.9/32": "192.0.0.9",
    "192.0.0.10/32": "192.0.0.10",
    "192.0.0.170/32": "192.0.0.170",
    "192.0.0.171/32": "192.0.0.171",
    "192.31.196.0/24": "192.31.196.1",
    "192.52.193.0/24": "192.52.193.1",
    "192.88.99.0/24": "192.88.99.1",
    "192.175.48.0/24": "192.175.48.1",
    "240.0.0.0/4": "241.0.0.1",
    "255.255.255.255/32": "255.255.255.255",
    "::/128": "::",
    "64:ff9b:1::/48": "64:ff9b:1::808:808",
    "::ffff:0:0:0/96": "::ffff:0:808:808",
    "100::/64": "100::1",
    "100:0:0:1::/64": "100:0:0:1::1",
    "2001::/23": "2001:1ff::1",
    "2001::/32": "2001:0:808:808::f7f7:f7f7",
    "2001:1::1/128": "2001:1::1",
    "2001:1::2/128": "2001:1::2",
    "2001:1::3/128": "2001:1::3",
    "2001:2::/48": "2001:2::1",
    "2001:3::/32": "2001:3::1",
    "2001:4:112::/48": "2001:4:112::1",
    "2001:10::/28": "2001:10::1",
    "2001:20::/28": "2001:20::1",
    "2001:30::/28": "2001:30::1",
    "2620:4f:8000::/48": "2620:4f:8000::1",
    "3fff::/20": "3fff:fff::1",
    "5f00::/16": "5f00::1",
    "fe80::/10": "febf::1",
}
REGISTRY_PRIVATE = {
    "10.0.0.0/8": "10.255.255.255",
    "100.64.0.0/10": "100.127.255.255",
    "127.0.0.0/8": "127.255.255.254",
    "172.16.0.0/12": "172.31.255.255",
    "192.0.2.0/24": "192.0.2.255",
    "192.168.0.0/16": "192.168.255.255",
    "198.18.0.0/15": "198.19.255.255",
    "198.51.100.0/24": "198.51.100.1",
    "203.0.113.0/24": "203.0.113.1",
    "::1/128": "::1",
    "2001:db8::/32": "2001:db8:ffff::1",
    "fc00::/7": "fd00::1",
}
NO_GLOBAL_UNICAST = ["200::1", "400::1", "1fff::1", "4000::1", "6000::1", "9000::1", "e000::1"]
JUST_OUTSIDE = [
    "1.0.0.1", "169.253.255.255", "169.255.0.1", "192.0.1.1", "192.31.197.1", "192.88.98.1",
    "223.255.255.254", "100.63.255.255", "100.128.0.1", "198.17.255.255", "198.20.0.1",
    "64:ff9b::808:808", "2001:200::1", "2001:db7::1", "2001:db9::1", "2620:4f:8001::1",
    "3fff:1000::1", "3ffe::1", "2606:4700::1111",
]  # fmt: skip


def carrying(inside: str) -> list[str]:
    """Every address that we know to stand for, or lead to, the IPv4 address *inside*."""
    number = int(ip_address(inside))
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    turned = number ^ 0xFFFFFFFF
    return [
        f"::ffff:{inside}",
        f"::{high}:{low}",
        f"::ffff:0:{high}:{low}",
        f"64:ff9b::{high}:{low}",
        f"64:ff9b:1::{high}:{low}",
        f"64:ff9b:1:{high}:{low}::",
        f"2002:{high}:{low}::1",
        f"2001:0:{high}:{low}::f7f7:f7f7",
        f"2001:0:808:808::{turned >> 16:x}:{turned & 0xFFFF:x}",
        f"2606:4700::5efe:{high}:{low}",
        f"2606:4700::200:5efe:{high}:{low}",
    ]


@pytest.mark.parametrize("text", REGISTRY_NEVER.values(), ids=REGISTRY_NEVER)
def test_t_ssrf_1_no_mail_server_is_at_an_address_with_a_special_purpose(text):
    everything = NetworkPolicy(
        private=True, allowed=(ip_network("0.0.0.0/0"), ip_network("::/0"), ip_network(text))
    )

    assert not PRODUCTION.allows(ip_address(text))
    assert not everything.allows(ip_address(text))


@pytest.mark.parametrize("text", REGISTRY_PRIVATE.values(), ids=REGISTRY_PRIVATE)
def test_t_ssrf_2_the_private_ranges_of_the_registries_need_the_owners_permission(text):
    assert not PRODUCTION.allows(ip_address(text))
    assert DEVELOPMENT.allows(ip_address(text))
    assert NetworkPolicy(allowed=(ip_network(text),)).allows(ip_address(text))


@pytest.mark.parametrize("entry", [*REGISTRY_NEVER, *REGISTRY_PRIVATE])
def test_the_whole_of_a_registered_range_is_refused(entry):
    network = ip_network(entry)

    assert not PRODUCTION.allows(network[0])
    assert not PRODUCTION.allows(network[-1])


@pytest.mark.parametrize("text", NO_GLOBAL_UNICAST)
def test_an_address_that_is_not_global_unicast_needs_the_owners_permission(text):
    assert not PRODUCTION.allows(ip_address(text))
    assert NetworkPolicy(allowed=(ip_network(text),)).allows(ip_address(text))


@pytest.mark.parametrize("text", ["169.254.169.254", "127.0.0.1", "10.1.2.3", "0.0.0.0"])
def test_t_ssrf_1_an_ipv4_address_is_recognised_in_every_form_that_carries_it(text):
    allowed = [form for form in carrying(text) if PRODUCTION.allows(ip_address(form))]

    assert allowed == []


@pytest.mark.parametrize("text", ["168.63.129.16", "fd20:ce::254", "192.0.0.192"])
def test_t_ssrf_1_the_metadata_servers_of_other_clouds_are_never_reached(text):
    assert not NetworkPolicy(private=True, allowed=(ip_network("::/0"),)).allows(ip_address(text))


@pytest.mark.parametrize("text", JUST_OUTSIDE)
def test_the_neighbours_of_a_special_range_are_reached(text):
    assert PRODUCTION.allows(ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        *("8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "2002:808:808::", "64:ff9b::808:808"),
        *("2606:4700::5efe:808:808", "2a00:1450:4001:82a::200e"),
    ],
)
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
