"""Every way to start this version on a database that only newer ones may use: exit code 1."""

import subprocess
import sys
from pathlib import Path

import pytest

from adapters.peewee_store import sqlite
from tests.newer_version import NEWEST, newer_version
from tests.running import PATIENCE_S, ROOT, Running, running

GUNICORN = (sys.executable, "-m", "gunicorn", "-c", str(ROOT / "gunicorn.conf.py"))
CELERY = (sys.executable, "-m", "celery", "-A", "entrypoints.celery_app", "worker", "-P", "threads")
STARTS = {
    "serve": (sys.executable, "-m", "entrypoints", "serve"),
    "worker": (sys.executable, "-m", "entrypoints", "worker"),
    "migrate": (sys.executable, "-m", "entrypoints", "migrate"),
    "migrate --check": (sys.executable, "-m", "entrypoints", "migrate", "--check"),
    "keys": (sys.executable, "-m", "entrypoints", "keys", "list"),
    "gunicorn": (*GUNICORN, "entrypoints.wsgi:create_app()"),
    "celery": CELERY,
}


def started(service: Running, command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """The command run to its end on the service's settings."""
    broker = {"DISPATCHER": "celery", "CELERY_BROKER_URL": "redis://127.0.0.1:1/0"}
    return subprocess.run(
        command,
        cwd=service.folder,
        env=service.environ | (broker if command == CELERY else {}),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


@pytest.mark.parametrize("name", STARTS)
def test_it_is_refused_and_the_migration_named_by(name: str, tmp_path: Path) -> None:
    service = Running(tmp_path)
    newer = newer_version(tmp_path / "newer", oldest_reader=NEWEST + 1)
    sqlite.migrate(tmp_path / "service.db", directory=newer)

    ended = started(service, STARTS[name])

    assert ended.returncode == 1, ended
    assert "9999_later" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_newer_schema_for_a_rolling_upgrade_is_served(tmp_path: Path) -> None:
    newer = newer_version(tmp_path / "newer", oldest_reader=NEWEST)
    sqlite.migrate(tmp_path / "service.db", directory=newer)
    with running(tmp_path) as service:
        assert service.get("/readyz")[0] == 200
