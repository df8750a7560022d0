"""Which sender an account's mail leaves by."""

from typing import Any

import pytest

from application.sender_by_transport import SenderByTransport
from domain.account.account import Transport
from domain.outcome.handoff import Handoff, Stage
from tests.builders import an_account, an_address


class Told:
    """A sender that writes down what is asked of it."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def call(*_: Any, **__: Any) -> Any:
            self.told.append(name)
            return () if name == "verify" else Handoff(stage=Stage.MAIL)

        return call


@pytest.mark.parametrize("transport", list(Transport))
def test_what_is_of_one_account_goes_to_the_sender_of_its_transport(transport):
    senders = {each: Told() for each in Transport}
    both = SenderByTransport(senders)
    account = an_account(transport=transport)

    both.converse(account)
    both.probe(account)
    both.verify(account, recipient=an_address())

    assert senders.pop(transport).told == ["converse", "probe", "verify"]
    assert [other.told for other in senders.values()] == [[]]


def test_what_is_of_all_accounts_goes_to_every_sender():
    senders = {each: Told() for each in Transport}
    both = SenderByTransport(senders)

    both.retire(1)
    both.abort()
    both.tend()
    both.drop_idle()
    both.close()

    everything = ["retire", "abort", "tend", "drop_idle", "close"]
    assert [each.told for each in senders.values()] == [everything, everything]


def test_a_transport_without_a_sender_is_told_at_once():
    with pytest.raises(ValueError, match="no sender for graph"):
        SenderByTransport({Transport.SMTP: Told()})
