"""Whether a sending domain takes mail (MX), and what its own relay is called (PTR)."""

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from domain.doctor.finding import Finding, Status, listed
from domain.doctor.questions import Answer, Lookups, RecordKind, ask

_MOST_HOSTS: Final = 5
_MOST_NAMES: Final = 5


@attrs.frozen(kw_only=True)
class Exchangers:
    """The MX records of a domain, with the addresses of the first hosts, and its own addresses."""

    domain: str
    mx: Answer
    hosts: Mapping[str, Answer]
    own: Answer


def exchangers(domain: str) -> Lookups[Exchangers]:
    """Who takes mail for *domain*."""
    mx = yield from ask(RecordKind.MX, domain)
    hosts = {}
    for host in [host for host in mx.records if host][:_MOST_HOSTS]:
        hosts[host] = yield from ask(RecordKind.ADDRESSES, host)
    own = Answer() if mx.records else (yield from ask(RecordKind.ADDRESSES, domain))
    return Exchangers(domain=domain, mx=mx, hosts=hosts, own=own)


def judge_mx(found: Exchangers) -> Finding:
    """Of the domain that bounces and answers come to."""
    status, told, fix = _mx(found)
    return Finding(
        code="mx",
        status=status,
        found=told,
        expected=f"MX records of {found.domain}, whose hosts have addresses",
        fix=fix,
        source="RFC 5321, 5.1; RFC 7505",
    )


def _mx(found: Exchangers) -> tuple[Status, str, str]:
    domain, hosts = found.domain, found.mx.records
    later = "Try again later, and check the name servers of the domain."
    publish = f"Publish an MX record at {domain}: bounces and answers come there."
    if not found.mx.known:
        return Status.UNKNOWN, f"the DNS did not answer for {domain}", later
    if not any(hosts):
        if hosts:
            told = f"{domain} takes no mail at all (a null MX): many servers refuse mail from it"
            return Status.FAIL, told, f"Send from another domain. Or: {publish}"
        if not found.own.known:
            return Status.UNKNOWN, f"no MX, and the DNS did not answer for {domain}", later
        if not found.own.records:
            return Status.FAIL, f"{domain} has neither an MX record nor an address", publish
        told = f"no MX record: mail goes to the address of {domain} itself"
        return Status.WARN, told, publish
    lost = [host for host, answer in found.hosts.items() if answer.known and not answer.records]
    if len(lost) == len(found.hosts):
        return Status.FAIL, f"these hosts have no address: {listed(lost)}", "Correct the records."
    if lost:
        return Status.WARN, f"these hosts have no address: {listed(lost)}", "Correct the records."
    if not any(answer.known for answer in found.hosts.values()):
        return Status.UNKNOWN, f"the DNS did not answer for {listed(found.hosts)}", later
    return Status.OK, listed(host for host in hosts if host), ""


@attrs.frozen(kw_only=True)
class Reverse:
    """The names of an address, and the addresses of these names."""

    address: str
    names: Answer
    forward: Mapping[str, Answer]


def reverse(addresses: Sequence[str]) -> Lookups[Sequence[Reverse]]:
    """What the addresses are called, and whether those names lead back."""
    found = []
    for address in addresses:
        names = yield from ask(RecordKind.PTR, address)
        forward = {}
        for name in names.records[:_MOST_NAMES]:
            forward[name] = yield from ask(RecordKind.ADDRESSES, name)
        found.append(Reverse(address=address, names=names, forward=forward))
    return found


def judge_ptr(found: Sequence[Reverse]) -> Finding:
    """Of the addresses that a relay of one's own sends from."""
    wrong, unknown, right = [], [], []
    for one in found:
        back = [name for name, answer in one.forward.items() if one.address in answer.records]
        answers = [one.names, *one.forward.values()]
        if back:
            right.append(f"{one.address} is {back[0]}")
        elif not all(answer.known for answer in answers):
            unknown.append(one.address)
        elif one.names.records:
            wrong.append(f"{one.address} is {one.names.records[0]}, which does not lead back")
        else:
            wrong.append(f"{one.address} has no name")
    status, told, fix = Status.OK, listed(right), ""
    if wrong:
        status, told = Status.FAIL, listed(wrong)
        fix = "Have whoever gave you the address publish a PTR record, and its name an address."
    elif unknown:
        status, told = Status.UNKNOWN, f"the DNS did not answer for {listed(unknown)}"
        fix = "Try again later."
    return Finding(
        code="ptr",
        status=status,
        found=told,
        expected="each address has a name that leads back to it",
        fix=fix,
        source="https://support.google.com/a/answer/81126; RFC 1912, 2.1",
    )
