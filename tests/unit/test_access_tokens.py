"""Tokens that senders log in with: fetched once, in time, and who is blamed when there is none."""

import threading
from datetime import timedelta
from itertools import pairwise

import attrs
import pytest

from adapters.fakes.authorization_server import FakeAuthorizationServer
from adapters.fakes.oauth_provider import PlayedAnswer
from application.oauth.access_tokens import LEASE_S, LONGEST_WAIT_S
from application.oauth.account_auth import AccountAuth
from application.ports.oauth import TokenUnavailable
from domain.account.health import BY_HAND
from domain.account.network import NetworkPolicy
from domain.account.oauth import Flow
from domain.errors import StoreUnavailable
from domain.outcome.handoff import Problem
from tests.applications import an_application
from tests.oauth_world import SECRET, OAuthWorld

MINUTE = 60


def problem_of(process, account, **how):
    with pytest.raises(TokenUnavailable) as raised:
        process.tokens.token(account, **how)
    return raised.value.problem


class Killed(BaseException):
    """The process ends here: nothing after it runs."""


class NoReads:
    """A store that must not be asked."""

    def __init__(self, store):
        self._store = store
        self.reads = 0

    def read(self, work):
        self.reads += 1
        return self._store.read(work)

    def write(self, work):
        return self._store.write(work)


# -- when a token is fetched


def test_a_token_is_fetched_once_and_then_costs_no_read_of_the_store():
    world = OAuthWorld()
    store = NoReads(world.store)
    process, account = world.process(store=store), world.account()

    token = process.tokens.token(account)
    reads = store.reads
    assert all(process.tokens.token(account) == token for _ in range(100))

    assert world.provider.takes(token)
    assert world.refreshes() == 1
    assert store.reads == reads


def test_another_process_takes_the_token_that_is_stored():
    world = OAuthWorld()
    account = world.account()
    token = world.process().tokens.token(account)

    assert world.process().tokens.token(account) == token
    assert world.refreshes() == 1


@pytest.mark.parametrize(
    ("lifetime", "early"), [(3600, 15 * MINUTE), (86_400, 15 * MINUTE), (60, 15), (8, 2)]
)
def test_a_token_is_renewed_15_minutes_or_a_quarter_of_its_life_early(lifetime, early):
    world = OAuthWorld(lifetime=lifetime)
    process, account = world.process(), world.account()
    first = process.tokens.token(account)

    world.clock.tick(lifetime - early - 0.01)
    assert process.tokens.token(account) == first
    world.clock.tick(0.01)
    second = process.tokens.token(account)

    assert second != first
    assert world.provider.takes(second)
    assert world.refreshes() == 2


def test_with_9_minutes_left_the_token_is_refreshed_first():
    world = OAuthWorld()
    process, account = world.process(), world.account()
    old = process.tokens.token(account)
    world.clock.tick(3600 - 9 * MINUTE)

    assert process.tokens.token(account) != old


def test_the_rotated_refresh_token_is_stored_before_the_access_token_is_used():
    world = OAuthWorld()
    process, account = world.process(), world.account()
    before = world.kept(account)

    process.tokens.token(account)

    assert world.kept(account) != before
    world.clock.tick(3600)
    assert world.provider.takes(process.tokens.token(account))


def test_a_provider_that_does_not_rotate_keeps_the_refresh_token():
    world = OAuthWorld(rotates=False)
    process, account = world.process(), world.account()
    before = world.kept(account)

    for _ in range(3):
        process.tokens.token(account)
        world.clock.tick(3600)

    assert world.kept(account) == before
    assert world.refreshes() == 3


def test_an_application_of_its_own_right_gets_its_token_by_its_secret():
    world = OAuthWorld()
    process = world.process()
    account = world.account(flow=Flow.CLIENT_CREDENTIALS, tenant="example.org")

    assert world.provider.takes(process.tokens.token(account))
    assert world.provider.asked == {"client_credentials": 1}


# -- a token that the mail server refused


