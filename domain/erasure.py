"""Erasing a person: what stands in the place of an address, and what a text that names it becomes.

What is kept of an erased address is a keyed digest. So the same person has the same name in all
rows, and can be found again by whoever is told the address and has the key.
"""

import hmac
import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from enum import StrEnum
from functools import cached_property
from typing import Final

import attrs

from domain.address import Address
from domain.email.attempt import Attempt
from domain.email.lifecycle import Email
from domain.suppression import address_key

ERASED: Final = "(erased)"  # stands where a text was
ERASED_DOMAIN: Final = "erased.invalid"
_PREFIX: Final = "erased-"
_DIGITS: Final = 32  # of the digest, in hexadecimal: 128 bits
_MOST_PARTS: Final = 1000


class Step(StrEnum):
    """What an erasure does next, in this order."""

    RECIPIENTS = "recipients"  # emails to the address
    TEXTS = "texts"  # emails whose subject, labels, details or replies name it
    MESSAGES = "messages"  # emails whose message names it
    EMAILS = "emails"  # erase it from all of these, once they have ended
    FILES = "files"  # remove the files that nobody else sent
    SUPPRESSIONS = "suppressions"
    EVENTS = "events"
    AUDIT = "audit"
    ACCOUNTS = "accounts"
    IDEMPOTENCY = "idempotency"
    SCRUB = "scrub"  # overwrite on the disk what was removed
    DONE = "done"

    @property
    def following(self) -> "Step":
        """The step after this one."""
        steps = list(Step)
        return steps[min(steps.index(self) + 1, len(steps) - 1)]


def pseudonym(key: str, *, secret: bytes) -> str:
    """What stands in the place of the address with this *key*, see `address_key`."""
    digest = hmac.digest(secret, key.encode("utf-8", "surrogatepass"), "sha256").hex()
    return f"{_PREFIX}{digest[:_DIGITS]}@{ERASED_DOMAIN}"


@attrs.frozen(slots=False)
class Person:
    """Whom an erasure is about: the *key* of an address, and what stands in its place."""

    key: str
    pseudonym: str

    @classmethod
    def of(cls, address: Address, *, secret: bytes) -> "Person":
        """The one with this address."""
        key = address_key(address)
        return cls(key, pseudonym(key, secret=secret))

    @cached_property
    def forms(self) -> tuple[str, ...]:
        """How the address may be written, in lower case: its domain in ASCII and in Unicode, and as
        JSON that escapes all but ASCII.
        """
        local, _, domain = self.key.rpartition("@")
        forms = [self.key]
        try:
            shown = domain.encode("ascii").decode("idna")
        except UnicodeError:
            shown = domain
        if shown != domain:
            forms.append(f"{local}@{shown.lower()}")
        forms += [escaped for one in forms if (escaped := json.dumps(one)[1:-1]) != one]
        return tuple(forms)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """The address, but not as the end of a longer local part or the beginning of a domain."""
        forms = "|".join(map(re.escape, self.forms))
        return re.compile(rf"(?<![\w.+-])(?:{forms})(?![\w-]|\.\w)", re.IGNORECASE)

    def is_named_in(self, text: str | None) -> bool:
        """Whether the *text* has the address."""
        return text is not None and self._pattern.search(text) is not None

    def redacted(self, text: str) -> str:
        """The *text* with the pseudonym in the place of the address."""
        return self._pattern.sub(self.pseudonym, text)

    def is_named_in_message(self, octets: bytes) -> bool:
        """Whether a header or a text of this message has the address.

        Transfer encodings, encoded words and character sets are undone. Files are not read.
        """
        if self.is_named_in(octets.decode("utf-8", "replace")):
            return True
        try:
            return any(self.is_named_in(text) for text in _texts(octets))
        except (MessageError, ValueError, LookupError, RecursionError):
            return False


@attrs.frozen(kw_only=True)
class Erasure:
    """One person's erasure and how far it has come.

    *address* is empty once it stands in no other row. Emails with ids up to *until* were there when
    it was asked for; *place* is how far the *step* has come.
    """

    id: int = attrs.field(default=0, eq=False)
    address: str
    pseudonym: str
    until: int
    requested_at: datetime
    step: Step = Step.RECIPIENTS
    place: int = 0
    emails: int = 0  # how many were erased
    done_at: datetime | None = None

    @property
    def person(self) -> Person:
        """Whom it is about."""
        return Person(self.address, self.pseudonym)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return self.step is Step.DONE

    def at(self, place: int) -> "Erasure":
        """The step has come so far."""
        return attrs.evolve(self, place=place)

    def advanced(self, *, now: datetime) -> "Erasure":
        """The step is over."""
        following = self.step.following
        return attrs.evolve(
            self,
            step=following,
            place=0,
            # what is overwritten on the disk must not be written again
            address="" if following in (Step.SCRUB, Step.DONE) else self.address,
            done_at=now if following is Step.DONE else None,
        )


def told_of(email: Email, attempt: Attempt) -> Attempt:
    """What may be written of an *attempt* whose result comes now: without the words of the server
    if the *email* was erased meanwhile.
    """
    if email.subject != ERASED:
        return attempt
    reply = attempt.reply
    return attrs.evolve(
        attempt,
        reply=None if reply is None else attrs.evolve(reply, text=ERASED),
        text=ERASED if attempt.text else "",
    )


def _texts(octets: bytes) -> Iterator[str]:
    """Of the message: its headers and those of its parts, decoded, and its texts."""
    message = message_from_bytes(octets)
    for number, part in enumerate(message.walk()):
        if number > _MOST_PARTS:
            return
        yield from _headers(part)
        if part.get_content_maintype() == "text" and not part.is_multipart():
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes):
                yield _decoded(payload, part.get_content_charset() or "utf-8")


def _headers(part: "Message[str, str]") -> Iterator[str]:
    for value in part.values():
        text = str(value)
        yield text
        if "=?" in text:
            yield "".join(_words(decode_header(text)))
        if "*" in text:  # parameters as in RFC 2231
            yield from _parameters(part)


def _words(words: Iterable[tuple[bytes | str, str | None]]) -> Iterator[str]:
    for word, charset in words:
        yield word if isinstance(word, str) else _decoded(word, charset or "utf-8")


def _parameters(part: "Message[str, str]") -> Iterator[str]:
    filename = part.get_filename()
    if filename is not None:
        yield filename


def _decoded(octets: bytes, charset: str) -> str:
    try:
        return octets.decode(charset, "replace")
    except LookupError:
        return octets.decode("utf-8", "replace")
