"""The fake sender keeps the contract of every sender."""

from collections.abc import Iterator
from contextlib import contextmanager

from adapters.fakes.sender import FakeSender, Script
from tests.contract.sender_suite import VAULT, Played, SenderContract, an_account_at


class TestFakeSender(SenderContract):
    @contextmanager
    def playing(self, script: Script) -> Iterator[Played]:
        sender = FakeSender(script, vault=VAULT)
        account = an_account_at("smtp.example.com", 587, announce_next=self.announces)
        yield Played(
            sender,
            account,
            lambda: [
                (tuple(map(str, taken.envelope.recipients)), taken.octets)
                for taken in sender.accepted
            ],
        )


class TestFakeSenderWithoutPipelining(TestFakeSender):
    pipelining = False


class TestFakeSenderThatAnnounces(TestFakeSender):
    announces = True