def test_a_refused_token_is_replaced_by_a_new_one():
    world = OAuthWorld()
    process, account = world.process(), world.account()
    old = process.tokens.token(account)

    new = process.tokens.token(account, refused=old)

    assert new != old
    assert process.tokens.token(account) == new
    assert world.refreshes() == 2


def test_a_refused_token_is_not_replaced_twice_when_another_process_has_done_so():
    world = OAuthWorld()
    one, other, account = world.process(), world.process(), world.account()
    old = one.tokens.token(account)
    assert other.tokens.token(account) == old

    new = other.tokens.token(account, refused=old)

    assert one.tokens.token(account, refused=old) == new
    assert world.refreshes() == 2


def test_a_token_that_is_refused_late_is_not_replaced_where_a_newer_one_is_there():
    world = OAuthWorld()
    process, account = world.process(), world.account()
    old = process.tokens.token(account)
    world.clock.tick(3600)
    new = process.tokens.token(account)

    assert process.tokens.token(account, refused=old) == new
    assert world.refreshes() == 2


def test_of_many_threads_whose_token_was_refused_one_fetches_the_new_one():
    world = OAuthWorld()
    process, account = world.process(), world.account()
    begun, got = threading.Barrier(8), []

    def work():
        old = process.tokens.token(account)
        begun.wait()
        got.append(process.tokens.token(account, refused=old))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(got) == 8
    assert len(set(got)) == 1
    assert world.refreshes() == 2


# -- one at a time


def test_while_one_process_asks_the_others_go_on_with_the_old_token():
    world = OAuthWorld()
    one, other, account = world.process(), world.process(), world.account()
    old = one.tokens.token(account)
    other.tokens.token(account)
    world.clock.tick(3600 - 9 * MINUTE)
    meanwhile = []
    one.server.meanwhile = lambda: meanwhile.append(other.tokens.token(account))

    new = one.tokens.token(account)

    assert meanwhile == [old]
    assert new != old
    assert world.refreshes() == 2


def test_while_one_process_asks_those_without_a_token_wait_for_the_new_one():
    world = OAuthWorld()
    account = world.account()
    one = world.process()
    asking, go_on, got = threading.Event(), threading.Event(), []
    one.server.meanwhile = lambda: (asking.set(), go_on.wait(30))
    other = world.process(wait=lambda _: (go_on.set(), threading.Event().wait(0.01)))
    first = threading.Thread(target=lambda: got.append(one.tokens.token(account)))

    first.start()
    assert asking.wait(30)
    got.append(other.tokens.token(account))
    first.join()

    assert got[0] == got[1]
    assert world.refreshes() == 1


def test_who_waits_for_another_process_gives_up_after_10_seconds():
    world = OAuthWorld()
    one, other, account = world.process(), world.process(), world.account()
    found = []
    one.server.meanwhile = lambda: found.append(problem_of(other, account))
    began = world.clock.monotonic()

    one.tokens.token(account)

    assert found == [Problem.TOKEN_SERVER]
    assert LONGEST_WAIT_S <= world.clock.monotonic() - began < LONGEST_WAIT_S + 1
    assert world.refreshes() == 1


def test_who_died_while_asking_is_replaced_after_its_lease():
    world = OAuthWorld()
    one, other, account = world.process(), world.process(), world.account()

    def die():
        raise Killed

    one.server.meanwhile = die
    with pytest.raises(Killed):
        one.tokens.token(account)
    assert world.stored(account).held_by

    assert problem_of(other, account) is Problem.TOKEN_SERVER  # after 10 s
    world.clock.tick(LEASE_S - LONGEST_WAIT_S)
    assert world.provider.takes(other.tokens.token(account))
    assert world.refreshes() == 1


def test_a_clock_that_was_set_forward_takes_nobody_for_dead():
    world = OAuthWorld()
    one, other, account = world.process(), world.process(), world.account()

    def meanwhile():
        world.clock.step(3600 * 24)
        assert problem_of(other, account) is Problem.TOKEN_SERVER
        world.clock.step(-3600 * 24)

    one.server.meanwhile = meanwhile

    assert world.provider.takes(one.tokens.token(account))
    assert world.refreshes() == 1


