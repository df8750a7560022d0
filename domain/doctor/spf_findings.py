"""What the SPF record of a sending domain is judged by."""

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from itertools import islice
from typing import Final

from domain.account.network import Address, Network
from domain.doctor.finding import Finding, Status, listed, shown
from domain.doctor.relays import Relay
from domain.doctor.spf import EXPLORED, MOST_LOOKUPS, MOST_VOID, Spf, SpfResult, verdict

RFC: Final = "RFC 7208"
_MOST_SAMPLES: Final = 40
_ONE: Final = "exactly one TXT record that begins with v=spf1"


def judge_record(spf: Spf) -> Iterator[Finding]:
    """Of the record itself: that there is one, that it can be read, and what it costs."""
    yield _one_record(spf)
    if len(spf.records) != 1:
        return
    yield _syntax(spf)
    yield _lookups(spf)
    yield _all(spf)


def judge_cover(
    spf: Spf,
    addresses: Sequence[Address],
    *,
    host: str,
    relay: Relay | None,
    own: bool,
) -> Finding:
    """Whether mail from *addresses* passes; none of them: nobody knows from where *host* sends.

    *own*: the relay is the domain's own, so that it surely sends from where it takes mail.
    """
    expected = f"SPF of {spf.domain} passes for the addresses that {host} sends from"
    add = _what_to_add(host, relay)
    source = f"{RFC}, 4.6" if relay is None else relay.source

    def finding(status: Status, found: str, fix: str = "") -> Finding:
        return Finding(
            code="spf_covers_relay",
            status=status,
            found=found,
            expected=expected,
            fix=fix,
            source=source,
        )

    if not addresses and spf.known and not spf.usable:
        return finding(Status.FAIL, "SPF passes for no address", "Mend the record: see above.")
    if not addresses:
        return finding(
            Status.UNKNOWN,
            f"the public addresses that {host} sends from are not known here",
            f"Make sure that the record names them: {add}.",
        )
    results = {address: verdict(spf, address) for address in addresses}
    passed = [str(address) for address, result in results.items() if result is SpfResult.PASS]
    others = [
        f"{address} ({result})"
        for address, result in results.items()
        if result not in (SpfResult.PASS, SpfResult.UNKNOWN)
    ]
    if others:
        unusable = {SpfResult.PERMERROR, SpfResult.NONE} & set(results.values())
        sure = own or relay is not None or bool(unusable)
        fix = f"Add {add} to the record."
        if unusable:
            fix = "Mend the record first: see the lines above."
        elif not sure:
            fix += " It may send from other addresses than these: ask its operator."
        found = f"not covered: {listed(others, most=4)}"
        return finding(Status.FAIL if sure else Status.WARN, found, fix)
    if len(passed) < len(results):
        return finding(
            Status.UNKNOWN,
            f"the record of {spf.domain} cannot be evaluated for all addresses: it has macros, or"
            " the DNS did not answer",
            f"Make sure that the record names them: {add}.",
        )
    return finding(Status.OK, f"covered: {listed(passed, most=4)}")


def judge_rewritten(spf: Spf, relay: Relay) -> Finding:
    """For a relay that sends with a return path of its own."""
    return Finding(
        code="spf_covers_relay",
        status=Status.OK,
        found=f"{relay.name} sends with a return path of its own: SPF of {spf.domain} is not asked",
        expected=f"SPF passes for the return path of {relay.name}; for an aligned one, {spf.domain}"
        " or a name below it is set up as return path there",
        source=relay.source,
    )


def judge_house(spf: Spf, house: str) -> Finding:
    """For a domain of the provider itself, through a server of its own."""
    return Finding(
        code="spf_covers_relay",
        status=Status.OK,
        found=f"{house} answers for the DNS of {spf.domain} and for its servers",
        expected=f"SPF of {spf.domain} passes for the addresses that it sends from",
        source=f"{RFC}, 4.6",
    )


def samples(networks: Iterator[Network]) -> Sequence[Address]:
    """One address of each network, of the first of them: whoever covers these covers the rest."""
    return [
        ip_address(int(network.network_address) + (1 if network.num_addresses > 1 else 0))
        if network.version == 4
        else network.network_address
        for network in islice(networks, _MOST_SAMPLES)
    ]


def passes(cover: Finding) -> bool | None:
    """Whether SPF passes, as far as `judge_cover` knows."""
    return {Status.OK: True, Status.FAIL: False}.get(cover.status)


