"""Celery's processes: ``celery -A entrypoints.celery_app worker``, ``beat`` and ``flower``.

Nothing is built at import: ``app`` is made when Celery asks for it, and a worker's service in each
of its processes with its first task.
"""

import sys
import time
from functools import cache
from typing import TYPE_CHECKING, Final

from domain.errors import EmailServiceError, StoreUnavailable
from entrypoints.runtime import logs
from entrypoints.settings import Settings, SettingsError, load_settings
from entrypoints.wiring import Service, build, build_celery

if TYPE_CHECKING:
    from celery import Celery

# A worker that is started while its database server is away waits for it: Celery starts none again.
PATIENCE_S: Final = 60.0
LOOK_AGAIN_S: Final = 0.5


def __getattr__(name: str) -> "Celery":
    if name == "app":
        return make_app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def make_app() -> "Celery":
    """The Celery application. Exits with 2 if the settings are wrong."""
    try:
        settings, doubts = load_settings()
        app = build_celery(settings, open_service=lambda: _tuned(settings))
    except SettingsError as error:
        raise _refused(error) from error
    from celery import signals

    def configure_logs(**_: object) -> None:
        logs.configure(settings)

    def check(**_: object) -> None:
        """The database up to date and every setting usable, before there are children."""
        logs.warn_of(settings)
        logs.warn(doubts)
        try:
            _migrate(settings)
        except SettingsError as error:
            raise _refused(error) from error
        except EmailServiceError as error:
            print(error, file=sys.stderr)
            raise SystemExit(1) from error

    signals.worker_process_init.connect(configure_logs, weak=False)
    signals.setup_logging.connect(configure_logs, weak=False)
    signals.worker_init.connect(check, weak=False)
    return app


def _tuned(settings: Settings) -> Service:
    service = build(settings)
    service.tune_process()
    return service


def _migrate(settings: Settings) -> None:
    service = build(settings)
    give_up_at = time.monotonic() + (PATIENCE_S if settings.database_path is None else 0.0)
    told = False
    try:
        while True:
            try:
                service.migrate()
                return
            except StoreUnavailable as error:
                if time.monotonic() >= give_up_at:
                    raise
                if not told:
                    print(f"waiting for the database: {error}", file=sys.stderr, flush=True)
                    told = True
            time.sleep(LOOK_AGAIN_S)
    finally:
        service.close()


def _refused(error: SettingsError) -> SystemExit:
    for line in error.errors:
        print(line, file=sys.stderr)
    return SystemExit(2)
