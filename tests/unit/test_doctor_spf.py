"""SPF records: read with all that they include, evaluated for an address, judged."""

import time
from ipaddress import ip_address

import pytest

from application.doctor import MOST_QUESTIONS, Inquiry
from domain.account.network import Address
from domain.doctor.finding import Finding, Status
from domain.doctor.relays import RELAYS, relay_of
from domain.doctor.spf import EXPLORED, Spf, SpfResult, explore, verdict
from domain.doctor.spf_findings import judge_cover, judge_record, samples
from tests.machine import is_within
from tests.played_names import DEAD, CountingDns, Zone, resolve
from tests.shipped_rules import PROVIDERS

HERE = "193.0.2.1"


def at(zone: Zone) -> Spf:
    return resolve(explore("example.com"), zone)


def result(zone: Zone, address: str = HERE) -> SpfResult:
    return verdict(at(zone), ip_address(address))


def by_code(zone: Zone) -> dict[str, Finding]:
    return {finding.code: finding for finding in judge_record(at(zone))}


def a_zone(record: str) -> Zone:
    return {"TXT example.com": [record]}


# --- one record


def test_two_records_fail() -> None:
    finding = by_code({"TXT example.com": ["v=spf1 -all", "v=spf1 ip4:193.0.2.1 -all"]})
    assert list(finding) == ["spf_one_record"]
    assert finding["spf_one_record"].status is Status.FAIL
    assert "2 records" in finding["spf_one_record"].found


@pytest.mark.parametrize("records", [[], ["google-site-verification=x"], ["v=spf10 -all"]])
def test_no_record_fails(records: list[str]) -> None:
    assert by_code({"TXT example.com": records})["spf_one_record"].status is Status.FAIL


def test_a_dns_that_does_not_answer_is_unknown_and_never_a_failure() -> None:
    assert by_code({"TXT example.com": DEAD})["spf_one_record"].status is Status.UNKNOWN


@pytest.mark.parametrize("record", ["v=spf1 -all", "V=SPF1 -ALL", "v=spf1", "v=spf1  -all "])
def test_the_version_is_read_in_any_case(record: str) -> None:
    found = by_code({"TXT example.com": ["other", record]})
    assert found["spf_one_record"].status is Status.OK
    assert found["spf_syntax"].status is Status.OK