def _what_to_add(host: str, relay: Relay | None) -> str:
    if relay is not None:
        return f"include:{relay.spf}"
    each = "ip4: or ip6: with each of them"
    named = any(letter.isalpha() for letter in host) and ":" not in host
    return f"{each}, or a:{host} where that is the same machine" if named else each


def _one_record(spf: Spf) -> Finding:
    status, found, fix = Status.OK, "", ""
    if not spf.known:
        status, found = Status.UNKNOWN, f"the DNS did not answer for {spf.domain}"
        fix = "Try again later, and check the name servers of the domain."
    elif not spf.records:
        status, found = Status.FAIL, f"{spf.domain} has no SPF record"
        fix = f"Publish a TXT record at {spf.domain}, such as: v=spf1 include:RELAY -all"
    elif len(spf.records) > 1:
        status = Status.FAIL
        found = f"{len(spf.records)} records: {listed(spf.records, most=3)}"
        fix = "Merge them into one and remove the others: with two, SPF fails for all mail."
    else:
        found = shown(spf.records[0])
    return Finding(
        code="spf_one_record",
        status=status,
        found=found,
        expected=_ONE,
        fix=fix,
        source=f"{RFC}, 4.5",
    )


def _syntax(spf: Spf) -> Finding:
    wrong = [f"{one.domain}: {error}" for one in spf.within() for error in one.errors]
    missing = [
        f"{term.text}: {term.included.domain} has "
        + ("no SPF record" if not term.included.records else "more than one SPF record")
        for one in spf.within()
        for term in one.terms
        if term.included is not None and term.included.known and len(term.included.records) != 1
    ]
    missing += [
        f"redirect={one.redirect.domain}: it has no SPF record"
        for one in spf.within()
        if one.redirect is not None and one.redirect.known and not one.redirect.records
    ]
    unread = [one.domain for one in spf.within() if not one.known]
    status, found, fix = Status.OK, "it can be read, with all that it includes", ""
    if wrong or missing:
        status, found = Status.FAIL, listed([*wrong, *missing])
        fix = "Correct or remove these terms: because of one of them SPF fails for all mail."
    elif unread and spf.lookups <= EXPLORED:
        status, found = Status.UNKNOWN, f"the DNS did not answer for {listed(unread)}"
        fix = "Try again later, and check these names."
    return Finding(
        code="spf_syntax",
        status=status,
        found=found,
        expected="terms of SPF only, and records at all that is included",
        fix=fix,
        source=f"{RFC}, 4.6 and 5.2",
    )


def _lookups(spf: Spf) -> Finding:
    count, void = spf.lookups, spf.void
    about = f"more than {EXPLORED}" if count > EXPLORED else str(count)
    found = f"{about} look-ups, {void} of which find nothing"
    status, fix = Status.OK, ""
    if count > MOST_LOOKUPS:
        status = Status.FAIL
        fix = "Remove what is no longer used, or name addresses by ip4: and ip6: instead."
    elif void > MOST_VOID:
        status = Status.FAIL
        fix = f"Remove the names that do not exist: receivers give up after {MOST_VOID}."
    elif any(not one.known for one in spf.within()):
        status, found = Status.UNKNOWN, f"at least {found}: the DNS did not answer for all"
        fix = "Try again later."
    return Finding(
        code="spf_lookups",
        status=status,
        found=found,
        expected=f"at most {MOST_LOOKUPS} look-ups, at most {MOST_VOID} of which find nothing",
        fix=fix,
        source=f"{RFC}, 4.6.4",
    )


def _all(spf: Spf) -> Finding:
    last = spf.last_word
    found = f"other addresses: {last or 'nothing is said of them'}"
    status, fix = Status.OK, ""
    if last is SpfResult.PASS:
        status = Status.FAIL
        fix = "Replace +all by -all: as it is, everybody may send for the domain."
    elif last not in (SpfResult.FAIL, SpfResult.SOFTFAIL):
        status, fix = Status.WARN, "End the record with -all or ~all."
        if last is None and _is_unread(spf):
            status, found, fix = (
                Status.UNKNOWN,
                "the redirect could not be read",
                "Try again later.",
            )
    return Finding(
        code="spf_all",
        status=status,
        found=found,
        expected="-all or ~all at the end",
        fix=fix,
        source=f"{RFC}, 5.1",
    )


def _is_unread(spf: Spf) -> bool:
    """Whether what it redirects to is not known."""
    while spf.redirect is not None:
        spf = spf.redirect
    return not spf.known or spf.macro_redirect
