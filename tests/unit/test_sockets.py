"""The HTTP server's loop: whom it asks what he waits for, and when. The sockets are real ones."""

import socket
from collections.abc import Iterator

import pytest
from waitress import wasyncore

from entrypoints.sockets import Sockets


class Talker(wasyncore.dispatcher):  # type: ignore[misc]  # waitress has no types
    """One end of a connection that counts how often it is asked, and keeps what it hears."""

    def __init__(self, sockets: Sockets, *, wants: str = "r") -> None:
        ours, self.peer = socket.socketpair()
        self.wants = wants
        self.asked = 0
        self.heard = b""
        self.wrote = 0
        super().__init__(ours, map=sockets)
        self.connected = True

    @property
    def number(self) -> int:
        number: int = self.socket.fileno()
        return number

    def readable(self) -> bool:
        self.asked += 1
        return "r" in self.wants

    def writable(self) -> bool:
        return "w" in self.wants

    def handle_read(self) -> None:
        self.heard += self.recv(100)

    def handle_write(self) -> None:
        self.wrote += 1
        self.wants = self.wants.replace("w", "")


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    sockets = Sockets()
    yield sockets
    for talker in list(sockets.values()):
        talker.close()
        talker.peer.close()


def test_a_socket_is_asked_when_it_comes_and_after_its_own_events_only(sockets: Sockets) -> None:
    busy, quiet = Talker(sockets), Talker(sockets)
    for _ in range(10):
        busy.peer.sendall(b"x")
        sockets.turn(0)

    assert busy.heard == b"x" * 10
    assert (busy.asked, quiet.asked) == (10, 1)


def test_who_was_told_of_is_asked_in_the_next_turn(sockets: Sockets) -> None:
    talker = Talker(sockets)
    sockets.turn(0)
    talker.wants = "rw"
    sockets.turn(0)
    assert talker.wrote == 0
    sockets.tell(talker.number)
    sockets.turn(0)
    assert talker.wrote == 1


def test_who_was_forgotten_is_found_when_all_are_asked(sockets: Sockets) -> None:
    talker = Talker(sockets)
    sockets.turn(0)
    talker.wants = "rw"
    sockets.tell_all()
    sockets.turn(0)

    assert talker.wrote == 1


def test_what_nobody_wants_to_hear_keeps_the_loop_from_nothing(sockets: Sockets) -> None:
    deaf, talker = Talker(sockets, wants=""), Talker(sockets)
    deaf.peer.sendall(b"x")
    talker.peer.sendall(b"y")
    sockets.turn(0)
    assert (deaf.heard, talker.heard) == (b"", b"y")
    deaf.wants = "r"
    sockets.tell(deaf.number)
    sockets.turn(0)
    assert deaf.heard == b"x"


def test_the_number_of_one_that_has_gone_serves_the_next_one(sockets: Sockets) -> None:
    first = Talker(sockets, wants="rw")
    sockets.turn(0)
    number = first.number
    sockets.tell(number)
    first.close()
    first.peer.close()
    second = Talker(sockets)
    while second.number != number:
        second = Talker(sockets)
    second.peer.sendall(b"x")
    sockets.turn(0)

    assert second.heard == b"x"
    assert second.wrote == 0


def test_one_that_was_closed_by_another_ones_event_is_left_alone(sockets: Sockets) -> None:
    class Killer(Talker):
        def handle_read(self) -> None:
            super().handle_read()
            victim.close()

    killer, victim = Killer(sockets), Talker(sockets)
    for talker in (killer, victim):
        talker.peer.sendall(b"x")
    sockets.turn(0)
    victim.peer.close()

    assert (killer.heard, victim.heard) == (b"x", b"")
    assert list(sockets.values()) == [killer]
