"""`email-service export`: what is stored of one person."""

import base64
import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from adapters.fakes.clock import FakeClock
from adapters.peewee_store import SqliteStore
from application.ports.store import Transaction
from domain.email.labels import labels
from domain.email.recipient import RecipientField, RecipientStatus
from domain.email.status import Status
from entrypoints.cli import cli
from tests.builders import NOW, OCTETS, a_recipient, a_reply, an_email, at


def export(path: Path, recipient: str) -> Result:
    environ = {"FLASK_ENV": "", "SECRET_KEY": "", "DATABASE_URL": f"sqlite:///{path}/s.db"}
    return CliRunner(env=environ).invoke(cli, ["export", "--recipient", recipient])


def filled(path: Path) -> None:
    """One email to Ada and, hidden from her, to Bob; one that is purged; one to Bob alone."""
    store = SqliteStore(path / "s.db", clock=FakeClock())
    store.migrate()
    to_bob = a_recipient("bob@example.org", field=RecipientField.BCC)
    to_ada = a_recipient(
        "Ada@example.org",
        status=RecipientStatus.ACCEPTED,
        reason="accepted",
        reply=a_reply(250, "2.1.5 ok"),
    )

    def work(tx: Transaction) -> None:
        both = tx.emails.add(an_email(recipients=(to_ada, to_bob)), OCTETS)
        tx.labels.add_all({both.id: labels(["t"], {"order": "7"})})
        old = tx.emails.add(an_email(recipients=(to_ada,)), OCTETS)
        tx.emails.save(old.changed(status=Status.SENT, sent_at=NOW, updated_at=NOW), was=old)
        tx.emails.add(an_email(recipients=(to_bob,)), OCTETS)

    store.write(work)
    store.write(
        lambda tx: tx.retention.purge_content(
            Status.SENT, ended_before=at(1), limit=9, octets=10**6, now=at(2)
        )
    )
    store.close()


def lines(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


def test_every_email_to_a_person_is_a_line_newest_first(tmp_path: Path) -> None:
    filled(tmp_path)

    old, both = lines(export(tmp_path, "ada@example.org"))

    assert (old["id"], old["status"], old["sent_at"]) == (2, "sent", "2026-01-05T09:00:00.000000Z")
    assert (old["content_purged_at"], old["message_base64"]) == (
        "2026-01-05T09:00:02.000000Z",
        None,
    )
    assert (both["id"], both["tags"], both["metadata"]) == (1, ["t"], {"order": "7"})
    assert OCTETS in base64.b64decode(both["message_base64"])
    assert both["recipient"] == [
        {
            "address": "Ada@example.org",
            "name": "",
            "field": "to",
            "status": "accepted",
            "reason": "accepted",
            "reply": "250 2.1.5 ok",
        }
    ]


def test_a_line_tells_nothing_of_hidden_recipients(tmp_path: Path) -> None:
    filled(tmp_path)

    result = export(tmp_path, "ada@example.org")

    assert "bob" not in result.output
    assert [line["id"] for line in lines(export(tmp_path, "BOB@example.org"))] == [3, 1]


def test_of_a_stranger_there_is_nothing(tmp_path: Path) -> None:
    filled(tmp_path)

    assert lines(export(tmp_path, "eve@example.org")) == []


def test_what_is_no_address_is_refused(tmp_path: Path) -> None:
    assert export(tmp_path, "ada").exit_code == 2
