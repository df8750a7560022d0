"""The repository of erasures.

SQL text: it changes rows of most tables, many at once, and knows columns that nobody else changes.
tests/integration/test_erased_columns.py lists every column in which an address may stand.
"""

# ruff: noqa: S608 - the texts are made of constants; every value is a parameter
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import attrs

from adapters.peewee_store.rows import Row, micros, micros_or_none, moment, moment_or_none
from adapters.peewee_store.session import Session
from adapters.peewee_store.transaction_cache import TransactionCache
from domain.email.listing import lower_ascii
from domain.email.status import TERMINAL
from domain.erasure import ERASED, Erasure, Person, Step
from domain.errors import NotFound

_COLUMNS: Final = "id, address, pseudonym, until, step, place, emails, requested_at, done_at"
_ADD: Final = (
    "INSERT INTO erasure (address, pseudonym, until, step, place, emails, requested_at, done_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id"
)
_SAVE: Final = (
    "UPDATE erasure SET address = ?, step = ?, place = ?, emails = ?, done_at = ? WHERE id = ?"
)
_LAST_EMAIL: Final = "SELECT COALESCE(MAX(id), 0) FROM email"
# the last id that was given out, to an email that is not committed yet too
_LAST_EMAIL_OF_SEQUENCE: Final = (
    "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM email_id_seq"
)
_MESSAGES: Final = (
    "SELECT email_id, octets FROM email_body WHERE email_id > ? AND email_id <= ?"
    " ORDER BY email_id LIMIT ?"
)
_NOTE: Final = (
    "INSERT INTO erasure_email (erasure_id, email_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
)
_NOTED: Final = (
    "SELECT email_id FROM erasure_email WHERE erasure_id = ? AND email_id > ?"
    " ORDER BY email_id LIMIT ?"
)
_WAITING: Final = "SELECT COUNT(*) FROM erasure_email WHERE erasure_id = ?"
# The columns beside the message in which an email may name somebody who does not get it.
_TEXTS: Final = (
    ("email", "id", ("subject", "error_message", "message_id")),
    ("email_detail", "email_id", ("detail",)),
    ("email_tag", "email_id", ("tag",)),
    ("email_metadata", "email_id", ("name", "value")),
    ("recipient", "email_id", ("reply_text",)),
    ("attempt", "email_id", ("reply_text", "text")),
    ("bounce", "email_id", ("text",)),
)
_REDACTED: Final = (
    "DELETE FROM email_body WHERE email_id {ids}",
    "DELETE FROM email_blob WHERE email_id {ids}",
    "DELETE FROM email_detail WHERE email_id {ids}",
    "DELETE FROM email_tag WHERE email_id {ids}",
    "DELETE FROM email_metadata WHERE email_id {ids}",
    f"UPDATE recipient SET reply_text = '{ERASED}' WHERE reply_text IS NOT NULL"
    " AND email_id {ids}",
    f"UPDATE attempt SET reply_text = '{ERASED}' WHERE reply_text IS NOT NULL AND email_id {{ids}}",
    f"UPDATE bounce SET text = '{ERASED}' WHERE text <> '' AND email_id {{ids}}",
    f"UPDATE attempt SET text = '{ERASED}' WHERE text <> '' AND email_id {{ids}}",
    f"UPDATE email SET error_message = '{ERASED}' WHERE error_message IS NOT NULL AND id {{ids}}",
)
_FILES_OF: Final = (
    "INSERT INTO erasure_file (erasure_id, digest)"
    " SELECT DISTINCT CAST(? AS BIGINT), digest FROM email_blob WHERE email_id {ids}"
    " ON CONFLICT DO NOTHING"
)
_NOT_TO_REMOVE: Final = (
    "DELETE FROM erasure_file WHERE erasure_id = ? AND ("
    "NOT EXISTS (SELECT 1 FROM blob b WHERE b.digest = erasure_file.digest)"
    " OR EXISTS (SELECT 1 FROM email_blob e WHERE e.digest = erasure_file.digest)"
    " OR EXISTS (SELECT 1 FROM upload u WHERE u.digest = erasure_file.digest))"
)
_FILES: Final = "SELECT digest FROM erasure_file WHERE erasure_id = ? ORDER BY digest LIMIT ?"
_ENTRIES: Final = "SELECT id, scope, reason, expires_at FROM suppression WHERE address = ?"
_FORGET_FULL: Final = "DELETE FROM full_mailbox WHERE address = ?"
# Each claim asks the list again for what was accepted before the new name was there.
_RENAME: Final = "UPDATE suppression SET address = ?, emails_until = ({last_email}) WHERE id = ?"
# The tables of the steps: their texts by their keys.
_OTHER_TEXTS: Final = {
    Step.EVENTS: (("event", "id", ("data",)),),
    Step.AUDIT: (("audit", "id", ("actor", "subject", "detail")),),
    Step.ACCOUNTS: (
        ("account_oauth", "account_id", ("last_error",)),
        ("account_inbox", "account_id", ("last_error",)),
    ),
}
_LAST_KEY: Final = (
    "SELECT MAX(created_at) FROM (SELECT created_at FROM idempotency WHERE created_at > ?"
    " ORDER BY created_at LIMIT ?) AS span"
)
_DROP_KEYS: Final = "DELETE FROM idempotency WHERE created_at > ? AND created_at <= ? AND {named}"


