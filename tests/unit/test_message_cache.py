"""The messages that a conversation hands over."""

import attrs

from adapters.fakes.vault import FakeVault
from application.delivery.message_cache import MessageCache
from application.delivery.signing import Signing
from tests.builders import OCTETS, a_pinned_email, recipients
from tests.dkim_messages import SIGNER
from tests.world import World


def test_a_later_attempt_in_the_same_conversation_names_who_is_open_then() -> None:
    world = World()
    account = world.account()
    both = recipients(2)
    email = world.store.write(
        lambda tx: tx.emails.add(a_pinned_email(account, recipients=both), OCTETS)
    )
    cache = MessageCache(world.store, account, Signing(vault=FakeVault(), signer=SIGNER))
    first = cache.of(email)
    assert cache.of(email) is first, "an envelope that was announced is recognised by its parcel"

    later = attrs.evolve(email, attempt_no=email.attempt_no + 1, recipients=both[1:])

    assert cache.of(later).envelope.recipients == (both[1].address,)
    assert cache.of(later).octets == first.octets
