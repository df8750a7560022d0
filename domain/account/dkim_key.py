"""The keys that an account signs its mail with (DKIM), as they are stored.

Keys come in pairs of one selector: one of RSA, which every receiver verifies, and one of Ed25519.
A pair signs once its owner has said that the DNS has its records.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import attrs

from domain.account.account import Account
from domain.errors import FieldError, InvalidInput, NotFound
from domain.message.dkim import Algorithm, DnsRecord, SigningKey, aligned

MOST_PAIRS: Final = 5  # of one account: the one in use, the next one, and some room
DKIM_KEY_UNREADABLE: Final = "dkim_key_unreadable"  # the reason of a pause
_SELECTOR: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_DOMAIN: Final = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
_LONGEST_NAME: Final = 253  # of the DNS (RFC 1035, 2.3.4)
_SUFFIX: Final = {Algorithm.RSA: "rsa", Algorithm.ED25519: "ed25519"}


@attrs.frozen(kw_only=True)
class DkimKey:
    """One key. ``sealed_key`` is ciphertext of its PEM; ``record`` is its public half, as the text
    of a TXT record. ``active``: it signs.
    """

    account_id: int
    selector: str
    domain: str
    algorithm: Algorithm
    record: str
    sealed_key: bytes = attrs.field(repr=False)
    active: bool = False
    created_at: datetime

    @property
    def context(self) -> str:
        """What the private key is sealed for."""
        return sealed_for(self.account_id, self.selector, self.algorithm)

    @property
    def published(self) -> DnsRecord:
        """What must stand in the DNS before it may sign."""
        name = dns_selector(self.selector, self.algorithm)
        return DnsRecord(f"{name}._domainkey.{self.domain}", self.record)

    def opened(self, private_key: bytes) -> SigningKey:
        """The key to sign with: *private_key* is what was sealed."""
        return SigningKey(
            domain=self.domain,
            selector=dns_selector(self.selector, self.algorithm),
            algorithm=self.algorithm,
            private_key=private_key,
        )


@attrs.frozen(kw_only=True)
class DkimPair:
    """The keys of one selector."""

    keys: tuple[DkimKey, ...]

    @property
    def account_id(self) -> int:
        """Whose they are."""
        return self.keys[0].account_id

    @property
    def selector(self) -> str:
        """What the selectors in the DNS begin with."""
        return self.keys[0].selector

    @property
    def domain(self) -> str:
        """The domain that signs."""
        return self.keys[0].domain

    @property
    def active(self) -> bool:
        """Whether it signs."""
        return self.keys[0].active

    @property
    def created_at(self) -> datetime:
        """When the keys were made."""
        return self.keys[0].created_at


def in_order(keys: Iterable[DkimKey]) -> Sequence[DkimKey]:
    """By account, then the oldest first; the two of a pair side by side, RSA first."""
    order = list(Algorithm)
    return sorted(
        keys,
        key=lambda key: (
            *(key.account_id, key.created_at, key.selector),
            order.index(key.algorithm),
        ),
    )


def pairs(keys: Sequence[DkimKey]) -> Sequence[DkimPair]:
    """The keys of one account by their selectors, in the order of *keys*."""
    found: dict[str, tuple[DkimKey, ...]] = {}
    for key in keys:
        found[key.selector] = (*found.get(key.selector, ()), key)
    return [DkimPair(keys=both) for both in found.values()]


def no_dkim_keys(selector: str) -> NotFound:
    """The error for a selector that the account does not have."""
    return NotFound(f"there are no DKIM keys with the selector {selector}")


def dns_selector(selector: str, algorithm: Algorithm) -> str:
    """The selector of one key of a pair: a name in the DNS holds one key."""
    return f"{selector}-{_SUFFIX[algorithm]}"


def sealed_for(account_id: int, selector: str, algorithm: Algorithm) -> str:
    """The context of a key in the vault: nothing else opens there."""
    return f"dkim:{account_id}:{selector}:{algorithm}"


def first_selector(account_id: int, now: datetime) -> str:
    """The selector of a pair whose owner names none: it tells accounts and days apart."""
    return f"es{account_id}-{now:%Y%m%d}"


def leaves_unsigned(account: Account, there: Iterable[DkimPair]) -> bool:
    """Whether mail from the account's own address goes out unsigned although a pair of *there*, its
    pairs, signs: they were made for an address that it has no more, or for aliases alone.
    """
    signing = [pair.domain for pair in there if pair.active]
    author = account.address.domain
    return bool(signing) and not any(aligned(domain, author=author) for domain in signing)


def check_names(account: Account, *, selector: str, domain: str) -> None:
    """InvalidInput unless this pair could sign mail of the account, and its names can stand in the
    DNS.
    """
    errors = []
    if not _SELECTOR.fullmatch(selector):
        errors.append(
            FieldError("selector", "must be 1 to 40 of a-z, 0-9 and -, no - at either end")
        )
    longest = max(len(dns_selector(selector, each)) for each in Algorithm)
    if not _DOMAIN.fullmatch(domain) or longest + len(f"._domainkey.{domain}") > _LONGEST_NAME:
        errors.append(FieldError("domain", "must be a domain name such as example.com"))
    elif not any(aligned(domain, author=one.domain) for one in (account.address, *account.aliases)):
        errors.append(
            FieldError(
                "domain",
                f"must be {account.address.domain}, the domain of the sender's address, that of an "
                "alias, or one above it: another one's signature counts for nothing",
            )
        )
    if errors:
        raise InvalidInput(*errors)
