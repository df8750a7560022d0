"""Erasures, in memory."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import attrs

from adapters.fakes.memory_suppressions import MemorySuppressions
from adapters.fakes.memory_tables import Journal, Tables
from adapters.fakes.memory_watching import MemoryFullMailboxes
from domain.address import Address
from domain.email.lifecycle import Email
from domain.email.listing import lower_ascii
from domain.email.status import TERMINAL
from domain.erasure import ERASED, Erasure, Person, Step
from domain.errors import NotFound
from domain.event.event import EmailFacts
from domain.suppression import Subscription, address_key

_Change: TypeAlias = Callable[[Any, Person], Any]


class MemoryErasures:
    """The ErasureRepository port on dictionaries."""

    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def add(self, erasure: Erasure) -> Erasure:
        """With the next id."""
        stored = attrs.evolve(erasure, id=self._journal.next_id(self._tables, "erasure"))
        self._journal.put(self._tables.erasures, stored.id, stored)
        return stored

    def get(self, erasure_id: int) -> Erasure:
        """By its id."""
        found = self._tables.erasures.get(erasure_id)
        if found is None:
            raise NotFound(f"there is no erasure {erasure_id}")
        return found

    def unfinished(self) -> Sequence[Erasure]:
        """All are looked at."""
        return [one for _, one in sorted(self._tables.erasures.items()) if not one.is_done]

    def save(self, erasure: Erasure) -> None:
        """In its place."""
        self._journal.put(self._tables.erasures, erasure.id, erasure)

    def last_email(self) -> int:
        """Of all that were given out."""
        return self._tables.last_ids.get("email", 0)

    def emails_to(self, person: Person, *, after: int, until: int, limit: int) -> Sequence[int]:
        """All are looked at."""
        found = (
            number
            for number, email in sorted(self._tables.emails.items())
            if after < number <= until and any(_is(person, one.address) for one in email.recipients)
        )
        return list(found)[:limit]

    def emails_naming(self, person: Person, *, after: int, until: int) -> Collection[int]:
        """All are looked at."""
        return {
            number
            for number in self._tables.emails
            if after < number <= until and any(map(person.is_named_in, self._texts(number)))
        }

    def _texts(self, number: int) -> Iterator[str]:
        """The texts beside the message."""
        email, tables = self._tables.emails[number], self._tables
        yield from (email.subject, email.error_message or "", email.message_id)
        yield from (one.reply.text for one in email.recipients if one.reply)
        labels = tables.labels.get(number)
        if labels is not None:
            yield from labels.tags
            yield from (text for pair in labels.metadata for text in pair)
        yield from _strings(tables.details.get(number))
        for (email_id, _), attempt in tables.attempts.items():
            if email_id == number:
                yield attempt.text
                yield attempt.reply.text if attempt.reply else ""
        yield from (one.text for key, one in tables.bounces.items() if key[0] == number)

    def messages(self, *, after: int, until: int, limit: int) -> Mapping[int, bytes]:
        """All are looked at."""
        found = [n for n in sorted(self._tables.octets) if after < n <= until][:limit]
        return {number: self._tables.octets[number] for number in found}

    def note(self, erasure_id: int, email_ids: Collection[int]) -> None:
        """One after the other."""
        for email_id in email_ids:
            self._journal.put(self._tables.erased_emails, (erasure_id, email_id), None)

    def noted(self, erasure_id: int, *, after: int, limit: int) -> Sequence[int]:
        """All are looked at."""
        found = sorted(n for of, n in self._tables.erased_emails if of == erasure_id and n > after)
        return found[:limit]

    def waiting(self, erasure_id: int) -> int:
        """All are looked at."""
        return sum(of == erasure_id for of, _ in self._tables.erased_emails)

    def redact(self, erasure: Erasure, email_ids: Sequence[int], *, now: datetime) -> int:
        """One after the other."""
        number = 0
        for email_id in email_ids:
            email = self._tables.emails.get(email_id)
            if email is not None and email.status not in TERMINAL:
                continue
            if email is not None:
                self._redact(erasure, email, now)
                number += 1
            if (erasure.id, email_id) in self._tables.erased_emails:
                self._journal.remove(self._tables.erased_emails, (erasure.id, email_id))
        return number

    def _redact(self, erasure: Erasure, email: Email, now: datetime) -> None:
        tables, person = self._tables, erasure.person
        for placed in tables.placed.get(email.id, ()):
            self._journal.put(tables.erased_files, (erasure.id, placed.blob.digest), None)
        of_emails: tuple[dict[int, Any], ...] = (
            tables.octets,
            tables.placed,
            tables.details,
            tables.labels,
        )
        for table in of_emails:
            if email.id in table:
                self._journal.remove(table, email.id)
        if email.id not in tables.purged:
            self._journal.put(tables.purged, email.id, now)
        named = person.is_named_in(email.message_id)
        redacted = attrs.evolve(
            email,
            subject=ERASED,
            error_message=None if email.error_message is None else ERASED,
            message_id=f"<{person.pseudonym}>" if named else email.message_id,
            recipients=tuple(
                attrs.evolve(
                    one,
                    address=_address(person, one.address),
                    reply=one.reply and attrs.evolve(one.reply, text=ERASED),
                )
                for one in email.recipients
            ),
        )
        self._journal.put(tables.emails, email.id, redacted)
        topic = tables.topics.get(email.id)
        if topic is not None and topic.address == person.key:
            renamed = Subscription(person.pseudonym, topic.topic)
            self._journal.put(tables.topics, email.id, renamed)
        for key, attempt in list(tables.attempts.items()):
            if key[0] == email.id:
                silent = attrs.evolve(
                    attempt,
                    text=attempt.text and ERASED,
                    reply=attempt.reply and attrs.evolve(attempt.reply, text=ERASED),
                )
                self._journal.put(tables.attempts, key, silent)
        for place, bounce in list(tables.bounces.items()):
            if place[0] == email.id:
                silent_bounce = attrs.evolve(bounce, text=bounce.text and ERASED)
                self._journal.put(tables.bounces, place, silent_bounce)
        for number, event in list(tables.events.items()):
            if event.email_id == email.id and isinstance(event.facts, EmailFacts):
                facts = _facts(event.facts, person)
                self._journal.put(tables.events, number, attrs.evolve(event, facts=facts))

    def files(self, erasure_id: int, *, limit: int) -> Sequence[bytes]:
        """All are looked at."""
        tables = self._tables
        used = {one.blob.digest for all_ in tables.placed.values() for one in all_}
        used |= {upload.blob.digest for upload in tables.uploads.values()}
        for of, digest in list(tables.erased_files):
            if of == erasure_id and (digest in used or digest not in tables.blobs):
                self._journal.remove(tables.erased_files, (of, digest))
        return sorted(digest for of, digest in tables.erased_files if of == erasure_id)[:limit]

    def rename_suppressions(self, person: Person) -> int:
        """One after the other."""
        MemoryFullMailboxes(self._tables, self._journal).forget(person.key)
        rows = MemorySuppressions(self._tables, self._journal)
        theirs = rows.of([person.key])
        for one in theirs:
            rows.remove([one])
            rows.put(attrs.evolve(one, address=person.pseudonym))
        return len(theirs)

    def redact_texts(self, step: Step, person: Person, *, after: int, limit: int) -> int | None:
        """All at once."""
        if step is Step.IDEMPOTENCY:
            self._drop_keys(person)
            return None
        tables: dict[Step, Sequence[tuple[dict[int, Any], _Change]]] = {
            Step.EVENTS: ((self._tables.events, _redacted_facts),),
            Step.AUDIT: ((self._tables.audit, _redacted),),
            Step.ACCOUNTS: (
                (self._tables.accounts, _redacted_health),
                (self._tables.credentials, _redacted_error),
                (self._tables.inboxes, _redacted_error),
            ),
        }
        for table, change in tables[step]:
            for number, row in list(table.items()):
                self._journal.put(table, number, change(row, person))
        return None

    def _drop_keys(self, person: Person) -> None:
        for place in list(self._tables.records):
            text = lower_ascii(place[1])
            if any(lower_ascii(form) in text for form in person.forms):
                self._journal.remove(self._tables.records, place)


def _is(person: Person, address: Address) -> bool:
    return address_key(address) == person.key


def _address(person: Person, address: Address) -> Address:
    return Address.parse(person.pseudonym) if _is(person, address) else address


def _facts(facts: EmailFacts, person: Person) -> EmailFacts:
    told = tuple(
        attrs.evolve(
            one,
            address=person.redacted(one.address),
            reply=None if one.reply is None else f"{one.reply.partition(' ')[0]} {ERASED}",
            bounce=one.bounce and attrs.evolve(one.bounce, text=one.bounce.text and ERASED),
        )
        for one in facts.recipients
    )
    return attrs.evolve(facts, recipients=told, message_id=person.redacted(facts.message_id))


def _strings(value: Any) -> Iterator[str]:
    """All texts in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Address):
        yield str(value)
    elif attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            yield from _strings(getattr(value, field.name))
    elif isinstance(value, tuple | list | frozenset):
        for one in value:
            yield from _strings(one)


def _redacted(value: Any, person: Person) -> Any:
    """The value with all its texts redacted."""
    if isinstance(value, str) and type(value) is str:
        return person.redacted(value)
    if isinstance(value, dict):
        return {name: _redacted(one, person) for name, one in value.items()}
    if isinstance(value, tuple):
        return tuple(_redacted(one, person) for one in value)
    if attrs.has(type(value)):
        changes = {
            field.name: _redacted(getattr(value, field.name), person)
            for field in attrs.fields(type(value))
            if field.init
        }
        return attrs.evolve(value, **changes)
    return value


def _redacted_facts(row: Any, person: Person) -> Any:
    return attrs.evolve(row, facts=_redacted(row.facts, person))


def _redacted_health(row: Any, person: Person) -> Any:
    return attrs.evolve(row, health=_redacted(row.health, person))


def _redacted_error(row: Any, person: Person) -> Any:
    return attrs.evolve(row, last_error=person.redacted(row.last_error))
