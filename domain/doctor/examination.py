"""Everything about the domain of one account: what is asked, and what is judged by what."""

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Final, Protocol, TypeVar

import attrs

from domain.account.account import Account
from domain.account.dkim_key import DkimKey, dns_selector
from domain.account.network import Address, NetworkPolicy
from domain.doctor.alignment import Identifier, judge_alignment
from domain.doctor.dkim import (
    Origin,
    Selector,
    judge_selectors,
    no_selector,
    signed_by,
    unsigned,
    usable,
)
from domain.doctor.dmarc import Walk, judge_dmarc, walk
from domain.doctor.finding import Finding
from domain.doctor.mail_domain import exchangers, judge_mx, judge_ptr, reverse
from domain.doctor.message import Evidence
from domain.doctor.mta_sts import Fetched, is_announced, judge_mta_sts, record_name
from domain.doctor.questions import Lookups, RecordKind, ask, is_name
from domain.doctor.relays import Relay
from domain.doctor.spf import explore
from domain.doctor.spf_findings import (
    judge_cover,
    judge_house,
    judge_record,
    judge_rewritten,
    passes,
    samples,
)

_MOST_ADDRESSES: Final = 8
_MOST_ALIASES: Final = 5
_PUBLIC: Final = NetworkPolicy()
_Result = TypeVar("_Result")


class Ask(Protocol):
    """Asks the questions of *lookups*, and gives what they come to."""

    def __call__(self, lookups: Lookups[_Result]) -> _Result:
        """Each question once."""
        ...


@attrs.frozen(kw_only=True)
class Patient:
    """What is known of an account before the DNS is asked.

    *keys* are those of this service, *sent* is how many emails left in the last day. *relay* is the
    well-known one that its server belongs to. *house*: the title of the provider whose own domain
    it sends for, through a server of that provider.
    """

    account: Account
    keys: Sequence[DkimKey]
    sent: int
    evidence: Evidence | None
    relay: Relay | None = None
    house: str | None = None

    @property
    def author(self) -> str:
        """The domain in From."""
        return self.account.address.domain if self.evidence is None else self.evidence.author

    @property
    def envelope(self) -> str:
        """The domain of MAIL FROM, as far as it is known."""
        seen = None if self.evidence is None else self.evidence.return_path
        return seen or self.account.address.domain


