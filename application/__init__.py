"""The use cases, grouped by actor, and their one assembly.

Production and tests differ only in the ports handed to `assemble`; nothing is built or started at
import, and nothing here knows a technology.
"""

import attrs

from application.access import Access
from application.account_import import AccountImport
from application.account_inbox import AccountInbox
from application.account_queries import AccountQueries
from application.account_writer import AccountWriter
from application.accounts import AccountService
from application.api_keys import ApiKeys
from application.attention import Attention
from application.cluster.membership import Membership
from application.dashboard_sessions import DashboardSessions
from application.delivery import Delivery
from application.delivery.signing import Signing
from application.dkim_keys import DkimKeys
from application.doctor import Doctor
from application.email_changes import EmailChanges
from application.erasing import Erasing
from application.event_feed import EventFeed
from application.event_hooks import EventHooks
from application.forecasting import ForecastPolicy
from application.hook_calls import HookCalls
from application.inboxes import Inboxes
from application.intake.acceptance import Acceptance
from application.intake.admission import Admission
from application.intake.composer import Composer
from application.intake.files import Files
from application.intake.rehearsal import Rehearsal
from application.intake.senders import Senders
from application.intake.submit import Submission
from application.live import Live
from application.maintenance.alerts import Alerts
from application.maintenance.sweep import Maintenance
from application.messages import Messages
from application.metrics import Metrics
from application.oauth.access_tokens import AccessTokens
from application.oauth.account_auth import AccountAuth
from application.oauth.authorize import Authorizations
from application.oauth.grants import Grants
from application.oauth.renewals import Renewals
from application.overview import Activities
from application.parts import Ports, ServicePolicy
from application.provider_lookup import ProviderLookup
from application.pseudonyms import Pseudonyms
from application.queries import Queries
from application.reports import Reports
from application.sns_trust import SnsTrust
from application.suppressions import Suppressions
from application.templates import Templates
from application.unsubscribe import Unsubscribe
from application.unsubscribe_links import UnsubscribeLinks
from application.upcoming import Upcoming
from application.webhooks.calls import WebhookCalls
from application.webhooks.election import CallerElection
from application.webhooks.outbox import LEASE_NAME, Outbox, new_outbox
from application.webhooks.registry import WebhookRegistry
from application.webhooks.work_lease import WorkLease
from domain.account.provider import Providers

__all__ = ["Application", "Ports", "ServicePolicy", "assemble"]


@attrs.frozen(kw_only=True)
class Application:
    """The use cases of one process."""

    access: Access
    dashboard_sessions: DashboardSessions
    api_keys: ApiKeys
    admission: Admission
    files: Files
    submission: Submission
    rehearsal: Rehearsal
    senders: Senders
    email_changes: EmailChanges
    account_service: AccountService
    account_import: AccountImport
    authorizations: Authorizations
    tokens: AccessTokens
    providers: Providers
    provider_lookup: ProviderLookup
    dkim_keys: DkimKeys
    doctor: Doctor
    templates: Templates
    queries: Queries
    account_queries: AccountQueries
    attention: Attention
    upcoming: Upcoming
    messages: Messages
    metrics: Metrics
    overview: Activities
    live: Live
    event_feed: EventFeed
    event_hooks: EventHooks
    hook_calls: HookCalls
    delivery: Delivery
    membership: Membership
    maintenance: Maintenance
    unsubscribe: Unsubscribe
    suppressions: Suppressions
    reports: Reports
    inboxes: Inboxes
    erasing: Erasing
    webhooks: WebhookRegistry
    outbox: Outbox
    caller_election: CallerElection


