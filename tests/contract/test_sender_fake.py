"""The fake sender keeps the contract of every sender."""

from collections.abc import Iterator
from contextlib import contextmanager

import attrs

from adapters.fakes.sender import FakeSender, Script
from application.sender_by_transport import SenderByTransport
from domain.account.account import Transport
from tests.contract.sender_suite import TOKENS, VAULT, Played, SenderContract, an_account_at


class TestFakeSender(SenderContract):
    @contextmanager
    def playing(self, script: Script) -> Iterator[Played]:
        sender = FakeSender(script, vault=VAULT, tokens=TOKENS)
        account = an_account_at("smtp.example.com", 587, announce_next=self.announces)
        yield Played(
            sender,
            account,
            lambda: [
                (tuple(map(str, taken.envelope.recipients)), taken.octets)
                for taken in sender.accepted
            ],
        )


class TestSenderByTransport(TestFakeSender):
    """It adds nothing and takes nothing away."""

    @contextmanager
    def playing(self, script: Script) -> Iterator[Played]:
        with super().playing(script) as played:
            strict = FakeSender(Script(password="another one"), vault=VAULT)
            senders = {Transport.SMTP: played.sender, Transport.GRAPH: strict}
            yield attrs.evolve(played, sender=SenderByTransport(senders))


class TestFakeSenderWithoutPipelining(TestFakeSender):
    pipelining = False


class TestFakeSenderThatAnnounces(TestFakeSender):
    announces = True