# --- what an address comes to (RFC 7208, 4.6 and 5)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("v=spf1 ip4:193.0.2.1 -all", "pass"),
        ("v=spf1 ip4:193.0.2.0/24 -all", "pass"),
        ("v=spf1 ip4:193.0.2.128/25 -all", "fail"),
        ("v=spf1 ~all", "softfail"),
        ("v=spf1 ?all", "neutral"),
        ("v=spf1", "neutral"),
        ("v=spf1 all", "pass"),
        ("v=spf1 -ip4:193.0.2.1 +all", "fail"),
        ("v=spf1 ip6:2001:67c::/32 -all", "fail"),
        ("v=spf1 a:mail.example.com -all", "pass"),
        ("v=spf1 a:mail.example.com/24 -all", "pass"),
        ("v=spf1 A:MAIL.EXAMPLE.COM -all", "pass"),
        ("v=spf1 a -all", "fail"),
        ("v=spf1 mx -all", "pass"),
        ("v=spf1 mx:example.com//64 -all", "pass"),
        ("v=spf1 exists:mail.example.com -all", "pass"),
        ("v=spf1 exists:none.example.com -all", "fail"),
        ("v=spf1 include:ok.example.net -all", "pass"),
        ("v=spf1 include:no.example.net ~all", "softfail"),
        ("v=spf1 -include:ok.example.net ~all", "fail"),
        ("v=spf1 redirect=ok.example.net", "pass"),
        ("v=spf1 redirect=no.example.net", "fail"),
        ("v=spf1 redirect=ok.example.net -all", "fail"),
        ("v=spf1 unknown=x exp=why.example.com ip4:193.0.2.1 -all", "pass"),
        ("v=spf1 include:none.example.net ip4:193.0.2.1 -all", "permerror"),
        ("v=spf1 redirect=none.example.net", "permerror"),
        ("v=spf1 include:two.example.net -all", "permerror"),
        ("v=spf1 include:example.com -all", "permerror"),
        ("v=spf1 ip4:193.0.2.1 include:example.com -all", "pass"),
        ("v=spf1 ipv4:193.0.2.1 -all", "permerror"),
        ("v=spf1 ip4:193.0.2 -all", "permerror"),
        ("v=spf1 ip4:193.0.2.1/33 -all", "permerror"),
        ("v=spf1 ip4:2001:67c::1 -all", "permerror"),
        ("v=spf1 ip4:3238002177 -all", "permerror"),
        ("v=spf1 a:mail.example.com/33 -all", "permerror"),
        ("v=spf1 include -all", "permerror"),
        ("v=spf1 include:ok.example.net/24 -all", "permerror"),
        ("v=spf1 all:example.com", "permerror"),
        ("v=spf1 redirect=ok.example.net redirect=ok.example.net", "permerror"),
        ("v=spf1 nonsense -all", "permerror"),
        # macros, ptr and a DNS that does not answer: unknown only where they decide
        ("v=spf1 exists:%{i}.example.com -all", "unknown"),
        ("v=spf1 exists:%{i}.example.com ip4:193.0.2.1 -all", "pass"),
        ("v=spf1 -exists:%{i}.example.com ip4:193.0.2.1 -all", "unknown"),
        ("v=spf1 redirect=%{d}.example.net", "unknown"),
        ("v=spf1 ptr -all", "unknown"),
        ("v=spf1 include:dead.example.net -all", "unknown"),
        ("v=spf1 include:dead.example.net +all", "pass"),
        ("v=spf1 a:dead.example.com ip4:193.0.2.1 -all", "pass"),
        ("v=spf1 a:dead.example.com -all", "unknown"),
        ("v=spf1 include:macro.example.net -all", "unknown"),
    ],
)
def test_an_address_comes_to_what_a_receiver_would_say(record: str, expected: str) -> None:
    zone: Zone = {
        "TXT example.com": [record],
        "A mail.example.com": [HERE, "2001:67c::1"],
        "MX example.com": ["mail.example.com"],
        "TXT ok.example.net": ["v=spf1 ip4:193.0.2.1 -all"],
        "TXT no.example.net": ["v=spf1 ip4:198.41.0.4 -all"],
        "TXT two.example.net": ["v=spf1 +all", "v=spf1 -all"],
        "TXT macro.example.net": ["v=spf1 exists:%{l}.example.net -all"],
        "TXT dead.example.net": DEAD,
        "A dead.example.com": DEAD,
    }
    assert result(zone) == SpfResult(expected)


def test_each_family_has_a_prefix_of_its_own() -> None:
    zone: Zone = {
        "TXT example.com": ["v=spf1 a:mail.example.com/24//64 -all"],
        "A mail.example.com": [HERE, "2001:67c::1"],
    }
    assert result(zone, "193.0.2.200") is SpfResult.PASS
    assert result(zone, "193.0.3.1") is SpfResult.FAIL
    assert result(zone, "2001:67c::ffff") is SpfResult.PASS
    assert result(zone, "2001:67c:0:1::1") is SpfResult.FAIL


def test_an_ipv6_address_is_matched_by_ipv6_networks_only() -> None:
    zone: Zone = {
        "TXT example.com": ["v=spf1 ip4:0.0.0.0/0 a:mail.example.com//32 -all"],
        "A mail.example.com": [HERE, "2001:67c::1"],
    }
    assert result(zone, "2001:67c:1::1") is SpfResult.PASS
    assert result(zone, "2001:67d::1") is SpfResult.FAIL


# --- look-ups (RFC 7208, 4.6.4)


