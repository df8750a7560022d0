"""Postfix, Exim, OpenSMTPD, Dovecot, Haraka and smtp-server: the whole of tests/mail_servers."""

from pathlib import Path

from tests.faults.harness import Numbers
from tests.mail_servers.servers import ALL, MailServer
from tests.mail_servers.trials import whole


def real_server(folder: Path, *, name: str) -> Numbers:
    """Everything, with the server of this name."""
    return whole(folder, kind=_kind(name))


def needed(*, name: str) -> None:
    """MissingRequirement, unless it can be run here."""
    _kind(name).need()


def _kind(name: str) -> type[MailServer]:
    (kind,) = (kind for kind in ALL if kind.name == name)
    return kind
