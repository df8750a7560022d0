"""Which process has a child call webhooks, and in whose name the child goes on."""

from application.webhooks import work_lease
from tests.unit.test_webhooks import EVERY, URL, Receiver, happen, work, world_with
from tests.world import World


def beside(world: World) -> World:
    other = World(beside=world, pid=2)
    other.application.caller_election._lease.hold_as("other")  # the fakes count alike
    return other


def test_a_child_is_needed_while_there_is_an_active_webhook() -> None:
    world = World()
    election = world.application.caller_election
    assert not election.needed()

    world.application.webhooks.add(URL, EVERY)
    assert election.needed()

    world.application.webhooks.remove(1)
    assert not election.needed()


def test_of_two_processes_one_lets_a_child_call_until_its_lease_ends() -> None:
    world, _ = world_with(Receiver(200))
    other = beside(world)

    assert world.application.caller_election.won()
    assert not other.application.caller_election.won()

    world.clock.tick(work_lease.LEASE.total_seconds())
    assert other.application.caller_election.won()


def test_what_is_given_up_another_process_gets_at_once() -> None:
    world, _ = world_with(Receiver(200))
    other = beside(world)
    assert world.application.caller_election.won()

    world.application.caller_election.give_up()

    assert other.application.caller_election.won()


def test_a_child_calls_in_the_name_of_its_parent_and_so_does_the_next_one() -> None:
    """A child that is killed leaves a lease that still runs."""
    receiver = Receiver(200)
    parent, _ = world_with(receiver)
    assert parent.application.caller_election.won()
    for number in (1, 2):
        happen(parent, number)
        child = World(beside=parent, pid=number)
        child.web.serve("example.org", receiver)
        child.application.outbox.continue_as(parent.application.caller_election.holder)
        work(child)

    assert receiver.events == ["evt_1", "evt_2"]
