"""What settings may not be together, or in production."""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import attrs

from domain.account.network import Network
from domain.address import is_loopback
from entrypoints.settings import rules
from entrypoints.settings.delivery import DeliverySettings, Dispatcher
from entrypoints.settings.events import Events
from entrypoints.settings.guessable import is_guessable
from entrypoints.settings.trial import KnobSettings

if TYPE_CHECKING:
    from entrypoints.settings.settings import Settings

MIN_KEY_LENGTH: Final = 32
MIN_KEY_CHARACTERS: Final = (
    8  # different ones: of 32 random hex digits it is practically never fewer
)
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


_HOW_TO_MAKE_ONE: Final = "make one with: python3 -c 'import secrets; print(secrets.token_hex(32))'"


def contradictions(settings: "Settings") -> Iterator[str]:
    """What each variable may be alone, but not together with the others."""
    if settings.dispatcher is Dispatcher.CELERY and settings.celery_broker_url is None:
        yield (
            "CELERY_BROKER_URL must be set with DISPATCHER=celery: "
            + attrs.fields(DeliverySettings).celery_broker_url.metadata["rule"].allowed
        )
    if settings.processes > 1 and settings.dispatcher is not Dispatcher.THREADS:
        yield (
            f"PROCESSES must be 1 with DISPATCHER={settings.dispatcher.value}, "
            f"not {settings.processes}: this process does not deliver"
        )
    if settings.alert_email and settings.events is Events.OFF:
        yield "ALERT_EMAIL must be empty with EVENTS=off: alerts are made of events"
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
    yield from _of_certificate(settings)
    if settings.heartbeat * 2 > settings.lease:
        yield (
            "HEARTBEAT_SECONDS must be at most half of LEASE_SECONDS "
            f"({rules.written(settings.lease)}), not {rules.written(settings.heartbeat)}: "
            "a process that lives would be taken for dead"
        )
    if not settings.allow_test_knobs:
        for field in attrs.fields(KnobSettings):
            value = getattr(settings, field.name)
            if field.metadata["knob"] and value != field.default:
                yield (
                    f"{field.metadata['name']} must be {rules.written(field.default)}, "
                    f"not {rules.written(value)}: "
                    "another length is for tests, with ALLOW_TEST_KNOBS=1"
                )


def _of_certificate(settings: "Settings") -> Iterator[str]:
    if (settings.intake_tls_cert is None) != (settings.intake_tls_key is None):
        lacking = "INTAKE_TLS_KEY" if settings.intake_tls_key is None else "INTAKE_TLS_CERT"
        yield f"{lacking} must be set too: a certificate is of no use without its key"
    elif settings.intake_tls_cert is None and settings.intake_tls_port:
        yield "INTAKE_TLS_CERT must be set with INTAKE_TLS_PORT: there is no TLS without one"
    elif settings.intake_tls_cert is None and settings.intake_port and not settings.keys_in_clear:
        yield (
            "INTAKE_TLS_CERT must be set with INTAKE_PORT: API keys are taken without TLS in "
            f"development on a loopback address only, not on {settings.smtp_host!r} with "
            f"FLASK_ENV={settings.flask_env.value}"
        )


def unsafe(settings: "Settings") -> Iterator[str]:
    """What would put mail, or the right to send it, into strangers' hands."""
    if settings.production:
        if settings.secret_key is None:
            yield f"SECRET_KEY must be set in production: {_HOW_TO_MAKE_ONE}"
        elif weak := weakness(settings.secret_key):
            yield f"SECRET_KEY {weak}: {_HOW_TO_MAKE_ONE}"
        if settings.public_url is not None and not settings.public_url.startswith("https://"):
            yield (
                f"PUBLIC_URL must begin with https:// in production, not be {settings.public_url!r}"
            )
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


def weakness(key: str) -> str | None:
    """Why *key* is too weak for production, or None."""
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


def opens_nearly_everything(networks: Sequence[Network]) -> bool:
    """Whether a range is wider than any private one, or all private IPv4 ranges are in them."""
    v4 = [network for network in networks if isinstance(network, ipaddress.IPv4Network)]
    v6 = [network for network in networks if isinstance(network, ipaddress.IPv6Network)]
    joined = tuple(ipaddress.collapse_addresses(v4))
    return (
        any(network.prefixlen < 8 for network in joined)
        or any(network.prefixlen < 7 for network in ipaddress.collapse_addresses(v6))
        or all(any(house.subnet_of(network) for network in joined) for house in _HOUSE)
    )
