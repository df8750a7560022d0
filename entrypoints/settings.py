"""Every setting, read once from the environment and checked; the only place that knows the names.

Each line of `Settings` is one variable: its name, its default and what it may be. `.env.example`
explains them to an owner, and a test keeps the two in agreement.
"""

# ruff: noqa: RUF009 - `_setting` is attrs.field with a rule; it shares no mutable default

import contextlib
import ipaddress
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlsplit

import attrs

from domain.account import OnUnknown
from domain.address import is_loopback
from domain.network import Network
from entrypoints import stores
from entrypoints.env_file import Line, UnreadableLines, misspelt, read_lines
from entrypoints.guessable import is_guessable

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

MIN_KEY_LENGTH: Final = 32
MIN_KEY_CHARACTERS: Final = (
    8  # different ones: of 32 random hex digits it is practically never fewer
)
MASK: Final = "***"
MOST_PROCESSES: Final = 16
YEAR_S: Final = 365 * 24 * 3600
PLACEHOLDERS: Final = (
    "changeme",
    "example",
    "insecure",
    "mysecret",
    "placeholder",
    "replaceme",
    "secretkey",
    "supersecret",
    "yoursecret",
)
_HOST_NAME = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)


class SettingsError(Exception):
    """The settings cannot be used. ``errors`` names every variable that is wrong, and why."""

    def __init__(self, *errors: str) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


