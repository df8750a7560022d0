"""All settings together, checked: `Settings` inherits those of every subject."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from domain.address import is_loopback
from entrypoints import stores
from entrypoints.settings import checks, rules
from entrypoints.settings.cluster import ClusterSettings
from entrypoints.settings.delivery import DeliverySettings
from entrypoints.settings.events import EventSettings
from entrypoints.settings.intake import IntakeSettings
from entrypoints.settings.mail_servers import MailServerSettings
from entrypoints.settings.retention import RetentionSettings
from entrypoints.settings.retries import RetrySettings
from entrypoints.settings.service import FlaskEnv, LogFormat, ServiceSettings
from entrypoints.settings.submission import SmtpIntakeSettings
from entrypoints.settings.trial import KnobSettings, SandboxSettings

# as an owner reads them
SUBJECTS: Final = (
    ServiceSettings,
    DeliverySettings,
    IntakeSettings,
    SmtpIntakeSettings,
    EventSettings,
    RetrySettings,
    RetentionSettings,
    MailServerSettings,
    ClusterSettings,
    SandboxSettings,
    KnobSettings,
)


class SettingsError(Exception):
    """The settings cannot be used. ``errors`` names every variable that is wrong, and why."""

    def __init__(self, *errors: str) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


@attrs.frozen(kw_only=True)
class Settings(
    ServiceSettings,
    DeliverySettings,
    IntakeSettings,
    SmtpIntakeSettings,
    EventSettings,
    RetrySettings,
    RetentionSettings,
    MailServerSettings,
    ClusterSettings,
    SandboxSettings,
    KnobSettings,
):
    """What the owner of this installation decided, checked.

    ``secret_key`` is None in development until the wiring puts the generated one in its place.
    ``max_queue_depth`` and ``max_account_depth`` 0 is no limit.
    """

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """The settings in *environ*; a variable that is absent or empty has its default.

        SettingsError names everything that is wrong at once.
        """
        errors: list[str] = []
        # Any: every value has been parsed by the rule of its own field
        values: dict[str, Any] = {}
        for field in declared():
            text = environ.get(field.metadata["name"], "").strip()
            if not text:
                continue
            try:
                values[field.name] = field.metadata["rule"].parse(text)
            except (ValueError, KeyError):
                errors.append(_refusal(field, text))
        production = values.get("flask_env") is FlaskEnv.PRODUCTION
        values.setdefault("log_format", LogFormat.JSON if production else LogFormat.TEXT)
        settings = cls(**values)
        refused = {error.split()[0] for error in errors}
        errors.extend(e for e in checks.contradictions(settings) if e.split()[0] not in refused)
        if "flask_env" in values or not environ.get("FLASK_ENV"):
            errors.extend(checks.unsafe(settings))
        if errors:
            raise SettingsError(*errors)
        return settings

    @property
    def production(self) -> bool:
        """Whether this is more than a trial on the owner's own machine."""
        return self.flask_env is FlaskEnv.PRODUCTION

    @property
    def warnings(self) -> Sequence[str]:
        """What is allowed, and should be said aloud to whoever starts the service."""
        if not self.production or not checks.opens_nearly_everything(self.smtp_allowed_cidrs):
            return ()
        networks = rules.written(self.smtp_allowed_cidrs)
        return (
            f"SMTP_ALLOWED_CIDRS={networks} opens nearly everything: an "
            "SMTP configuration may lead to this machine and to every host of the networks around "
            "it. Name the networks of your mail servers only",
        )

    @property
    def database_path(self) -> Path | None:
        """Where the file of the database lies; None if the database is a server."""
        return stores.file_of(self.database_url)

    @property
    def database(self) -> str:
        """The database as it may be shown: a file, or a URL without its password."""
        return str(self.database_path or rules.without_password(self.database_url))

    @property
    def database_place(self) -> str:
        """The same, with the whole path of a file: what a person compares from any folder."""
        return str(self.database_path.absolute()) if self.database_path else self.database

    @property
    def bodies_bytes(self) -> int:
        """How many octets of request bodies may be in memory at once."""
        return max(self.max_bodies_bytes or 4 * self.max_body_bytes, self.max_body_bytes)

    @property
    def takes_smtp(self) -> bool:
        """Whether email is taken by SMTP too."""
        return bool(self.intake_port or self.intake_tls_port)

    @property
    def smtp_host(self) -> str:
        """Where that listens."""
        return self.intake_host or self.host

    @property
    def keys_in_clear(self) -> bool:
        """Whether SMTP takes API keys without TLS: they never leave this machine then."""
        return not self.production and is_loopback(self.smtp_host)

    @property
    def key_path(self) -> Path:
        """Where the generated key lies: beside the database, or in this folder."""
        return (self.database_path or Path("email-service.db")).with_suffix(".key")

    def ehlo_name(self, machine: str) -> str | None:
        """How this client names itself; *machine* is its host name, used if it is a full one.

        None stands for the address of each connection's own end.
        """
        if self.ehlo_hostname is not None:
            return self.ehlo_hostname
        machine = machine.removesuffix(".")
        full = "." in machine and not machine.startswith("localhost") and not rules.is_ip(machine)
        return machine if full and rules.HOST_NAME.fullmatch(machine) else None

    def describe(self) -> dict[str, str]:
        """Every variable with its value as it would be written, secrets masked."""
        return {
            field.metadata["name"]: _shown(field, getattr(self, field.name)) for field in declared()
        }


def declared() -> Iterator["attrs.Attribute[Any]"]:
    """Every setting, in the order in which an owner reads them."""
    for subject in SUBJECTS:
        yield from attrs.fields(subject)


def variables() -> dict[str, str]:
    """Every variable and its default as it would be written; "" where there is none."""
    return {
        field.metadata["name"]: field.metadata["written"](field.default) for field in declared()
    }


def _refusal(field: "attrs.Attribute[Any]", text: str) -> str:
    shown = "what it is" if field.metadata["secret"] else repr(field.metadata["shown"](text)[:80])
    allowed = field.metadata["rule"].allowed
    return f"{field.metadata['name']} must be {allowed}, not {shown}"


def _shown(field: "attrs.Attribute[Any]", value: object) -> str:
    if field.metadata["secret"] and value is not None:
        return rules.MASK
    shown: str = field.metadata["shown"](field.metadata["written"](value))
    return shown