def test_no_transaction_is_open_while_the_server_is_asked():
    world = OAuthWorld()
    process, account = world.process(), world.account()
    seen = []
    # the store in memory runs one work at a time: within one it would refuse this
    process.server.meanwhile = lambda: seen.append(world.store.read(lambda tx: True))

    process.tokens.token(account)

    assert seen == [True]


# -- kill -9 and a store that is away, between the rotation and the use


class StoreThatFails:
    """A store of which the next writes fail, so many."""

    def __init__(self, store):
        self._store = store
        self.failures = 0

    def read(self, work):
        return self._store.read(work)

    def write(self, work):
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("the disk is full")
        return self._store.write(work)


def test_a_rotated_token_that_could_not_be_stored_is_kept_and_stored_by_the_next_call():
    world = OAuthWorld()
    store = StoreThatFails(world.store)
    process, account = world.process(store=store), world.account()
    process.server.meanwhile = lambda: setattr(store, "failures", 1)

    assert problem_of(process, account) is Problem.STOPPED
    process.server.meanwhile = lambda: None
    token = process.tokens.token(account)

    assert world.provider.takes(token)
    assert world.refreshes() == 1
    world.clock.tick(3600)
    assert world.provider.takes(world.process().tokens.token(account))


def test_after_kill_9_behind_the_rotation_the_new_token_is_kept():
    world = OAuthWorld()
    account = world.account()
    world.process().tokens.token(account)  # stored, and the process is gone before it is used

    world.clock.tick(3600)

    assert world.provider.takes(world.process().tokens.token(account))
    assert world.pause(account) is None


def test_who_slept_behind_the_rotation_still_saves_the_account():
    world = OAuthWorld()
    one, other, account = world.process(), world.process(), world.account()
    asleep = world.process()
    stored = world.stored(account)
    asked = asleep.tokens._grants.ask(account, stored, mark="asleep")
    problem_of(other, account)
    world.clock.tick(LEASE_S)
    assert problem_of(other, account) is Problem.NEEDS_CONSENT  # its refresh token was used up
    assert world.pause(account) == "needs_consent"

    asleep.tokens._grants.keep(asked)

    # this provider takes a token that comes twice for a stolen one; another may not
    assert world.pause(account) is None
    assert one.tokens.token(account)
    assert world.kept(account)


def test_a_store_that_is_away_leaves_a_good_token_in_use():
    world = OAuthWorld()
    process, account = world.process(), world.account()
    token = process.tokens.token(account)
    world.clock.tick(3600 - 9 * MINUTE)
    world.store.close()

    assert process.tokens.token(account) == token


# -- who is to blame


def test_invalid_grant_pauses_the_account_at_once_and_is_never_asked_again():
    world = OAuthWorld()
    process, account = world.process(), world.account()
    world.provider.revoke()

    assert problem_of(process, account) is Problem.NEEDS_CONSENT
    pause = world.now(account).health.pause
    for each in (process, world.process()):
        assert problem_of(each, account) is Problem.NEEDS_CONSENT
        assert problem_of(each, account, refused="a token") is Problem.NEEDS_CONSENT

    assert pause.reason == "needs_consent"
    assert pause.until is None
    assert "email-service accounts authorize 1" in pause.text
    assert world.refreshes() == 1
    assert world.stored(account).sealed_refresh is None


def test_a_token_that_is_good_still_does_not_hide_that_the_consent_is_over():
    world = OAuthWorld()
    process, account = world.process(), world.account()
    process.tokens.token(account)
    world.clock.tick(3600 - 9 * MINUTE)
    world.provider.revoke()

    assert problem_of(process, account) is Problem.NEEDS_CONSENT
    assert problem_of(process, account) is Problem.NEEDS_CONSENT
    assert world.refreshes() == 2


def test_an_account_that_nobody_authorized_needs_consent_and_asks_nobody():
    world = OAuthWorld()
    process, account = world.process(), world.account(refresh="")

    assert problem_of(process, account) is Problem.NEEDS_CONSENT
    assert world.provider.asked.total() == 0


