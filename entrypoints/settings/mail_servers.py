"""Settings: mail servers."""

# ruff: noqa: RUF009 - `setting` is attrs.field with a rule; it shares no mutable default

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

import attrs

from application.ports.dns import NameServer
from domain.account.network import Network
from entrypoints.settings import rules
from entrypoints.settings.declaration import seconds, setting


class SenderKind(StrEnum):
    """Which client talks to mail servers."""

    PIPELINING = "pipelining"  # adapters/smtp_sender
    SMTPLIB = "smtplib"  # adapters/smtplib_sender.py


@attrs.frozen(kw_only=True, slots=False)
class MailServerSettings:
    """Which mail servers are allowed, and how long they may take."""

    HEADING: ClassVar = "Mail servers"

    sender: SenderKind = setting(
        "SENDER",
        SenderKind.PIPELINING,
        rules.one_of(SenderKind),
        meaning=(
            "pipelining: the service's own SMTP client. smtplib: a plain one over Python's "
            "smtplib, with the same guarantees; it waits for each reply and keeps one idle "
            "connection for each account."
        ),
    )
    ehlo_hostname: str | None = setting(
        "EHLO_HOSTNAME",
        None,
        rules.optional(rules.ehlo_name()),
        meaning=(
            "The name this client greets with. Default: the machine's full host name, or "
            "the address of the connection's own end in brackets."
        ),
    )
    smtp_allowed_cidrs: tuple[Network, ...] = setting(
        "SMTP_ALLOWED_CIDRS",
        (),
        rules.networks(),
        meaning=(
            "Networks of your own that mail servers may stand in. In production private "
            "addresses are refused otherwise; cloud metadata and link-local addresses "
            "always are."
        ),
    )
    smtp_allowed_ports: tuple[int, ...] = setting(
        "SMTP_ALLOWED_PORTS",
        (),
        rules.ports(),
        meaning=(
            "Ports that mail servers may listen on besides 25, 465, 587, 2465, 2525 and 2587."
        ),
    )
    smtp_ca_file: Path | None = setting(
        "SMTP_CA_FILE",
        None,
        rules.optional(rules.existing_file()),
        meaning=(
            "Certificates (PEM) to trust besides the system's, such as those of your own "
            "authority, for mail servers and for web servers that the service asks."
        ),
    )
    dns_servers: tuple[NameServer, ...] = setting(
        "DNS_SERVERS",
        (),
        rules.name_servers(),
        meaning=(
            "Name servers to ask for what is said about a domain (MX, SRV, TXT). Default: those "
            "of the system, which looks up the addresses of mail servers in any case."
        ),
    )
    smtp_resolve_timeout: timedelta = setting(
        "SMTP_RESOLVE_TIMEOUT",
        seconds(30),
        rules.seconds(0.1, 3600),
        meaning="How many seconds looking up the server's name may take in all.",
    )
    smtp_connect_timeout: timedelta = setting(
        "SMTP_CONNECT_TIMEOUT",
        seconds(30),
        rules.seconds(0.1, 3600),
        meaning="How many seconds the connection may take in all.",
    )
    smtp_banner_timeout: timedelta = setting(
        "SMTP_BANNER_TIMEOUT",
        seconds(300),
        rules.seconds(0.1, 3600),
        meaning="How many seconds the server's greeting may take in all.",
    )
    smtp_ehlo_timeout: timedelta = setting(
        "SMTP_EHLO_TIMEOUT",
        seconds(60),
        rules.seconds(0.1, 3600),
        meaning="How many seconds the reply to EHLO may take in all.",
    )
    smtp_starttls_timeout: timedelta = setting(
        "SMTP_STARTTLS_TIMEOUT",
        seconds(30),
        rules.seconds(0.1, 3600),
        meaning="How many seconds STARTTLS and the TLS handshake may take in all.",
    )
    smtp_auth_timeout: timedelta = setting(
        "SMTP_AUTH_TIMEOUT",
        seconds(60),
        rules.seconds(0.1, 3600),
        meaning="How many seconds the login may take in all.",
    )
    smtp_mail_timeout: timedelta = setting(
        "SMTP_MAIL_TIMEOUT",
        seconds(300),
        rules.seconds(0.1, 3600),
        meaning="How many seconds the reply to MAIL may take in all.",
    )
    smtp_rcpt_timeout: timedelta = setting(
        "SMTP_RCPT_TIMEOUT",
        seconds(300),
        rules.seconds(0.1, 3600),
        meaning="How many seconds the reply to RCPT may take in all.",
    )
    smtp_data_timeout: timedelta = setting(
        "SMTP_DATA_TIMEOUT",
        seconds(120),
        rules.seconds(0.1, 3600),
        meaning="How many seconds the reply to DATA may take in all.",
    )
    smtp_dot_timeout: timedelta = setting(
        "SMTP_DOT_TIMEOUT",
        seconds(600),
        rules.seconds(0.1, 3600),
        meaning=(
            "How many seconds the reply to the message may take in all. A short one makes "
            "duplicates."
        ),
    )
