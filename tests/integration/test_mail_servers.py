"""Real mail servers: a queue of varied emails, unknown recipients, and what verify reports.

The whole of it, with servers that are stopped and killed, is in `make faults`.
"""

from pathlib import Path

import pytest

from adapters.smtp_sender import SmtpSender
from adapters.smtplib_sender import SmtplibSender
from domain.account.account import AuthMechanism
from tests.faults.requirements import MissingRequirement
from tests.mail_servers.servers import ALL, Dovecot, Exim, MailServer, Postfix, SmtpServerOfNode
from tests.mail_servers.token_trials import a_token_line, queued, refused, replaced
from tests.mail_servers.trials import a_line, all_at_once, short
from tests.missing import missing


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_a_real_server_gets_every_email_once(kind: type[MailServer], tmp_path: Path) -> None:
    try:
        with a_line(kind, tmp_path) as line:
            numbers = short(line)
    except MissingRequirement as reason:
        missing(reason)
    assert (numbers["sent"], numbers["lost"], numbers["copies"]) == (30, 0, 0)
    assert numbers["copies in a row"] == 0


def test_a_real_server_gets_every_email_once_over_smtplib(tmp_path: Path) -> None:
    try:
        with a_line(Postfix, tmp_path, SENDER="smtplib") as line:
            numbers = all_at_once(line, emails=30)
    except MissingRequirement as reason:
        missing(reason)
    assert (numbers["sent"], numbers["lost"], numbers["copies"]) == (30, 0, 0)


@pytest.mark.parametrize(
    ("kind", "make", "mechanism"),
    [
        (Dovecot, SmtpSender, AuthMechanism.XOAUTH2),
        (Dovecot, SmtplibSender, AuthMechanism.OAUTHBEARER),
        (Postfix, SmtplibSender, AuthMechanism.XOAUTH2),
        (Postfix, SmtpSender, AuthMechanism.OAUTHBEARER),
        (SmtpServerOfNode, SmtpSender, None),
        (Exim, SmtpSender, None),
    ],
)
def test_a_real_server_is_logged_into_with_tokens(
    kind: type[MailServer],
    make: type[SmtpSender | SmtplibSender],
    mechanism: AuthMechanism | None,
) -> None:
    """Short ones, of 3 kB and of 6 kB; one that it refuses is replaced, two pause the account."""
    try:
        with a_token_line(kind, make=make) as line:
            arrived = queued(line, auth_mechanism=mechanism)
            asked = replaced(line, auth_mechanism=mechanism)
            reason, said = refused(line, auth_mechanism=mechanism)
    except MissingRequirement as missed:
        missing(missed)
    assert (arrived, list(asked), reason) == (30, [False, True], "token_refused")
    assert said.startswith("535 ")
    tells_by_challenge = kind is not Exim
    assert ("(status " in said) is tells_by_challenge