@pytest.mark.parametrize("error", ["invalid_client", "unauthorized_client"])
def test_an_application_that_is_refused_pauses_all_accounts_that_show_its_secret(error):
    world = OAuthWorld()
    process = world.process()
    account, same = world.account(), world.account()
    elsewhere = world.account(client_id="other")
    own_secret = world.account(secret="another one")
    kept = world.kept(account)
    world.provider.instead.append(PlayedAnswer.error(error, "AADSTS7000222", status=401))

    assert problem_of(process, account) is Problem.OAUTH_CLIENT

    assert [world.pause(each) for each in (account, same)] == ["oauth_client"] * 2
    assert [world.pause(each) for each in (elsewhere, own_secret)] == [None] * 2
    assert "AADSTS7000222" in world.now(same).health.pause.text
    assert world.kept(account) == kept  # it is good with the right secret
    [told] = world.heard.named("account_paused")
    assert told.account_id == same.id


def test_an_application_that_one_directory_or_flow_refuses_goes_on_with_the_others():
    world = OAuthWorld()
    process = world.process()
    account = world.account(tenant="a.example.com")
    directory = world.account(tenant="b.example.com")
    flow = world.account(tenant="a.example.com", flow=Flow.DEVICE)
    world.provider.instead.append(PlayedAnswer.error("unauthorized_client", "AADSTS700016"))

    assert problem_of(process, account) is Problem.OAUTH_CLIENT

    assert [world.pause(each) for each in (directory, flow)] == [None] * 2


def test_a_scope_that_is_refused_pauses_its_account_alone():
    world = OAuthWorld()
    process, account, same = world.process(), world.account(), world.account()
    world.provider.instead.append(PlayedAnswer.error("invalid_scope", "SMTP.SendAsApp"))

    assert problem_of(process, account) is Problem.OAUTH_CLIENT

    assert world.pause(account) == "oauth_client"
    assert world.pause(same) is None
    assert world.now(account).health.pause.text == "invalid_scope: SMTP.SendAsApp"


@pytest.mark.parametrize(
    "answer",
    [
        PlayedAnswer(status=503, body=b"<html>busy</html>"),
        PlayedAnswer.error("invalid_grant", status=500),
        PlayedAnswer.error("temporarily_unavailable"),
        PlayedAnswer(status=429),
        PlayedAnswer(status=404, body=b"not here"),
        PlayedAnswer(status=302, headers={"location": "https://elsewhere.example.com/"}),
        PlayedAnswer(body=b"{}"),
        PlayedAnswer(body=b"["),
    ],
)
def test_a_server_that_is_unwell_is_away_and_nobody_is_paused(answer):
    world = OAuthWorld()
    process, account = world.process(), world.account()
    world.provider.instead.append(answer)

    assert problem_of(process, account) is Problem.TOKEN_SERVER

    assert world.pause(account) is None
    world.clock.tick(5)
    assert world.provider.takes(process.tokens.token(account))


def test_a_server_that_is_away_is_asked_less_and_less_often():
    world = OAuthWorld()
    process, account = world.process(), world.account()
    world.provider.instead.extend([PlayedAnswer(status=503)] * 1000)
    asked_at = []

    for second in range(3600):
        before = world.refreshes()
        assert problem_of(process, account) is Problem.TOKEN_SERVER
        if world.refreshes() > before:
            asked_at.append(second)
        world.clock.tick(1)

    waits = [later - earlier for earlier, later in pairwise(asked_at)]
    assert waits[:7] == [5, 10, 20, 40, 80, 160, 300]
    assert set(waits[7:]) == {300}


def test_all_processes_heed_the_retry_after_of_the_server():
    world = OAuthWorld()
    one, other, account = world.process(), world.process(), world.account()
    world.provider.instead.append(PlayedAnswer(status=429, headers={"retry-after": "120"}))
    problem_of(one, account)

    world.clock.tick(119)
    for each in (one, other):
        assert problem_of(each, account) is Problem.TOKEN_SERVER
    assert world.refreshes() == 1
    world.clock.tick(1)
    assert world.provider.takes(other.tokens.token(account))


