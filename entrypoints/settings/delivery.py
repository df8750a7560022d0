"""Settings: delivery."""

# ruff: noqa: RUF009 - `setting` is attrs.field with a rule; it shares no mutable default

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar, Final

import attrs

from entrypoints.settings import rules
from entrypoints.settings.declaration import seconds, setting

MOST_PROCESSES: Final = 16


class Dispatcher(StrEnum):
    """Who delivers."""

    THREADS = "threads"  # this process
    CELERY = "celery"  # Celery's workers, woken over a broker: see entrypoints/celery_app.py
    NONE = "none"  # another one: see `email-service worker`


@attrs.frozen(kw_only=True, slots=False)
class DeliverySettings:
    """Which process delivers, and with how many threads."""

    HEADING: ClassVar = "Delivery"

    dispatcher: Dispatcher = setting(
        "DISPATCHER",
        Dispatcher.THREADS,
        rules.one_of(Dispatcher),
        meaning=(
            "threads: this process delivers. celery: Celery's workers do, woken over a "
            "broker. none: another process does (email-service worker)."
        ),
    )
    celery_broker_url: str | None = setting(
        "CELERY_BROKER_URL",
        None,
        rules.optional(rules.broker_url()),
        secret=True,
        meaning=(
            "With DISPATCHER=celery: RabbitMQ or Redis; amqps and rediss with TLS. It "
            "carries no email, only hints."
        ),
    )
    celery_queue: str = setting(
        "CELERY_QUEUE",
        "email-service",
        rules.queue_name(),
        meaning="The queue of the hints: one of its own for each database.",
    )
    queue_workers: int = setting(
        "QUEUE_WORKERS",
        2,
        rules.whole(1, 1000),
        meaning="Threads that hand off mail, to begin with.",
    )
    max_workers: int = setting(
        "MAX_WORKERS",
        200,
        rules.whole(1, 1000),
        meaning="The most threads that hand off mail: more are started while servers are slow.",
    )
    processes: int = setting(
        "PROCESSES",
        1,
        rules.whole(1, MOST_PROCESSES),
        meaning=(
            "Processes that deliver, also serve --processes and worker --processes: they "
            "start the others beside them. One process uses one processor."
        ),
    )
    webhook_process: bool = setting(
        "WEBHOOK_PROCESS",
        True,
        rules.switch(),
        meaning=(
            "Call webhooks from a process of their own, which is there while there is a webhook to "
            "call: calls take no time from delivery then. 0: from threads of a process that "
            "delivers, which saves about 60 MB of memory. Windows has threads in any case."
        ),
    )
    drain: timedelta = setting(
        "DRAIN_SECONDS",
        seconds(25),
        rules.seconds(0, 3600),
        meaning=(
            "Seconds that work in progress may take to end after SIGTERM. Your supervisor "
            "must wait longer."
        ),
    )
    one_processor: bool = setting(
        "ONE_PROCESSOR",
        True,
        rules.switch(),
        meaning=(
            "Run all threads of a process on one processor, the one that others use least "
            "(Linux). Python runs one thread at a time, and passing the turn to another "
            "processor costs more than the work. 0 lets the system choose."
        ),
    )