def assemble(ports: Ports, rules: ServicePolicy, *, host: str, pid: int) -> Application:
    """The application on these ports; *host* and *pid* name the process to an operator."""
    admission = Admission(
        headroom=ports.headroom,
        max_depth=rules.max_queue_depth,
        max_account_depth=rules.max_account_depth,
    )
    files = Files(store=ports.store, clock=ports.clock, entropy=ports.entropy, admission=admission)
    pseudonyms = Pseudonyms(
        store=ports.store,
        clock=ports.clock,
        entropy=ports.entropy,
        vault=ports.vault,
        observe=ports.observe,
    )
    windows = rules.delivery.windows
    links = UnsubscribeLinks(
        store=ports.store,
        entropy=ports.entropy,
        vault=ports.vault,
        cipher=ports.token_cipher,
        observe=ports.observe,
        public_url=rules.public_url,
    )
    tokens = ports.tokens or AccessTokens.on(
        store=ports.store,
        clock=ports.clock,
        entropy=ports.entropy,
        vault=ports.vault,
        server=ports.authorization,
        observe=ports.observe,
    )
    authorizations = Authorizations(
        store=ports.store,
        clock=ports.clock,
        entropy=ports.entropy,
        vault=ports.vault,
        server=ports.authorization,
        grants=Grants(
            store=ports.store,
            clock=ports.clock,
            vault=ports.vault,
            server=ports.authorization,
            observe=ports.observe,
        ),
        sender=ports.sender,
        wake=ports.wake,
        observe=ports.observe,
        public_url=rules.public_url,
        development=rules.network.private,
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
        pseudonyms=pseudonyms,
        lease_ends=membership.lease_ends,
    )
    erasing = Erasing(
        store=ports.store,
        clock=ports.clock,
        membership=membership,
        pseudonyms=pseudonyms,
        scrub=ports.scrub,
        observe=ports.observe,
    )
    forecasts = ForecastPolicy(windows=windows, fairness_every=rules.delivery.fairness_every)
    queries = Queries(
        store=ports.store,
        clock=ports.clock,
        forecasts=forecasts,
        hidden_reasons=rules.delivery.replies.hidden_reasons,
    )
    submission = Submission(
        store=ports.store,
        clock=ports.clock,
        admission=admission,
        acceptance=Acceptance(
            store=ports.store,
            admission=admission,
            pseudonyms=pseudonyms,
            wake=ports.wake,
            observe=ports.observe,
        ),
        composer=Composer(
            store=ports.store,
            entropy=ports.entropy,
            engine=ports.engine,
            files=files,
            links=links,
            limits=rules.intake,
            retry=rules.delivery.retry,
            windows=windows,
        ),
        forecasts=forecasts,
    )
    account_writer = AccountWriter(
        clock=ports.clock,
        vault=ports.vault,
        network=rules.network,
        auth=AccountAuth(vault=ports.vault, server=ports.authorization, network=rules.network),
        inbox=AccountInbox(vault=ports.vault, network=rules.network),
    )
    account_service = AccountService(
        store=ports.store,
        clock=ports.clock,
        sender=ports.sender,
        writer=account_writer,
        wake=ports.wake,
        observe=ports.observe,
    )
    reports = Reports(store=ports.store, clock=ports.clock, observe=ports.observe)
    event_feed = EventFeed(store=ports.store)
    access = Access(
        store=ports.store,
        clock=ports.clock,
        vault=ports.vault,
        rules=rules.access,
        observe=ports.observe,
    )
    return Application(
        access=access,
        dashboard_sessions=DashboardSessions(
            store=ports.store,
            clock=ports.clock,
            entropy=ports.entropy,
            vault=ports.vault,
            access=access,
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
        senders=Senders(ports.store),
        submission=submission,
        rehearsal=Rehearsal(store=ports.store, clock=ports.clock, submission=submission),
        email_changes=EmailChanges(
            pseudonyms=pseudonyms,
            store=ports.store,
            clock=ports.clock,
            retry=rules.delivery.retry,
            wake=ports.wake,
            observe=ports.observe,
        ),
        account_service=account_service,
        account_import=AccountImport(
            store=ports.store,
            clock=ports.clock,
            vault=ports.vault,
            sender=ports.sender,
            writer=account_writer,
            accounts=account_service,
        ),
        authorizations=authorizations,
        tokens=tokens,
        providers=rules.providers,
        provider_lookup=ProviderLookup(
            providers=rules.providers,
            web=ports.web,
            dns=ports.dns,
            network=rules.network,
            clock=ports.clock,
        ),
        dkim_keys=DkimKeys(
            store=ports.store,
            clock=ports.clock,
            vault=ports.vault,
            signer=ports.dkim,
            wake=ports.wake,
            observe=ports.observe,
        ),
        doctor=Doctor(
            store=ports.store,
            clock=ports.clock,
            sender=ports.sender,
            dns=ports.dns,
            web=ports.web,
            windows=windows,
            providers=rules.providers,
        ),
        templates=Templates(
            store=ports.store, clock=ports.clock, engine=ports.engine, submission=submission
        ),
        overview=Activities(store=ports.store, clock=ports.clock),
        attention=Attention(
            store=ports.store, clock=ports.clock, windows=windows, lease=rules.lease.lease
        ),
        upcoming=Upcoming(store=ports.store, clock=ports.clock, forecasts=forecasts),
        queries=queries,
        account_queries=AccountQueries(
            store=ports.store,
            clock=ports.clock,
            forecasts=forecasts,
            hidden_reasons=rules.delivery.replies.hidden_reasons,
        ),
        messages=Messages(queries=queries, reader=ports.reader),
        metrics=Metrics(store=ports.store, clock=ports.clock, windows=windows),
        live=Live(store=ports.store, clock=ports.clock, windows=windows),
        event_feed=event_feed,
        event_hooks=EventHooks(
            store=ports.store,
            clock=ports.clock,
            entropy=ports.entropy,
            vault=ports.vault,
            signatures=ports.signatures,
            observe=ports.observe,
            public_url=rules.public_url,
            development=rules.network.private,
        ),
        hook_calls=HookCalls(
            store=ports.store,
            clock=ports.clock,
            vault=ports.vault,
            signatures=ports.signatures,
            trust=SnsTrust(web=ports.web, clock=ports.clock, signatures=ports.signatures),
            reports=reports,
            rules=rules.delivery.replies,
            strikes=rules.access.strikes,
            observe=ports.observe,
        ),
        delivery=delivery,
        membership=membership,
        suppressions=Suppressions(store=ports.store, clock=ports.clock, pseudonyms=pseudonyms),
        reports=reports,
        inboxes=Inboxes(
            store=ports.store,
            clock=ports.clock,
            vault=ports.vault,
            tokens=tokens,
            reader=ports.mailboxes,
            membership=membership,
            reports=reports,
            rules=rules.delivery.replies,
            observe=ports.observe,
        ),
        erasing=erasing,
        webhooks=WebhookRegistry(
            store=ports.store,
            clock=ports.clock,
            entropy=ports.entropy,
            vault=ports.vault,
            network=rules.network,
        ),
        outbox=new_outbox(
            store=ports.store,
            clock=ports.clock,
            entropy=ports.entropy,
            feed=event_feed,
            calls=WebhookCalls(
                web=ports.web, clock=ports.clock, vault=ports.vault, observe=ports.observe
            ),
            network=rules.network,
            observe=ports.observe,
        ),
        caller_election=CallerElection(
            store=ports.store,
            lease=WorkLease(
                LEASE_NAME, store=ports.store, clock=ports.clock, entropy=ports.entropy
            ),
        ),
        unsubscribe=Unsubscribe(
            store=ports.store, clock=ports.clock, links=links, observe=ports.observe
        ),
        maintenance=Maintenance(
            store=ports.store,
            sender=ports.sender,
            clock=ports.clock,
            delivery=delivery,
            membership=membership,
            renewals=Renewals(
                store=ports.store, clock=ports.clock, tokens=tokens, observe=ports.observe
            ),
            authorizations=authorizations,
            windows=windows,
            congestion=rules.delivery.congestion,
            retention=rules.retention,
            growth=rules.growth,
            alerts=Alerts(
                store=ports.store,
                clock=ports.clock,
                membership=membership,
                submission=submission,
                windows=windows,
                to=rules.alert_to,
                observe=ports.observe,
            ),
            cured_by_login=rules.delivery.replies.cured_by_login,
            events_kept=rules.events_kept,
            erasing=erasing,
            observe=ports.observe,
        ),
    )
