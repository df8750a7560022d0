"""How gunicorn runs the service: gunicorn 'entrypoints.wsgi:create_app()'

Any number of workers may share one database. From a SQLite file one of them delivers, and another
one takes over within seconds when it dies; from PostgreSQL all of them deliver.
"""

import sys

from gunicorn.glogging import Logger

from entrypoints import wsgi
from entrypoints.runtime.redacted_links import LinkFilter
from entrypoints.settings import Settings, SettingsError, load_environment

try:
    _settings = Settings.from_environment(load_environment())
except SettingsError as error:
    print("the settings cannot be used:", *error.errors, sep="\n  - ", file=sys.stderr)
    sys.exit(2)

_host = f"[{_settings.host}]" if ":" in _settings.host else _settings.host
_drain_s = int(_settings.drain.total_seconds())


class RedactingLogger(Logger):
    """gunicorn's log, which names paths where a request fails and, if you want, all of them."""

    def setup(self, cfg):
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            log.addFilter(LinkFilter())


logger_class = RedactingLogger
bind = f"{_host}:{_settings.port}"
worker_class = "gthread"
workers = 2
threads = 16
keepalive = 30
preload_app = False  # a service does not survive a fork
graceful_timeout = _drain_s + 10
timeout = _drain_s + 30  # the drain does not report to the master while it waits
control_socket_disable = True
limit_request_line = 8190
forwarded_allow_ips = ""  # TRUSTED_PROXIES says whom to believe, and the application reads it
limit_request_field_size = 4094  # so that what it reads before it refuses stays small
header_map = "refuse"  # a name with an underscore, which WSGI could not tell from one with a dash


def on_starting(server):
    """Before there are workers: one that refused to start would be started again for ever."""
    wsgi.check()


def post_worker_init(worker):
    """The worker is ready to serve: let it deliver too."""
    wsgi.start(worker.app.wsgi())


def worker_exit(server, worker):
    """The worker serves no more: let what is under way end."""
    if worker.app.callable is not None and wsgi.stop(worker.app.callable):
        worker.log.warning("an unknown outcome was left")