class Examination:
    """One account's domain, asked about and judged."""

    def __init__(self, patient: Patient, *, ask: Ask, policy: Callable[[str], Fetched]) -> None:
        """*policy* fetches the policy of MTA-STS of a domain."""
        self._patient = patient
        self._ask = ask
        self._policy = policy
        self._relay = patient.relay
        self._author = self._ask(walk(patient.author))

    def findings(self) -> Sequence[Finding]:
        """All of them, by chapters."""
        spf, spf_passes = self._spf()
        dkim, signatures = self._dkim()
        domain = self._domain()
        exists = self._exists()
        return_path = Identifier(
            mechanism="SPF",
            domain=self._return_path(),
            valid=spf_passes,
            walked=self._ask(walk(self._return_path())),
        )
        return [
            *spf,
            *dkim,
            judge_dmarc(self._author, exists=exists),
            judge_alignment([return_path, *signatures], author=self._author),
            *self._aliases([return_path, *signatures]),
            *domain,
        ]

    def _aliases(self, identifiers: Sequence[Identifier]) -> Sequence[Finding]:
        """DMARC and alignment of the other domains that may stand in From: the envelope's sender
        and the signature stay what they are.
        """
        if self._patient.evidence is not None:
            return ()
        aliases = (alias.domain for alias in self._patient.account.aliases)
        others = [domain for domain in dict.fromkeys(aliases) if domain != self._patient.author]
        findings: list[Finding] = []
        for domain in others[:_MOST_ALIASES]:
            author = self._ask(walk(domain))
            findings += [
                judge_dmarc(author, exists=True),
                judge_alignment(identifiers, author=author),
            ]
        return findings

    @property
    def _rewriter(self) -> Relay | None:
        """The relay, if it puts a return path of its own in the place of ours.

        A return path that the message shows is the one that counts.
        """
        evidence = self._patient.evidence
        seen = evidence is not None and evidence.return_path is not None
        relay = self._relay
        return relay if relay is not None and relay.own_return_path and not seen else None

    def _return_path(self) -> str:
        """The domain that SPF is asked about."""
        return self._patient.envelope if self._rewriter is None else self._rewriter.spf

    def _spf(self) -> tuple[Sequence[Finding], bool | None]:
        """The findings, and whether SPF passes for the return path."""
        spf = self._ask(explore(self._patient.envelope))
        record = list(judge_record(spf))
        if self._rewriter is not None:
            # receivers do not ask for it: it matters only if there is one, and it is broken
            return [*(record if spf.records else ()), judge_rewritten(spf, self._rewriter)], True
        if self._patient.house is not None and self._patient.evidence is None:
            return [*record, judge_house(spf, self._patient.house)], True
        cover = judge_cover(
            spf,
            self._sending_addresses(),
            host=self._patient.account.host,
            relay=self._relay,
            own=self._is_own_relay(),
        )
        return [*record, cover], passes(cover)

    def _sending_addresses(self) -> Sequence[Address]:
        if self._relay is not None:
            return samples(self._ask(explore(self._relay.spf)).networks)
        return self._relay_addresses()

    def _relay_addresses(self) -> Sequence[Address]:
        """The public addresses of the account's server."""
        host = self._patient.account.host
        try:
            found = [ip_address(host)]
        except ValueError:
            answer = self._ask(ask(RecordKind.ADDRESSES, host))
            found = [ip_address(text) for text in answer.records]
        return [address for address in found if _PUBLIC.allows(address)][:_MOST_ADDRESSES]

    def _is_own_relay(self) -> bool:
        """Whether the server belongs to the sending domain: it bears its name, or none."""
        if self._relay is not None or self._patient.house is not None:
            return False
        host = self._patient.account.host.lower().rstrip(".")
        if not is_name(host) or host.replace(".", "").isdigit():
            return True
        top = self._author.organization or self._patient.author
        return host == top or host.endswith(f".{top}")

    def _dkim(self) -> tuple[Sequence[Finding], Sequence[Identifier]]:
        answers = [(one, self._ask(ask(RecordKind.TXT, one.place))) for one in self._selectors()]
        sign_at = "there" if self._relay is None else self._relay.sign_at
        findings = judge_selectors(answers, sign_at=sign_at)
        valid: dict[str, list[bool | None]] = {}
        for selector, answer in answers:
            if selector.origin is not Origin.PREPARED:
                valid.setdefault(selector.domain, []).append(usable(selector, answer))
        if not valid:
            finding, signatures = self._without_selector()
            return [*findings, finding], signatures
        return findings, [
            self._signature(domain, valid=_any(results)) for domain, results in valid.items()
        ]

    def _without_selector(self) -> tuple[Finding, Sequence[Identifier]]:
        """Where no selector is known that anybody signs with."""
        author, house = self._patient.author, self._patient.house
        if self._patient.evidence is not None:
            return unsigned(author), []
        if house is not None:
            return signed_by(house, author), [self._signature(author, valid=True)]
        return no_selector(author), [self._signature(author, valid=None)]

    def _signature(self, domain: str, *, valid: bool | None) -> Identifier:
        walked: Walk = self._ask(walk(domain))
        return Identifier(mechanism="DKIM", domain=domain, valid=valid, walked=walked)

    def _selectors(self) -> Sequence[Selector]:
        """Every selector that is known, each place once."""
        patient, relay, author = self._patient, self._relay, self._patient.author
        found = [
            Selector(
                name=dns_selector(key.selector, key.algorithm),
                domain=key.domain,
                origin=Origin.OWN if key.active else Origin.PREPARED,
                record=key.record,
            )
            for key in patient.keys
        ]
        if patient.evidence is not None:
            found += [
                Selector(name=one.selector, domain=one.domain, origin=Origin.MESSAGE)
                for one in patient.evidence.signatures
            ]
        elif relay is not None and patient.house is None:
            found += [
                Selector(name=name, domain=author, origin=Origin.RELAY, sure=relay.fixed)
                for name in relay.selectors
            ]
        return list({one.place: one for one in reversed(found)}.values())[::-1]

    def _domain(self) -> Sequence[Finding]:
        author = self._patient.author
        mx = self._ask(exchangers(author))
        findings = [judge_mx(mx)]
        addresses = self._relay_addresses()
        if self._is_own_relay() and addresses:
            findings.append(judge_ptr(self._ask(reverse([str(one) for one in addresses]))))
        record = self._ask(ask(RecordKind.TXT, record_name(author)))
        fetched = self._policy(author) if is_announced(record) else None
        findings.append(judge_mta_sts(author, record, fetched, mx.mx))
        return findings

    def _exists(self) -> bool:
        """Whether the DNS has records at the author's domain, of the kinds that were asked for."""
        author = self._patient.author
        kinds = (RecordKind.TXT, RecordKind.MX, RecordKind.ADDRESSES)
        answers = [self._ask(ask(kind, author)) for kind in kinds]
        return any(answer.records or not answer.known for answer in answers)


def _any(results: Sequence[bool | None]) -> bool | None:
    """Whether one of them is true; None if that is not known."""
    if True in results:
        return True
    return None if None in results else False