class FlaskEnv(StrEnum):
    """What the service is run for."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Dispatcher(StrEnum):
    """Who delivers."""

    THREADS = "threads"  # this process
    CELERY = "celery"  # Celery's workers, woken over a broker: see entrypoints/celery_app.py
    NONE = "none"  # another one: see `email-service worker`


class LogFormat(StrEnum):
    """How a log line looks."""

    TEXT = "text"
    JSON = "json"


class ApiTimes(StrEnum):
    """How the API writes a time."""

    PUBLISHED = "published"  # 2023-05-24T10:30:00.000000, in UTC
    RFC3339 = "rfc3339"  # 2023-05-24T10:30:00.000000Z


@attrs.frozen
class Rule(Generic[T]):
    """What a variable may be: *parse* raises ValueError for a text that is not *allowed*."""

    allowed: str
    parse: Callable[[str], T]


# -- the rules -----------------------------------------------------------------------------------


def _whole(least: int, most: int) -> Rule[int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,15}", text) or not least <= int(text) <= most:
            raise ValueError
        return int(text)

    return Rule(f"a whole number from {least} to {most}", parse)


def _seconds(least: float, most: float) -> Rule[timedelta]:
    def parse(text: str) -> timedelta:
        if (
            not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", text)
            or not least <= float(text) <= most
        ):
            raise ValueError
        return timedelta(seconds=float(text))

    return Rule(f"a number of seconds from {least:g} to {most:g}", parse)


def _schedule() -> Rule[tuple[timedelta, ...]]:
    step = _seconds(0, 7 * 24 * 3600)

    def parse(text: str) -> tuple[timedelta, ...]:
        return tuple(step.parse(part.strip()) for part in text.split(","))

    return Rule("seconds from 0 to 604800 with commas between, as in 60,300,1800", parse)


def _one_of(words: type[E]) -> Rule[E]:
    return Rule("one of " + ", ".join(words), words)


def _word(*words: str) -> Rule[str]:
    def parse(text: str) -> str:
        if text.upper() not in words:
            raise ValueError
        return text.upper()

    return Rule("one of " + ", ".join(words), parse)


def _switch() -> Rule[bool]:
    def parse(text: str) -> bool:
        return {"0": False, "1": True}[text]

    return Rule("0 or 1", parse)


def _networks() -> Rule[tuple[Network, ...]]:
    def parse(text: str) -> tuple[Network, ...]:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(","))

    return Rule("networks with commas between, as in 10.1.0.0/16,fd12::/64", parse)


def _proxies() -> Rule[tuple[Network, ...]]:
    networks = _networks()

    def parse(text: str) -> tuple[Network, ...]:
        found = networks.parse(text)
        if any(network.prefixlen == 0 for network in found):
            raise ValueError  # whoever is believed by all can claim to be anybody
        return found

    return Rule(
        "addresses and networks of proxies with commas between, as in 127.0.0.1,10.1.0.0/16",
        parse,
    )


def _ports() -> Rule[tuple[int, ...]]:
    port = _whole(1, 65535)

    def parse(text: str) -> tuple[int, ...]:
        return tuple(port.parse(part.strip()) for part in text.split(","))

    return Rule("whole numbers from 1 to 65535 with commas between, as in 1025,2526", parse)


def _text() -> Rule[str]:
    return Rule("any text", str)


def _host() -> Rule[str]:
    def parse(text: str) -> str:
        text = text.removesuffix(".")
        if not _is_ip(text) and not _HOST_NAME.fullmatch(text):
            raise ValueError
        return text

    return Rule("an IP address or a host name", parse)


def _ehlo_name() -> Rule[str]:
    def parse(text: str) -> str:
        text = text.removesuffix(".")
        literal = re.fullmatch(r"\[(?:IPv6:)?([0-9A-Fa-f:.]+)\]", text)
        if literal and _is_ip(literal[1]):
            return text
        if _is_ip(text) or not _HOST_NAME.fullmatch(text):
            raise ValueError
        return text

    return Rule("a host name, or an address in brackets such as [192.0.2.1]", parse)


def _existing_file() -> Rule[Path]:
    def parse(text: str) -> Path:
        if not Path(text).is_file():
            raise ValueError
        return Path(text)

    return Rule("the path of a file that exists", parse)


def _database_url() -> Rule[str]:
    def parse(text: str) -> str:
        stores.file_of(text)
        return text

    return Rule(stores.forms(), parse)


def without_password(url: str) -> str:
    """The URL as it may be shown. It may be one that is written wrongly: then rather too little of
    it is shown than a part of the password.
    """
    scheme, there, rest = url.partition("://")
    if stores.names_a_file(url):
        return url
    if not there:
        return re.sub(r":.*", f":{MASK}", url)
    rest = re.sub(r"(password=).*", rf"\1{MASK}", rest, flags=re.IGNORECASE)
    user, colon, secret = rest.partition(":")
    if "@" in secret:
        rest = f"{user}:{MASK}@{secret.rpartition('@')[2]}"
    elif colon and not re.match(r"[0-9]*([/,?]|$)", secret) and "[" not in user:
        rest = f"{user}:{MASK}"
    return f"{scheme}://{rest}"


def _broker_url() -> Rule[str]:
    schemes = ("amqp", "amqps", "redis", "rediss")

    def parse(text: str) -> str:
        parts = urlsplit(text)
        if parts.scheme not in schemes or not parts.hostname or parts.port == 0:
            raise ValueError
        if "@" in parts.path + parts.query + parts.fragment:
            raise ValueError  # a `/`, `?` or `#` of the password: the rest would be the vhost
        if parts.scheme.startswith("redis") and not re.fullmatch(r"(/[0-9]*)?", parts.path):
            raise ValueError
        return text

    return Rule("amqp://user:password@host:5672/vhost or redis://:password@host:6379/0", parse)


def _queue_name() -> Rule[str]:
    def parse(text: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", text):
            raise ValueError
        return text

    return Rule("a name of letters, digits, dots, dashes and underscores", parse)


def _optional(rule: Rule[T]) -> "Rule[T | None]":
    return Rule(rule.allowed, rule.parse)


def _setting(
    name: str,
    default: T,
    rule: Rule[T],
    *,
    secret: bool = False,
    knob: bool = False,
    shown: Callable[[str], str] | None = None,
) -> T:
    """A field read from the variable *name*; a *knob* is for tests only.

    *shown* makes of its text what may be shown.
    """
    metadata = {
        "name": name,
        "rule": rule,
        "secret": secret,
        "knob": knob,
        "shown": shown or str,
    }
    shown_as: Any = shown or not secret
    return attrs.field(default=default, metadata=metadata, repr=shown_as)


def _s(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


# -- the settings --------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Settings:
    """What the owner of this installation decided, checked.

    ``secret_key`` is None in development until the wiring puts the generated one in its place.
    ``max_queue_depth`` and ``max_account_depth`` 0 is no limit.
    """

    secret_key: str | None = _setting("SECRET_KEY", None, _optional(_text()), secret=True)
    secret_key_previous: str | None = _setting(
        "SECRET_KEY_PREVIOUS", None, _optional(_text()), secret=True
    )
    flask_env: FlaskEnv = _setting("FLASK_ENV", FlaskEnv.DEVELOPMENT, _one_of(FlaskEnv))
    host: str = _setting("HOST", "127.0.0.1", _host())
    port: int = _setting("PORT", 5000, _whole(0, 65535))
    database_url: str = _setting(
        "DATABASE_URL", "sqlite:///email-service.db", _database_url(), shown=without_password
    )
    trusted_proxies: tuple[Network, ...] = _setting("TRUSTED_PROXIES", (), _proxies())
    log_level: str = _setting("LOG_LEVEL", "INFO", _word("DEBUG", "INFO", "WARNING", "ERROR"))
    log_format: LogFormat = _setting("LOG_FORMAT", LogFormat.TEXT, _one_of(LogFormat))

    dispatcher: Dispatcher = _setting("DISPATCHER", Dispatcher.THREADS, _one_of(Dispatcher))
    celery_broker_url: str | None = _setting(
        "CELERY_BROKER_URL", None, _optional(_broker_url()), secret=True
    )
    celery_queue: str = _setting("CELERY_QUEUE", "email-service", _queue_name())
    queue_workers: int = _setting("QUEUE_WORKERS", 2, _whole(1, 1000))
    max_workers: int = _setting("MAX_WORKERS", 200, _whole(1, 1000))
    processes: int = _setting("PROCESSES", 1, _whole(1, MOST_PROCESSES))
    drain: timedelta = _setting("DRAIN_SECONDS", _s(25), _seconds(0, 3600))
    one_processor: bool = _setting("ONE_PROCESSOR", True, _switch())

    api_times: ApiTimes = _setting("API_TIMES", ApiTimes.PUBLISHED, _one_of(ApiTimes))
    max_queue_depth: int = _setting("MAX_QUEUE_DEPTH", 1_000_000, _whole(0, 10**9))
    max_account_depth: int = _setting("MAX_ACCOUNT_DEPTH", 500_000, _whole(0, 10**9))
    max_body_bytes: int = _setting("MAX_BODY_BYTES", 31_457_280, _whole(1024, 100 * 1024**2))
    max_bodies_bytes: int = _setting("MAX_BODIES_BYTES", 0, _whole(0, 16 * 1024**3))
    max_recipients: int = _setting("MAX_RECIPIENTS", 100, _whole(1, 10_000))
    max_call_recipients: int = _setting("MAX_CALL_RECIPIENTS", 10_000, _whole(1, 10**6))
    rate_limit: int = _setting("RATE_LIMIT", 50, _whole(1, 100_000))
    rate_burst: int = _setting("RATE_BURST", 100, _whole(1, 1_000_000))
    key_daily_recipients: int = _setting("KEY_DAILY_RECIPIENTS", 10_000, _whole(1, 10**9))

    max_retries: int = _setting("MAX_RETRIES", 3, _whole(0, 100))
    retry_schedule: tuple[timedelta, ...] = _setting(
        "RETRY_SCHEDULE", tuple(map(_s, (60, 300, 1800, 7200, 14400))), _schedule()
    )
    max_age: timedelta = _setting("MAX_AGE_SECONDS", _s(259_200), _seconds(1, YEAR_S))
    on_unknown: OnUnknown = _setting("ON_UNKNOWN", OnUnknown.RESEND_ONCE, _one_of(OnUnknown))
    fairness_every: int = _setting("FAIRNESS_EVERY", 10, _whole(2, 1000))
    breaker_schedule: tuple[timedelta, ...] = _setting(
        "BREAKER_SCHEDULE", tuple(map(_s, (5, 15, 60, 300, 900))), _schedule()
    )
    witness_schedule: tuple[timedelta, ...] = _setting(
        "WITNESS_SCHEDULE", tuple(map(_s, (30, 120, 600))), _schedule()
    )
    smtp_rules_file: Path | None = _setting("SMTP_RULES_FILE", None, _optional(_existing_file()))

    ehlo_hostname: str | None = _setting("EHLO_HOSTNAME", None, _optional(_ehlo_name()))
    smtp_allowed_cidrs: tuple[Network, ...] = _setting("SMTP_ALLOWED_CIDRS", (), _networks())
    smtp_allowed_ports: tuple[int, ...] = _setting("SMTP_ALLOWED_PORTS", (), _ports())
    smtp_ca_file: Path | None = _setting("SMTP_CA_FILE", None, _optional(_existing_file()))
    smtp_resolve_timeout: timedelta = _setting("SMTP_RESOLVE_TIMEOUT", _s(30), _seconds(0.1, 3600))
    smtp_connect_timeout: timedelta = _setting("SMTP_CONNECT_TIMEOUT", _s(30), _seconds(0.1, 3600))
    smtp_banner_timeout: timedelta = _setting("SMTP_BANNER_TIMEOUT", _s(300), _seconds(0.1, 3600))
    smtp_ehlo_timeout: timedelta = _setting("SMTP_EHLO_TIMEOUT", _s(60), _seconds(0.1, 3600))
    smtp_starttls_timeout: timedelta = _setting(
        "SMTP_STARTTLS_TIMEOUT", _s(30), _seconds(0.1, 3600)
    )
    smtp_auth_timeout: timedelta = _setting("SMTP_AUTH_TIMEOUT", _s(60), _seconds(0.1, 3600))
    smtp_mail_timeout: timedelta = _setting("SMTP_MAIL_TIMEOUT", _s(300), _seconds(0.1, 3600))
    smtp_rcpt_timeout: timedelta = _setting("SMTP_RCPT_TIMEOUT", _s(300), _seconds(0.1, 3600))
    smtp_data_timeout: timedelta = _setting("SMTP_DATA_TIMEOUT", _s(120), _seconds(0.1, 3600))
    smtp_dot_timeout: timedelta = _setting("SMTP_DOT_TIMEOUT", _s(600), _seconds(0.1, 3600))

    lease: timedelta = _setting("LEASE_SECONDS", _s(60), _seconds(1, 3600))
    heartbeat: timedelta = _setting("HEARTBEAT_SECONDS", _s(15), _seconds(0.1, 1800))
    sweep: timedelta = _setting("SWEEP_SECONDS", _s(30), _seconds(0.1, 3600))
    poll: timedelta = _setting("POLL_SECONDS", _s(0.2), _seconds(0.01, 60))

    sandbox: bool = _setting("SANDBOX", False, _switch())
    sandbox_port: int = _setting("SANDBOX_PORT", 2525, _whole(0, 65535))

    allow_test_knobs: bool = _setting("ALLOW_TEST_KNOBS", False, _switch())
    minute: timedelta = _setting("MINUTE_SECONDS", _s(60), _seconds(0.1, 60), knob=True)
    hour: timedelta = _setting("HOUR_SECONDS", _s(3600), _seconds(0.1, 3600), knob=True)
    day: timedelta = _setting("DAY_SECONDS", _s(86_400), _seconds(0.1, 86_400), knob=True)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """The settings in *environ*; a variable that is absent or empty has its default.

        SettingsError names everything that is wrong at once.
        """
        errors: list[str] = []
        # Any: every value has been parsed by the rule of its own field
        values: dict[str, Any] = {}
        for field in attrs.fields(cls):
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
        errors.extend(e for e in _contradictions(settings) if e.split()[0] not in refused)
        if "flask_env" in values or not environ.get("FLASK_ENV"):
            errors.extend(_unsafe(settings))
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
        if not self.production or not _opens_nearly_everything(self.smtp_allowed_cidrs):
            return ()
        return (
            f"SMTP_ALLOWED_CIDRS={_written(self.smtp_allowed_cidrs)} opens nearly everything: an "
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
        return str(self.database_path or without_password(self.database_url))

    @property
    def bodies_bytes(self) -> int:
        """How many octets of request bodies may be in memory at once."""
        return max(self.max_bodies_bytes or 4 * self.max_body_bytes, self.max_body_bytes)

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
        full = "." in machine and not machine.startswith("localhost") and not _is_ip(machine)
        return machine if full and _HOST_NAME.fullmatch(machine) else None

    def describe(self) -> dict[str, str]:
        """Every variable with its value as it would be written, secrets masked."""
        return {
            field.metadata["name"]: _shown(field, getattr(self, field.name))
            for field in attrs.fields(type(self))
        }


def variables() -> dict[str, str]:
    """Every variable and its default as it would be written; "" where there is none."""
    return {field.metadata["name"]: _written(field.default) for field in attrs.fields(Settings)}


def load_environment(
    environ: Mapping[str, str] = os.environ, *, path: Path = Path(".env")
) -> dict[str, str]:
    """*environ* and, for what it does not have, the file *path* (which may be missing).

    SettingsError names every line that cannot be read.
    """
    written = {line.name: line.value for line in _lines(path) if line.value is not None}
    return written | dict(environ)


def load_settings(
    environ: Mapping[str, str] = os.environ,
    *,
    path: Path = Path(".env"),
    given: Mapping[str, str] | None = None,
) -> tuple[Settings, Sequence[str]]:
    """The settings of *environ* and of the file *path*, with *given* in the place of theirs; and
    what looks wrong about them, for the owner to read.
    """
    loaded = load_environment(environ, path=path)
    doubts = _doubts(environ, path)
    try:
        return Settings.from_environment({**loaded, **(given or {})}), doubts
    except SettingsError as error:
        raise SettingsError(*error.errors, *doubts) from None


def _lines(path: Path) -> Sequence[Line]:
    try:
        return read_lines(path)
    except UnreadableLines as error:
        raise SettingsError(*error.errors) from error
    except (ValueError, OSError) as error:
        raise SettingsError(str(error)) from error


def _doubts(environ: Mapping[str, str], path: Path) -> Sequence[str]:
    """Names that were meant to be settings, as far as can be told."""
    known = variables()
    lines = {line.name: line for line in _lines(path)}
    found = misspelt(lines, known, by_chance=False)
    doubts = [
        f"{name} ({path.name} line {lines[name].number}) is no setting: did you mean {meant}?"
        for name, meant in found.items()
    ]
    elsewhere = misspelt(environ, known, by_chance=True)
    return doubts + [
        f"{name} (in the environment) is no setting: did you mean {meant}?"
        for name, meant in elsewhere.items()
        if meant not in lines
    ]


def development_key(path: Path) -> str:
    """The key kept in *path*, made at the first call. Safe from many processes.

    Only its owner may read the file. It appears whole or not at all, so that a crash never leaves
    half a key behind with which secrets would be sealed. SettingsError if that cannot be, or if the
    file holds no key: it is not replaced, for secrets may be sealed with what it held.
    """
    try:
        if not path.exists():
            _make_key(path)
        key = path.read_text("ascii").strip()
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} holds no key, and SECRET_KEY is not set: {error}") from error
    if not key:
        raise SettingsError(f"{path} holds no key, and SECRET_KEY is not set: the file is empty")
    return key


def _make_key(path: Path) -> None:
    if not path.parent.is_dir():
        raise SettingsError(f"there is no folder {path.parent} for the database and its key")
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its key counts
            os.link(draft, path)
    finally:
        draft.unlink()


# -- how they are checked ------------------------------------------------------------------------


def _refusal(field: "attrs.Attribute[Any]", text: str) -> str:
    shown = "what it is" if field.metadata["secret"] else repr(field.metadata["shown"](text)[:80])
    allowed = field.metadata["rule"].allowed
    return f"{field.metadata['name']} must be {allowed}, not {shown}"


def _contradictions(settings: Settings) -> Iterator[str]:
    """What each variable may be alone, but not together with the others."""
    if settings.dispatcher is Dispatcher.CELERY and settings.celery_broker_url is None:
        yield (
            "CELERY_BROKER_URL must be set with DISPATCHER=celery: "
            + attrs.fields(Settings).celery_broker_url.metadata["rule"].allowed
        )
    if settings.processes > 1 and settings.dispatcher is not Dispatcher.THREADS:
        yield (
            f"PROCESSES must be 1 with DISPATCHER={settings.dispatcher.value}, "
            f"not {settings.processes}: this process does not deliver"
        )
    if settings.max_workers < settings.queue_workers:
        yield (
            f"MAX_WORKERS must be at least QUEUE_WORKERS ({settings.queue_workers}), "
            f"not {settings.max_workers}"
        )
    if settings.max_call_recipients < settings.max_recipients:
        yield (
            f"MAX_CALL_RECIPIENTS must be at least MAX_RECIPIENTS ({settings.max_recipients}), "
            f"not {settings.max_call_recipients}"
        )
    if settings.heartbeat * 2 > settings.lease:
        yield (
            "HEARTBEAT_SECONDS must be at most half of LEASE_SECONDS "
            f"({_written(settings.lease)}), not {_written(settings.heartbeat)}: "
            "a process that lives would be taken for dead"
        )
    if not settings.allow_test_knobs:
        for field in attrs.fields(Settings):
            value = getattr(settings, field.name)
            if field.metadata["knob"] and value != field.default:
                yield (
                    f"{field.metadata['name']} must be {_written(field.default)}, "
                    f"not {_written(value)}: another length is for tests, with ALLOW_TEST_KNOBS=1"
                )


def _unsafe(settings: Settings) -> Iterator[str]:
    """What would put mail, or the right to send it, into strangers' hands."""
    if settings.production:
        if settings.secret_key is None:
            yield f"SECRET_KEY must be set in production: {_HOW_TO_MAKE_ONE}"
        elif weakness := _weakness(settings.secret_key):
            yield f"SECRET_KEY {weakness}: {_HOW_TO_MAKE_ONE}"
        if settings.allow_test_knobs:
            yield "ALLOW_TEST_KNOBS must be 0 in production: it is for tests"
        if settings.sandbox:
            yield "SANDBOX must be 0 in production: its page shows every email to anybody"
    elif not is_loopback(settings.host):
        yield (
            f"HOST must be a loopback address such as 127.0.0.1 in development, not "
            f"{settings.host!r}: the API would be open to the network. "
            "Set FLASK_ENV=production and a SECRET_KEY first"
        )


