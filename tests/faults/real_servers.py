"""Postfix, Exim, OpenSMTPD, Dovecot, Haraka and smtp-server: the whole of tests/mail_servers."""

from pathlib import Path

from tests.faults.harness import Numbers
from tests.mail_servers.servers import ALL
from tests.mail_servers.trials import whole


def real_server(folder: Path, *, name: str) -> Numbers:
    """Everything, with the server of this name."""
    (kind,) = (kind for kind in ALL if kind.name == name)
    return whole(folder, kind=kind)