def test_a_retry_after_of_a_year_is_heeded_for_an_hour():
    world = OAuthWorld()
    process, account = world.process(), world.account()
    world.provider.instead.append(PlayedAnswer(status=503, headers={"retry-after": "31536000"}))
    problem_of(process, account)

    world.clock.tick(3600)

    assert world.provider.takes(process.tokens.token(account))


def test_while_the_server_is_away_a_good_token_goes_on_and_the_server_is_left_alone():
    world = OAuthWorld()
    process, account = world.process(), world.account()
    token = process.tokens.token(account)
    world.clock.tick(3600 - 9 * MINUTE)
    world.provider.instead.append(PlayedAnswer(status=503))

    assert [process.tokens.token(account) for _ in range(50)] == [token] * 50

    assert world.refreshes() == 2
    world.clock.tick(5)
    assert process.tokens.token(account) != token


def test_a_secret_that_no_key_opens_is_our_own_fault():
    world = OAuthWorld()
    process, account = world.process(), world.account()
    lost = attrs.evolve(world.stored(account), sealed_refresh=b"of another key")
    world.store.write(lambda tx: tx.credentials.save(lost))

    assert problem_of(process, account) is Problem.SECRET
    assert world.provider.asked.total() == 0
    assert not world.stored(account).held_by


def test_nothing_that_the_server_repeats_of_a_secret_is_written_down():
    world = OAuthWorld()
    process, account = world.process(), world.account()
    told = f"the token {world.kept(account)} of {SECRET} is over"
    world.provider.instead.append(PlayedAnswer.error("invalid_grant", told))
    problem_of(process, account)

    written = f"{world.now(account)} {world.stored(account)} {world.heard.events}"

    assert "invalid_grant" in written
    assert "refresh-" not in written
    assert SECRET not in written


# -- an account that was changed meanwhile


def test_a_copy_of_the_account_from_before_a_change_gets_no_token_of_the_new_one():
    world = OAuthWorld()
    process, account = world.process(), world.account()
    process.tokens.token(account)
    moved = account.changed(now=world.clock.now(), host="elsewhere.example.com")
    world.store.write(lambda tx: tx.accounts.save(moved))

    assert problem_of(world.process(), account) is Problem.STOPPED
    process.tokens.forget(account.id)
    assert problem_of(process, account) is Problem.STOPPED


def test_a_token_that_comes_after_the_account_was_changed_is_not_stored():
    world = OAuthWorld()
    process, account = world.process(), world.account()

    def move():
        moved = account.changed(now=world.clock.now(), username="somebody.else@example.com")
        left = world.stored(account).after_change(account, moved)
        world.store.write(lambda tx: (tx.accounts.save(moved), tx.credentials.save(left)))

    process.server.meanwhile = move

    assert problem_of(process, account) is Problem.STOPPED
    assert world.stored(account).sealed_access is None
    assert world.stored(account).sealed_refresh is None


@pytest.mark.parametrize("rotates", [True, False])
def test_a_token_for_an_application_that_was_changed_and_changed_back_is_not_stored(rotates):
    world = OAuthWorld(rotates=rotates)
    process, account = world.process(), world.account(scope="https://mail.google.com/")

    def change_and_change_back():
        for scope in ("https://mail.google.com/ openid", "https://mail.google.com/"):
            _change(world, account, oauth=attrs.evolve(account.oauth, scope=scope))

    process.server.meanwhile = change_and_change_back

    assert problem_of(process, account) is Problem.NEEDS_CONSENT
    assert world.stored(account).sealed_access is None
    assert world.stored(account).sealed_refresh is None


def test_a_token_from_before_the_account_had_a_password_for_a_time_is_not_stored():
    world = OAuthWorld()
    asleep, account = world.process(), world.account(flow=Flow.CLIENT_CREDENTIALS, tenant="a.org")
    asleep.tokens.token(account)
    asked = asleep.tokens._grants.ask(account, world.stored(account), mark="asleep")
    _change(world, account, oauth=None, sealed_password=b"sealed")
    _change(world, account, oauth=account.oauth, sealed_password=None)

    asleep.tokens._grants.keep(asked)

    assert world.stored(account).sealed_access is None


