"""What every command does first: read the settings, open the service, tell errors plainly."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from domain.errors import EmailServiceError, StoreUnavailable
from entrypoints.runtime import logs
from entrypoints.settings import Settings, SettingsError, load_settings
from entrypoints.wiring import Service, build


class WrongSettings(click.ClickException):
    """The settings cannot be used: all that is wrong, one a line."""

    exit_code = 2

    def __init__(self, error: SettingsError) -> None:
        lines = [f"  - {line}" for line in error.errors]
        super().__init__("\n".join(["the settings cannot be used:", *lines]))


def read_settings(**options: Any) -> Settings:
    """The settings, with what was given on the command line in the place of the environment's."""
    given = {name: _text(value) for name, value in options.items() if value is not None}
    with told_plainly():
        settings, doubts = load_settings(given=given)
    logs.configure(settings)
    logs.warn(doubts)
    return settings


@contextmanager
def told_plainly() -> Iterator[None]:
    """Errors that a person can mend, without a traceback."""
    try:
        yield
    except SettingsError as error:
        raise WrongSettings(error) from error
    except EmailServiceError as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def opened(settings: Settings) -> Iterator[Service]:
    """The service, its database up to date, closed in the end."""
    with told_plainly():
        service = build(settings)
        try:
            service.migrate()
            yield service
        except StoreUnavailable as error:
            where = f"the database is {settings.database_place}"
            raise click.ClickException(f"{error} ({where})") from error
        finally:
            service.close()


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