_HOW_TO_MAKE_ONE: Final = "make one with: python3 -c 'import secrets; print(secrets.token_hex(32))'"


def _weakness(key: str) -> str | None:
    plain = re.sub("[^a-z]", "", key.lower())
    if any(word in plain for word in PLACEHOLDERS) or plain == "secret":
        return "is a placeholder"
    if len(key) < MIN_KEY_LENGTH:
        return f"has {len(key)} characters and must have at least {MIN_KEY_LENGTH}"
    if len(set(key)) < MIN_KEY_CHARACTERS:
        return f"must have at least {MIN_KEY_CHARACTERS} different characters"
    if is_guessable(key):
        return "can be guessed: it is made of repeats, sequences, dates or common words"
    return None


_HOUSE: Final = tuple(
    map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8"))
)


def _opens_nearly_everything(networks: Sequence[Network]) -> bool:
    """Whether a range is wider than any private one, or all private IPv4 ranges are in them."""
    v4 = [network for network in networks if isinstance(network, ipaddress.IPv4Network)]
    v6 = [network for network in networks if isinstance(network, ipaddress.IPv6Network)]
    joined = tuple(ipaddress.collapse_addresses(v4))
    return (
        any(network.prefixlen < 8 for network in joined)
        or any(network.prefixlen < 7 for network in ipaddress.collapse_addresses(v6))
        or all(any(house.subnet_of(network) for network in joined) for house in _HOUSE)
    )


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _shown(field: "attrs.Attribute[Any]", value: object) -> str:
    if field.metadata["secret"] and value is not None:
        return MASK
    shown: str = field.metadata["shown"](_written(value))
    return shown


def _written(value: object) -> str:
    """*value* as it would stand in the environment."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.6f}".rstrip("0").rstrip(".")
    if isinstance(value, tuple):
        return ",".join(_written(part) for part in value)
    return str(value)