def includes(number: int, *, first: str = "") -> dict[str, list[str]]:
    names = [f"n{n}.example.net" for n in range(number)]
    terms = " ".join(f"include:{name}" for name in names)
    return {
        "TXT example.com": [f"v=spf1 {first} {terms} -all"],
        **{f"TXT {name}": ["v=spf1 ip4:198.41.0.4 -all"] for name in names},
    }


@pytest.mark.parametrize(("number", "status"), [(10, Status.OK), (11, Status.FAIL)])
def test_ten_lookups_are_the_most(number: int, status: Status) -> None:
    finding = by_code(includes(number))["spf_lookups"]
    assert finding.status is status
    assert finding.found.startswith(f"{number} look-ups")


def test_lookups_of_includes_count_too_and_so_does_a_redirect() -> None:
    zone: Zone = {
        "TXT example.com": ["v=spf1 a mx include:a.example.net redirect=b.example.net"],
        "TXT a.example.net": ["v=spf1 include:c.example.net exists:%{i}.x.example ptr -all"],
        "TXT b.example.net": ["v=spf1 ip4:193.0.2.1 -all"],
        "TXT c.example.net": ["v=spf1 a:mail.example.com -all"],
    }
    assert at(zone).lookups == 8


def test_a_redirect_beside_all_is_not_followed() -> None:
    spf = at(a_zone("v=spf1 redirect=none.example.net -all"))
    assert (spf.lookups, spf.redirect, verdict(spf, ip_address(HERE))) == (0, None, SpfResult.FAIL)


def test_a_receiver_that_has_made_ten_lookups_gives_up_but_not_before() -> None:
    late = includes(10, first="mx")
    late["TXT example.com"][0] = late["TXT example.com"][0].replace("-all", "ip4:193.0.2.1 -all")
    assert result(late) is SpfResult.PERMERROR
    assert result(includes(30, first="ip4:193.0.2.1")) is SpfResult.PASS


def test_three_lookups_that_find_nothing_fail() -> None:
    zone = a_zone("v=spf1 a:a.example.com a:b.example.com a:c.example.com ip4:193.0.2.1 -all")
    finding = by_code(zone)["spf_lookups"]
    assert (finding.status, finding.found) == (
        Status.FAIL,
        "3 look-ups, 3 of which find nothing",
    )
    assert result(zone) is SpfResult.PERMERROR


def test_more_than_ten_hosts_of_one_mx_are_too_many() -> None:
    zone: Zone = {
        "TXT example.com": ["v=spf1 mx -all"],
        "MX example.com": [f"m{n}.example.com" for n in range(11)],
    }
    assert result(zone) is SpfResult.PERMERROR


# --- the end of the record


@pytest.mark.parametrize(
    ("record", "status"),
    [
        ("v=spf1 -all", Status.OK),
        ("v=spf1 ~all", Status.OK),
        ("v=spf1 ?all", Status.WARN),
        ("v=spf1 ip4:193.0.2.1", Status.WARN),
        ("v=spf1 +all", Status.FAIL),
        ("v=spf1 all", Status.FAIL),
        ("v=spf1 redirect=all.example.net", Status.FAIL),
        ("v=spf1 redirect=dead.example.net", Status.UNKNOWN),
    ],
)
def test_what_is_said_of_all_others(record: str, status: Status) -> None:
    zone: Zone = {
        "TXT example.com": [record],
        "TXT all.example.net": ["v=spf1 +all"],
        "TXT dead.example.net": DEAD,
    }
    assert by_code(zone)["spf_all"].status is status


