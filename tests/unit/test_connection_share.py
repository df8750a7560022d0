"""An account's connections are divided evenly, and every process computes the same answer."""

import pytest

from application.cluster.connection_share import share

ACCOUNTS = range(1, 101)


@pytest.mark.parametrize("members", [(1,), (1, 2), (3, 4, 9), (5, 6, 7, 8), tuple(range(40))])
@pytest.mark.parametrize("connections", [0, 1, 2, 5, 16])
def test_every_connection_belongs_to_one_process_and_shares_differ_by_at_most_one(
    members: tuple[int, ...], connections: int
) -> None:
    for account_id in ACCOUNTS:
        shares = [share(account_id, connections, instance=m, members=members) for m in members]
        assert sum(shares) == connections
        assert max(shares) - min(shares) <= 1


def test_many_small_accounts_are_spread_over_the_processes() -> None:
    members = (11, 12, 13, 14)
    shares = [sum(share(a, 1, instance=m, members=members) for a in ACCOUNTS) for m in members]

    assert min(shares) >= 15, shares


def test_a_process_that_is_no_member_has_none() -> None:
    assert share(1, 5, instance=3, members=(1, 2)) == 0


def test_when_a_process_leaves_only_its_own_connections_move() -> None:
    before, after = (1, 2, 3, 4), (1, 2, 4)

    for account_id in ACCOUNTS:
        for instance in after:
            if share(account_id, 1, instance=instance, members=before):
                assert share(account_id, 1, instance=instance, members=after) == 1
