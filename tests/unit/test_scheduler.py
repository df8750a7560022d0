"""An account's connections are shared out evenly, and every process comes to the same answer."""

import pytest

from application.cluster.connection_share import share
from application.delivery.batch_size import LARGEST_BATCH, BatchSizes

ACCOUNTS = range(1, 101)


@pytest.mark.parametrize("members", [(1,), (1, 2), (3, 4, 9), (5, 6, 7, 8), tuple(range(40))])
@pytest.mark.parametrize("connections", [0, 1, 2, 5, 16])
def test_every_connection_belongs_to_one_process_and_nobody_has_two_more(
    members: tuple[int, ...], connections: int
) -> None:
    for account_id in ACCOUNTS:
        shares = [share(account_id, connections, owner=m, members=members) for m in members]
        assert sum(shares) == connections
        assert max(shares) - min(shares) <= 1


def test_many_small_accounts_are_spread_over_the_processes() -> None:
    members = (11, 12, 13, 14)
    shares = [sum(share(a, 1, owner=m, members=members) for a in ACCOUNTS) for m in members]

    assert min(shares) >= 15, shares


def test_a_process_that_is_no_member_has_none() -> None:
    assert share(1, 5, owner=3, members=(1, 2)) == 0


def test_when_one_goes_the_accounts_of_one_connection_move_only_from_it() -> None:
    before, after = (1, 2, 3, 4), (1, 2, 4)

    for account_id in ACCOUNTS:
        for owner in after:
            if share(account_id, 1, owner=owner, members=before):
                assert share(account_id, 1, owner=owner, members=after) == 1


# -- how many emails are claimed together ----------------------------------------------------------


@pytest.mark.parametrize(
    ("pace_s", "emails"),
    [
        (0.0001, LARGEST_BATCH),
        (0.005, 10),  # fifty milliseconds of work
        (0.02, 8),  # far away: a few, so that not every email needs a claim of its own
        (0.05, 4),
        (0.1, 2),  # but no more than a fifth of a second of work
        (3.0, 1),
    ],
)
def test_a_batch_is_as_much_as_an_urgent_email_may_wait_for(pace_s: float, emails: int) -> None:
    sizes = BatchSizes()
    sizes.record_latency(1, pace_s, of_server=pace_s)

    assert sizes.of(1, busy=0, allowed=0) == emails


def test_where_many_connections_take_turns_each_may_claim_more() -> None:
    """A new urgent email waits for the first of them to be through, not for a certain one."""
    sizes = BatchSizes()
    sizes.record_latency(1, 0.01, of_server=0.01)

    # three times fifty milliseconds, for nine connections
    assert sizes.of(1, busy=9, allowed=9) == 15


def test_a_slow_store_does_not_make_the_claims_smaller_that_keep_it_busy() -> None:
    sizes = BatchSizes()
    sizes.record_latency(1, 0.5, of_server=0.02)

    assert sizes.of(1, busy=0, allowed=0) == 8


def test_the_first_batch_of_a_server_nobody_has_talked_to_is_one_email() -> None:
    assert BatchSizes().of(1, busy=0, allowed=0) == 1
