"""Links by which recipients unsubscribe: what makes them, what reads them, how long they live."""

from typing import Any

import pytest

from adapters.entropy import SystemEntropy
from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from adapters.fakes.vault import FakeVault
from adapters.observers import ListObserver
from adapters.siv_cipher import SivCipher
from application.unsubscribe_links import KEY_NAME, UnsubscribeLinks
from domain.errors import NotFound, StoreUnavailable, Unavailable
from domain.suppression import LONGEST_TOPIC, Subscription
from domain.unsubscribe_token import LONGEST_TOKEN
from tests.applications import an_application

OLD, NEW = "the old key", "the new key"
NEWS = Subscription("ada@example.org", "news")
LONGEST = Subscription("a" * 64 + "@" + "b" * 185 + ".org", "t" * LONGEST_TOPIC)


def a_store() -> MemoryStore:
    return MemoryStore(clock=FakeClock())


def links(store: Any, *keys: str, **changes: Any) -> UnsubscribeLinks:
    """Those of one process."""
    parts: dict[str, Any] = {
        "entropy": SystemEntropy(),
        "vault": FakeVault(*keys or (OLD,)),
        "cipher": SivCipher(),
        "observe": ListObserver(),
        "public_url": "https://mail.example.com",
        **changes,
    }
    return UnsubscribeLinks(store=store, **parts)


def token(url: str) -> str:
    return url.rpartition("/")[2]


@pytest.mark.parametrize(
    "subscription", [NEWS, LONGEST, Subscription("ünï@xn--bcher-kva.example", "0")]
)
def test_a_link_ends_the_subscription_it_was_made_for(subscription):
    made = links(a_store())
    assert made.subscription(token(made.url(subscription))) == subscription


def test_a_link_is_the_public_url_and_a_short_token_of_characters_that_are_safe_in_urls():
    url = links(a_store()).url(NEWS)
    assert url.startswith("https://mail.example.com/u/")
    assert token(url).replace("-", "").replace("_", "").isalnum()
    assert len(token(url)) <= 52


def test_the_longest_link_is_shorter_than_what_is_read():
    assert len(token(links(a_store()).url(LONGEST))) <= LONGEST_TOKEN


def test_a_link_shows_nobody_whom_or_what_it_is_about():
    url = links(a_store()).url(NEWS)
    assert "ada" not in url
    assert "news" not in url


def test_every_process_makes_the_same_link_and_reads_those_of_the_others():
    store = a_store()
    one, other = links(store), links(store)
    assert one.url(NEWS) == other.url(NEWS)
    assert other.subscription(token(one.url(NEWS))) == NEWS


def test_a_process_that_was_slower_takes_the_secret_that_is_stored():
    store = a_store()
    quick = links(store)

    class SlowStore:
        """The secret is made by another process between the look and the write."""

        read_latest = staticmethod(store.read_latest)

        @staticmethod
        def write(work):
            quick.url(NEWS)
            return store.write(work)

    assert links(SlowStore()).url(NEWS) == quick.url(NEWS)


def test_links_of_another_installation_are_not_read():
    made = links(a_store())
    made.url(NEWS)
    with pytest.raises(NotFound):
        made.subscription(token(links(a_store()).url(NEWS)))


def test_no_character_of_a_link_can_be_changed():
    made = links(a_store())
    good = token(made.url(NEWS))
    for place, character in enumerate(good):
        other = "A" if character != "A" else "B"
        with pytest.raises(NotFound):
            made.subscription(good[:place] + other + good[place + 1 :])


@pytest.mark.parametrize(
    "change",
    [
        lambda good: "",
        lambda good: good[:-1],
        lambda good: good + "A",
        lambda good: good + "=",
        lambda good: good + "\n",
        lambda good: good.lower(),
        lambda good: "ü" + good,
        lambda good: "A" * (LONGEST_TOKEN + 1),
        lambda good: "A" * 100_000,
        lambda good: "static",
    ],
)
def test_what_is_no_link_is_not_found(change):
    made = links(a_store())
    with pytest.raises(NotFound):
        made.subscription(change(token(made.url(NEWS))))


def test_where_no_link_was_ever_made_none_is_found_and_nothing_is_written():
    store = a_store()
    with pytest.raises(NotFound):
        links(store).subscription("A" * 52)
    assert store.read(lambda tx: tx.secrets.all()) == []


def test_the_secret_of_links_is_stored_sealed_only():
    store = a_store()
    made = links(store)
    made.url(NEWS)
    [(name, sealed)] = store.read(lambda tx: tx.secrets.all())
    assert name == KEY_NAME
    assert made._key not in sealed
    assert made._key.hex().encode() not in sealed


def test_while_the_store_is_down_no_link_is_taken_for_a_wrong_one():
    store = a_store()
    url = links(store).url(NEWS)
    store.close()
    with pytest.raises(StoreUnavailable):
        links(store).subscription(token(url))


def test_without_a_public_url_none_can_be_made_but_those_that_were_sent_are_read():
    store = a_store()
    url = links(store).url(NEWS)
    later = links(store, public_url=None)
    assert not later.can_be_made
    assert later.subscription(token(url)) == NEWS


def test_links_live_through_a_change_of_the_secret_key():
    store = a_store()
    url = links(store, OLD).url(NEWS)
    rotation = an_application(store=store, vault=FakeVault(NEW, OLD)).api_keys.rotate_secret()

    assert (rotation.secrets, rotation.unreadable_secrets) == ((KEY_NAME,), ())
    assert links(store, NEW).subscription(token(url)) == NEWS
    assert links(store, NEW).url(NEWS) == url


def test_a_secret_that_no_key_opens_is_named_and_left():
    store = a_store()
    url = links(store, OLD).url(NEWS)
    rotation = an_application(store=store, vault=FakeVault(NEW)).api_keys.rotate_secret()

    assert (rotation.secrets, rotation.unreadable_secrets) == ((), (KEY_NAME,))
    assert links(store, OLD).subscription(token(url)) == NEWS


def test_with_a_wrong_secret_key_links_are_unavailable_rather_than_wrong_and_it_is_told_once():
    store, heard = a_store(), ListObserver()
    url = links(store, OLD).url(NEWS)
    wrong = links(store, NEW, observe=heard)
    for call in (lambda: wrong.subscription(token(url)), lambda: wrong.url(NEWS)):
        with pytest.raises(Unavailable, match="SECRET_KEY_PREVIOUS"):
            call()
    assert [event.name for event in heard.events] == ["secret_unreadable"]
    assert len(store.read(lambda tx: tx.secrets.all())) == 1
