"""Signed mail still verifies after a real mail server has relayed it."""

from pathlib import Path

from tests.dkim_oracle import verified_signatures
from tests.faults.requirements import MissingRequirement
from tests.mail_servers.servers import PASSWORD, USER, Certificates, Postfix
from tests.mail_servers.servers import running as running_server
from tests.mail_servers.trials import varied
from tests.missing import missing
from tests.running import running, wait_until
from tests.smtp_server import SmtpServer


def test_postfix_leaves_both_signatures_of_every_email_whole(tmp_path: Path) -> None:
    certificates = Certificates()
    authority = tmp_path / "ca.pem"
    authority.write_bytes(certificates.authority)
    bodies = [
        *({**body, "recipients": [USER]} for body in varied(5)),
        {"subject": "Grüße " * 30, "text_content": "Grüße  \n\n\t\n", "recipients": [USER]},
    ]
    try:
        with (
            SmtpServer() as sink,
            running_server(Postfix, certificates, sink=sink) as server,
            running(tmp_path, SMTP_CA_FILE=authority) as service,
        ):
            account = service.account(
                server.ports["STARTTLS"],
                email_address=USER,
                username=USER,
                password=PASSWORD,
                use_tls=True,
            )
            keys = f"/api/smtp-configs/{account}/dkim"
            status, pair = service.post(keys, {"selector": "mail"})
            assert status == 201, pair
            assert service.call("PATCH", f"{keys}/mail", {"active": True})[0] == 200
            for body in bodies:
                status, answer = service.post("/api/emails", body)
                assert status == 201, answer
            wait_until(lambda: len(sink.accepted) == len(bodies), patience=60)
    except MissingRequirement as reason:
        missing(reason)

    relayed = [taken.octets for taken in sink.accepted]
    assert all(octets.startswith(b"Received: ") for octets in relayed)
    records = {record["name"]: record["value"] for record in pair["records"]}
    assert verified_signatures(relayed, records) == [[True, True]] * len(bodies)
