"""DKIM signatures (RFC 6376, RFC 8463): what is signed, in which form, and their header.

The canonical form is relaxed for headers and body. Nothing depends on the time of the hand-off: the
time of the signature is the Date of the message, and both algorithms are deterministic, so that a
copy that is sent again is the same to the last octet. The signature itself is made behind a port.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

import attrs

# A second header of one of these names would change what a reader sees, so one more of each than
# there are is signed: adding it breaks the signature (RFC 6376, 5.4.2).
_SIGNED_ONCE_MORE: Final = ("from", "to", "cc", "subject", "date", "reply-to")
_SIGNED: Final = (
    *("message-id", "in-reply-to", "references", "mime-version", "content-type"),
    *("content-transfer-encoding", "feedback-id", "auto-submitted"),
)
# RFC 8058 wants List-Unsubscribe and List-Unsubscribe-Post signed
_SIGNED_PREFIX: Final = "list-"
_BLANKS: Final = re.compile(rb"[ \t]+")
_BLANKS_TO_JOIN: Final = re.compile(rb"[ \t]{2,}|\t")
# the domain of From's address, which ends the header; in ASCII (IDNA) as every Address has it
_DOMAIN_AT_END: Final = re.compile(rb"@([A-Za-z0-9.-]+)>?[ \t\r\n]*\Z")
_STRING: Final = 255  # octets of one string of a TXT record (RFC 1035, 3.3)
_NAME: Final = "DKIM-Signature:"
_LINE: Final = 76


class Algorithm(StrEnum):
    """How it is signed: the value of the tag ``a=``."""

    RSA = "rsa-sha256"
    ED25519 = "ed25519-sha256"


@attrs.frozen(kw_only=True)
class SigningKey:
    """A private key (PKCS #8, PEM) and what its public half is called in the DNS."""

    domain: str
    selector: str
    algorithm: Algorithm
    private_key: bytes = attrs.field(repr=False)


@attrs.frozen
class DnsRecord:
    """A TXT record that publishes a public key."""

    name: str
    value: str

    @property
    def strings(self) -> Sequence[str]:
        """The value in strings of at most 255 octets: a TXT record holds no longer one."""
        return [self.value[at : at + _STRING] for at in range(0, len(self.value), _STRING)]


class BodyHash:
    """SHA-256 of a body in its relaxed form (RFC 6376, 3.4.4), fed in pieces, which end anywhere.

    A piece that is in its relaxed form already, as base64 is, costs little more than its hash.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._rest = b""  # the beginning of a line
        self._empty_lines = 0  # they count only if something follows

    def add(self, octets: bytes) -> None:
        """More of the body."""
        whole, end, self._rest = (self._rest + octets).rpartition(b"\r\n")
        if end:
            self._add_lines(whole + end)

    def _add_lines(self, lines: bytes) -> None:
        # to look for blanks takes a hundredth of the time of replacing them
        if b"\t" in lines or b"  " in lines:
            lines = _BLANKS_TO_JOIN.sub(b" ", lines)
        if b" \r\n" in lines:
            lines = lines.replace(b" \r\n", b"\r\n")
        content = lines.rstrip(b"\r\n")
        if content:
            # empty lines at the beginning count as those before do: they are in `lines` already
            self._hash.update(b"\r\n" * self._empty_lines + content + b"\r\n")
            self._empty_lines = (len(lines) - len(content)) // 2 - 1
        else:
            self._empty_lines += len(lines) // 2

    def digest(self) -> bytes:
        """The hash of all that was added."""
        if self._rest:
            self._add_lines(self._rest + b"\r\n")
            self._rest = b""
        return self._hash.digest()


def relaxed(header: bytes) -> bytes:
    """A header in its relaxed form (RFC 6376, 3.4.2), without its last CRLF."""
    name, _, value = header.partition(b":")
    unfolded = _BLANKS.sub(b" ", value.replace(b"\r\n", b"")).strip(b" \t")
    return name.strip(b" \t").lower() + b":" + unfolded


def split_headers(head: bytes) -> list[bytes]:
    """The headers of *head*, each with its folded lines, none with its last CRLF."""
    lines = head.removesuffix(b"\r\n").split(b"\r\n")
    headers: list[bytes] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and headers:
            headers[-1] += b"\r\n" + line
        elif line:
            headers.append(line)
    return headers


def aligned(domain: str, *, author: str) -> bool:
    """Whether a signature of *domain* counts for mail from the domain *author*: it is the same one
    or one above it (DMARC, RFC 7489, 3.1.1, relaxed).
    """
    return author == domain or author.endswith(f".{domain}")


def signatures(
    pieces: Iterable[bytes],
    *,
    keys: Sequence[SigningKey],
    undated: datetime,
    sign: Callable[[SigningKey, bytes], bytes],
) -> bytes:
    """The DKIM-Signature headers of a message, to be put in front of it; b"" if no key fits.

    *pieces* are the message from its first header on; they end anywhere, but the first one holds
    all headers and the empty line behind them. Those of *keys* sign whose domain is nearest to that
    of From, or the same. *undated* is the time of a message without a Date that can be read.
    """
    rest = iter(pieces)
    head, _, body = next(rest).partition(b"\r\n\r\n")
    headers = split_headers(head)
    signing = _keys_for(_domain_of_author(headers), keys)
    if not signing:
        return b""
    body_hash = BodyHash()
    body_hash.add(body)
    for piece in rest:
        body_hash.add(piece)
    digest, date = body_hash.digest(), _date_of(headers, undated)
    return b"".join(
        dkim_header(headers, body_hash=digest, key=key, date=date, sign=sign) for key in signing
    )


def _keys_for(author: str, keys: Sequence[SigningKey]) -> Sequence[SigningKey]:
    found = [key for key in keys if aligned(key.domain, author=author)]
    nearest = max((len(key.domain) for key in found), default=0)
    return [key for key in found if len(key.domain) == nearest]


def _domain_of_author(headers: Sequence[bytes]) -> str:
    """The domain in From; "" unless there is one From with an address at its end."""
    found = [header for header in headers if header[:5].lower() == b"from:"]
    match = _DOMAIN_AT_END.search(found[0]) if len(found) == 1 else None
    return match[1].decode("ascii").lower() if match else ""


def _date_of(headers: Sequence[bytes], undated: datetime) -> datetime:
    for header in headers:
        if header[:5].lower() == b"date:":
            try:
                date = parsedate_to_datetime(header[5:].decode("ascii").strip())
            except ValueError:
                break
            # "-0000" says that the zone is unknown: the time is UTC (RFC 5322, 3.3)
            return date if date.tzinfo else date.replace(tzinfo=UTC)
    return undated


def dkim_header(
    headers: Sequence[bytes],
    *,
    body_hash: bytes,
    key: SigningKey,
    date: datetime,
    sign: Callable[[SigningKey, bytes], bytes],
) -> bytes:
    """The DKIM-Signature header with its CRLF, for a message with *headers* in their order.

    *date* is that of the message. *sign* signs octets with a key, hashing them as it needs.
    """
    named = [
        (header.partition(b":")[0].strip().lower().decode("ascii"), header) for header in headers
    ]
    names = list(_names_to_sign([name for name, _ in named]))
    head = _folded(
        (
            "v=1",
            f"a={key.algorithm}",
            "c=relaxed/relaxed",
            f"d={key.domain}",
            f"s={key.selector}",
            f"t={int(date.timestamp())}",
            "h=" + ":".join(names),
            "bh=" + base64.b64encode(body_hash).decode(),
        )
    )
    covered = list(_last_first(names, named))
    unsigned = f"{head};\r\n b=".encode()
    octets = b"".join(relaxed(header) + b"\r\n" for header in covered) + relaxed(unsigned)
    signature = base64.b64encode(sign(key, octets)).decode()
    lines = [signature[at : at + _LINE - 4] for at in range(0, len(signature), _LINE - 4)]
    return unsigned + "\r\n ".join(lines).encode() + b"\r\n"


def _names_to_sign(names: Sequence[str]) -> Iterable[str]:
    for name in _SIGNED_ONCE_MORE:
        yield from (name,) * (names.count(name) + 1)
    for name in _SIGNED:
        yield from (name,) * names.count(name)
    yield from (name for name in names if name.startswith(_SIGNED_PREFIX))


def _last_first(names: Iterable[str], named: Sequence[tuple[str, bytes]]) -> Iterable[bytes]:
    """The headers that *names* stand for: of several the last one first (RFC 6376, 5.4.2)."""
    left: dict[str, list[bytes]] = {}
    for name, header in named:
        left.setdefault(name, []).append(header)
    for name in names:
        if left.get(name):
            yield left[name].pop()


def _folded(tags: Sequence[str]) -> str:
    """The tags one after the other, no line longer than what is usual if it can be broken."""
    lines = [_NAME]
    for tag in tags:
        for piece in _pieces(tag + ";" if tag is not tags[-1] else tag):
            if len(lines[-1]) + len(piece) + 1 > _LINE:
                lines.append(piece)
            else:
                lines[-1] += piece if lines[-1].endswith(":") and tag[:2] == "h=" else f" {piece}"
    return "\r\n ".join(lines)


def _pieces(tag: str) -> list[str]:
    """A list of names may be broken at its colons (RFC 6376, 3.5: FWS is allowed there)."""
    if not tag.startswith("h="):
        return [tag]
    names = tag.split(":")
    return [name + ":" for name in names[:-1]] + names[-1:]
