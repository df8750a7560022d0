"""The only place that names adapters: settings in, a service out. Nothing is started here."""

from entrypoints.wiring.assembly import build, build_celery, pending_migrations
from entrypoints.wiring.rules import dispatcher_rules, shipped_rules
from entrypoints.wiring.service import Service

__all__ = [
    "Service",
    "build",
    "build_celery",
    "dispatcher_rules",
    "pending_migrations",
    "shipped_rules",
]
