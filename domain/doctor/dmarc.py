"""DMARC as of RFC 9989: the policy of a domain is found by a walk up the DNS, without a list of
public suffixes. Sections in the docstrings are of that RFC.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import attrs

from domain.doctor.finding import Finding, Status, listed, shown
from domain.doctor.questions import Lookups, RecordKind, ask
from domain.doctor.tags import tags_of

RFC: Final = "RFC 9989"
_VERSION: Final = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;.*)?", re.DOTALL)
_LOOKS_LIKE_IT: Final = re.compile(r"[ \t\"']*v[ \t]*=[ \t]*dmarc", re.IGNORECASE)
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s,;]+")
_MOST_LABELS: Final = 7  # of a name that is asked about after the first one (4.10)
_REMOVED: Final = ("pct", "rf", "ri")
_FLAGS: Final = {"adkim": "rs", "aspf": "rs", "t": "yn", "psd": "ynu"}


class Policy(StrEnum):
    """What the owner of a domain wants to be done with mail that fails (4.7)."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


@attrs.frozen(kw_only=True)
class DmarcRecord:
    """A policy record and the domain that it was found at. The values of tags are as written."""

    domain: str
    text: str
    tags: Mapping[str, str]

    def flag(self, name: str, otherwise: str) -> str:
        """The value of a tag of one letter; *otherwise* if it is absent or cannot be read."""
        value = self.tags.get(name, "").lower()
        return value if value and value in _FLAGS[name] else otherwise

    def policy(self, name: str) -> Policy | None:
        """The value of p, sp or np; None if it is absent or not a policy."""
        value = self.tags.get(name, "").lower()
        return Policy(value) if value in tuple(Policy) else None

    @property
    def strict_dkim(self) -> bool:
        """Whether the domain of a signature must be that of From."""
        return self.flag("adkim", "r") == "s"

    @property
    def strict_spf(self) -> bool:
        """Whether the domain that SPF is asked about must be that of From."""
        return self.flag("aspf", "r") == "s"

    @property
    def reports(self) -> bool:
        """Whether it names an address for reports."""
        return any(_URI.fullmatch(uri.strip()) for uri in self.tags.get("rua", "").split(","))


@attrs.frozen(kw_only=True)
class Walk:
    """The records that a walk from *domain* found, the longest name first (4.10).

    ``several`` are names with more than one record, ``alike`` texts that were meant to be one.
    ``unanswered`` is the name at which the DNS did not answer and the walk ended.
    """

    domain: str
    records: tuple[DmarcRecord, ...] = ()
    several: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()
    unanswered: str | None = None

    @property
    def organization(self) -> str | None:
        """The organizational domain (4.10.2); None if the walk did not reach its end."""
        if self.records:
            last = self.records[-1]  # only the last one can have psd=y or psd=n
            if last.flag("psd", "u") == "n":
                return last.domain
            if last.flag("psd", "u") == "y" and last.domain != self.domain:
                labels = last.domain.count(".") + 2
                return ".".join(self.domain.split(".")[-labels:])
        if self.unanswered is not None:
            return None
        return self.records[-1].domain if self.records else self.domain

    @property
    def applied(self) -> DmarcRecord | None:
        """The record that applies (4.10.1): its own, its organization's, or its suffix's."""
        if not self.records:
            return None
        if self.records[0].domain == self.domain:
            return self.records[0]
        at = {record.domain: record for record in self.records}
        last = self.records[-1]
        suffix = last if last.flag("psd", "u") == "y" else None
        return at.get(self.organization or "", suffix)

    @property
    def known(self) -> bool:
        """Whether it is sure which record applies."""
        own = bool(self.records) and self.records[0].domain == self.domain
        return own or self.unanswered is None


