"""What the settings make of the dispatcher."""

from entrypoints.settings import Settings
from entrypoints.wiring import dispatcher_rules


def test_however_long_the_poll_a_process_shows_in_time_that_it_lives() -> None:
    """The feeder beats as often as it looks; while a worker talks for minutes nothing else does."""
    settings = Settings.from_environment({"POLL_SECONDS": "60"})

    assert settings.heartbeat + dispatcher_rules(settings).poll < settings.lease
    assert dispatcher_rules(settings).poll <= settings.heartbeat / 2


def test_a_short_poll_is_as_it_was_set() -> None:
    settings = Settings.from_environment({"POLL_SECONDS": "0.1"})

    assert dispatcher_rules(settings).poll == settings.poll
