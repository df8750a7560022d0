"""What a socket is ready for: poll and select give the same answers."""

import socket
from collections.abc import Callable, Iterator

import pytest

from adapters.smtp_sender.readiness import READ, WRITE, BySelect, Readiness, watch

Kind = Callable[[socket.socket, int], Readiness]


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair()
    with here, there:
        yield here, there


@pytest.fixture(params=[watch, BySelect])
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


def test_nothing_is_reported_until_there_is_something_to_read(pair, kind):
    here, there = pair
    ready = kind(here, READ)
    assert ready.poll(0) == []
    there.send(b"x")
    assert ready.poll(0) == [(here.fileno(), READ)]


def test_a_socket_with_room_can_be_written_to(pair, kind):
    here, _ = pair
    assert kind(here, WRITE).poll(0) == [(here.fileno(), WRITE)]


def test_readable_and_writable_are_reported_together(pair, kind):
    here, there = pair
    there.send(b"x")
    assert kind(here, READ | WRITE).poll(0) == [(here.fileno(), READ | WRITE)]


def test_a_closed_connection_is_readable(pair, kind):
    here, there = pair
    there.close()
    [(_, events)] = kind(here, READ).poll(0)
    assert events & READ
