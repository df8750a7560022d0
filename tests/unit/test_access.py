"""What an API key is worth: made, judged, limited, taken back, carried over."""

from datetime import timedelta
from typing import Any

import attrs
import pytest

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from adapters.fernet_vault import FernetVault
from adapters.observers import ListObserver
from application import Application, ServicePolicy
from application.access import AccessPolicy
from application.rate_limit import MOST_ADDRESSES, Strikes, TokenBuckets
from domain.access import LOCAL, Scope, prefix_of, token_of
from domain.account.oauth_credentials import SEALED, Credentials, sealed_for
from domain.errors import Conflict, Forbidden, NotFound, TooMany, Unauthorized
from tests.applications import a_key, an_application, delivery_rules
from tests.builders import a_dkim_key, an_account, an_address, at

OLD, NEW = "the old secret key of this test", "the new secret key of this test"
HERE = "192.0.2.1"


def closed(**rules: Any) -> Application:
    """An application that needs a key."""
    service = ServicePolicy(delivery=delivery_rules(), access=AccessPolicy(**rules))
    return an_application(rules=service, closed=True, clock=FakeClock())


def enters(
    application: Application, token: str | None, remote: str = HERE, *, by_prefix: bool = False
) -> bool:
    try:
        application.access.authenticate(token, remote=remote, by_prefix=by_prefix)
    except Unauthorized:
        return False
    return True


# -- keys ------------------------------------------------------------------------------------------


def test_t_auth_3_a_key_is_a_mark_a_prefix_and_256_random_bits():
    token = token_of("0123abcd", bytes(range(32)))
    assert token == "es_0123abcd_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
    assert prefix_of(token) == "0123abcd"
    with pytest.raises(ValueError, match="32"):
        token_of("0123abcd", b"short")


@pytest.mark.parametrize(
    "text",
    [
        *["", "null", "es_", "es_0123abcd_", "es_0123abcd_" + "A" * 42, "es_0123abcd_" + "A" * 44],
        *["es_0123ABCD_" + "A" * 43, "xx_0123abcd_" + "A" * 43, "es_0123abcd_" + "A" * 42 + "\n"],
    ],
)
def test_what_cannot_be_a_key_has_no_prefix(text):
    assert prefix_of(text) is None


def test_t_auth_3_only_a_keyed_digest_of_it_is_stored():
    store = MemoryStore(clock=FakeClock())
    application = an_application(store=store, closed=True)
    token = a_key(application, "send")
    [key] = store.read(lambda tx: tx.keys.all())
    assert key.prefix == token.split("_")[1]
    assert token not in repr(key)
    assert len(key.digest) == 36
    assert token.encode() not in key.digest
    assert repr(key.digest) not in repr(key)


def test_a_key_gives_access_and_its_scopes():
    application = closed(daily_recipients=9)
    caller = application.access.authenticate(a_key(application, "send", "read"), remote=HERE)
    assert (caller.key_id, caller.scopes) == (1, {Scope.SEND, Scope.READ})
    assert (caller.accounts, caller.daily_recipients) == (None, 9)


def test_t_auth_1_nothing_but_the_whole_key_enters():
    application = closed(strikes=1000)
    token = a_key(application, "admin")
    wrong = [None, "", "null", token[:-1], token[:-1] + "-", token + "x", token.upper()]
    wrong += [token_of(token.split("_")[1], bytes(32)), token_of("ffffffff", bytes(32))]
    assert [enters(application, one) for one in wrong] == [False] * len(wrong)
    assert enters(application, token)


def test_an_empty_key_is_called_empty():
    with pytest.raises(Unauthorized, match="the API key is empty"):
        closed().access.authenticate("", remote=HERE)


def test_t_auth_1_an_expired_key_is_none():
    clock = FakeClock()
    application = an_application(clock=clock, closed=True)
    token = a_key(application, "admin", lifetime=timedelta(days=1))
    clock.tick(86_399)
    assert enters(application, token)
    clock.tick(1)
    assert not enters(application, token)


def test_t_auth_1_a_revoked_key_is_none_from_then_on():
    application = closed()
    token = a_key(application, "admin")
    application.api_keys.revoke(token.split("_")[1])
    assert not enters(application, token)
    with pytest.raises(Conflict):
        application.api_keys.revoke(token.split("_")[1])
    with pytest.raises(NotFound):
        application.api_keys.revoke("ffffffff")


def test_a_key_is_limited_only_to_accounts_that_are_there():
    application = closed()
    with pytest.raises(NotFound):
        a_key(application, "send", accounts=frozenset({3}))
    assert application.api_keys.all() == []


