"""What every Dns must do. Subclass `DnsContract` and say how its records are told.

class TestMyDns(DnsContract):
    @contextmanager
    def knowing(self, *records, broken=()): ...
"""

from contextlib import AbstractContextManager
from ipaddress import ip_address

import pytest

from application.ports.dns import MOST_RECORDS, Dns, DnsUnknown, MxRecord, SrvRecord

Record = tuple[str, str, str]  # name, kind, data in the notation of a zone file
NO_NAMES = (
    "", ".", "..", ".example.org", "example..org", "a b.example", "a" * 64 + ".example", "ü.org",
    "example.org\n", "exam\\046ple.org", "example.org/", "*.example.org", "-a.example", "a." * 130,
    'a".example', "a@b.example", "example.org..",
)  # fmt: skip


class DnsContract:
    """The contract of `application.ports.dns.Dns`."""

    def knowing(
        self, *records: Record, broken: tuple[str, ...] = ()
    ) -> AbstractContextManager[Dns]:
        """The DNS has *records*, and no answer for the names that are *broken*."""
        raise NotImplementedError

    def test_the_strings_of_a_text_are_joined(self) -> None:
        record = ("example.org", "TXT", '"v=spf1 include:" "a.example -all"')
        with self.knowing(record, ("example.org", "TXT", '"other \\228"')) as dns:
            assert sorted(dns.txt("example.org")) == [
                "other \xe4",
                "v=spf1 include:a.example -all",
            ]

    def test_the_preferred_exchanger_comes_first(self) -> None:
        with self.knowing(
            ("example.org", "MX", "20 b.example."),
            ("example.org", "MX", "5 C.Example."),
            ("example.org", "MX", "20 a.example."),
        ) as dns:
            assert dns.mx("example.org") == [
                MxRecord(5, "c.example"),
                MxRecord(20, "a.example"),
                MxRecord(20, "b.example"),
            ]

    def test_a_null_exchanger_has_no_name(self) -> None:
        with self.knowing(("example.org", "MX", "0 .")) as dns:
            assert dns.mx("example.org") == [MxRecord(0, "")]

    def test_services_come_by_priority_and_weight(self) -> None:
        name = "_submissions._tcp.example.org"
        with self.knowing(
            (name, "SRV", "2 9 465 c.example."),
            (name, "SRV", "1 1 465 b.example."),
            (name, "SRV", "1 5 466 a.example."),
        ) as dns:
            assert dns.srv(name) == [
                SrvRecord(priority=1, weight=5, port=466, host="a.example"),
                SrvRecord(priority=1, weight=1, port=465, host="b.example"),
                SrvRecord(priority=2, weight=9, port=465, host="c.example"),
            ]

    def test_a_service_that_is_not_offered_has_no_host(self) -> None:
        with self.knowing(("_submission._tcp.example.org", "SRV", "0 0 0 .")) as dns:
            (record,) = dns.srv("_submission._tcp.example.org")
            assert (record.host, record.port) == ("", 0)

    def test_ipv4_comes_first(self) -> None:
        with self.knowing(
            ("example.org", "AAAA", "2001:db8::1"), ("example.org", "A", "192.0.2.1")
        ) as dns:
            assert dns.addresses("example.org") == [
                ip_address("192.0.2.1"),
                ip_address("2001:db8::1"),
            ]

    @pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
    def test_an_address_has_names(self, address: str) -> None:
        records = [(address, "PTR", "b.example."), (address, "PTR", "A.example.")]
        with self.knowing(*records) as dns:
            assert dns.ptr(ip_address(address)) == ["a.example", "b.example"]
            assert dns.ptr(ip_address("192.0.2.9")) == []

    @pytest.mark.parametrize("name", ["EXAMPLE.org", "example.org.", "Example.ORG."])
    def test_a_name_is_the_same_in_every_spelling(self, name: str) -> None:
        with self.knowing(("example.org", "TXT", "x")) as dns:
            assert dns.txt(name) == ["x"]

    @pytest.mark.parametrize("name", ["absent.example", "example.org"])
    def test_what_is_not_there_is_nothing(self, name: str) -> None:
        with self.knowing(("example.org", "SOA", ". . 1 1 1 1 1")) as dns:
            found = [dns.txt(name), dns.mx(name), dns.srv(name), dns.addresses(name)]
            assert found == [[], [], [], []]

    @pytest.mark.parametrize("name", NO_NAMES)
    def test_what_is_no_dns_name_is_nothing(self, name: str) -> None:
        with self.knowing(("example.org", "TXT", "x")) as dns:
            found = [dns.txt(name), dns.mx(name), dns.srv(name), dns.addresses(name)]
            assert found == [[], [], [], []]

    def test_no_answer_is_unknown(self) -> None:
        with self.knowing(broken=("example.org", "192.0.2.1")) as dns:
            for ask in (dns.txt, dns.mx, dns.srv, dns.addresses):
                with pytest.raises(DnsUnknown):
                    ask("example.org")
            with pytest.raises(DnsUnknown):
                dns.ptr(ip_address("192.0.2.1"))

    def test_more_records_than_anybody_has_are_unknown(self) -> None:
        records = [("example.org", "MX", f"{n} a.example.") for n in range(MOST_RECORDS)]
        with self.knowing(*records) as dns:
            assert len(dns.mx("example.org")) == MOST_RECORDS
        one_more = self.knowing(*records, ("example.org", "MX", "999 a.example."))
        with one_more as dns, pytest.raises(DnsUnknown):
            dns.mx("example.org")
