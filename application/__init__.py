"""The use cases, grouped by actor, and their one assembly.

Production and tests differ only in the ports handed to `assemble`; nothing is built or started at
import, and nothing here knows a technology.
"""

import attrs

from application.access import Access, AccessRules
from application.accounts import AccountService
from application.api_keys import ApiKeys
from application.cluster.membership import LeaseRules, Membership
from application.delivery import Delivery, DeliveryRules
from application.delivery.signing import Signing
from application.dkim_keys import DkimKeys
from application.email_changes import EmailChanges
from application.intake.admission import Admission
from application.intake.files import Files
from application.intake.submit import Submission
from application.maintenance.sweep import Maintenance
from application.ports.cluster import Locks
from application.ports.message import DkimSigner, TemplateEngine
from application.ports.sender import Sender
from application.ports.store import Store
from application.ports.system import (
    Clock,
    Entropy,
    Headroom,
    Observe,
    TokenCipher,
    Vault,
    Wake,
)
from application.queries import Queries
from application.templates import Templates
from application.unsubscribe import Unsubscribe
from application.unsubscribe_links import UnsubscribeLinks
from domain.account.network import NetworkPolicy
from domain.intake import IntakeLimits


@attrs.frozen(kw_only=True)
class Ports:
    """The technology the use cases run on."""

    store: Store
    sender: Sender
    vault: Vault
    dkim: DkimSigner
    token_cipher: TokenCipher
    clock: Clock
    entropy: Entropy
    engine: TemplateEngine
    locks: Locks
    headroom: Headroom
    wake: Wake
    observe: Observe


@attrs.frozen(kw_only=True)
class ServiceRules:
    """What the owner of the installation decides.

    *public_url* is where recipients reach the service, without a slash at its end.
    """

    delivery: DeliveryRules
    lease: LeaseRules = attrs.field(factory=LeaseRules)
    max_queue_depth: int | None = None
    max_account_depth: int | None = None
    intake: IntakeLimits = attrs.field(factory=IntakeLimits)
    access: AccessRules = attrs.field(factory=AccessRules)
    network: NetworkPolicy = attrs.field(factory=NetworkPolicy)
    public_url: str | None = None


@attrs.frozen(kw_only=True)
class Application:
    """The use cases of one process."""

    access: Access
    api_keys: ApiKeys
    admission: Admission
    files: Files
    submission: Submission
    email_changes: EmailChanges
    account_service: AccountService
    dkim_keys: DkimKeys
    templates: Templates
    queries: Queries
    delivery: Delivery
    membership: Membership
    maintenance: Maintenance
    unsubscribe: Unsubscribe


def assemble(ports: Ports, rules: ServiceRules, *, host: str, pid: int) -> Application:
    """The application on these ports; *host* and *pid* name the process to an operator."""
    admission = Admission(
        headroom=ports.headroom,
        max_depth=rules.max_queue_depth,
        max_account_depth=rules.max_account_depth,
    )
    files = Files(store=ports.store, clock=ports.clock, entropy=ports.entropy, admission=admission)
    windows = rules.delivery.windows
    links = UnsubscribeLinks(
        store=ports.store,
        entropy=ports.entropy,
        vault=ports.vault,
        cipher=ports.token_cipher,
        observe=ports.observe,
        public_url=rules.public_url,
    )
    membership = Membership(
        store=ports.store,
        clock=ports.clock,
        locks=ports.locks,
        rules=rules.lease,
        host=host,
        pid=pid,
    )
    delivery = Delivery(
        store=ports.store,
        sender=ports.sender,
        signing=Signing(vault=ports.vault, signer=ports.dkim),
        clock=ports.clock,
        entropy=ports.entropy,
        headroom=ports.headroom,
        rules=rules.delivery,
        observe=ports.observe,
        lease_ends=membership.lease_ends,
    )
    submission = Submission(
        store=ports.store,
        clock=ports.clock,
        entropy=ports.entropy,
        engine=ports.engine,
        admission=admission,
        files=files,
        limits=rules.intake,
        retry=rules.delivery.retry,
        windows=windows,
        links=links,
        wake=ports.wake,
        observe=ports.observe,
    )
    return Application(
        access=Access(
            store=ports.store,
            clock=ports.clock,
            vault=ports.vault,
            rules=rules.access,
            observe=ports.observe,
        ),
        api_keys=ApiKeys(
            store=ports.store,
            clock=ports.clock,
            entropy=ports.entropy,
            vault=ports.vault,
            observe=ports.observe,
        ),
        admission=admission,
        files=files,
        submission=submission,
        email_changes=EmailChanges(
            store=ports.store,
            clock=ports.clock,
            retry=rules.delivery.retry,
            wake=ports.wake,
            observe=ports.observe,
        ),
        account_service=AccountService(
            store=ports.store,
            clock=ports.clock,
            vault=ports.vault,
            sender=ports.sender,
            network=rules.network,
            wake=ports.wake,
            observe=ports.observe,
        ),
        dkim_keys=DkimKeys(
            store=ports.store,
            clock=ports.clock,
            vault=ports.vault,
            signer=ports.dkim,
            wake=ports.wake,
            observe=ports.observe,
        ),
        templates=Templates(
            store=ports.store, clock=ports.clock, engine=ports.engine, submission=submission
        ),
        queries=Queries(
            store=ports.store,
            clock=ports.clock,
            windows=windows,
            hidden_reasons=rules.delivery.replies.hidden_reasons,
        ),
        delivery=delivery,
        membership=membership,
        unsubscribe=Unsubscribe(
            store=ports.store, clock=ports.clock, links=links, observe=ports.observe
        ),
        maintenance=Maintenance(
            store=ports.store,
            sender=ports.sender,
            clock=ports.clock,
            delivery=delivery,
            membership=membership,
            windows=windows,
            congestion=rules.delivery.congestion,
            cured_by_login=rules.delivery.replies.cured_by_login,
            observe=ports.observe,
        ),
    )
