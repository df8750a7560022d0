"""Messages that came at once: each gets the reply that it would get alone, in their order."""

from typing import Any

import pytest

from adapters.fakes.clock import FakeClock
from adapters.fakes.entropy import FakeEntropy
from adapters.fakes.memory_store import MemoryStore
from domain.address import Address
from entrypoints.smtp.intake import Came, SmtpIntake
from entrypoints.smtp.reply import Reply
from entrypoints.smtp.session import MessageCame
from tests.applications import a_key, an_application
from tests.smtp_intake import MESSAGE, with_account

OTHER_FROM = MESSAGE.replace(b"shop@", b"other@")
REMOTE = "192.0.2.1"


class Clients:
    """What sessions of clients with these keys give to the intake."""

    def __init__(self, **ports: Any) -> None:
        self.application = an_application(**ports)
        self.token = with_account(self.application)
        self.intake = SmtpIntake(self.application)

    def key(self, **wish: Any) -> str:
        return a_key(self.application, "send", **wish)

    def came(self, octets: bytes = MESSAGE, *, token: str | None = None) -> Came:
        login = self.intake.log_in(token or self.token, remote=REMOTE)
        assert login.key_id is not None
        message = MessageCame((Address.parse("ada@example.org"),), octets)
        return Came(message, login, REMOTE)

    def replies(self, *messages: Came) -> list[str]:
        """The id of each email, or how the reply begins."""
        return [_short(one) for one in self.intake.take(messages)]


def _short(reply: Reply) -> str:
    _, _, email_id = reply.text.rpartition("Ok: queued as ")
    return email_id if reply.code == 250 else f"{reply.code} {reply.text}"[:19]


def test_each_message_is_judged_by_its_own_key_and_content() -> None:
    clients = Clients()
    rewriting = clients.key(rewrites_from=True)
    gone = clients.key()
    of_gone = clients.came(token=gone)
    clients.application.api_keys.revoke(gone.split("_")[1])

    assert clients.replies(
        clients.came(),
        of_gone,
        clients.came(OTHER_FROM),
        clients.came(OTHER_FROM, token=rewriting),
        clients.came(b"no header\r\n"),
        clients.came(),
    ) == [
        "1",
        "421 The API key is ",
        "550 From must be an",
        "3",
        "554 no empty line e",
        "2",
    ]


def test_a_key_that_may_name_less_than_all_of_them_need() -> None:
    clients = Clients()
    small = clients.key(daily_recipients=1)
    messages = [clients.came(), clients.came(token=small), clients.came(token=small)]

    assert clients.replies(*messages) == ["1", "2", "451 this API key ma"]


def test_the_same_message_twice_at_once_is_one_email() -> None:
    clients = Clients()
    octets = b"Message-ID: <1@example.com>\r\n" + MESSAGE

    assert clients.replies(clients.came(octets), clients.came(octets)) == ["1", "1"]


class FailingEntropy(FakeEntropy):
    """Has a bug that shows with the token of the second message of a group."""

    def __init__(self) -> None:
        super().__init__()
        self.countdown = -1

    def token(self) -> str:
        self.countdown -= 1
        if self.countdown == 0:
            raise RuntimeError("a bug")
        return super().token()


def test_a_bug_in_the_preparation_costs_the_others_nothing() -> None:
    entropy = FailingEntropy()
    clients = Clients(entropy=entropy)
    messages = [clients.came(), clients.came()]
    entropy.countdown = 2

    assert clients.replies(*messages) == ["1", "2"], "it did not show again"


class BrokenStore(MemoryStore):
    """Has a bug that shows after its commit."""

    broken = False

    def write(self, work: Any) -> Any:
        answer = super().write(work)
        if self.broken:
            raise RuntimeError("a bug")
        return answer


@pytest.mark.parametrize("number", [1, 2])
def test_what_may_have_been_stored_is_not_stored_again(number: int) -> None:
    clock = FakeClock()
    store = BrokenStore(clock=clock)
    clients = Clients(store=store, clock=clock)
    messages = [clients.came() for _ in range(number)]
    store.broken = True

    assert clients.replies(*messages) == ["451 An internal err"] * number
    assert sum(store.read(lambda tx: tx.emails.counts()).values()) == number
