"""How the mail that any account may send is shared out among the accounts that may send it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from domain.email.lifecycle import Email

# Accounts that may send the same mail may differ by so much of what each of them was given.
UNEVEN: Final = 0.03


class SharedMail:
    """What each account was given of it. One thread at a time counts; any may read."""

    def __init__(self) -> None:
        self._given: dict[int, int] = defaultdict(int)
        self._rivals: dict[int, int] = {}  # headroom of those that may take such mail now
        self._each_expects = 0  # of the mail for any account that waits

    def compete(self, headroom: Mapping[int, int]) -> int:
        """These accounts may take such mail now, with so much headroom each; how many they are."""
        self._rivals = dict(headroom)
        return len(self._rivals)

    def expect(self, waiting: int) -> None:
        """So many emails for any account wait."""
        self._each_expects = waiting // len(self._rivals)

    def given(self, account_id: int) -> int:
        """How many such emails this account was given."""
        return self._given[account_id]

    def places(self, account_id: int) -> int | None:
        """How much of the mail for any account this one may take before others have had as much;
        None for as much as it likes.
        """
        rivals = self._rivals
        others = [room for rival, room in rivals.items() if rival != account_id]
        if not others or account_id not in rivals:
            return None
        uneven = 1 + int(UNEVEN * (self._given[account_id] + self._each_expects))
        return max(0, rivals[account_id] - max(others) + uneven)

    def count(self, account_id: int, emails: Sequence[Email], sign: int) -> None:
        """The account was given these (1), or was not after all (-1)."""
        if account_id in self._rivals:
            shared = sign * sum(not email.pinned for email in emails)
            self._given[account_id] += shared
            self._rivals[account_id] -= shared
