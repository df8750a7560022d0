"""The keys that DKIM signatures are verified with (RFC 6376, 3.6.1; RFC 8301; RFC 8463)."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

import attrs

from domain.doctor.finding import Finding, Status
from domain.doctor.questions import Answer
from domain.doctor.tags import tags_of

LEAST_BITS: Final = 1024  # RFC 8301, 3.2: shorter ones are not verified
GOOD_BITS: Final = 2048
_BLANKS: Final = re.compile(r"\s+")
_SEQUENCE, _BIT_STRING, _INTEGER = 0x30, 0x03, 0x02


class Origin(StrEnum):
    """How the doctor came to a selector."""

    OWN = "this service signs with it"
    PREPARED = "this service will sign with it"
    MESSAGE = "the message was signed with it"
    RELAY = "the relay signs with it"


@attrs.frozen(kw_only=True)
class Selector:
    """Where a key must stand. ``record``: the record that must stand there, where we know it.

    Not *sure*: the relay may sign with another selector.
    """

    name: str
    domain: str
    origin: Origin
    record: str | None = None
    sure: bool = True

    @property
    def place(self) -> str:
        """The name of its record."""
        return f"{self.name}._domainkey.{self.domain}"


@attrs.frozen(kw_only=True)
class Key:
    """A record that was found. ``problem`` is why receivers do not use it, "" if they do."""

    kind: str
    bits: int = 0
    problem: str = ""
    tested: bool = False

    def __str__(self) -> str:
        return f"{self.kind} with {self.bits} bits" if self.bits else self.kind


def read_key(text: str) -> Key:
    """The key of a TXT record."""
    tags = tags_of(text)
    kind = tags.get("k", "rsa").lower()
    key = Key(kind=kind, tested="y" in _words(tags.get("t", "")))
    if tags.get("v", "DKIM1") != "DKIM1" or ("v" in tags and next(iter(tags)) != "v"):
        return attrs.evolve(key, problem="v must be DKIM1 and stand first")
    if "p" not in tags:
        return attrs.evolve(key, problem="it has no p")
    public = _BLANKS.sub("", tags["p"])
    if not public:
        return attrs.evolve(key, problem="it is revoked (p is empty)")
    if problem := _unusable(tags):
        return attrs.evolve(key, problem=problem)
    try:
        octets = base64.b64decode(public, validate=True)
        bits = {"rsa": rsa_bits, "ed25519": _ed25519_bits}[kind](octets)
    except (binascii.Error, ValueError):
        return attrs.evolve(key, problem="p is no public key")
    except KeyError:
        return attrs.evolve(key, problem=f"k={kind} is not known")
    weak = kind == "rsa" and bits < LEAST_BITS
    return attrs.evolve(key, bits=bits, problem=f"{bits} bits are too few" if weak else "")


def judge_selectors(
    answers: Sequence[tuple[Selector, Answer]], *, sign_at: str
) -> Sequence[Finding]:
    """Of every selector that is known; *sign_at* says where a person has the relay sign.

    A relay's own selectors count together: one with a key is enough.
    """
    findings: list[Finding] = []
    relays = [pair for pair in answers if pair[0].origin is Origin.RELAY]
    for selector, answer in answers:
        if selector.origin is not Origin.RELAY:
            findings += _judged(selector, answer)
    there = [pair for pair in relays if pair[1].records]
    for selector, answer in there:
        findings += _judged(selector, answer)
    if relays and not there:
        findings.append(_none_of(relays, sign_at))
    return findings


def usable(selector: Selector, answer: Answer) -> bool | None:
    """Whether signatures of it can be verified; None if the DNS did not answer."""
    if not answer.known:
        return None
    if len(answer.records) != 1:
        return False
    return not read_key(answer.records[0]).problem and _is_ours(selector, answer.records[0])


def no_selector(domain: str) -> Finding:
    """Nothing is known of who signs."""
    return Finding(
        code="dkim_selector",
        status=Status.UNKNOWN,
        found=f"it is not known whether, and with which selector, mail of {domain} is signed",
        expected="a DKIM signature, whose key is in the DNS",
        fix="Give a message that was sent through this account (--message), or make keys for this "
        "service to sign with.",
        source="RFC 6376, 3.1",
    )


def unsigned(domain: str) -> Finding:
    """Of a message without a signature."""
    return Finding(
        code="dkim_selector",
        status=Status.WARN,
        found="the message has no DKIM signature",
        expected=f"a DKIM signature of {domain}, whose key is in the DNS",
        fix="Have the relay sign, or make keys for this service to sign with.",
        source="RFC 6376, 3.1",
        absent=True,
    )


def signed_by(house: str, domain: str) -> Finding:
    """Of a domain of the provider itself."""
    return Finding(
        code="dkim_selector",
        status=Status.OK,
        found=f"{house} signs mail of {domain} itself",
        expected="a DKIM signature, whose key is in the DNS",
        source="RFC 6376, 3.1",
    )


def _judged(selector: Selector, answer: Answer) -> Sequence[Finding]:
    presence = _presence(selector, answer)
    if presence.status is not Status.OK:
        return [presence]
    return [presence, _quality(selector, read_key(answer.records[0]))]


def _presence(selector: Selector, answer: Answer) -> Finding:
    status, found, fix = Status.OK, f"{selector.place} ({selector.origin})", ""
    prepared = selector.origin is Origin.PREPARED
    if not answer.known:
        status, found = Status.UNKNOWN, f"the DNS did not answer for {selector.place}"
        fix = "Try again later, and check the name servers of the domain."
    elif not answer.records:
        status = Status.WARN if prepared else Status.FAIL
        found = f"no record at {selector.place} ({selector.origin})"
        fix = "Publish the record that this service tells of it"
        fix += ", then set it active." if prepared else ", or stop signing with it."
        if selector.origin is Origin.MESSAGE:
            fix = "Publish the key, or have the relay sign with another selector."
    elif len(answer.records) > 1:
        status = Status.WARN if prepared else Status.FAIL
        found = f"{len(answer.records)} records at {selector.place}: receivers take any of them"
        fix = "Keep one of them and remove the others."
    elif not _is_ours(selector, answer.records[0]):
        status = Status.WARN if prepared else Status.FAIL
        found = f"another key than that of this service at {selector.place}"
        fix = "Publish the record that this service tells of it."
    return Finding(
        code="dkim_selector",
        status=status,
        found=found,
        expected=f"one TXT record at {selector.place}",
        fix=fix,
        source="RFC 6376, 3.6.2",
    )


def _quality(selector: Selector, key: Key) -> Finding:
    status, found, fix = Status.OK, f"{key} at {selector.place}", ""
    if key.problem:
        status, found = Status.FAIL, f"{found}: {key.problem}"
        fix = "Publish a new key and sign with it."
    elif key.kind == "rsa" and key.bits < GOOD_BITS:
        status, fix = Status.WARN, f"Change to an RSA key of {GOOD_BITS} bits."
    elif key.tested:
        status, found = Status.WARN, f"{found}, marked as a test (t=y)"
        fix = "Remove t=y: receivers may treat the mail as unsigned."
    return Finding(
        code="dkim_key",
        status=status,
        found=found,
        expected=f"an RSA key of {GOOD_BITS} bits or more (or Ed25519 beside one), not revoked",
        fix=fix,
        source="RFC 6376, 3.6.1; RFC 8301, 3.2; RFC 8463",
    )


def _none_of(relays: Sequence[tuple[Selector, Answer]], sign_at: str) -> Finding:
    names = " or ".join(selector.place for selector, _ in relays)
    unknown = any(not answer.known for _, answer in relays)
    sure = any(selector.sure for selector, _ in relays)
    status = Status.FAIL if sure else Status.WARN
    found = f"no key at {names}"
    fix = f"Have the relay sign with this domain {sign_at}."
    if not sure:
        fix += " If it signs with another selector, give a message (--message)."
    if unknown:
        status, found, fix = (
            Status.UNKNOWN,
            f"the DNS did not answer for {names}",
            "Try again later.",
        )
    return Finding(
        code="dkim_selector",
        status=status,
        found=found,
        expected=f"a key at {names}",
        fix=fix,
        source="RFC 6376, 3.6.2",
    )


def _is_ours(selector: Selector, text: str) -> bool:
    if selector.record is None:
        return True
    ours, there = tags_of(selector.record), tags_of(text)
    return _BLANKS.sub("", ours.get("p", "")) == _BLANKS.sub("", there.get("p", ""))


def _words(text: str) -> Sequence[str]:
    return [word.strip().lower() for word in text.split(":")]


def _unusable(tags: Mapping[str, str]) -> str:
    if "h" in tags and "sha256" not in _words(tags["h"]):
        return "h does not allow sha256"
    if "s" in tags and not {"*", "email"} & set(_words(tags["s"])):
        return "s does not allow email"
    return ""


def _ed25519_bits(octets: bytes) -> int:
    if len(octets) != 32:
        raise ValueError("not an Ed25519 key")
    return 256


def rsa_bits(octets: bytes) -> int:
    """The length of the modulus of a key in DER: a SubjectPublicKeyInfo, or an RSAPublicKey.

    ValueError if it is neither.
    """
    content = _inside(octets, _SEQUENCE)
    if content[:1] == bytes([_SEQUENCE]):  # the algorithm, then the key as a string of bits
        _, rest = _split(content)
        bits = _inside(rest, _BIT_STRING)
        content = _inside(bits[1:], _SEQUENCE)  # the first octet counts unused bits
    modulus = _inside(content, _INTEGER)
    return int.from_bytes(modulus, "big").bit_length()


def _inside(octets: bytes, tag: int) -> bytes:
    """The content of the first value, which has this tag. ValueError."""
    if octets[:1] != bytes([tag]):
        raise ValueError("another kind of value")
    return _split(octets)[0]


def _split(octets: bytes) -> tuple[bytes, bytes]:
    """The content of the first value, and what follows the value. ValueError."""
    if len(octets) < 2:
        raise ValueError("too short")
    length, start = octets[1], 2
    if length & 0x80:
        start = 2 + (length & 0x7F)
        length = int.from_bytes(octets[2:start], "big")
    if start > 6 or len(octets) < start + length:
        raise ValueError("too short")
    return octets[start : start + length], octets[start + length :]