def test_keys_are_made_and_revoked_by_an_admin_only():
    application = closed()
    a_key(application, "send")
    sender = application.access.authenticate(a_key(application, "send"), remote=HERE)
    with pytest.raises(Forbidden):
        application.api_keys.revoke("0000000a", caller=sender)
    with pytest.raises(Forbidden):
        application.api_keys.rotate_secret(caller=sender)


# -- without a key ---------------------------------------------------------------------------------


def test_an_open_api_is_open_until_the_first_key_is_made():
    application = an_application()
    assert application.access.authenticate(None, remote=HERE) is LOCAL
    token = a_key(application, "send")
    assert not enters(application, None)
    application.api_keys.revoke(token.split("_")[1])
    assert enters(application, None)


def test_an_expired_last_key_does_not_open_the_api():
    clock = FakeClock()
    application = an_application(clock=clock)
    a_key(application, "send", lifetime=timedelta(hours=1))
    clock.tick(7200)
    assert not enters(application, None)


def test_a_wrong_key_is_refused_even_by_an_open_api():
    assert not enters(an_application(), "null")


def test_only_a_usable_key_lets_the_service_start():
    clock = FakeClock()
    application = an_application(clock=clock, closed=True)
    assert not application.access.has_usable_key()
    a_key(application, "send", lifetime=timedelta(hours=1))
    assert application.access.has_usable_key()
    clock.tick(3600)
    assert not application.access.has_usable_key()


# -- a new SECRET_KEY ------------------------------------------------------------------------------


def test_keys_stay_valid_after_a_change_of_the_secret_key_and_are_digested_anew_when_used():
    store = MemoryStore(clock=FakeClock())

    def with_vault(*keys: str) -> Application:
        return an_application(store=store, vault=FernetVault(*keys), closed=True)

    before = with_vault(OLD)
    used, unused = a_key(before, "send"), a_key(before, "send")
    between = with_vault(NEW, OLD)
    assert enters(between, used)
    assert [key.id for key in between.api_keys.rotate_secret().waiting] == [2]
    after = with_vault(NEW)
    assert enters(after, used)
    assert not enters(after, unused)


def test_passwords_are_sealed_anew_with_the_new_secret_key():
    store = MemoryStore(clock=FakeClock())

    def with_vault(*keys: str) -> Application:
        return an_application(store=store, vault=FernetVault(*keys))

    fields: Any = {"host": "smtp.example.com", "port": 587, "username": "me"}
    before = with_vault(OLD).account_service
    for name, password in (("a", "one"), ("b", "two")):
        before.create({**fields, "name": name, "address": an_address(), "password": password})
    rotation = with_vault(NEW, OLD).api_keys.rotate_secret()

    assert (rotation.resealed, rotation.unreadable) == (2, ())
    accounts = store.read(lambda tx: tx.accounts.all())
    vault = FernetVault(NEW)
    assert [vault.open(a.sealed_password, context=f"account:{a.id}") for a in accounts] == [
        "one",
        "two",
    ]
    assert [account.version for account in accounts] == [1, 1]


def test_a_password_that_no_key_opens_is_reported_and_kept():
    store = MemoryStore(clock=FakeClock())
    account = store.write(lambda tx: tx.accounts.add(an_account(sealed_password=b"sealed")))
    rotation = an_application(store=store).api_keys.rotate_secret()

    assert [one.id for one in rotation.unreadable] == [account.id]
    assert store.read(lambda tx: tx.accounts.get(account.id)) == account


def test_dkim_keys_are_sealed_anew_and_one_that_no_key_opens_is_named_and_left():
    store = MemoryStore(clock=FakeClock())
    before = an_application(store=store, vault=FernetVault(OLD))
    account = store.write(lambda tx: tx.accounts.add(an_account(sealed_password=None)))
    before.dkim_keys.create(account.id, selector="a")
    lost = a_dkim_key(account, selector="lost", created_at=at(9))
    store.write(lambda tx: tx.dkim_keys.add_all([lost]))

    rotation = an_application(store=store, vault=FernetVault(NEW, OLD)).api_keys.rotate_secret()

    assert (rotation.resealed, rotation.resealed_dkim) == (0, 2)
    assert rotation.unreadable_dkim == (lost,)
    *opened, last = store.read(lambda tx: tx.dkim_keys.of(account.id))
    assert last == lost
    for key in opened:
        assert "PRIVATE KEY" in FernetVault(NEW).open(key.sealed_key, context=key.context)