@pytest.mark.parametrize(
    ("record", "status", "word"),
    [
        ("v=spf1 ipv4:193.0.2.1 -all", Status.FAIL, "ipv4:193.0.2.1"),
        ("v=spf1 include:none.example.net -all", Status.FAIL, "none.example.net"),
        ("v=spf1 redirect=none.example.net", Status.FAIL, "none.example.net"),
        ("v=spf1 include:example.com -all", Status.FAIL, "includes itself"),
        ("v=spf1 include:dead.example.net -all", Status.UNKNOWN, "dead.example.net"),
        ("v=spf1 a:dead.example.com -all", Status.OK, ""),
    ],
)
def test_terms_that_no_receiver_can_use_are_named(record: str, status: Status, word: str) -> None:
    zone: Zone = {
        "TXT example.com": [record],
        "TXT dead.example.net": DEAD,
        "A dead.example.com": DEAD,
    }
    finding = by_code(zone)["spf_syntax"]
    assert finding.status is status
    assert word in finding.found


# --- the relay's addresses


def cover(
    record: str, *addresses: str, host: str = "mail.example.com", own: bool = False
) -> Finding:
    zone = a_zone(record)
    found: list[Address] = [ip_address(text) for text in addresses]
    return judge_cover(at(zone), found, host=host, relay=relay_of(host, PROVIDERS), own=own)


def test_a_relay_that_is_named_is_covered() -> None:
    assert cover("v=spf1 ip4:193.0.2.0/24 -all", HERE).status is Status.OK


def test_an_own_relay_that_is_not_named_fails_and_its_address_is_told() -> None:
    finding = cover("v=spf1 ip4:198.41.0.4 -all", HERE, own=True)
    assert finding.status is Status.FAIL
    assert HERE in finding.found


def test_one_address_of_two_that_is_not_named_is_told() -> None:
    finding = cover("v=spf1 ip4:193.0.2.1 -all", HERE, "2001:67c::1", own=True)
    assert finding.status is Status.FAIL
    assert "2001:67c::1" in finding.found
    assert HERE not in finding.found


def test_graph_sends_from_the_addresses_of_exchange_online() -> None:
    exchange = relay_of("smtp.office365.com", PROVIDERS)
    graph = relay_of("graph.microsoft.com", PROVIDERS)
    assert graph is not None
    assert graph == exchange


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("smtp.gmail.com", "Google"),
        ("smtp-relay.gmail.com", "Google"),
        ("smtp-mail.outlook.com", "Microsoft 365"),
        ("example-com.mail.protection.outlook.com", "Microsoft 365"),
        ("email-smtp.eu-west-1.amazonaws.com", "Amazon SES"),
        ("smtp.eu.sendgrid.net", "SendGrid"),
        ("smtp.postmarkapp.com", "Postmark"),
        ("SMTP.Fastmail.com.", "Fastmail"),
    ],
)
def test_a_server_of_a_relay_is_known(host: str, name: str) -> None:
    relay = relay_of(host, PROVIDERS)
    assert relay is not None
    assert relay.name == name


def test_relays_name_rows_of_the_catalogue_and_repeat_none_of_their_servers() -> None:
    for relay in RELAYS:
        rows = [PROVIDERS.get(one) for one in relay.providers]
        assert rows
        assert not [host for host in relay.more_hosts if any(row.serves(host) for row in rows)]


def test_a_relay_of_somebody_else_may_send_from_other_addresses() -> None:
    assert cover("v=spf1 -all", HERE, host="smtp.relay.example").status is Status.WARN


def test_a_record_that_no_receiver_can_use_fails_whoever_the_relay_is() -> None:
    found = [ip_address(HERE)]
    for records in (["v=spf1 ipv4:193.0.2.1 -all"], ["v=spf1 +all", "v=spf1 -all"], []):
        spf = at({"TXT example.com": records})
        finding = judge_cover(spf, found, host="smtp.relay.example", relay=None, own=False)
        assert finding.status is Status.FAIL


def test_macros_are_told_as_unknown() -> None:
    finding = cover("v=spf1 exists:%{i}._spf.example.com -all", HERE, own=True)
    assert finding.status is Status.UNKNOWN
    assert "macros" in finding.found


