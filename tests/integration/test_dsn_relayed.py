"""A real mail server passes our reference and the original addresses on, and into its bounces."""

import re
from pathlib import Path
from typing import Any

import pytest

from adapters.fakes.sender import Rule, Script
from domain.outcome.handoff import Stage
from tests.faults.requirements import MissingRequirement
from tests.mail_servers.servers import PASSWORD, USER, Certificates, Postfix
from tests.mail_servers.servers import running as running_server
from tests.missing import missing
from tests.running import running, wait_until
from tests.smtp_server import SmtpServer

GHOST = "ghost+x=y@example.test"
EMAILS = 30


class AnyRecipient(Postfix):
    """It relays to everybody, and knows who exists only when the next server tells it."""

    def prepare(self) -> None:
        super().prepare()
        self.write("etc/boxes", "/./ ok\n")


@pytest.mark.parametrize("sender", ["pipelining", "smtplib"])
def test_postfix_relays_our_reference_and_puts_it_into_its_bounces(
    tmp_path: Path, sender: str
) -> None:
    certificates = Certificates()
    authority = tmp_path / "ca.pem"
    authority.write_bytes(certificates.authority)
    script = Script(
        (Rule(Stage.RCPT, "550 5.1.1 unknown", recipient=GHOST),),
        extensions=(*Script().extensions, "DSN"),
        mechanisms=(),
    )
    recipients = [GHOST if n % 10 == 9 else f"u{n}@example.test" for n in range(EMAILS - 1)]
    recipients.append("jörg+a@example.test")
    shown: list[dict[str, Any]] = []
    try:
        with (
            SmtpServer(script) as sink,
            running_server(AnyRecipient, certificates, sink=sink) as server,
            running(tmp_path, SMTP_CA_FILE=authority, SENDER=sender) as service,
        ):
            service.account(
                server.ports["STARTTLS"],
                email_address=USER,
                username=USER,
                password=PASSWORD,
                use_tls=True,
            )
            for name in recipients:
                body = {"subject": name, "text_content": "Hello.", "recipients": [name]}
                status, answer = service.post("/api/emails", body)
                assert status == 201, answer
                shown.append(answer)
            # the bounces of the two unknown recipients come to the sender, over the same server
            wait_until(lambda: len(sink.accepted) == EMAILS, patience=60)
            ids = [answer["email_id"] for answer in shown]
            emails = [service.get(f"/api/emails/{email_id}")[1] for email_id in ids]
            commands = [line.decode() for line in sink.commands]
            bounces = [
                one.octets.decode() for one in sink.accepted if b"multipart/report" in one.octets
            ]
    except MissingRequirement as reason:
        missing(reason)

    references = {
        name: email["message_id"].strip("<>").partition("@")[0]
        for name, email in zip(recipients, emails, strict=True)
    }
    said = {line for line in commands if line.startswith(("MAIL", "RCPT"))}
    for name, reference in references.items():
        assert any(
            f"RET=HDRS ENVID={reference}" in line or f"ENVID={reference} RET=HDRS" in line
            for line in said
        ), name
    assert any("ORCPT=rfc822;u0@example.test NOTIFY=FAILURE,DELAY" in line for line in said), said
    utf8 = [line for line in said if line.startswith("RCPT TO:<jörg+a@example.test>")]
    assert any("ORCPT=utf-8;" in line for line in utf8), utf8

    assert len(bounces) == recipients.count(GHOST)
    told = {re.findall(r"^Original-Envelope-Id: (\S+)", one, re.MULTILINE)[0] for one in bounces}
    emails_to_ghost = [email for email in emails if email["recipients"] == [GHOST]]
    assert told == {one["message_id"].strip("<>").partition("@")[0] for one in emails_to_ghost}
    for bounce in bounces:
        assert f"Original-Recipient: rfc822;{GHOST}" in bounce
        assert "Content-Type: text/rfc822-headers" in bounce
        assert "X-Email-Ref: " in bounce