@pytest.mark.parametrize("error", ["invalid_client", "invalid_scope"])
def test_a_refusal_of_the_old_secret_says_nothing_about_the_new_one(error):
    world = OAuthWorld()
    process, account = world.process(), world.account(secret="the old one")
    world.provider.instead.append(PlayedAnswer.error(error, status=401))

    def replace():
        new = world.seal(account, "secret", SECRET)
        stored = attrs.evolve(world.stored(account), sealed_secret=new)
        world.store.write(lambda tx: tx.credentials.save(stored))
        process.server.meanwhile = lambda: None

    process.server.meanwhile = replace

    assert process.tokens.token(account)
    assert world.pause(account) is None
    assert world.stored(account).last_error == ""


def test_a_token_that_is_over_at_once_is_not_asked_for_again_and_again():
    world = OAuthWorld(lifetime=1e-9)
    process, account = world.process(wait=lambda _: world.clock.tick(0.2)), world.account()

    process.tokens.token(account)

    assert world.refreshes() == 1


def test_an_account_that_was_removed_has_no_token():
    world = OAuthWorld()
    process, account = world.process(), world.account()
    world.store.write(lambda tx: tx.accounts.delete(account.id))

    assert problem_of(process, account) is Problem.STOPPED


# -- renewed by the sweep


def test_the_sweep_renews_early_what_is_in_use_and_leaves_the_rest():
    world = OAuthWorld()
    process, used, unused = world.process(), world.account(), world.account()
    for account in (used, unused):
        process.tokens.token(account)
    world.clock.tick(3600 - 15 * MINUTE)
    world.store.write(lambda tx: tx.accounts.touch(used.id, sent_at=world.clock.now()))

    process.renewals.run()
    process.renewals.run()

    assert [world.stored(each).generation for each in (used, unused)] == [2, 1]


def test_the_sweep_renews_once_a_week_what_is_idle_or_paused_by_hand():
    world = OAuthWorld()
    process, idle, by_hand = world.process(), world.account(), world.account()
    paused = by_hand.paused_by_hand(now=world.clock.now())
    world.store.write(lambda tx: tx.accounts.save(paused))
    refreshed = []

    for _ in range(22):
        process.renewals.run()
        refreshed.append(world.refreshes())
        world.clock.tick(timedelta(days=1).total_seconds())

    assert refreshed == [0] * 7 + [2] * 7 + [4] * 7 + [6]
    assert world.pause(idle) is None
    assert world.pause(by_hand) == BY_HAND


def test_the_sweep_tells_of_an_account_whose_consent_is_over():
    world = OAuthWorld()
    process, account = world.process(), world.account()
    world.provider.revoke()
    world.clock.tick(timedelta(days=8).total_seconds())

    for _ in range(5):
        process.renewals.run()

    assert world.pause(account) == "needs_consent"
    [told] = world.heard.named("account_paused")
    assert told.account_id == account.id
    assert world.refreshes() == 1


def test_the_sweep_ends_at_the_first_server_that_is_away():
    world = OAuthWorld()
    process = world.process()
    for _ in range(10):
        world.account()
    world.clock.tick(timedelta(days=8).total_seconds())
    world.provider.instead.append(PlayedAnswer(status=503))

    process.renewals.run()
    assert world.refreshes() == 1

    process.renewals.run()
    assert world.refreshes() == 10


def test_the_service_renews_tokens_in_its_sweep():
    world = OAuthWorld()
    world.account()
    service = an_application(
        store=world.store,
        clock=world.clock,
        vault=world.vault,
        authorization=FakeAuthorizationServer(world.provider),
    )
    world.clock.tick(timedelta(days=8).total_seconds())

    service.maintenance.sweep()

    assert world.refreshes() == 1


def _change(world, account, **changes):
    """What a PUT does with the account and its credentials."""
    auth = AccountAuth(
        vault=world.vault,
        server=FakeAuthorizationServer(world.provider),
        network=NetworkPolicy(),
    )

    def work(tx):
        before = tx.accounts.get(account.id)
        after = before.changed(now=world.clock.now(), **changes)
        tx.accounts.save(after)
        auth.store(tx, before, after, None)

    world.store.write(work)
