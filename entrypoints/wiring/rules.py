"""The rules of the use cases, from the settings."""

import tomllib
from collections.abc import Mapping
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from adapters.thread_dispatcher import DispatcherPolicy
from application import ServicePolicy
from application.access import AccessPolicy
from application.cluster.membership import LeasePolicy
from application.delivery import DeliveryPolicy
from domain.account.congestion import DEFAULT_BREAKER, CongestionPolicy
from domain.account.limits import WindowLengths
from domain.account.network import DEFAULT_PORTS, NetworkPolicy
from domain.account.provider import Providers
from domain.account.providers_file import parse_providers
from domain.address import is_loopback
from domain.email.retry import RetryPolicy
from domain.event.growth import GrowthPolicy
from domain.intake import IntakeLimits
from domain.message.attachment import DENIED
from domain.outcome.rules_file import Rules, parse_rules
from domain.retention import RetentionPolicy
from entrypoints.settings import Dispatcher, Settings, SettingsError
from entrypoints.settings.intake import USUAL

# How long a process that Celery woke looks for more by itself before it leaves that to others.
REST: Final = timedelta(seconds=5)
# How often it looks meanwhile: a hint may have reached another process, which may not deliver.
AWAKE_POLL: Final = timedelta(seconds=0.05)


def _denied_files(settings: Settings) -> frozenset[str]:
    named = frozenset(settings.attachment_deny)
    return (named - {USUAL}) | DENIED if USUAL in named else named


def service_rules(settings: Settings) -> ServicePolicy:
    """What the use cases go by. SettingsError for an SMTP_RULES_FILE that cannot be used."""
    return ServicePolicy(
        intake=IntakeLimits(
            max_recipients=settings.max_recipients,
            max_call_recipients=settings.max_call_recipients,
            denied_files=_denied_files(settings),
        ),
        delivery=DeliveryPolicy(
            replies=_reply_rules(settings.smtp_rules_file),
            retry=RetryPolicy(
                max_retries=settings.max_retries,
                delays=settings.retry_schedule,
                max_age=settings.max_age,
            ),
            congestion=CongestionPolicy(
                breaker=settings.breaker_schedule, asides=_asides(settings)
            ),
            windows=WindowLengths(minute=settings.minute, hour=settings.hour, day=settings.day),
            on_unknown=settings.on_unknown,
            fairness_every=settings.fairness_every,
        ),
        lease=LeasePolicy(heartbeat=settings.heartbeat, lease=settings.lease),
        max_queue_depth=settings.max_queue_depth or None,
        max_account_depth=settings.max_account_depth or None,
        access=AccessPolicy(
            open_without_keys=not settings.production and is_loopback(settings.host),
            rate=settings.rate_limit,
            burst=settings.rate_burst,
            daily_recipients=settings.key_daily_recipients,
        ),
        retention=RetentionPolicy(
            sent=settings.retention_sent_content,
            cancelled=settings.retention_cancelled_content,
            failed=settings.retention_failed_content,
            rows=settings.retention_rows,
        ),
        public_url=settings.public_url,
        events_kept=settings.retention_events,
        alert_to=settings.alert_email,
        growth=GrowthPolicy(longest=settings.queue_growing),
        providers=shipped_providers(),
        network=NetworkPolicy(
            private=not settings.production,
            allowed=settings.smtp_allowed_cidrs,
            ports=DEFAULT_PORTS | set(settings.smtp_allowed_ports),
        ),
    )


def _asides(settings: Settings) -> tuple[timedelta, ...]:
    """As set, but where the breaker was set to be quicker, no slower than that."""
    breaker = settings.breaker_schedule
    if breaker == DEFAULT_BREAKER:
        return settings.witness_schedule
    steps = [breaker[min(n, len(breaker) - 1)] for n in range(len(settings.witness_schedule))]
    return tuple(map(min, settings.witness_schedule, steps))


def shipped_rules(*, first: Mapping[str, Any] | None = None) -> Rules:
    """What replies mean, an owner's rules *first*. ValueError names a rule that cannot be used."""
    shipped = tomllib.loads(files("domain.outcome").joinpath("smtp_rules.toml").read_text("utf-8"))
    return parse_rules(shipped, first=first, trusted=True)  # the tests check all of them


def shipped_providers() -> Providers:
    """What is known of mail providers."""
    file = files("domain.account").joinpath("providers.toml")
    return parse_providers(tomllib.loads(file.read_text("utf-8")))


def _reply_rules(own: Path | None) -> Rules:
    if own is None:
        return shipped_rules()
    try:
        return shipped_rules(first=tomllib.loads(own.read_text("utf-8")))
    except (ValueError, OSError) as error:
        raise SettingsError(f"SMTP_RULES_FILE: {own}: {error}") from error


def dispatcher_rules(settings: Settings) -> DispatcherPolicy:
    """How many threads, and how often to look."""
    by_celery = settings.dispatcher is Dispatcher.CELERY
    # who looks shows that he lives: a long poll must not make a process look dead
    poll = min(settings.poll, settings.heartbeat / 2)
    return DispatcherPolicy(
        workers=settings.queue_workers,
        max_workers=max(settings.max_workers, settings.queue_workers),
        poll=min(poll, AWAKE_POLL) if by_celery else poll,
        sweep=settings.sweep,
        rest=REST if by_celery else None,
        leaders=settings.processes,
    )
