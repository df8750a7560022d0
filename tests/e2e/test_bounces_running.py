"""A real mail server accepts an email and bounces it: the owner is told, all the way."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from adapters.fakes.sender import Rule, Script
from domain.outcome.handoff import Stage
from tests.faults.requirements import MissingRequirement
from tests.mail_servers import imap
from tests.mail_servers.bouncing import LOCAL, RELAYED, bouncing_exim, bouncing_postfix
from tests.mail_servers.cyrus import CyrusImap
from tests.mail_servers.imap import DovecotImap, ImapServer, imap_server
from tests.mail_servers.servers import PASSWORD, USER, Certificates, MailServer
from tests.mail_servers.servers import running as running_server
from tests.missing import missing
from tests.running import Running, running, wait_until
from tests.smtp_server import SmtpServer
from tests.webhook_receiver import WebhookReceiver

WITHIN_S = 5.0
GHOST = f"ghost@{RELAYED}"
UNKNOWN = f"unknown@{LOCAL}"
READER = f"reader@{RELAYED}"


@pytest.mark.parametrize(
    ("mail_server", "mailbox"),
    [
        pytest.param(bouncing_postfix, DovecotImap, id="Postfix, Dovecot"),
        pytest.param(bouncing_exim, DovecotImap, id="Exim, Dovecot"),
        pytest.param(bouncing_postfix, CyrusImap, id="Postfix, Cyrus"),
    ],
)
def test_a_bounce_is_told_within_five_seconds_after_it_was_read(
    tmp_path: Path,
    mail_server: Callable[[ImapServer], type[MailServer]],
    mailbox: type[ImapServer],
) -> None:
    certificates = Certificates()
    authority = tmp_path / "ca.pem"
    authority.write_bytes(certificates.authority)
    script = Script((Rule(Stage.RCPT, "550 5.1.1 unknown", recipient=GHOST),), mechanisms=())
    try:
        with ExitStack() as stack:
            inbox = stack.enter_context(imap_server(mailbox, certificates))
            sink = stack.enter_context(SmtpServer(script))
            relay = running_server(mail_server(inbox), certificates, sink=sink)
            server = stack.enter_context(relay)
            receiver = stack.enter_context(WebhookReceiver())
            service = stack.enter_context(running(tmp_path, SMTP_CA_FILE=authority))
            hook = {"url": receiver.url, "events": ["email.bounced"]}
            assert service.post("/api/webhooks", hook)[0] == 201
            an_account(service, server, inbox)
            ids = {
                name: service.submit(name, recipients=[name]) for name in (GHOST, READER, UNKNOWN)
            }

            wait_until(lambda: service.output().count("email_bounced") == 2)
            events = wait_until(lambda: bounces(service), patience=WITHIN_S)
            wait_until(lambda: len(receiver.calls) == 2, patience=WITHIN_S)

            emails = {name: service.get(f"/api/emails/{number}")[1] for name, number in ids.items()}
            _, suppressed = service.get("/api/suppressions")
            flags = inbox.flags()
    except MissingRequirement as reason:
        missing(reason)

    bounced = {ids[GHOST]: GHOST, ids[UNKNOWN]: UNKNOWN}
    for told in (events, [json.loads(call.body) for call in receiver.calls]):
        assert {each["data"]["email_id"]: reported(each) for each in told} == bounced
    statuses = {name: email["recipient_status"][0] for name, email in emails.items()}
    assert {email["status"] for email in emails.values()} == {"sent"}
    assert {name for name, one in statuses.items() if one["bounced_at"]} == set(bounced.values())
    assert {entry["address"] for entry in suppressed} == set(bounced.values())
    assert set(flags.values()) == {frozenset({"\\Recent"})}


def reported(event: Any) -> str:
    """Whose mail came back, and for good."""
    (recipient,) = event["data"]["recipients"]
    assert recipient["bounce"]["kind"] == "hard"
    return str(recipient["address"])


def an_account(service: Running, server: MailServer, inbox: ImapServer) -> None:
    """It sends over the server, as the owner of the mailbox to which its reports go."""
    login = {"username": USER, "password": PASSWORD, "use_tls": True}
    box = {"host": "localhost", "port": inbox.starttls, "username": imap.USER, "poll_seconds": 10}
    service.account(
        server.ports["STARTTLS"],
        email_address=imap.USER,
        inbox={**box, "password": imap.PASSWORD},
        **login,
    )


def bounces(service: Running) -> list[dict[str, Any]]:
    """What the feed tells of the two."""
    _, events = service.get("/api/events?types=email.bounced")
    return list(events) if len(events) == 2 else []
