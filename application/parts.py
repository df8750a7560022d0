"""What an Application is made of: the technology it runs on, and what its owner decides."""

from datetime import timedelta

import attrs

from application.access import AccessPolicy
from application.cluster.membership import LeasePolicy
from application.delivery import DeliveryPolicy
from application.oauth.access_tokens import AccessTokens
from application.ports.cluster import Locks
from application.ports.dns import Dns
from application.ports.hooks import Signatures
from application.ports.inbox import MailboxReader
from application.ports.message import DkimSigner, MessageReader, TemplateEngine
from application.ports.oauth import AuthorizationServer
from application.ports.sender import Sender
from application.ports.store import Store
from application.ports.system import (
    Clock,
    Entropy,
    Headroom,
    Observe,
    Scrub,
    TokenCipher,
    Vault,
    Wake,
)
from application.ports.web import WebClient
from domain.account.network import NetworkPolicy
from domain.account.provider import Providers
from domain.address import Address
from domain.event.growth import GrowthPolicy
from domain.intake import IntakeLimits
from domain.retention import RetentionPolicy


def _nothing_to_scrub(seconds: float) -> bool:
    """For a store that leaves nothing behind."""
    return True


@attrs.frozen(kw_only=True)
class Ports:
    """The technology the use cases run on.

    *tokens* are the access tokens that the sender is given; None: they are made here.
    """

    store: Store
    sender: Sender
    vault: Vault
    dkim: DkimSigner
    token_cipher: TokenCipher
    signatures: Signatures
    clock: Clock
    entropy: Entropy
    engine: TemplateEngine
    reader: MessageReader
    locks: Locks
    headroom: Headroom
    web: WebClient
    dns: Dns
    authorization: AuthorizationServer
    mailboxes: MailboxReader
    tokens: AccessTokens | None = None
    wake: Wake
    observe: Observe
    scrub: Scrub = _nothing_to_scrub


@attrs.frozen(kw_only=True)
class ServicePolicy:
    """What the owner of the installation decides.

    *public_url* is where recipients reach the service, without a slash at its end. *events_kept* is
    how long an event can be read. *alert_to* gets emails of events that somebody must know of.
    """

    delivery: DeliveryPolicy
    lease: LeasePolicy = attrs.field(factory=LeasePolicy)
    max_queue_depth: int | None = None
    max_account_depth: int | None = None
    intake: IntakeLimits = attrs.field(factory=IntakeLimits)
    access: AccessPolicy = attrs.field(factory=AccessPolicy)
    network: NetworkPolicy = attrs.field(factory=NetworkPolicy)
    providers: Providers = attrs.field(factory=Providers)
    retention: RetentionPolicy = attrs.field(factory=RetentionPolicy)
    public_url: str | None = None
    events_kept: timedelta = timedelta(days=30)
    alert_to: tuple[Address, ...] = ()
    growth: GrowthPolicy = attrs.field(factory=GrowthPolicy)