def test_what_oauth_has_is_sealed_anew_and_what_no_key_opens_is_named_and_left():
    store = MemoryStore(clock=FakeClock())
    old = FernetVault(OLD)
    whole = Credentials(
        account_id=1,
        **{
            f"sealed_{what}": old.seal(f"my {what}", context=sealed_for(1, what)) for what in SEALED
        },
    )
    lost = attrs.evolve(whole, account_id=2)  # sealed for another row
    store.write(lambda tx: (tx.credentials.save(whole), tx.credentials.save(lost)))

    rotation = an_application(store=store, vault=FernetVault(NEW, OLD)).api_keys.rotate_secret()

    assert (rotation.resealed_oauth, rotation.unreadable_oauth) == (1, (2,))
    after, left = store.read(lambda tx: tx.credentials.all())
    assert left == lost
    for what in SEALED:
        sealed = getattr(after, f"sealed_{what}")
        assert FernetVault(NEW).open(sealed, context=sealed_for(1, what)) == f"my {what}"


# -- too many --------------------------------------------------------------------------------------


def test_t_auth_6_twenty_bad_keys_in_a_minute_and_the_address_has_to_wait():
    clock, observe = FakeClock(), ListObserver()
    application = an_application(clock=clock, observe=observe, closed=True)
    good = a_key(application, "send")
    bad = token_of("ffffffff", bytes(32))
    for _ in range(20):
        assert not enters(application, bad)
        clock.tick(1)
    with pytest.raises(TooMany) as refused:
        application.access.authenticate(bad, remote=HERE)
    assert refused.value.retry_after == timedelta(seconds=40)
    assert not enters(application, bad, remote="192.0.2.2")
    assert enters(application, good), "others behind the same address go on"
    clock.tick(40)
    assert not enters(application, bad)


def test_t_auth_6_the_log_has_the_prefix_only():
    observe = ListObserver()
    application = an_application(observe=observe, closed=True)
    for token in (token_of("ffffffff", bytes(32)), "correct-horse-battery-staple"):
        enters(application, token)
    told = [event.fields for event in observe.named("key_refused")]
    assert told == [
        {"key": "ffffffff", "remote": HERE},
        {"key": "malformed", "remote": HERE},
    ]


def test_a_missing_key_is_not_counted_as_a_wrong_one():
    application = closed(strikes=1)
    assert [enters(application, None) for _ in range(9)] == [False] * 9


def test_t_auth_6_one_key_cannot_be_guessed_from_many_addresses():
    application = closed(strikes=3)
    token = a_key(application, "send")
    wrong = token_of(token.split("_")[1], bytes(32))
    for number in range(3):
        assert not enters(application, wrong, remote=f"192.0.2.{number}", by_prefix=True)
    with pytest.raises(TooMany, match="begin like this one"):
        enters(application, wrong, remote="198.51.100.1", by_prefix=True)
    assert enters(application, token, remote="198.51.100.1", by_prefix=True), "the good key is good"
    assert not enters(application, token_of("ffffffff", bytes(32)), remote="198.51.100.1")


def test_t_auth_6_an_ipv6_customer_is_one_address():
    strikes = Strikes(most=1, clock=FakeClock())
    assert strikes.add("2001:db8::1") is None
    assert strikes.add("2001:db8::2") is not None
    assert strikes.add("2001:db8:0:1::1") is None


def test_clients_with_ipv4_addresses_written_as_ipv6_are_counted_apart():
    strikes = Strikes(most=1, clock=FakeClock())
    assert strikes.add("::ffff:192.0.2.1") is None
    assert strikes.add("::ffff:192.0.2.2") is None
    assert strikes.add("192.0.2.1") is not None


def test_addresses_seen_longest_ago_are_forgotten_first():
    strikes = Strikes(most=1, clock=FakeClock())
    strikes.add("seen first")
    for number in range(MOST_ADDRESSES):
        strikes.add(f"address {number}")
    assert strikes.add("seen first") is None
    assert strikes.add(f"address {MOST_ADDRESSES - 1}") is not None


def test_a_token_bucket_allows_a_burst_and_refills():
    clock = FakeClock()
    buckets = TokenBuckets(rate=2, burst=3, clock=clock)
    taken = [buckets.take(1) for _ in range(4)]
    assert [one.remaining for one in taken] == [2, 1, 0, 0]
    assert [one.retry_after for one in taken[:3]] == [None] * 3
    assert taken[3].retry_after == timedelta(seconds=0.5)
    assert taken[3].reset == timedelta(seconds=1.5)
    clock.tick(0.5)
    assert buckets.take(1).retry_after is None
    assert buckets.take(1).retry_after is not None
    clock.tick(3600)
    assert buckets.take(1).remaining == 2


def test_t_dos_2_one_keys_bucket_is_not_anothers():
    buckets = TokenBuckets(rate=1, burst=1, clock=FakeClock())
    assert buckets.take(1).retry_after is None
    assert buckets.take(1).retry_after is not None
    assert buckets.take(2).retry_after is None


def test_local_commands_are_not_rate_limited():
    assert an_application().access.take_turn(LOCAL) is None
