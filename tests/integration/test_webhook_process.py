"""The process that calls webhooks: there while one is to be called, stopped with its parent."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.observers import ListObserver
from application.webhooks.election import CallerElection
from domain.errors import StoreUnavailable
from entrypoints.runtime.child_processes import ChildProcesses
from entrypoints.runtime.webhook_process import WebhookProcess
from tests.integration.test_child_processes import a_command, noted
from tests.running import wait_until
from tests.world import World

URL = "https://example.org/"
LOOK_S = 0.01


@contextmanager
def a_process(
    folder: Path,
    world: World,
    *,
    command: list[str] | None = None,
    election: CallerElection | None = None,
) -> Iterator[tuple[WebhookProcess, ListObserver]]:
    heard = ListObserver()
    process = WebhookProcess(
        election or world.application.caller_election,
        new_child=lambda holder: ChildProcesses(
            1, [*(command or a_command(folder)), holder], observe=heard, drain_s=10
        ),
        observe=heard,
        look_s=LOOK_S,
    )
    process.start()
    try:
        yield process, heard
    finally:
        process.ask_to_stop()
        process.stop(timeout=10)


def a_world() -> World:
    world = World()
    world.application.webhooks.add(URL, frozenset("*"))
    return world


def test_it_begins_with_the_first_webhook(tmp_path: Path) -> None:
    world = World()
    with a_process(tmp_path, world) as (_, heard):
        world.application.webhooks.add(URL, frozenset("*"))

        wait_until(lambda: noted(tmp_path, "begun"))

        holder = world.application.caller_election.holder
        assert noted(tmp_path, f"number-{holder}") == noted(tmp_path, "begun")
        assert heard.events == []


def test_it_ends_when_there_has_been_no_webhook_for_a_while_and_comes_again(tmp_path: Path) -> None:
    world = a_world()
    with a_process(tmp_path, world):
        wait_until(lambda: noted(tmp_path, "begun"))
        world.application.webhooks.remove(1)
        wait_until(lambda: noted(tmp_path, "ended"))

        world.application.webhooks.add(URL, frozenset("*"))
        world.clock.tick(60)
        wait_until(lambda: len(noted(tmp_path, "begun")) == 2)


def test_one_that_is_killed_is_started_again_in_the_same_name(tmp_path: Path) -> None:
    world = a_world()
    with a_process(tmp_path, world) as (_, heard):
        [first] = wait_until(lambda: noted(tmp_path, "begun"))
        os.kill(first, signal.SIGKILL)

        wait_until(lambda: len(noted(tmp_path, "begun")) == 2)

        assert len(noted(tmp_path, f"number-{world.application.caller_election.holder}")) == 2
        [event] = heard.events
        assert (event.name, event.fields["pid"]) == ("process_ended", first)


def test_where_another_process_has_the_lease_there_is_none(tmp_path: Path) -> None:
    world = a_world()
    other = World(beside=world, pid=2)
    other.application.caller_election._lease.hold_as("other")
    assert other.application.caller_election.won()
    (tmp_path / "second").mkdir()
    with a_process(tmp_path / "second", world):
        world.clock.tick(5)
        other.application.caller_election.give_up()
        assert not noted(tmp_path / "second", "begun")
        wait_until(lambda: noted(tmp_path / "second", "begun"))


def test_it_ends_with_its_parent_and_is_waited_for(tmp_path: Path) -> None:
    with a_process(tmp_path, a_world()) as (process, heard):
        pids = wait_until(lambda: noted(tmp_path, "begun"))
        process.ask_to_stop()
        process.stop(timeout=10)

        assert noted(tmp_path, "ended") == pids
        assert heard.events == []


def test_a_parent_that_stops_before_it_had_one_leaves_no_lease(tmp_path: Path) -> None:
    world = a_world()
    nowhere = [str(tmp_path / "nowhere")]
    with a_process(tmp_path, world, command=nowhere) as (_, heard):
        wait_until(lambda: heard.events)
        assert heard.events[0].name == "process_not_started"

    other = World(beside=world, pid=2)
    other.application.caller_election._lease.hold_as("other")
    assert other.application.caller_election.won()


def test_a_parent_that_stops_while_it_asks_for_the_lease_has_no_child_and_leaves_no_lease(
    tmp_path: Path,
) -> None:
    world = a_world()
    asks, answered = threading.Event(), threading.Event()

    class Slow(CallerElection):
        def won(self) -> bool:
            asks.set()
            answered.wait()
            return super().won()

    election = Slow(store=world.store, lease=world.application.caller_election._lease)
    with a_process(tmp_path, world, election=election) as (process, _):
        assert asks.wait(10)
        process.ask_to_stop()
        answered.set()
        process.stop(timeout=10)

        assert not noted(tmp_path, "begun")

    other = World(beside=world, pid=2)
    other.application.caller_election._lease.hold_as("other")
    assert other.application.caller_election.won()


def test_a_store_that_is_away_ends_nothing(tmp_path: Path) -> None:
    world = a_world()

    class Away(CallerElection):
        asked = 0

        def needed(self) -> bool:
            self.asked += 1
            if self.asked < 3:
                raise StoreUnavailable("away")
            return super().needed()

    election = Away(store=world.store, lease=world.application.caller_election._lease)
    with a_process(tmp_path, world, election=election) as (_, heard):
        wait_until(lambda: noted(tmp_path, "begun"))
        assert [event.name for event in heard.events] == ["store_unavailable"] * 2


def test_to_stop_one_that_never_began_is_nothing(tmp_path: Path) -> None:
    process = WebhookProcess(
        World().application.caller_election,
        new_child=lambda holder: ChildProcesses(
            1, [sys.executable], observe=ListObserver(), drain_s=1
        ),
        observe=ListObserver(),
    )
    process.ask_to_stop()
    process.stop(timeout=1)
    process.start()
    assert not noted(tmp_path, "begun")
