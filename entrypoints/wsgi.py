"""The service for a WSGI server: ``gunicorn 'entrypoints.wsgi:create_app()'``.

Call `create_app` in the process that serves: a service does not survive a fork. Delivery starts
when the server says so (gunicorn.conf.py does) or else with the first request.
"""

import os
import sys
from typing import Final

from flask import Flask

from domain.errors import EmailServiceError
from entrypoints.http.wsgi_guard import GuardedCalls
from entrypoints.runtime import logs
from entrypoints.runtime.loopback import keep_to_loopback, under_gunicorn
from entrypoints.settings import SettingsError, load_settings
from entrypoints.wiring import Service, build

_EXTENSION = "email_service"
_NOT_BOOTED: Final = 3  # gunicorn's WORKER_BOOT_ERROR: it ends


def create_app() -> Flask:
    """The WSGI application, its database up to date. Exits with 2 if the settings are wrong.

    Under gunicorn with the code by which it knows that it need not try again.
    """
    try:
        service = _checked()
    except SystemExit as error:
        raise SystemExit(_NOT_BOOTED if under_gunicorn() else error.code) from error
    app = service.http
    # the documented place for a middleware of WSGI
    app.wsgi_app = GuardedCalls(app.wsgi_app, dialects=service.dialects)  # type: ignore[method-assign]
    app.extensions[_EXTENSION] = (service, os.getpid())

    def deliver_too() -> None:
        if not service.application.admission.draining:
            service.start_delivery()

    app.before_request(deliver_too)
    return app


def check() -> None:
    """Exit, saying why, if `create_app` would fail. Leaves nothing open: a fork may follow."""
    try:
        _checked().close()
    except EmailServiceError as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from error


def _checked() -> Service:
    try:
        settings, doubts = load_settings()
        logs.configure(settings)
        logs.warn_of(settings)
        logs.warn(doubts)
        if not settings.production:
            keep_to_loopback()
        service = build(settings)
        service.migrate()
        service.check_keys()
    except SettingsError as error:
        for line in error.errors:
            print(line, file=sys.stderr)
        raise SystemExit(2) from error
    return service


def start(app: Flask) -> None:
    """In a process that serves only *app*: tune it, and deliver if the settings say so.

    RuntimeError after a fork.
    """
    service = _of(app)
    service.tune_process()
    service.start_delivery()


def stop(app: Flask) -> bool:
    """Drain and close; True if an unknown outcome was left."""
    service = _of(app)
    unknown = service.drain()
    service.close()
    return unknown


def _of(app: Flask) -> Service:
    service, pid = app.extensions[_EXTENSION]
    if pid != os.getpid():
        raise RuntimeError("the service was built before the fork: start without --preload")
    assert isinstance(service, Service)
    return service
