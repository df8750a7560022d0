"""Places of a key's calls, turns of reads, and the memory for bodies."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from ipaddress import ip_network
from typing import Any

import pytest

from entrypoints.http.server.places import Places, Turns
from entrypoints.http.wsgi_guard import GuardedCalls, ThreadPlaces
from entrypoints.runtime.budget import Budget
from entrypoints.runtime.connections import Connections

PATIENCE_S = 20.0


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        return await work()

    return asyncio.run(whole())


async def a_moment() -> None:
    """Until everything that can go on has gone on."""
    for _ in range(5):
        await asyncio.sleep(0)


# -- places of a key -------------------------------------------------------------------------------


def test_a_key_has_so_many_places_and_another_key_has_its_own():
    async def work() -> None:
        places = Places(most=2, wait_s=0.0)
        assert [await places.take(b"a") for _ in range(3)] == [True, True, False]
        assert await places.take(b"b")

    run(work)


def test_a_released_place_goes_to_the_request_that_waited_longest():
    async def work() -> None:
        places, order = Places(most=1, wait_s=PATIENCE_S), []

        async def call(name: str) -> None:
            assert await places.take(b"a")
            order.append(name)

        await call("first")
        later = [asyncio.create_task(call(name)) for name in ("second", "third")]
        await a_moment()
        assert order == ["first"]
        places.leave(b"a")
        await a_moment()
        assert order == ["first", "second"]
        places.leave(b"a")
        await asyncio.gather(*later)
        assert order == ["first", "second", "third"]

    run(work)


def test_a_request_that_gave_up_takes_no_place_and_leaves_nothing_behind():
    async def work() -> None:
        places = Places(most=1, wait_s=PATIENCE_S)
        assert await places.take(b"a")
        waiting = asyncio.create_task(places.take(b"a"))
        await a_moment()
        waiting.cancel()
        await a_moment()
        places.leave(b"a")
        assert await places.take(b"a")
        places.leave(b"a")
        assert places.idle

    run(work)


def test_a_request_that_gets_a_place_as_it_gives_up_passes_it_on():
    async def work() -> None:
        places = Places(most=1, wait_s=PATIENCE_S)
        assert await places.take(b"a")
        waiting = asyncio.create_task(places.take(b"a"))
        await a_moment()
        places.leave(b"a")
        waiting.cancel()
        await a_moment()
        assert places.idle

    run(work)


# -- turns of reads --------------------------------------------------------------------------------


def test_no_more_than_so_many_read_at_a_time_and_they_read_in_order():
    async def work() -> None:
        turns, order = Turns(2), []

        async def read(number: int) -> None:
            if not turns.try_take():
                await turns.take()
            order.append(number)

        readers = [asyncio.create_task(read(number)) for number in range(4)]
        await a_moment()
        assert order == [0, 1]
        turns.leave()
        await a_moment()
        assert order == [0, 1, 2]
        turns.leave()
        await asyncio.gather(*readers)
        assert order == [0, 1, 2, 3]

    run(work)


def test_without_a_bound_all_read():
    turns = Turns(None)
    assert all(turns.try_take() for _ in range(100))
    turns.leave()


def test_a_turn_is_lent_beside_one_that_does_not_end_and_taken_back():
    async def work() -> None:
        turns = Turns(1)
        assert turns.try_take()
        await turns.take()  # lent, after a moment
        turns.leave()
        assert not turns.try_take()  # what was lent was owed
        turns.leave()
        assert turns.try_take()

    run(work)


def test_a_read_that_goes_away_takes_no_turn_with_it():
    async def work() -> None:
        turns = Turns(1)
        assert turns.try_take()
        waiting = asyncio.create_task(turns.take())
        await a_moment()
        waiting.cancel()
        await a_moment()
        turns.leave()
        assert turns.try_take()

    run(work)


def test_a_turn_is_not_given_to_a_request_that_is_giving_up():
    async def work() -> None:
        turns = Turns(1)
        assert turns.try_take()
        waiting = asyncio.create_task(turns.take())
        await a_moment()
        waiting.cancel()
        turns.leave()
        await a_moment()
        assert turns.try_take()

    run(work)


def test_the_memory_for_bodies_is_never_exceeded():
    budget = Budget(10)
    assert budget.take(7)
    assert not budget.take(4)
    assert budget.take(3)
    budget.give_back(7)
    assert budget.left == 7


# -- connections -----------------------------------------------------------------------------------


class AConnection:
    """One that rests, or not, and knows whether it was dropped."""

    def __init__(self, *, resting: bool = True) -> None:
        self.resting = resting
        self.dropped = False

    def look(self, now: float) -> None: ...

    def drop(self) -> None:
        self.dropped = True


def admitted(connections: Connections, *addresses: str, resting: bool = True) -> list[bool]:
    return [connections.admit(AConnection(resting=resting), address) for address in addresses]


def test_an_address_has_a_share_of_the_connections_and_others_have_theirs():
    async def work() -> None:
        connections = Connections(most=10, most_of_address=2)
        busy = ["192.0.2.1"] * 3
        assert admitted(connections, *busy, resting=False) == [True, True, False]
        assert admitted(connections, "192.0.2.2") == [True]

    run(work)


def test_a_neighbourhood_of_ipv6_addresses_is_one_customers():
    async def work() -> None:
        connections = Connections(most=10, most_of_address=1)
        near = ["2001:db8:1:2::1", "2001:db8:1:2::ffff"]
        assert admitted(connections, *near, resting=False) == [True, False]
        assert admitted(connections, "2001:db8:1:3::1") == [True]
        mapped = ["192.0.2.1", "::ffff:192.0.2.1"]
        assert admitted(connections, *mapped, resting=False) == [True, False]

    run(work)


def test_trusted_proxies_have_no_share():
    async def work() -> None:
        trusted = [ip_network("10.0.0.0/8"), ip_network("::1/128")]
        connections = Connections(most=10, most_of_address=1, trusted=trusted)
        assert all(admitted(connections, *["10.1.2.3"] * 3, *["::1"] * 3, resting=False))

    run(work)


def test_when_all_connections_are_taken_the_address_with_most_of_them_makes_room():
    async def work() -> None:
        connections = Connections(most=3, most_of_address=10)
        held = [AConnection() for _ in range(3)]
        for connection, address in zip(held, ["192.0.2.1", "192.0.2.2", "192.0.2.2"], strict=True):
            assert connections.admit(connection, address)
        assert admitted(connections, "192.0.2.3") == [True]
        assert [connection.dropped for connection in held] == [False, True, False]

    run(work)


def test_a_connection_that_has_gone_gives_its_share_back():
    async def work() -> None:
        connections = Connections(most=10, most_of_address=1)
        one = AConnection(resting=False)
        assert connections.admit(one, "192.0.2.1")
        connections.leave(one, "192.0.2.1")
        connections.leave(one, "192.0.2.1")
        assert len(connections) == 0
        assert admitted(connections, "192.0.2.1") == [True]

    run(work)


# -- threads ---------------------------------------------------------------------------------------


def test_a_thread_waits_for_a_place_and_gets_it():
    places = ThreadPlaces(most=1, wait_s=PATIENCE_S, most_waiting=1)
    assert places.take(b"a")
    got: list[bool] = []
    waiting = threading.Thread(target=lambda: got.append(places.take(b"a")))
    waiting.start()
    places.leave(b"a")
    waiting.join(PATIENCE_S)
    assert got == [True]


def test_no_more_than_so_many_threads_wait():
    places = ThreadPlaces(most=1, wait_s=PATIENCE_S, most_waiting=0)
    assert places.take(b"a")
    assert not places.take(b"a")
    assert places.take(b"b")


def test_a_thread_does_not_wait_for_ever():
    places = ThreadPlaces(most=1, wait_s=0.0, most_waiting=1)
    assert places.take(b"a")
    assert not places.take(b"a")


def an_environ(**changes: str) -> dict[str, Any]:
    environ = {"HTTP_HOST": "x", "SERVER_PROTOCOL": "HTTP/1.1", "PATH_INFO": "/api/emails"}
    return {**environ, **changes}


class Asked:
    """A call of a WSGI application, and its status."""

    def __init__(self, app: Any, **changes: str) -> None:
        self.status = ""
        self.headers: dict[str, str] = {}
        self.answer = app(an_environ(**changes), self._start)

    def _start(self, status: str, headers: list[tuple[str, str]]) -> Any:
        self.status, self.headers = status, dict(headers)


def fine(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"fine"]


def test_a_place_is_taken_until_the_answer_is_closed():
    app = GuardedCalls(fine, most=1, wait_s=0.0)
    first = Asked(app, HTTP_X_API_KEY="a")
    second = Asked(app, HTTP_AUTHORIZATION="Bearer a")
    first.answer.close()
    third = Asked(app, HTTP_X_API_KEY="a")
    assert [one.status for one in (first, second, third)] == [
        "200 OK",
        "429 Too Many Requests",
        "200 OK",
    ]
    assert second.headers["retry-after"] == "1"


def test_a_call_that_fails_gives_its_place_back():
    def failing(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise ValueError("a bug")

    app = GuardedCalls(failing, most=1, wait_s=0.0)
    for _ in range(2):
        with pytest.raises(ValueError, match="a bug"):
            Asked(app, HTTP_X_API_KEY="a")


def test_health_and_calls_without_a_key_need_no_place():
    app = GuardedCalls(fine, most=0, wait_s=0.0)
    assert Asked(app).status == "200 OK"
    assert Asked(app, HTTP_X_API_KEY="a", PATH_INFO="/healthz").status == "200 OK"
    assert Asked(app, HTTP_X_API_KEY="a").status == "429 Too Many Requests"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"PATH_INFO": ""}, "400 Bad Request"),
        ({"PATH_INFO": "*"}, "400 Bad Request"),
        ({"HTTP_HOST": ""}, "400 Bad Request"),
        ({"HTTP_HOST": "", "SERVER_PROTOCOL": "HTTP/1.0"}, "200 OK"),
    ],
)
def test_a_request_is_for_a_path_of_a_host(changes, status):
    assert Asked(GuardedCalls(fine), **changes).status == status
