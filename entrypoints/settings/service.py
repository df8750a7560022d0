"""Settings: service."""

# ruff: noqa: RUF009 - `setting` is attrs.field with a rule; it shares no mutable default

from enum import StrEnum
from typing import ClassVar

import attrs

from domain.account.network import Network
from entrypoints.settings import rules
from entrypoints.settings.declaration import setting


class FlaskEnv(StrEnum):
    """What the service is run for."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class LogFormat(StrEnum):
    """How a log line looks."""

    TEXT = "text"
    JSON = "json"


@attrs.frozen(kw_only=True, slots=False)
class ServiceSettings:
    """What the service is, where it listens, and what it logs."""

    HEADING: ClassVar = "Service"

    secret_key: str | None = setting(
        "SECRET_KEY",
        None,
        rules.optional(rules.text()),
        secret=True,
        meaning=(
            "Seals the SMTP passwords in the database. At least 32 characters; production "
            "requires one and refuses one that could be guessed (words, repeats, sequences, "
            "dates). If it is lost, the passwords must be entered again. In development it is "
            "generated beside the database. Make one with: python3 -c 'import secrets; "
            "print(secrets.token_hex(32))'"
        ),
    )
    secret_key_previous: str | None = setting(
        "SECRET_KEY_PREVIOUS",
        None,
        rules.optional(rules.text()),
        secret=True,
        meaning=(
            "While you change SECRET_KEY: the old one, so that what it sealed can still be opened."
        ),
    )
    flask_env: FlaskEnv = setting(
        "FLASK_ENV",
        FlaskEnv.DEVELOPMENT,
        rules.one_of(FlaskEnv),
        meaning=(
            "development: only this machine may reach the API, and a key is generated "
            "beside the database. production: SECRET_KEY and an API key (email-service keys "
            "create) are required, and logs are JSON."
        ),
    )
    host: str = setting(
        "HOST",
        "127.0.0.1",
        rules.host(),
        meaning="Where the API listens. Another address than a loopback one: production only.",
    )
    port: int = setting(
        "PORT", 5000, rules.whole(0, 65535), meaning="The port that the API listens on."
    )
    database_url: str = setting(
        "DATABASE_URL",
        "sqlite:///email-service.db",
        rules.database_url(),
        shown=rules.without_password,
        meaning=(
            "The database, which is also the queue: a SQLite file on a local disk, or a "
            "PostgreSQL server (needs the extra [postgres]). Special characters of the "
            "password are written with a percent sign: @ as %40, / as %2F, : as %3A, # as "
            "%23, % as %25."
        ),
    )
    trusted_proxies: tuple[Network, ...] = setting(
        "TRUSTED_PROXIES",
        (),
        rules.proxies(),
        meaning=(
            "The proxies in front of the API: X-Forwarded-For, -Proto, -Host and -Prefix "
            "are trusted only from these."
        ),
    )
    public_url: str | None = setting(
        "PUBLIC_URL",
        None,
        rules.optional(rules.public_url()),
        meaning=(
            "Where the recipients of email reach this service from the Internet: links to "
            "unsubscribe begin with it, so email with a topic needs it, and so do the URLs of "
            "event hooks. Only paths under /u/ and /hooks/ have to be reachable there. Keep it "
            "for as long as sent email is read."
        ),
    )
    log_level: str = setting(
        "LOG_LEVEL",
        "INFO",
        rules.word("DEBUG", "INFO", "WARNING", "ERROR"),
        meaning="The least severe log lines that are written.",
    )
    log_format: LogFormat = setting(
        "LOG_FORMAT",
        LogFormat.TEXT,
        rules.one_of(LogFormat),
        meaning="How a log line is written. In production the default is json.",
    )
