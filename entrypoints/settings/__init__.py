"""Every setting, read once from the environment and checked; the only place that knows the names.

Each line of `Settings` is one variable: its name, its default, what it may be, what it means and
whether it is secret. `.env.example` and docs/operating/settings.md are written from these lines.
"""

# ruff: noqa: RUF009 - `_setting` is attrs.field with a rule; it shares no mutable default

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs

from domain.account.account import OnUnknown
from domain.account.network import Network
from domain.address import is_loopback
from entrypoints import stores
from entrypoints.settings import checks, rules
from entrypoints.settings.env_file import EnvLine, UnreadableLines, misspelt, read_lines

T = TypeVar("T")

MOST_PROCESSES: Final = 16
YEAR_S: Final = 365 * 24 * 3600


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


def _setting(
    name: str,
    default: T,
    rule: rules.Rule[T],
    *,
    meaning: str,
    heading: str = "",
    secret: bool = False,
    knob: bool = False,
    shown: Callable[[str], str] | None = None,
) -> T:
    """A field read from the variable *name*; a *knob* is for tests only.

    *meaning* explains it to an owner; the settings from here on stand under *heading*. *shown*
    makes of its text what may be shown.
    """
    metadata = {
        "name": name,
        "rule": rule,
        "meaning": meaning,
        "heading": heading,
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

    secret_key: str | None = _setting(
        "SECRET_KEY",
        None,
        rules.optional(rules.text()),
        secret=True,
        heading="Service",
        meaning=(
            "Seals the SMTP passwords in the database. At least 32 characters; production "
            "requires one and refuses one that could be guessed (words, repeats, sequences, "
            "dates). Whoever loses it must enter the passwords again. In development it is "
            "generated beside the database. Make one with: python3 -c 'import secrets; "
            "print(secrets.token_hex(32))'"
        ),
    )
    secret_key_previous: str | None = _setting(
        "SECRET_KEY_PREVIOUS",
        None,
        rules.optional(rules.text()),
        secret=True,
        meaning=(
            "While you change SECRET_KEY: the old one, so that what it sealed can still be opened."
        ),
    )
    flask_env: FlaskEnv = _setting(
        "FLASK_ENV",
        FlaskEnv.DEVELOPMENT,
        rules.one_of(FlaskEnv),
        meaning=(
            "development: only this machine may reach the API, and a key is generated "
            "beside the database. production: SECRET_KEY and an API key (email-service keys "
            "create) are required, and logs are JSON."
        ),
    )
    host: str = _setting(
        "HOST",
        "127.0.0.1",
        rules.host(),
        meaning="Where the API listens. Another address than a loopback one: production only.",
    )
    port: int = _setting(
        "PORT", 5000, rules.whole(0, 65535), meaning="The port that the API listens on."
    )
    database_url: str = _setting(
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
    trusted_proxies: tuple[Network, ...] = _setting(
        "TRUSTED_PROXIES",
        (),
        rules.proxies(),
        meaning=(
            "The proxies in front of the API: from these alone X-Forwarded-For, -Proto, "
            "-Host and -Prefix are believed."
        ),
    )
    log_level: str = _setting(
        "LOG_LEVEL",
        "INFO",
        rules.word("DEBUG", "INFO", "WARNING", "ERROR"),
        meaning="The least severe log lines that are written.",
    )
    log_format: LogFormat = _setting(
        "LOG_FORMAT",
        LogFormat.TEXT,
        rules.one_of(LogFormat),
        meaning="How a log line is written. In production the default is json.",
    )

    dispatcher: Dispatcher = _setting(
        "DISPATCHER",
        Dispatcher.THREADS,
        rules.one_of(Dispatcher),
        heading="Delivery",
        meaning=(
            "threads: this process delivers. celery: Celery's workers do, woken over a "
            "broker. none: another process does (email-service worker)."
        ),
    )
    celery_broker_url: str | None = _setting(
        "CELERY_BROKER_URL",
        None,
        rules.optional(rules.broker_url()),
        secret=True,
        meaning=(
            "With DISPATCHER=celery: RabbitMQ or Redis; amqps and rediss with TLS. It "
            "carries no email, only hints."
        ),
    )
    celery_queue: str = _setting(
        "CELERY_QUEUE",
        "email-service",
        rules.queue_name(),
        meaning="The queue of the hints: one of its own for each database.",
    )
    queue_workers: int = _setting(
        "QUEUE_WORKERS",
        2,
        rules.whole(1, 1000),
        meaning="Threads that hand off mail, to begin with.",
    )
    max_workers: int = _setting(
        "MAX_WORKERS",
        200,
        rules.whole(1, 1000),
        meaning="Threads that hand off mail, at most: more are started while servers are slow.",
    )
    processes: int = _setting(
        "PROCESSES",
        1,
        rules.whole(1, MOST_PROCESSES),
        meaning=(
            "Processes that deliver, also serve --processes and worker --processes: they "
            "start the others beside them. One process uses one processor."
        ),
    )
    drain: timedelta = _setting(
        "DRAIN_SECONDS",
        _s(25),
        rules.seconds(0, 3600),
        meaning=(
            "On SIGTERM: how many seconds are left to end what is under way. Your "
            "supervisor must wait longer."
        ),
    )
    one_processor: bool = _setting(
        "ONE_PROCESSOR",
        True,
        rules.switch(),
        meaning=(
            "Run all threads of a process on one processor, the one that others use least "
            "(Linux). Python runs one thread at a time, and passing the turn to another "
            "processor costs more than the work. 0 lets the system choose."
        ),
    )

    api_times: ApiTimes = _setting(
        "API_TIMES",
        ApiTimes.PUBLISHED,
        rules.one_of(ApiTimes),
        heading="What is accepted",
        meaning=(
            "How the API writes times. published: 2023-05-24T10:30:00.000000, which is UTC. "
            "rfc3339: the same with a Z, for clients whose types are made from the OpenAPI "
            "document."
        ),
    )
    max_queue_depth: int = _setting(
        "MAX_QUEUE_DEPTH",
        1_000_000,
        rules.whole(0, 10**9),
        meaning=("Emails that may wait in the queue; the next one is answered 503. 0 is no limit."),
    )
    max_account_depth: int = _setting(
        "MAX_ACCOUNT_DEPTH",
        500_000,
        rules.whole(0, 10**9),
        meaning=(
            "Emails that may wait for one SMTP configuration by name; the next one is "
            "answered 503 (account_queue_full). 0 is no limit."
        ),
    )
    max_body_bytes: int = _setting(
        "MAX_BODY_BYTES",
        31_457_280,
        rules.whole(1024, 100 * 1024**2),
        meaning="The largest body of a request.",
    )
    max_bodies_bytes: int = _setting(
        "MAX_BODIES_BYTES",
        0,
        rules.whole(0, 16 * 1024**3),
        meaning=(
            "Memory for the bodies of all requests that are being received or answered, in "
            "each process of serve; one more is answered 503. 0 is four times "
            "MAX_BODY_BYTES."
        ),
    )
    max_recipients: int = _setting(
        "MAX_RECIPIENTS", 100, rules.whole(1, 10_000), meaning="Recipients of one email."
    )
    max_call_recipients: int = _setting(
        "MAX_CALL_RECIPIENTS",
        10_000,
        rules.whole(1, 10**6),
        meaning="Recipients of all emails of a batch together.",
    )
    rate_limit: int = _setting(
        "RATE_LIMIT",
        50,
        rules.whole(1, 100_000),
        meaning="Calls a second with one API key, in each process; more are answered 429.",
    )
    rate_burst: int = _setting(
        "RATE_BURST",
        100,
        rules.whole(1, 1_000_000),
        meaning="Calls at once with one API key, in each process; more are answered 429.",
    )
    key_daily_recipients: int = _setting(
        "KEY_DAILY_RECIPIENTS",
        10_000,
        rules.whole(1, 10**9),
        meaning=(
            "Recipients that a key may name in any 24 hours, unless it was created with a "
            "number of its own."
        ),
    )

    max_retries: int = _setting(
        "MAX_RETRIES",
        3,
        rules.whole(0, 100),
        meaning="How often an email is tried again after it was deferred.",
    )
    retry_schedule: tuple[timedelta, ...] = _setting(
        "RETRY_SCHEDULE",
        tuple(map(_s, (60, 300, 1800, 7200, 14400))),
        rules.schedule(),
        meaning=(
            "After how many seconds a deferred email is tried again, each time. The last "
            "wait is kept; every wait is spread by 20 %."
        ),
    )
    max_age: timedelta = _setting(
        "MAX_AGE_SECONDS",
        _s(259_200),
        rules.seconds(1, YEAR_S),
        meaning="An email that could not be sent for so many seconds has failed (3 days).",
    )
    on_unknown: OnUnknown = _setting(
        "ON_UNKNOWN",
        OnUnknown.RESEND_ONCE,
        rules.one_of(OnUnknown),
        meaning=(
            "When a server falls silent after it got the whole message: resend_once (a copy "
            "may arrive twice) or hold (you decide)."
        ),
    )
    fairness_every: int = _setting(
        "FAIRNESS_EVERY",
        10,
        rules.whole(2, 1000),
        meaning=("One email in so many is the one that has waited longest, whatever its priority."),
    )
    breaker_schedule: tuple[timedelta, ...] = _setting(
        "BREAKER_SCHEDULE",
        tuple(map(_s, (5, 15, 60, 300, 900))),
        rules.schedule(),
        meaning=(
            "How many seconds a server that cannot be reached is left alone, after each "
            "failure in a row."
        ),
    )
    witness_schedule: tuple[timedelta, ...] = _setting(
        "WITNESS_SCHEDULE",
        tuple(map(_s, (30, 120, 600))),
        rules.schedule(),
        meaning=(
            "How many seconds an email waits that may be the cause of its account's "
            "trouble: twice uncharged, then as its own fault. With a BREAKER_SCHEDULE of "
            "your own, no longer than that."
        ),
    )
    smtp_rules_file: Path | None = _setting(
        "SMTP_RULES_FILE",
        None,
        rules.optional(rules.existing_file()),
        meaning=(
            "Rules of your own for what a server's reply means (TOML); they go before the "
            "built-in ones."
        ),
    )

    ehlo_hostname: str | None = _setting(
        "EHLO_HOSTNAME",
        None,
        rules.optional(rules.ehlo_name()),
        heading="Mail servers",
        meaning=(
            "The name this client greets with. Default: the machine's full host name, or "
            "the address of the connection's own end in brackets."
        ),
    )
    smtp_allowed_cidrs: tuple[Network, ...] = _setting(
        "SMTP_ALLOWED_CIDRS",
        (),
        rules.networks(),
        meaning=(
            "Networks of your own that mail servers may stand in. In production private "
            "addresses are refused otherwise; cloud metadata and link-local addresses "
            "always are."
        ),
    )
    smtp_allowed_ports: tuple[int, ...] = _setting(
        "SMTP_ALLOWED_PORTS",
        (),
        rules.ports(),
        meaning=(
            "Ports that mail servers may listen on besides 25, 465, 587, 2465, 2525 and 2587."
        ),
    )
    smtp_ca_file: Path | None = _setting(
        "SMTP_CA_FILE",
        None,
        rules.optional(rules.existing_file()),
        meaning=(
            "Certificates (PEM) to trust besides the system's, such as those of your own authority."
        ),
    )
    smtp_resolve_timeout: timedelta = _setting(
        "SMTP_RESOLVE_TIMEOUT",
        _s(30),
        rules.seconds(0.1, 3600),
        meaning="How many seconds looking up the server's name may take in all.",
    )
    smtp_connect_timeout: timedelta = _setting(
        "SMTP_CONNECT_TIMEOUT",
        _s(30),
        rules.seconds(0.1, 3600),
        meaning="How many seconds the connection may take in all.",
    )
    smtp_banner_timeout: timedelta = _setting(
        "SMTP_BANNER_TIMEOUT",
        _s(300),
        rules.seconds(0.1, 3600),
        meaning="How many seconds the server's greeting may take in all.",
    )
    smtp_ehlo_timeout: timedelta = _setting(
        "SMTP_EHLO_TIMEOUT",
        _s(60),
        rules.seconds(0.1, 3600),
        meaning="How many seconds the reply to EHLO may take in all.",
    )
    smtp_starttls_timeout: timedelta = _setting(
        "SMTP_STARTTLS_TIMEOUT",
        _s(30),
        rules.seconds(0.1, 3600),
        meaning="How many seconds STARTTLS and the TLS handshake may take in all.",
    )
    smtp_auth_timeout: timedelta = _setting(
        "SMTP_AUTH_TIMEOUT",
        _s(60),
        rules.seconds(0.1, 3600),
        meaning="How many seconds the login may take in all.",
    )
    smtp_mail_timeout: timedelta = _setting(
        "SMTP_MAIL_TIMEOUT",
        _s(300),
        rules.seconds(0.1, 3600),
        meaning="How many seconds the reply to MAIL may take in all.",
    )
    smtp_rcpt_timeout: timedelta = _setting(
        "SMTP_RCPT_TIMEOUT",
        _s(300),
        rules.seconds(0.1, 3600),
        meaning="How many seconds the reply to RCPT may take in all.",
    )
    smtp_data_timeout: timedelta = _setting(
        "SMTP_DATA_TIMEOUT",
        _s(120),
        rules.seconds(0.1, 3600),
        meaning="How many seconds the reply to DATA may take in all.",
    )
    smtp_dot_timeout: timedelta = _setting(
        "SMTP_DOT_TIMEOUT",
        _s(600),
        rules.seconds(0.1, 3600),
        meaning=(
            "How many seconds the reply to the message may take in all. A short one makes "
            "duplicates."
        ),
    )

    lease: timedelta = _setting(
        "LEASE_SECONDS",
        _s(60),
        rules.seconds(1, 3600),
        heading="Many processes",
        meaning=(
            "After so many seconds of silence a process is taken for dead, and its mail is "
            "taken over."
        ),
    )
    heartbeat: timedelta = _setting(
        "HEARTBEAT_SECONDS",
        _s(15),
        rules.seconds(0.1, 1800),
        meaning="How often a process shows that it lives; at most half of LEASE_SECONDS.",
    )
    sweep: timedelta = _setting(
        "SWEEP_SECONDS",
        _s(30),
        rules.seconds(0.1, 3600),
        meaning="How often the queue is put in order.",
    )
    poll: timedelta = _setting(
        "POLL_SECONDS",
        _s(0.2),
        rules.seconds(0.01, 60),
        meaning="How often the queue is looked at when nothing calls.",
    )

    sandbox: bool = _setting(
        "SANDBOX",
        False,
        rules.switch(),
        heading="Trying it out",
        meaning=(
            "1 opens a mail server on this machine that keeps what it gets: see /sandbox. "
            "Not in production."
        ),
    )
    sandbox_port: int = _setting(
        "SANDBOX_PORT", 2525, rules.whole(0, 65535), meaning="The port of that mail server."
    )

    allow_test_knobs: bool = _setting(
        "ALLOW_TEST_KNOBS",
        False,
        rules.switch(),
        heading="Tests only",
        meaning=(
            "1 allows the lengths below. With it, the header X-Test-Id of a submission (1 "
            "to 200 printable ASCII characters) goes out with the message too, so that a "
            "test recognises its mail. Not in production."
        ),
    )
    minute: timedelta = _setting(
        "MINUTE_SECONDS",
        _s(60),
        rules.seconds(0.1, 60),
        knob=True,
        meaning="The length of the rolling minute.",
    )
    hour: timedelta = _setting(
        "HOUR_SECONDS",
        _s(3600),
        rules.seconds(0.1, 3600),
        knob=True,
        meaning="The length of the rolling hour.",
    )
    day: timedelta = _setting(
        "DAY_SECONDS",
        _s(86_400),
        rules.seconds(0.1, 86_400),
        knob=True,
        meaning="The length of the rolling day.",
    )

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
        full = "." in machine and not machine.startswith("localhost") and not rules.is_ip(machine)
        return machine if full and rules.HOST_NAME.fullmatch(machine) else None

    def describe(self) -> dict[str, str]:
        """Every variable with its value as it would be written, secrets masked."""
        return {
            field.metadata["name"]: _shown(field, getattr(self, field.name))
            for field in attrs.fields(type(self))
        }


def variables() -> dict[str, str]:
    """Every variable and its default as it would be written; "" where there is none."""
    return {
        field.metadata["name"]: rules.written(field.default) for field in attrs.fields(Settings)
    }


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


def _lines(path: Path) -> Sequence[EnvLine]:
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


def _refusal(field: "attrs.Attribute[Any]", text: str) -> str:
    shown = "what it is" if field.metadata["secret"] else repr(field.metadata["shown"](text)[:80])
    allowed = field.metadata["rule"].allowed
    return f"{field.metadata['name']} must be {allowed}, not {shown}"


def _shown(field: "attrs.Attribute[Any]", value: object) -> str:
    if field.metadata["secret"] and value is not None:
        return rules.MASK
    shown: str = field.metadata["shown"](rules.written(value))
    return shown


_HOW_TO_MAKE_ONE: Final = "make one with: python3 -c 'import secrets; print(secrets.token_hex(32))'"


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
            f"({rules.written(settings.lease)}), not {rules.written(settings.heartbeat)}: "
            "a process that lives would be taken for dead"
        )
    if not settings.allow_test_knobs:
        for field in attrs.fields(Settings):
            value = getattr(settings, field.name)
            if field.metadata["knob"] and value != field.default:
                yield (
                    f"{field.metadata['name']} must be {rules.written(field.default)}, "
                    f"not {rules.written(value)}: "
                    "another length is for tests, with ALLOW_TEST_KNOBS=1"
                )


def _unsafe(settings: Settings) -> Iterator[str]:
    """What would put mail, or the right to send it, into strangers' hands."""
    if settings.production:
        if settings.secret_key is None:
            yield f"SECRET_KEY must be set in production: {_HOW_TO_MAKE_ONE}"
        elif weakness := checks.weakness(settings.secret_key):
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
