"""How the connections of an account are shared out among the processes that deliver."""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b


def share(account_id: int, connections: int, *, instance: int, members: Sequence[int]) -> int:
    """How many of an account's connections are this process's, of all that deliver.

    Each account ranks the members by a hash of its own and deals its connections out in that order
    (rendezvous hashing), so that every process comes to the same answer without asking, and no
    member has two more than another one.
    """
    if len(members) <= 1:
        return connections
    ranked = _ranked(account_id, tuple(members))
    if instance not in ranked:
        return 0
    return len(range(ranked.index(instance), connections, len(ranked)))


@lru_cache(maxsize=4096)
def _ranked(account_id: int, members: tuple[int, ...]) -> tuple[int, ...]:
    def weight(member: int) -> bytes:
        # not a checksum: those of neighbouring numbers differ by the same bits for every account
        return blake2b(f"{account_id}/{member}".encode(), digest_size=8).digest()

    return tuple(sorted(members, key=weight))
