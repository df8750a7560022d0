"""Files as mail domains publish them for autoconfig."""

from collections.abc import Sequence


def a_server(
    *,
    hostname: str | None = "smtp.example.org",
    port: str | None = "587",
    socketType: str | None = "STARTTLS",  # noqa: N803 - as the draft calls it
    username: str | None = "%EMAILADDRESS%",
    authentication: Sequence[str] = ("password-cleartext",),
    before: str = "",
) -> str:
    """An outgoing server; what is None is left out."""
    values = {"hostname": hostname, "port": port, "socketType": socketType, "username": username}
    parts = [f"<{name}>{text}</{name}>" for name, text in values.items() if text is not None]
    parts += [f"<authentication>{one}</authentication>" for one in authentication]
    return f'<outgoingServer type="smtp">{before}{"".join(parts)}</outgoingServer>'


def a_config(*servers: str) -> bytes:
    """The file with these outgoing servers, and an incoming one."""
    incoming = "<incomingServer type='imap'><hostname>imap.example.org</hostname></incomingServer>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<clientConfig version="1.1">'
        '<emailProvider id="example.org"><domain>example.org</domain>'
        f"<displayName>Example</displayName>{incoming}{''.join(servers)}"
        "</emailProvider></clientConfig>"
    ).encode()