def test_addresses_that_nobody_knows_are_unknown_unless_none_can_pass() -> None:
    assert cover("v=spf1 -all").status is Status.UNKNOWN
    for records, status in (
        (["v=spf1 +all", "v=spf1 -all"], Status.FAIL),
        ([], Status.FAIL),
        (DEAD, Status.UNKNOWN),
    ):
        spf = at({"TXT example.com": records})
        found = judge_cover(spf, (), host="127.0.0.1", relay=None, own=True)
        assert found.status is status
        assert "a:127.0.0.1" not in found.fix


def test_a_provider_is_judged_by_all_networks_that_its_own_record_names() -> None:
    zone: Zone = {
        "TXT _spf.google.com": ["v=spf1 include:_netblocks.google.com ~all"],
        "TXT _netblocks.google.com": ["v=spf1 ip4:35.190.247.0/24 ip6:2001:4860:4000::/36 ~all"],
    }
    theirs = samples(resolve(explore("_spf.google.com"), zone).networks)
    assert [str(one) for one in theirs] == ["35.190.247.1", "2001:4860:4000::"]
    included: Zone = {**zone, "TXT example.com": ["v=spf1 include:_spf.google.com -all"]}
    copied = a_zone("v=spf1 ip4:35.190.247.0/24 ip6:2001:4860:4000::/36 -all")
    half = a_zone("v=spf1 ip4:35.190.247.0/24 -all")
    host = "smtp.gmail.com"
    statuses = [
        judge_cover(at(each), theirs, host=host, relay=relay_of(host, PROVIDERS), own=False).status
        for each in (included, copied, half)
    ]
    assert statuses == [Status.OK, Status.OK, Status.FAIL]


# --- hostile zones end in bounded look-ups and time


class Endless(CountingDns):
    """Each name includes two more, without end."""

    def txt(self, name: str) -> list[str]:
        self.asked.append(name)
        return [f"v=spf1 include:a.{name} include:b.{name} include:{name} -all"]


def bounded(zone: Zone | None = None, dns: CountingDns | None = None) -> tuple[Spf, int]:
    dns = dns or CountingDns(zone or {})
    begun = time.thread_time()
    spf = Inquiry(dns, lambda: 0.0).run(explore("example.com"))
    list(judge_record(spf))
    verdict(spf, ip_address(HERE))
    assert is_within(time.thread_time() - begun, 1.0)
    assert len(dns.asked) <= MOST_QUESTIONS
    return spf, len(dns.asked)


def test_includes_without_end_are_given_up() -> None:
    spf, asked = bounded(dns=Endless({}))
    assert asked <= EXPLORED + 1
    assert verdict(spf, ip_address(HERE)) is SpfResult.PERMERROR


def test_a_thousand_includes_are_not_asked_for() -> None:
    _, asked = bounded(includes(1000))
    assert asked <= EXPLORED + 1


def test_a_thousand_mx_hosts_are_not_asked_for() -> None:
    terms = " ".join(f"mx:m{n}.example.com" for n in range(1000))
    zone: Zone = {
        "TXT example.com": [f"v=spf1 {terms} -all"],
        **{
            f"MX m{n}.example.com": [f"h{m}.m{n}.example.com" for m in range(10)] for n in range(99)
        },
    }
    bounded(zone)


def test_a_record_of_64_kb_is_read_in_no_time() -> None:
    for filler in ("a" * 65_000, "a:" * 32_000, "ip4:1.2.3.4 " * 5_400, "=" * 65_000, " " * 65_000):
        bounded({"TXT example.com": [f"v=spf1 {filler} -all"]})


def test_names_of_300_octets_are_never_asked_for() -> None:
    long = ".".join(["a" * 60] * 5)
    zone: Zone = {"TXT example.com": [f"v=spf1 include:{long} a:{long} redirect={long}"]}
    dns = CountingDns(zone)
    spf, asked = bounded(dns=dns)
    assert asked == 1
    assert len(spf.errors) == 3
