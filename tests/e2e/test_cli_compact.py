"""`email-service compact`, as a person calls it."""

from pathlib import Path

from click.testing import CliRunner

from adapters.fakes.clock import FakeClock
from adapters.peewee_store import SqliteStore
from entrypoints.cli import cli


def compact(**environment: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["compact"], env=environment)
    return done.exit_code, done.output


def test_it_says_how_large_the_file_was_and_is(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    store = SqliteStore(path, clock=FakeClock())
    store.migrate()
    store.close()

    exit_code, said = compact(DATABASE_URL=f"sqlite:///{path}")

    assert exit_code == 0
    assert f"{path}: {path.stat().st_size:,} octets before, {path.stat().st_size:,} now" in said


def test_it_makes_no_file(tmp_path: Path) -> None:
    exit_code, said = compact(DATABASE_URL=f"sqlite:///{tmp_path / 'mail.db'}")

    assert (exit_code, list(tmp_path.iterdir())) == (1, [])
    assert "there is no database" in said


def test_it_says_what_a_server_is_told() -> None:
    exit_code, said = compact(DATABASE_URL="postgresql://me@db.example.com/mail")

    assert exit_code == 0
    assert "VACUUM (FULL, ANALYZE) email_body;" in said
