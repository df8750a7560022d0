"""What `top` shows: the figures, and how they fit on a terminal."""

import io
from datetime import timedelta

import attrs
import pytest
from rich.console import Console

from adapters.fakes.clock import FakeClock
from application.live import AccountLine, LiveView, PriorityLine
from domain.access import Caller, Scope
from domain.account.account import AccountState
from domain.account.health import LearnedLimit
from domain.account.limits import Window
from domain.email.status import Status
from domain.errors import Forbidden
from entrypoints.cli.live_table import duration, rendered
from entrypoints.cli.top import ordered
from tests.applications import (
    a_client_with_config,
    a_config_body,
    an_application,
    an_email_body,
    deliver,
)
from tests.builders import NOW

MINUTE = timedelta(minutes=1)


def account(number: int, **changes: object) -> AccountLine:
    line = AccountLine(
        id=number,
        name=f"account {number}",
        state=AccountState.OPEN,
        why="",
        until=None,
        used={Window.MINUTE: 1, Window.HOUR: 50, Window.DAY: 300},
        limits={Window.HOUR: 50, Window.DAY: 500},
        learned=(LearnedLimit(window=Window.DAY, least=480, most=500, times=2, at=NOW),),
        waiting=number,
        handed_off=1,
    )
    return attrs.evolve(line, **changes)  # type: ignore[arg-type]


def view(*accounts: AccountLine) -> LiveView:
    return LiveView(
        at=NOW,
        emails={Status.QUEUED: 12_345, Status.FAILED: 1},
        shared=7,
        accounts=accounts,
        priorities=[
            PriorityLine(priority=one, due=10, later=1, due_since=NOW - 90 * MINUTE)
            for one in (1, 3, 5)
        ],
        failures=[],
    )


def lines(shown: LiveView, width: int, height: int | None) -> list[str]:
    printed = io.StringIO()
    Console(width=width, file=printed).print(rendered(shown, width=width, height=height))
    return printed.getvalue().splitlines()


# -- the figures ----


def test_it_tells_what_waits_by_account_and_by_priority_and_how_long_it_was_due() -> None:
    clock = FakeClock()
    application = an_application(clock=clock)
    client = a_client_with_config(application)
    for priority, send_at in ((1, None), (5, None), (5, (NOW + 60 * MINUTE).isoformat())):
        fields = {"priority": priority, "smtp_config_id": 1} | (
            {"send_at": send_at} if send_at else {}
        )
        assert client.post("/api/emails", json=an_email_body(**fields)).status_code == 201
    clock.tick(60)

    shown = application.live.look()

    assert [(one.id, one.waiting) for one in shown.accounts] == [(1, 3)]
    assert [(one.priority, one.due, one.later, one.due_since) for one in shown.priorities] == [
        (1, 1, 0, NOW),
        (5, 1, 1, NOW),
    ]
    assert shown.emails[Status.SCHEDULED] == 1


def test_it_tells_what_was_handed_off_and_what_the_limits_hold() -> None:
    application = an_application()
    client = a_client_with_config(application)
    assert client.post("/api/emails", json=an_email_body()).status_code == 201
    assert deliver(application) == 1

    [line] = application.live.look().accounts

    assert (line.state, line.why, line.waiting, line.handed_off) == (AccountState.OPEN, "", 0, 1)
    assert line.used[Window.HOUR] == 1
    assert line.limits == {Window.HOUR: 50, Window.DAY: 500}


def test_it_tells_why_an_account_waits() -> None:
    application = an_application()
    client = a_client_with_config(application)
    client.post("/api/smtp-configs", json=a_config_body(name="second", active=False))
    client.post("/api/smtp-configs/1/pause")

    shown = application.live.look()

    assert [(one.state, one.why) for one in shown.accounts] == [
        (AccountState.PAUSED, "by_hand"),
        (AccountState.INACTIVE, "account_inactive"),
    ]


def test_it_is_for_those_who_may_see_all_accounts() -> None:
    application = an_application()

    reader = Caller(key_id=1, prefix="reader", scopes=frozenset({Scope.READ}))
    limited = Caller(key_id=2, prefix="limited", accounts=frozenset({1}))
    for caller in (reader, limited):
        with pytest.raises(Forbidden):
            application.live.look(caller=caller)


# -- on a terminal ----


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50), (50, 15), (20, 10)])
def test_it_fits_the_terminal(width: int, height: int) -> None:
    shown = lines(view(*map(account, range(1, 200))), width, height)

    assert len(shown) <= height
    assert max(map(len, shown)) <= width
    assert any("more" in line for line in shown)


def test_a_wide_terminal_has_more_columns() -> None:
    paused = account(1, state=AccountState.PAUSED, why="bad_password", until=NOW + 3 * MINUTE)

    wide, narrow = ("\n".join(lines(view(paused), width, None)) for width in (200, 40))

    assert "50/50" in wide
    assert "300/500" in wide
    assert "480/day" in wide
    assert "bad_password, 3 m 0 s more" in wide
    assert "HOUR" not in narrow
    assert "paused" in narrow


def test_what_waits_for_any_account_is_told() -> None:
    assert "7 more wait for any of them" in "\n".join(lines(view(account(1)), 80, None))


def test_names_are_no_markup_and_no_orders_to_the_terminal() -> None:
    shown = "\n".join(lines(view(account(1, name="[bold]x[/bold]\x1b[31m")), 200, None))

    assert "[bold]x[/bold]\ufffd[31m" in shown
    assert "\x1b[31m" not in shown


def test_accounts_with_trouble_come_first_then_those_with_most_mail() -> None:
    found = ordered(
        view(
            account(1),
            account(2, waiting=9),
            account(3, why="hour_limit"),
            account(4, state=AccountState.PAUSED, why="by_hand"),
        )
    )

    assert [one.id for one in found.accounts] == [4, 3, 2, 1]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 s"), (59, "59 s"), (61, "1 m 1 s"), (3_661, "1 h 1 m"), (90_000, "1 d 1 h")],
)
def test_a_duration_has_its_two_largest_units(seconds: int, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words
