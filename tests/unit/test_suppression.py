"""Who is suppressed: the rules, without a store."""

import attrs
import pytest

from domain.address import Address
from domain.suppression import (
    EVERYTHING,
    Subscription,
    Suppression,
    SuppressionReason,
    account_scope,
    address_key,
    is_suppressed,
    topic_scope,
    unsubscribed,
)
from tests.builders import NOW, at

NEWS = Subscription("ada@example.org", "news")
UNSUBSCRIBED = unsubscribed(NEWS, now=NOW)


def judged(
    suppression: Suppression,
    *,
    topic: str | None = "news",
    account_id: int | None = 1,
    seconds: float = 0,
) -> bool:
    return is_suppressed([suppression], topic=topic, account_id=account_id, now=at(seconds))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Ada@Example.ORG", "ada@example.org"),
        ("ada+news@example.org", "ada+news@example.org"),
        ("Ünï@xn--BCHER-kva.example", "ünï@xn--bcher-kva.example"),
    ],
)
def test_the_case_of_an_address_does_not_matter_and_its_plus_part_does(text, key):
    assert address_key(Address.parse(text)) == key


@pytest.mark.parametrize("scope", [EVERYTHING, topic_scope("news"), account_scope(1)])
def test_a_suppression_of_all_mail_of_the_topic_or_of_the_account_holds(scope):
    assert judged(attrs.evolve(UNSUBSCRIBED, scope=scope))


@pytest.mark.parametrize("scope", [topic_scope("new"), topic_scope("newsx"), account_scope(2)])
def test_a_suppression_of_another_scope_does_not_hold(scope):
    assert not judged(attrs.evolve(UNSUBSCRIBED, scope=scope))


def test_mail_without_a_topic_is_suppressed_by_no_topic():
    assert not judged(UNSUBSCRIBED, topic=None)
    assert judged(attrs.evolve(UNSUBSCRIBED, scope=EVERYTHING), topic=None)


def test_while_the_account_is_not_known_no_suppression_of_an_account_holds():
    assert not judged(attrs.evolve(UNSUBSCRIBED, scope=account_scope(1)), account_id=None)


def test_a_suppression_holds_until_it_expires():
    bounced = attrs.evolve(UNSUBSCRIBED, reason=SuppressionReason.HARD_BOUNCE, expires_at=at(10))
    assert judged(bounced, seconds=9.9)
    assert not judged(bounced, seconds=10)


def test_an_unsubscription_holds_for_good():
    assert judged(UNSUBSCRIBED, seconds=10 * 365 * 86_400)


@pytest.mark.parametrize("topic", ["", "-a", "_a", "A", "a b", "a.b", "ü", "a" * 65, "a\n"])
def test_what_is_no_topic_is_refused(topic):
    with pytest.raises(ValueError, match="not a topic"):
        Subscription("ada@example.org", topic)


@pytest.mark.parametrize("topic", ["0", "a" * 64, "weekly-news_2"])
def test_a_topic_is_up_to_64_small_letters_digits_dashes_and_underscores(topic):
    assert Subscription("ada@example.org", topic).scope == f"topic:{topic}"
