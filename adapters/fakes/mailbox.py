"""A mailbox in memory, as strict as a server."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Final

import attrs

from application.ports.inbox import Mailbox, MailboxFailed, MailboxLogin, Received
from domain.account.inbox import Inbox

_MOST_UIDS: Final = 50_000
_MOST_MESSAGES: Final = 20


@attrs.define(kw_only=True)
class FakeMailbox:
    """One folder; tests put messages into it. *before* is called ahead of each step with its name,
    and may raise MailboxFailed.
    """

    uidvalidity: int = 1
    password: str = "inbox-secret"  # noqa: S105 - of a fake
    mail: dict[int, tuple[date, bytes]] = attrs.field(factory=dict)
    last: int = 0
    before: Callable[[str], object] = lambda step: None
    asked: list[str] = attrs.field(factory=list)

    def put(self, octets: bytes, *, day: date = date(2026, 1, 31), uid: int | None = None) -> int:
        """A message arrives; its UID."""
        self.last = uid or self.last + 1
        self.mail[self.last] = (day, octets)
        return self.last

    @property
    def uidnext(self) -> int:
        """One more than the highest ever."""
        return self.last + 1

    def first_since(self, day: date) -> int | None:
        """All are looked at."""
        self._step("search")
        return min((uid for uid, (came, _) in self.mail.items() if came >= day), default=None)

    def uids(self, first: int, last: int) -> Sequence[int]:
        """All are looked at."""
        if not 0 < first <= last < first + _MOST_UIDS:
            raise ValueError(f"not a range of UIDs: {first}:{last}")
        self._step("search")
        return sorted(uid for uid in self.mail if first <= uid <= last)

    def messages(self, uids: Sequence[int], *, limit: int) -> Sequence[Received]:
        """Those that are there."""
        if not 0 < len(uids) <= _MOST_MESSAGES:
            raise ValueError(f"not so many messages: {len(uids)}")
        self._step("fetch")
        found = [uid for uid in sorted(uids) if uid in self.mail]
        return [Received(uid, self.mail[uid][1][:limit]) for uid in found]

    def _step(self, name: str) -> None:
        self.asked.append(name)
        self.before(name)


class FakeMailboxReader:
    """The MailboxReader port: mailboxes by host and folder."""

    def __init__(self) -> None:
        self.mailboxes: dict[tuple[str, str], FakeMailbox] = {}

    def add(self, host: str, folder: str = "INBOX") -> FakeMailbox:
        """A mailbox there."""
        return self.mailboxes.setdefault((host, folder), FakeMailbox())

    @contextmanager
    def open(self, inbox: Inbox, login: MailboxLogin) -> Iterator[Mailbox]:
        """MailboxFailed for one that is not there, and for a wrong secret."""
        mailbox = self.mailboxes.get((inbox.host, inbox.folder))
        if mailbox is None:
            raise MailboxFailed("no connection to the server")
        if login.secret != mailbox.password:
            raise MailboxFailed("the server refused the login")
        mailbox._step("open")
        yield mailbox
