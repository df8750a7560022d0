"""Settings: submission by SMTP."""

# ruff: noqa: RUF009 - `setting` is attrs.field with a rule; it shares no mutable default

from pathlib import Path
from typing import ClassVar

import attrs

from entrypoints.settings import rules
from entrypoints.settings.declaration import setting


@attrs.frozen(kw_only=True, slots=False)
class SmtpIntakeSettings:
    """Whether `serve` takes email by SMTP too, and where."""

    HEADING: ClassVar = "Submission by SMTP"

    intake_port: int = setting(
        "INTAKE_PORT",
        0,
        rules.whole(0, 65535),
        meaning=(
            "The port on which apps submit email by SMTP, usually 587; STARTTLS is offered where "
            "there is a certificate. 0 is none."
        ),
    )
    intake_tls_port: int = setting(
        "INTAKE_TLS_PORT",
        0,
        rules.whole(0, 65535),
        meaning="The port for the same with TLS from the first octet, usually 465. 0 is none.",
    )
    intake_host: str | None = setting(
        "INTAKE_HOST",
        None,
        rules.optional(rules.host()),
        meaning=(
            "Where these ports listen. Default: where the API does (HOST). Another address than a "
            "loopback one needs a certificate."
        ),
    )
    intake_tls_cert: Path | None = setting(
        "INTAKE_TLS_CERT",
        None,
        rules.optional(rules.existing_file()),
        meaning=(
            "The certificate with its chain, in PEM. A file that was renewed is read again by the "
            "next connection. Production needs one: an API key is not taken in clear."
        ),
    )
    intake_tls_key: Path | None = setting(
        "INTAKE_TLS_KEY",
        None,
        rules.optional(rules.existing_file()),
        meaning="The key of that certificate, in PEM, without a password.",
    )
    intake_connections: int = setting(
        "INTAKE_CONNECTIONS",
        20,
        rules.whole(1, 1000),
        meaning="SMTP sessions of one API key at a time; the next one is answered 421.",
    )