def walk(domain: str) -> Lookups[Walk]:
    """Ask at *domain* and above it, at most eight times (4.10)."""
    found = Walk(domain=domain)
    labels = domain.split(".")
    while labels:
        name = ".".join(labels)
        answer = yield from ask(RecordKind.TXT, f"_dmarc.{name}")
        if not answer.known:
            return attrs.evolve(found, unanswered=name)
        texts = [text for text in answer.records if _VERSION.fullmatch(text)]
        alike = [
            text for text in answer.records if text not in texts and _LOOKS_LIKE_IT.match(text)
        ]
        if name == domain:
            found = attrs.evolve(found, alike=tuple(alike))
        if len(texts) > 1:
            found = attrs.evolve(found, several=(*found.several, name))
        elif texts:
            record = DmarcRecord(domain=name, text=texts[0], tags=tags_of(texts[0]))
            found = attrs.evolve(found, records=(*found.records, record))
            if record.flag("psd", "u") in ("y", "n"):
                break
        labels = labels[-_MOST_LABELS:] if len(labels) > _MOST_LABELS else labels[1:]
    return found


def effective(record: DmarcRecord, *, domain: str, exists: bool) -> Policy | None:
    """What is done with mail of *domain* that fails; None if the record has no effect (4.10.1).

    *exists*: whether the DNS has any record at *domain*.
    """
    written = [name for name in ("p", "sp", "np") if name in record.tags]
    if any(record.policy(name) is None for name in written):
        return Policy.NONE if record.reports else None
    policy = record.policy("p") or Policy.NONE
    if record.domain != domain:
        policy = record.policy("sp") or policy
        if not exists:
            policy = record.policy("np") or policy
    return policy


def judge_dmarc(walked: Walk, *, exists: bool) -> Finding:
    """Of the record that applies to a sending domain."""
    status, found, fix = _judged(walked, exists=exists)
    return Finding(
        code="dmarc",
        status=status,
        found=found,
        expected=f"one DMARC record at _dmarc.{walked.domain} or above it, with a policy",
        fix=fix,
        source=f"{RFC}, 4.7 and 4.10",
        absent=walked.known and walked.applied is None,
    )


def _judged(walked: Walk, *, exists: bool) -> tuple[Status, str, str]:
    domain = walked.domain
    if domain in walked.several:
        return (
            Status.FAIL,
            f"more than one DMARC record at _dmarc.{domain}: all are ignored",
            "Keep one of them and remove the others.",
        )
    if not walked.known:
        return (
            Status.UNKNOWN,
            f"the DNS did not answer for _dmarc.{walked.unanswered}",
            "Try again later, and check the name servers of the domain.",
        )
    record = walked.applied
    if record is None:
        found = f"neither {domain} nor a domain above it has a DMARC record"
        if walked.alike:
            found += f"; this is none: {listed(walked.alike, most=2)}"
        publish = (
            f"Publish a TXT record at _dmarc.{domain}, such as: v=DMARC1; p=none; rua=mailto:…"
        )
        return (Status.WARN, found, publish)
    policy = effective(record, domain=domain, exists=exists)
    found = f"at _dmarc.{record.domain}: {shown(record.text)}"
    if policy is None:
        fix = (
            "Correct p, sp and np: none, quarantine or reject. As it is, the record has no effect."
        )
        return (Status.FAIL, found, fix)
    tested = " (tested: t=y asks for one step less)" if record.flag("t", "n") == "y" else ""
    found = f"{policy} for {domain}{tested}, {found}"
    doubts = _doubts(record)
    return (Status.WARN if doubts else Status.OK, found, " ".join(doubts))


def _doubts(record: DmarcRecord) -> list[str]:
    doubts = []
    if "p" not in record.tags:
        doubts.append("Write p: without it p=none is read, and older receivers ignore the record.")
    for name in ("p", "sp", "np"):
        if name in record.tags and record.policy(name) is None:
            doubts.append(f"{name} must be none, quarantine or reject: none is applied.")
    doubts += [
        f"{name} must be one of {', '.join(letters)}: it is ignored."
        for name, letters in _FLAGS.items()
        if name in record.tags and record.flag(name, "") == ""
    ]
    removed = [name for name in _REMOVED if name in record.tags]
    if removed:
        doubts.append(f"Remove {', '.join(removed)}: {RFC} has no such tags any more.")
    if "rua" in record.tags and not record.reports:
        doubts.append("rua must be URIs such as mailto:dmarc@example.com.")
    if record.flag("t", "n") == "y":
        doubts.append("Remove t=y when the test is over.")
    return doubts
