"""Whether the addresses are free: the text of each refusal, and all refusals at once."""

import errno
import os
import socket
from contextlib import suppress

import pytest

from entrypoints.runtime import listening
from entrypoints.runtime.listening import Refusal, explained, refusals


def refused(place: listening.Place, number: int) -> Refusal:
    return Refusal(place, OSError(number, os.strerror(number)))


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_free_ports_are_not_refused_and_are_free_again_afterwards():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert refusals([listening.api("127.0.0.1", port)]) == []
    assert refusals([listening.api("127.0.0.1", port)]) == []


def test_a_port_of_the_systems_choice_is_never_refused():
    assert refusals([listening.api("127.0.0.1", 0), listening.sandbox(0)]) == []


def test_a_port_in_use_is_refused_and_the_free_one_is_not(taken):
    found = refusals([listening.api("127.0.0.1", 0), listening.sandbox(taken)])
    assert [r.place.port_setting for r in found] == ["SANDBOX_PORT"]


def test_of_two_servers_on_one_port_the_second_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    found = refusals([listening.api("127.0.0.1", port), listening.sandbox(port)])
    assert [r.place.port_setting for r in found] == ["SANDBOX_PORT"]


def test_a_host_name_that_does_not_resolve_is_refused_with_a_clear_text():
    [refusal] = refusals([listening.api("nowhere.invalid", 0)])
    told = explained([refusal])
    assert "HOST must be an address of this machine" in told
    assert "Unknown error" not in told


def test_both_ports_and_both_settings_stand_in_one_message(taken):
    told = explained(
        [
            refused(listening.api("127.0.0.1", taken), errno.EADDRINUSE),
            refused(listening.sandbox(taken), errno.EADDRINUSE),
        ]
    )
    assert "the API cannot listen on 127.0.0.1 port" in told
    assert "the sandbox's mail server cannot listen on 127.0.0.1 port" in told
    assert "with PORT and SANDBOX_PORT:" in told


def test_the_port_that_is_proposed_is_a_free_one():
    with (
        socket.create_server(("127.0.0.1", 0)) as first,
        socket.socket() as second,
    ):
        port = first.getsockname()[1]
        with suppress(OSError):  # somebody else has it: then it is not free either
            second.bind(("127.0.0.1", min(port + 1, 65535)))
        told = explained([refused(listening.sandbox(port), errno.EADDRINUSE)])
        proposed = int(told.rpartition("SANDBOX_PORT=")[2].split()[0])
        assert proposed not in (port, port + 1)


def test_two_ports_that_are_next_to_each_other_are_not_replaced_by_the_same_one():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = min(listener.getsockname()[1], 65000)
    places = [listening.api("127.0.0.1", port), listening.sandbox(port + 1)]
    told = explained([refused(place, errno.EADDRINUSE) for place in places])
    proposed = [int(word.split("=")[1]) for word in told.split() if "PORT=" in word]
    assert len({port, port + 1, *proposed}) == 4


def test_a_port_that_needs_a_permission_is_reported_as_such():
    told = explained([refused(listening.api("127.0.0.1", 80), errno.EACCES)])
    assert "a port below 1024 takes a permission" in told
    assert "with PORT" in told
    assert "running already" not in told


def test_another_fault_is_reported_in_the_systems_words():
    told = explained([refused(listening.api("127.0.0.1", 80), errno.ENOBUFS)])
    assert os.strerror(errno.ENOBUFS) in told