class SqlErasures:
    """The ErasureRepository port."""

    def __init__(self, session: Session, cache: TransactionCache) -> None:
        self._session = session
        self._cache = cache
        self._last_email = _LAST_EMAIL_OF_SEQUENCE if session.shared else _LAST_EMAIL

    # -- erasures -----------------------------------------------------------------------------

    def add(self, erasure: Erasure) -> Erasure:
        """One row."""
        values = (
            erasure.address,
            erasure.pseudonym,
            erasure.until,
            erasure.step.value,
            erasure.place,
            erasure.emails,
            micros(erasure.requested_at),
            micros_or_none(erasure.done_at),
        )
        (number,) = self._session.execute(_ADD, values).fetchone()
        return attrs.evolve(erasure, id=number)

    def get(self, erasure_id: int) -> Erasure:
        """By its id."""
        query = f"SELECT {_COLUMNS} FROM erasure WHERE id = ?"
        row = self._session.execute(query, (erasure_id,)).fetchone()
        if row is None:
            raise NotFound(f"there is no erasure {erasure_id}")
        return _erasure(row)

    def unfinished(self) -> Sequence[Erasure]:
        """There are few erasures."""
        query = f"SELECT {_COLUMNS} FROM erasure WHERE step <> ? ORDER BY id"
        rows = self._session.execute(query, (Step.DONE.value,)).fetchall()
        return [_erasure(row) for row in rows]

    def save(self, erasure: Erasure) -> None:
        """One update."""
        values = (
            erasure.address,
            erasure.step.value,
            erasure.place,
            erasure.emails,
            micros_or_none(erasure.done_at),
            erasure.id,
        )
        self._session.execute(_SAVE, values)

    # -- emails: which name the person --------------------------------------------------------

    def last_email(self) -> int:
        """Of the rows, or of the server's sequence."""
        return int(self._session.execute(self._last_email).fetchone()[0])

    def emails_to(self, person: Person, *, after: int, until: int, limit: int) -> Sequence[int]:
        """Along the index of the recipients."""
        found = self._session.execute(
            f"SELECT DISTINCT email_id FROM recipient WHERE {self._session.lower('address')} = ?"
            " AND email_id > ? AND email_id <= ? ORDER BY email_id LIMIT ?",
            (lower_ascii(person.key), after, until, limit),
        ).fetchall()
        return [email_id for (email_id,) in found]

    def emails_naming(self, person: Person, *, after: int, until: int) -> Collection[int]:
        """A span of each table."""
        found: set[int] = set()
        for table, key, columns in _TEXTS:
            where, values = self._named(columns, person)
            query = f"SELECT {key} FROM {table} WHERE {key} > ? AND {key} <= ? AND {where}"
            rows = self._session.execute(query, (after, until, *values)).fetchall()
            found.update(email_id for (email_id,) in rows)
        return found

    def messages(self, *, after: int, until: int, limit: int) -> Mapping[int, bytes]:
        """By the primary key."""
        found = self._session.execute(_MESSAGES, (after, until, limit)).fetchall()
        return {email_id: bytes(octets) for email_id, octets in found}

    def note(self, erasure_id: int, email_ids: Collection[int]) -> None:
        """Insert those that are not there."""
        for email_id in sorted(email_ids):
            self._session.execute(_NOTE, (erasure_id, email_id))

    def noted(self, erasure_id: int, *, after: int, limit: int) -> Sequence[int]:
        """By the primary key."""
        found = self._session.execute(_NOTED, (erasure_id, after, limit)).fetchall()
        return [email_id for (email_id,) in found]

    def waiting(self, erasure_id: int) -> int:
        """Count them."""
        return int(self._session.execute(_WAITING, (erasure_id,)).fetchone()[0])

    # -- emails: redacted ---------------------------------------------------------------------

    def redact(self, erasure: Erasure, email_ids: Sequence[int], *, now: datetime) -> int:
        """Statements for many emails at once, and one for each event."""
        if not email_ids:
            return 0
        execute = self._session.execute
        ids, listed = self._session.among(email_ids)
        rows = execute(f"SELECT id, status FROM email WHERE id {ids}", listed).fetchall()
        ended = [number for number, status in rows if status in TERMINAL]
        living = {number for number, _ in rows} - set(ended)
        if ended:
            self._redact(erasure, ended, now)
        over = [number for number in email_ids if number not in living]
        if over:
            ids, listed = self._session.among(over)
            forget = f"DELETE FROM erasure_email WHERE erasure_id = ? AND email_id {ids}"
            execute(forget, (erasure.id, *listed))
        return len(ended)

    def _redact(self, erasure: Erasure, ended: Sequence[int], now: datetime) -> None:
        execute, person = self._session.execute, erasure.person
        ids, listed = self._session.among(ended)
        execute(_FILES_OF.format(ids=ids), (erasure.id, *listed))
        for statement in _REDACTED:
            execute(statement.format(ids=ids), listed)
        execute(
            f"UPDATE email SET subject = '{ERASED}',"
            f" content_purged_at = COALESCE(content_purged_at, ?) WHERE id {ids}",
            (micros(now), *listed),
        )
        where, values = self._named(("message_id",), person)
        execute(
            f"UPDATE email SET message_id = ? WHERE id {ids} AND {where}",
            (f"<{person.pseudonym}>", *listed, *values),
        )
        execute(
            f"UPDATE recipient SET address = ? WHERE email_id {ids}"
            f" AND {self._session.lower('address')} = ?",
            (person.pseudonym, *listed, lower_ascii(person.key)),
        )
        execute(
            f"UPDATE email_topic SET address = ? WHERE email_id {ids} AND address = ?",
            (person.pseudonym, *listed, person.key),
        )
        events = execute(f"SELECT id, data FROM event WHERE email_id {ids}", listed).fetchall()
        for number, data in events:
            redacted = person.redacted(_without_replies(data))
            if redacted != data:
                execute("UPDATE event SET data = ? WHERE id = ?", (redacted, number))

    # -- what is beside the emails ------------------------------------------------------------

    def files(self, erasure_id: int, *, limit: int) -> Sequence[bytes]:
        """Those of others are forgotten first."""
        self._session.execute(_NOT_TO_REMOVE, (erasure_id,))
        found = self._session.execute(_FILES, (erasure_id, limit)).fetchall()
        return [bytes.fromhex(digest) for (digest,) in found]

    def rename_suppressions(self, person: Person) -> int:
        """Row by row: there are few of one address."""
        execute = self._session.execute
        execute(_FORGET_FULL, (person.key,))
        theirs = execute(_ENTRIES, (person.key,)).fetchall()
        known = {row[1:3]: row for row in execute(_ENTRIES, (person.pseudonym,)).fetchall()}
        rename = _RENAME.format(last_email=self._last_email)
        for row in theirs:
            other = known.get(row[1:3])
            if other is not None:
                shorter = min(row, other, key=_end)
                execute("DELETE FROM suppression WHERE id = ?", (shorter[0],))
                if shorter is row:
                    continue
            execute(rename, (person.pseudonym, row[0]))
        self._cache.forget()
        return len(theirs)

    def redact_texts(self, step: Step, person: Person, *, after: int, limit: int) -> int | None:
        """A span of the keys; of the remembered answers, a span of their times. All accounts are
        looked at each time: there are few.
        """
        if step is Step.IDEMPOTENCY:
            return self._drop_keys(person, after, limit)
        if step is Step.ACCOUNTS:
            self._redact_health(person)
        places = [
            self._redact_span(table, key, columns, person, after, limit)
            for table, key, columns in _OTHER_TEXTS[step]
        ]
        return min((place for place in places if place is not None), default=None)

    def _drop_keys(self, person: Person, after: int, limit: int) -> int | None:
        (last,) = self._session.execute(_LAST_KEY, (after, limit)).fetchone()
        if last is not None:
            where, values = self._named(("key",), person)
            self._session.execute(_DROP_KEYS.format(named=where), (after, last, *values))
        return None if last is None else int(last)

    def _redact_health(self, person: Person) -> None:
        """JSON with every character but ASCII escaped."""
        execute = self._session.execute
        for number, text in execute("SELECT id, health FROM account").fetchall():
            plain = json.dumps(json.loads(text), ensure_ascii=False)
            if person.is_named_in(plain):
                health = json.dumps(json.loads(person.redacted(plain)))
                execute("UPDATE account SET health = ? WHERE id = ?", (health, number))
                self._cache.forget()

    def _redact_span(
        self,
        table: str,
        key: str,
        columns: Sequence[str],
        person: Person,
        after: int,
        limit: int,
    ) -> int | None:
        execute = self._session.execute
        (last,) = execute(
            f"SELECT MAX(k) FROM (SELECT {key} AS k FROM {table} WHERE {key} > ? ORDER BY {key}"
            " LIMIT ?) AS span",
            (after, limit),
        ).fetchone()
        if last is None:
            return None
        where, values = self._named(columns, person)
        listed = ", ".join(columns)
        found = execute(
            f"SELECT {key}, {listed} FROM {table} WHERE {key} > ? AND {key} <= ? AND {where}",
            (after, last, *values),
        ).fetchall()
        settings = ", ".join(f"{column} = ?" for column in columns)
        for number, *texts in found:
            redacted = [person.redacted(text) for text in texts]
            execute(f"UPDATE {table} SET {settings} WHERE {key} = ?", (*redacted, number))
        return int(last)

    def _named(self, columns: Sequence[str], person: Person) -> tuple[str, list[str]]:
        """The condition that one of the columns may name the person, and its values."""
        patterns = [f"%{_like(lower_ascii(form))}%" for form in person.forms]
        one = [
            f"{self._session.lower(column)} LIKE ? ESCAPE '!'"
            for column in columns
            for _ in patterns
        ]
        return f"({' OR '.join(one)})", patterns * len(columns)


def _like(text: str) -> str:
    """As a pattern that matches nothing else."""
    for special in "!%_":
        text = text.replace(special, f"!{special}")
    return text


def _end(row: Row) -> float:
    """Until when an entry of the list holds."""
    return float("inf") if row[3] is None else row[3]


def _without_replies(data: str) -> str:
    """The facts of an email without what servers have replied or reported, but for the codes."""
    facts: dict[str, Any] = json.loads(data)
    recipients = facts.get("recipients")
    if not recipients:
        return data
    for told in recipients:
        if told[3] is not None:
            told[3] = f"{told[3].partition(' ')[0]} {ERASED}"
        if told[6:] and told[6]:  # the text of a report
            told[6] = ERASED
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"))


def _erasure(row: Row) -> Erasure:
    return Erasure(
        id=row[0],
        address=row[1],
        pseudonym=row[2],
        until=row[3],
        step=Step(row[4]),
        place=row[5],
        emails=row[6],
        requested_at=moment(row[7]),
        done_at=moment_or_none(row[8]),
    )
