"""Which poll interval the settings give the dispatcher."""

from entrypoints.settings import Settings
from entrypoints.wiring import dispatcher_rules


def test_a_long_poll_interval_is_cut_to_beat_within_the_lease() -> None:
    """The feeder beats as often as it looks; while a worker talks for minutes nothing else does."""
    settings = Settings.from_environment({"POLL_SECONDS": "60"})

    assert settings.heartbeat + dispatcher_rules(settings).poll < settings.lease
    assert dispatcher_rules(settings).poll <= settings.heartbeat / 2


def test_a_short_poll_interval_is_kept() -> None:
    settings = Settings.from_environment({"POLL_SECONDS": "0.1"})

    assert dispatcher_rules(settings).poll == settings.poll
