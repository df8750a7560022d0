"""Names are looked up in threads, which are bounded and wait for the next name."""

import threading
from ipaddress import ip_address
from socket import AF_INET

import pytest

from adapters.name_resolver import MAX_LOOKUPS, NameResolver
from application.ports.network import Endpoint, Unresolved
from tests.running import wait_until

HERE = Endpoint(ip_address("127.0.0.1"), AF_INET, ("127.0.0.1", 25))


class Lookups:
    """A system's resolver that answers once it may, and notes in which threads it was asked."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.may_answer = threading.Event()
        self.threads: list[int] = []
        if at_once:
            self.may_answer.set()

    def __call__(self, host: str, port: int) -> list[Endpoint]:
        self.threads.append(threading.get_ident())
        assert self.may_answer.wait(30)
        return [] if host == "nowhere" else [HERE]


def test_one_name_after_the_other_is_looked_up_in_the_same_thread() -> None:
    lookups = Lookups()
    resolver = NameResolver(allow=lambda _: True, look_up=lookups)

    for _ in range(20):
        assert resolver.start("a.example", 25).result(30) == [HERE]
        with pytest.raises(Unresolved):
            resolver.start("nowhere", 25).result(30)

    assert len(lookups.threads) == 40
    assert len(set(lookups.threads)) == 1


def test_a_name_waits_for_no_other_one() -> None:
    hanging = Lookups(at_once=False)
    resolver = NameResolver(
        allow=lambda _: True,
        look_up=lambda host, port: hanging(host, port) if host == "hangs" else [HERE],
    )
    first = resolver.start("hangs", 25)
    wait_until(lambda: hanging.threads)

    assert resolver.start("a.example", 25).result(30) == [HERE]
    assert not first.done()

    hanging.may_answer.set()
    assert first.result(30) == [HERE]


def test_so_many_that_hang_leave_no_place_until_one_answers() -> None:
    hanging = Lookups(at_once=False)
    resolver = NameResolver(allow=lambda _: True, look_up=hanging)
    started = [resolver.start("hangs", 25) for _ in range(MAX_LOOKUPS)]
    with pytest.raises(Unresolved, match="too many"):
        resolver.start("a.example", 25).result(30)

    hanging.may_answer.set()

    assert all(one.result(30) == [HERE] for one in started)
    assert resolver.start("a.example", 25).result(30) == [HERE]


def test_one_that_was_given_up_ends_no_thread() -> None:
    hanging = Lookups(at_once=False)
    resolver = NameResolver(allow=lambda _: True, look_up=hanging)
    given_up = resolver.start("hangs", 25)
    wait_until(lambda: hanging.threads)
    given_up.cancel()
    hanging.may_answer.set()

    assert resolver.start("a.example", 25).result(30) == [HERE]
