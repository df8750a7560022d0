"""May an address stand in it, and who erases it? Each column of each table has an answer here.

A new column fails this test until it has one. If an address may stand in it, let `tests/erased.py`
put one there and let the erasure find it: adapters/peewee_store/erasures.py.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from adapters.fakes.clock import FakeClock
from adapters.peewee_store import SqliteStore
from tests.erased import fill
from tests.integration.test_erasure import columns, naming
from tests.world import World

# Where the address of a person may stand, and what the erasure does there.
ERASED = {
    "email.subject": "replaced",
    "email.error_message": "replaced",
    "email.message_id": "replaced where it names the person",
    "email_body.octets": "removed",
    "email_detail.detail": "removed",
    "email_metadata.name": "removed",
    "email_metadata.value": "removed",
    "email_tag.tag": "removed",
    "email_topic.address": "becomes the pseudonym",
    "recipient.address": "becomes the pseudonym",
    "recipient.reply_text": "replaced",
    "attempt.reply_text": "replaced",
    "attempt.text": "replaced",
    "bounce.text": "replaced",
    "event.data": "the address becomes the pseudonym, replies are replaced",
    "blob_chunk.octets": "removed with the file, unless somebody else's email carries it",
    "suppression.address": "becomes the pseudonym",
    "full_mailbox.address": "the row is removed",
    "audit.actor": "becomes the pseudonym",
    "audit.subject": "becomes the pseudonym",
    "audit.detail": "becomes the pseudonym",
    "account.health": "becomes the pseudonym: replies, and who witnessed them",
    "account_oauth.last_error": "becomes the pseudonym",
    "account_inbox.last_error": "becomes the pseudonym",
    "idempotency.key": "the row is removed",
    "erasure.address": "emptied before the erasure is done",
}
# The operator's own words, which the operator changes: docs/operating/privacy.md says so.
OF_THE_OPERATOR = {
    "account.name", "account.address", "account.display_name", "account.host", "account.username",
    "account.aliases", "account.oauth", "account_dkim.selector", "account_dkim.domain",
    "account_dkim.record", "api_key.name", "template.name", "template.locale", "template.subject",
    "template.body", "template.text", "template.variables", "attempt.account_name",
    "account_inbox.host", "account_inbox.username", "account_inbox.folder", "event_hook.topic",
    "oauth_authorization.redirect_uri", "moving.value", "moving.name", "instance.host",
    "webhook.url",
}  # fmt: skip
# Sealed secrets and keyed or plain digests.
UNREADABLE = {
    "account.sealed_password", "account_dkim.sealed_key", "account_oauth.sealed_secret",
    "account_oauth.sealed_key", "account_oauth.sealed_refresh", "account_oauth.sealed_access",
    "api_key.digest", "api_key.prefix", "secret.sealed", "oauth_authorization.digest",
    "oauth_authorization.sealed", "oauth_authorization.browser", "oauth_authorization.key",
    "idempotency.digest", "blob.digest", "blob_chunk.digest", "email_blob.digest", "upload.digest",
    "account_inbox.sealed_password", "event_hook.digest", "event_hook.sealed_key",
    "event_hook_token.token", "event_hook_token.call", "upload.id", "erasure_file.digest",
    "erasure.pseudonym", "webhook.sealed_secret", "webhook.sealed_old",
    "dashboard_session.digest", "dashboard_session.key_prefix",
}  # fmt: skip
# Words that only the program writes, ids of its own, and media types.
OF_THE_PROGRAM = {
    "account.security", "account.unit", "account.on_unknown", "account.auth_mechanism",
    "account.transport", "account_dkim.algorithm", "account_oauth.held_by", "api_key.scopes",
    "api_key.accounts", "attempt.stage", "attempt.reply_enhanced", "attempt.result",
    "attempt.reason", "audit.action", "bounce.type", "bounce.kind", "bounce.status",
    "provider_name.name", "email.status", "email.phase", "email.reason_code",
    "email_topic.topic", "event.type", "idempotency.scope", "idempotency.email_ids",
    "recipient.kind", "recipient.fate", "recipient.reason", "recipient.reply_enhanced",
    "secret.name", "suppression.scope", "suppression.reason", "tally.status", "template.kind",
    "throughput.what", "throughput.label", "throughput_total.what", "throughput_total.label",
    "throughput_hour.what", "throughput_hour.label",
    "upload.content_type", "erasure.step", "schema_migration.name", "schema_migration.applied",
    "sqlite_sequence.name", "sqlite_sequence.seq", "alert.reason", "alert.problem",
    "watch_note.name", "watch_note.value", "event_hook.kind",
    "webhook.types", "webhook.accounts", "webhook.disabled", "webhook_attempt.problem",
    "lease.name", "lease.holder",
}  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mail.db"


@pytest.fixture
def world(path: Path) -> Iterator[World]:
    clock = FakeClock()
    with closing(SqliteStore(path, clock=clock)) as store:
        store.migrate()
        yield World(store=store, clock=clock)


def test_every_column_says_whether_an_address_may_stand_in_it(world: World, path: Path) -> None:
    texts = {name for name in columns(path) if name not in numbers(path)}
    answered = set(ERASED) | OF_THE_OPERATOR | UNREADABLE | OF_THE_PROGRAM

    assert texts - answered == set(), "say whether an address may stand in a new column"
    assert answered - texts == set()


def test_no_column_has_two_answers() -> None:
    answers = [set(ERASED), OF_THE_OPERATOR, UNREADABLE, OF_THE_PROGRAM]

    assert sum(map(len, answers)) == len(set().union(*answers))


def test_the_proof_puts_an_address_where_it_may_stand(world: World, path: Path) -> None:
    fill(world)
    # errors of a token and of an inbox, a name of metadata, and the row of an erasure, which the
    # last step empties
    hardly = {
        *("account_oauth.last_error", "account_inbox.last_error"),
        *("email_metadata.name", "erasure.address"),
    }

    assert naming(path) == set(ERASED) - hardly


def numbers(path: Path) -> set[str]:
    """The columns that have a type of whole numbers."""
    import apsw

    with closing(apsw.Connection(str(path))) as connection:
        rows = connection.execute(
            "SELECT m.name || '.' || c.name FROM sqlite_master m, pragma_table_info(m.name) c"
            " WHERE m.type = 'table' AND c.type IN ('INTEGER', 'BIGINT')"
        )
        return {name for (name,) in rows}
