"""Real mail servers: a queue of varied emails, unknown recipients, and what verify reports.

The whole of it, with servers that are stopped and killed, is in `make faults`.
"""

from pathlib import Path

import pytest

from tests.faults.requirements import MissingRequirement
from tests.mail_servers.servers import ALL, MailServer, Postfix
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
