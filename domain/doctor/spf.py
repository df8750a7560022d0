"""SPF (RFC 7208): the record of a domain with all that it includes, evaluated for an address.

`explore` asks for everything that a receiver could ask for, `verdict` evaluates it for one address
as a receiver would. Macros are not expanded: what they decide is unknown.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

import attrs

from domain.account.network import Address, Network
from domain.doctor.questions import Lookups, RecordKind, ask, is_name

MOST_LOOKUPS: Final = 10  # RFC 7208, 4.6.4; so is the next one
MOST_VOID: Final = 2
EXPLORED: Final = 25  # terms that are asked about; more are only counted
MOST_TERMS: Final = 300
MOST_MX: Final = 10  # RFC 7208, 4.6.4
_MECHANISM: Final = re.compile(
    r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)((?:[:/].*)?)", re.IGNORECASE
)
_MODIFIER: Final = re.compile(r"([A-Za-z][A-Za-z0-9._-]*)=(.*)")
_WITH_PREFIXES: Final = re.compile(r"(?::([^/]+))?(?:/(\d{1,3}))?(?://(\d{1,3}))?")
_COSTS: Final = frozenset({"include", "a", "mx", "ptr", "exists"})


class SpfResult(StrEnum):
    """What a receiver would come to (RFC 7208, 2.6); UNKNOWN where that cannot be told."""

    PASS = "pass"  # noqa: S105 - a word of the RFC
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    NONE = "none"
    PERMERROR = "permerror"
    UNKNOWN = "unknown"


_RESULTS: Final = {
    "": SpfResult.PASS,
    "+": SpfResult.PASS,
    "-": SpfResult.FAIL,
    "~": SpfResult.SOFTFAIL,
    "?": SpfResult.NEUTRAL,
}


@attrs.frozen(kw_only=True)
class Term:
    """A mechanism of a record. ``networks`` is what it matches, ``included`` what it refers to.

    Not *known*: a macro, or the DNS did not answer. *lookups* and *void* count itself alone.
    """

    text: str
    mechanism: str
    result: SpfResult
    networks: tuple[Network, ...] = ()
    included: "Spf | None" = None
    exists: bool = False
    known: bool = True
    lookups: int = 0
    void: int = 0


@attrs.frozen(kw_only=True)
class Spf:
    """What stands at one domain: usable if there is exactly one record, without errors.

    ``redirect`` is used where no term matches; with `all` among the terms there is none.
    """

    domain: str
    records: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    terms: tuple[Term, ...] = ()
    redirect: "Spf | None" = None
    macro_redirect: bool = False
    known: bool = True

    @property
    def usable(self) -> bool:
        """Whether a receiver can evaluate it at all."""
        return len(self.records) == 1 and not self.errors

    @property
    def lookups(self) -> int:
        """How many terms of it and of all that it includes cost a look-up."""
        own = sum(term.lookups for term in self.terms)
        below = sum(spf.lookups for spf in self._below())
        return own + below + (self.redirect is not None or self.macro_redirect)

    @property
    def void(self) -> int:
        """How many of its look-ups find nothing."""
        return sum(term.void for term in self.terms) + sum(spf.void for spf in self._below())

    def within(self) -> Iterator["Spf"]:
        """It and all that it includes or redirects to."""
        yield self
        for spf in self._below():
            yield from spf.within()

    @property
    def last_word(self) -> SpfResult | None:
        """What it says of addresses that no other term matches; None if it says nothing."""
        for term in self.terms:
            if term.mechanism == "all":
                return term.result
        return None if self.redirect is None else self.redirect.last_word

    @property
    def networks(self) -> Iterator[Network]:
        """Every network that it names with the result pass, includes too."""
        for spf in self.within():
            for term in spf.terms:
                if term.result is SpfResult.PASS:
                    yield from term.networks

    def _below(self) -> Iterator["Spf"]:
        yield from (term.included for term in self.terms if term.included is not None)
        if self.redirect is not None:
            yield self.redirect


def is_spf(text: str) -> bool:
    """Whether a TXT record is one of SPF (RFC 7208, 4.5)."""
    return text.lower() == "v=spf1" or text[:7].lower() == "v=spf1 "


def explore(domain: str) -> Lookups[Spf]:
    """The record of *domain* with all that it refers to, as far as EXPLORED reaches."""
    return _Explorer().record(domain, above=())


def verdict(spf: Spf, address: Address) -> SpfResult:
    """What a receiver that was connected to from *address* comes to."""
    return _Evaluation(address).check(spf)


class _Explorer:
    """Asks for everything that one record can refer to, within a bound."""

    def __init__(self) -> None:
        self._lookups = 0

    def record(self, domain: str, *, above: tuple[str, ...]) -> Lookups[Spf]:
        answer = yield from ask(RecordKind.TXT, domain)
        if not answer.known:
            return Spf(domain=domain, known=False)
        records = tuple(text for text in answer.records if is_spf(text))
        if len(records) != 1:
            return Spf(domain=domain, records=records)
        return (yield from self._read(domain, records, (*above, domain)))

    def _read(self, domain: str, records: tuple[str, ...], above: tuple[str, ...]) -> Lookups[Spf]:
        words = records[0].split(" ")[1:]
        words = [word for word in words if word]
        errors = [] if len(words) <= MOST_TERMS else [f"more than {MOST_TERMS} terms"]
        terms: list[Term] = []
        modifiers: dict[str, str] = {}
        for word in words[:MOST_TERMS]:
            if mechanism := _MECHANISM.fullmatch(word):
                term = yield from self._term(mechanism, domain, above)
                if isinstance(term, Term):
                    terms.append(term)
                else:
                    errors.append(term)
            elif modifier := _MODIFIER.fullmatch(word):
                name = modifier[1].lower()
                if name in modifiers and name in ("redirect", "exp"):
                    errors.append(f"{name}= stands twice")
                modifiers[name] = modifier[2]
            else:
                errors.append(f"{word} is no term of SPF")
        redirect = modifiers.get("redirect")
        has_all = any(term.mechanism == "all" for term in terms)
        followed, is_macro = None, False
        if redirect is not None and not has_all:
            is_macro = "%" in redirect
            if not is_macro and not is_name(redirect):
                errors.append(f"redirect={redirect} names no domain")
            elif not is_macro:
                followed = yield from self._refer(redirect, above)
        return Spf(
            domain=domain,
            records=records,
            errors=tuple(errors),
            terms=tuple(terms),
            redirect=followed,
            macro_redirect=is_macro,
        )

    def _term(
        self, found: re.Match[str], domain: str, above: tuple[str, ...]
    ) -> Lookups[Term | str]:
        """The term, or what is wrong with it."""
        mechanism, rest = found[2].lower(), found[3]
        lookups = int(mechanism in _COSTS)
        term = Term(text=found[0], mechanism=mechanism, result=_RESULTS[found[1]], lookups=lookups)
        if mechanism in ("ip4", "ip6"):
            network = _network(mechanism, rest[1:])
            return (
                f"{found[0]} names no address"
                if network is None
                else attrs.evolve(term, networks=(network,))
            )
        if mechanism == "all":
            return f"{found[0]} takes nothing after it" if rest else term
        if mechanism == "ptr":  # what it matches depends on the names of the client's address
            self._lookups += 1
            return attrs.evolve(term, known=False)
        if "%" in rest:
            self._lookups += 1
            return attrs.evolve(term, known=False)
        return (yield from self._referring(term, rest, domain, above))

    def _referring(
        self, term: Term, rest: str, domain: str, above: tuple[str, ...]
    ) -> Lookups[Term | str]:
        parts = _WITH_PREFIXES.fullmatch(rest)
        prefixes_allowed = term.mechanism in ("a", "mx")
        if parts is None or ((parts[2] or parts[3]) and not prefixes_allowed):
            return f"{term.text} cannot be read"
        named = parts[1]
        if named is None and not prefixes_allowed:
            return f"{term.text} names no domain"
        target = (named or domain).lower().rstrip(".")
        four, six = int(parts[2] or 32), int(parts[3] or 128)
        if not is_name(target) or four > 32 or six > 128:
            return f"{term.text} names no domain or network"
        if term.mechanism == "include":
            included = yield from self._refer(target, above)
            void = int(included.known and not included.records and included.domain not in above)
            return attrs.evolve(term, included=included, known=included.known, void=void)
        self._lookups += 1
        if self._lookups > EXPLORED:
            return attrs.evolve(term, known=False)
        return (yield from self._addresses(term, target, four, six))

    def _refer(self, target: str, above: tuple[str, ...]) -> Lookups[Spf]:
        target = target.lower().rstrip(".")
        self._lookups += 1
        if target in above:
            return Spf(domain=target, records=("",), errors=(f"{target} includes itself",))
        if self._lookups > EXPLORED:
            return Spf(domain=target, known=False)
        return (yield from self.record(target, above=above))

    def _addresses(self, term: Term, target: str, four: int, six: int) -> Lookups[Term]:
        """For a, mx and exists."""
        hosts: tuple[str, ...] = (target,)
        if term.mechanism == "mx":
            answer = yield from ask(RecordKind.MX, target)
            hosts = tuple(host for host in answer.records if host)
            if not answer.known or not hosts:
                return attrs.evolve(term, known=answer.known, void=int(answer.known))
            if len(hosts) > MOST_MX:
                return attrs.evolve(term, lookups=MOST_LOOKUPS + 1)  # a receiver gives up too
        networks: list[Network] = []
        known, void = True, 0
        for host in hosts:
            answer = yield from ask(RecordKind.ADDRESSES, host)
            known = known and answer.known
            void += int(answer.known and not answer.records and term.mechanism != "mx")
            networks += [_around(text, four, six) for text in answer.records]
        if term.mechanism == "exists":
            return attrs.evolve(term, exists=bool(networks), known=known, void=void)
        return attrs.evolve(term, networks=tuple(networks), known=known, void=void)


class _Evaluation:
    """Evaluates one address; counts look-ups in the order in which a receiver makes them."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._lookups = 0
        self._void = 0

    def check(self, spf: Spf) -> SpfResult:
        if not spf.known:
            return SpfResult.UNKNOWN
        if not spf.records:
            return SpfResult.NONE
        if not spf.usable:
            return SpfResult.PERMERROR
        possible: set[SpfResult] = set()  # results of terms of which nobody knows if they match
        result = self._walk(spf, possible)
        return result if possible <= {result} else SpfResult.UNKNOWN

    def _walk(self, spf: Spf, possible: set[SpfResult]) -> SpfResult:
        for term in spf.terms:
            if not self._may_go_on(term.lookups, term.void):
                return SpfResult.PERMERROR
            matches = self._matches(term)
            if isinstance(matches, SpfResult):
                return matches
            if matches is None:
                possible.add(term.result)
            elif matches:
                return term.result
        if spf.macro_redirect:
            return SpfResult.UNKNOWN
        if spf.redirect is None:
            return SpfResult.NEUTRAL
        if not self._may_go_on(1, 0):
            return SpfResult.PERMERROR
        result = self.check(spf.redirect)
        return SpfResult.PERMERROR if result is SpfResult.NONE else result

    def _may_go_on(self, lookups: int, void: int) -> bool:
        self._lookups += lookups
        self._void += void
        return self._lookups <= MOST_LOOKUPS and self._void <= MOST_VOID

    def _matches(self, term: Term) -> bool | SpfResult | None:
        """Whether it matches, None if nobody knows, or the result that it ends everything with."""
        if term.mechanism == "all":
            return True
        if term.included is not None:
            result = self.check(term.included)
            if result in (SpfResult.NONE, SpfResult.PERMERROR):
                return SpfResult.PERMERROR
            return None if result is SpfResult.UNKNOWN else result is SpfResult.PASS
        version = self._address.version
        if any(net.version == version and self._address in net for net in term.networks):
            return True
        return term.exists or (False if term.known else None)


def _network(mechanism: str, text: str) -> Network | None:
    address, slash, prefix = text.partition("/")
    if slash and not re.fullmatch(r"\d{1,3}", prefix):
        return None
    try:
        ip_address(address)  # ip_network would take a number too
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    wanted = IPv4Network if mechanism == "ip4" else IPv6Network
    return network if isinstance(network, wanted) else None


def _around(address: str, four: int, six: int) -> Network:
    prefix = six if ":" in address else four
    return ip_network(f"{address}/{prefix}", strict=False)
