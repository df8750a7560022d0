"""Values for tests: each has sensible defaults, so that a test names only what matters to it."""

from datetime import datetime, timedelta
from typing import Any, Final

import attrs

from adapters.fakes.clock import START
from domain.access import ApiKey, IdempotencyRecord, Scope
from domain.account.account import Account
from domain.account.authorization import Authorization
from domain.account.dkim_key import DkimKey
from domain.account.limits import Limits
from domain.account.oauth import Flow, OAuthClient, OAuthProvider
from domain.account.oauth_credentials import Credentials
from domain.address import Address
from domain.email.attempt import Attempt
from domain.email.lifecycle import Email
from domain.email.recipient import Recipient
from domain.hook.hook import EventHook, HookKind
from domain.message.dkim import Algorithm
from domain.message.template import SourceKind, Template, TemplateSource
from domain.outcome.handoff import Envelope, Handoff, Reply, Stage
from domain.outcome.verdict import AccountEffect, Result, Subject, Verdict
from domain.webhook.delivery import Outcome, WebhookAttempt
from domain.webhook.webhook import Webhook

NOW: Final = START
OCTETS: Final = b"Message-ID: <1@example.org>\r\nSubject: Hello\r\n\r\nHello.\r\n"


def seconds(number: float) -> timedelta:
    """A timedelta."""
    return timedelta(seconds=number)


def at(number: float) -> datetime:
    """The time *number* seconds after the fake clock's start; before it if negative."""
    return NOW + timedelta(seconds=number)


def an_address(text: str = "ada@example.org") -> Address:
    """An address."""
    return Address.parse(text)


def a_reply(code: int = 250, text: str = "2.0.0 Ok") -> Reply:
    """A server's reply; its enhanced status is taken from the text."""
    return Reply.of(code, text)


def a_recipient(address: str = "ada@example.org", **changes: Any) -> Recipient:
    """An open To recipient."""
    return Recipient(address=Address.parse(address), **changes)


def recipients(number: int, **changes: Any) -> tuple[Recipient, ...]:
    """*number* different recipients."""
    return tuple(a_recipient(f"r{n}@example.org", **changes) for n in range(1, number + 1))


def an_email(**changes: Any) -> Email:
    """An email to one recipient, queued now, free to go through any account."""
    email = Email(
        subject="Hello",
        recipients=(a_recipient(),),
        message_id="1@example.org",
        size=len(OCTETS),
        eligible_at=NOW,
        expires_at=NOW + timedelta(hours=72),
        created_at=NOW,
        updated_at=NOW,
    )
    return attrs.evolve(email, **changes)


def a_pinned_email(account: Account | int, **changes: Any) -> Email:
    """An email that only *account* (or the account with this id) may take."""
    account_id = account if isinstance(account, int) else account.id
    return an_email(account_id=account_id, pinned=True, **changes)


def an_account(**changes: Any) -> Account:
    """An open account with the usual limits."""
    account = Account(
        name="main",
        address=Address.parse("sender@example.com"),
        display_name="Sender",
        host="smtp.example.com",
        port=587,
        username="sender@example.com",
        sealed_password=b"sealed",
        created_at=NOW,
        updated_at=NOW,
    )
    return attrs.evolve(account, **changes)


def an_oauth_client(**changes: Any) -> OAuthClient:
    """An application that a person authorizes at Microsoft's."""
    client = OAuthClient(
        provider=OAuthProvider.MICROSOFT,
        flow=Flow.AUTHORIZATION_CODE,
        client_id="11111111-2222-3333-4444-555555555555",
    )
    return attrs.evolve(client, **changes)


def credentials(account: Account | int = 1, **changes: Any) -> Credentials:
    """What an account has that was authorized and got its first access token, good for an hour."""
    found = Credentials(
        account_id=account if isinstance(account, int) else account.id,
        sealed_secret=b"secret",
        sealed_refresh=b"refresh",
        sealed_access=b"access",
        expires_at=at(3600),
        obtained_at=NOW,
        refreshed_at=NOW,
        generation=1,
    )
    return attrs.evolve(found, **changes)


def an_authorization(account: Account | int = 1, **changes: Any) -> Authorization:
    """One that a browser was sent away with, for 10 minutes."""
    begun = Authorization(
        digest="d1",
        account_id=account if isinstance(account, int) else account.id,
        version=1,
        sealed=b"verifier",
        redirect_uri="https://mail.example.com/oauth/callback",
        key="local",
        expires_at=at(600),
    )
    return attrs.evolve(begun, **changes)


def a_dkim_key(account: Account | int = 1, **changes: Any) -> DkimKey:
    """An RSA key that its account does not sign with yet."""
    key = DkimKey(
        account_id=account if isinstance(account, int) else account.id,
        selector="es1",
        domain="example.com",
        algorithm=Algorithm.RSA,
        record="v=DKIM1; k=rsa; p=MII",
        sealed_key=b"sealed",
        created_at=NOW,
    )
    return attrs.evolve(key, **changes)


def a_hook(account: Account | int = 1, **changes: Any) -> EventHook:
    """One that Amazon SNS calls."""
    hook = EventHook(
        account_id=account if isinstance(account, int) else account.id,
        kind=HookKind.SES,
        digest="d" * 64,
        created_at=NOW,
    )
    return attrs.evolve(hook, **changes)


def no_limits(**changes: Any) -> Limits:
    """Limits that hold nothing back."""
    return attrs.evolve(Limits(daily=None, hourly=None), **changes)


def an_attempt(**changes: Any) -> Attempt:
    """An attempt that has just begun."""
    attempt = Attempt(
        email_id=1, attempt_no=1, account_id=1, account_name="main", instance=1, started_at=NOW
    )
    return attrs.evolve(attempt, **changes)


def a_record(**changes: Any) -> IdempotencyRecord:
    """An answer remembered by its Idempotency-Key."""
    record = IdempotencyRecord(
        key="key-1", scope="caller-1", digest="d1", email_ids=(1,), created_at=NOW
    )
    return attrs.evolve(record, **changes)


def a_key_row(**changes: Any) -> ApiKey:
    """A key that may send, as it is stored."""
    key = ApiKey(
        name="web",
        prefix="0000000a",
        digest=b"digest",
        scopes=frozenset({Scope.SEND}),
        created_at=NOW,
    )
    return attrs.evolve(key, **changes)


def a_webhook(**changes: Any) -> Webhook:
    """A webhook that is told everything, as it is stored."""
    webhook = Webhook(
        url="https://example.org/hook",
        types=frozenset({"*"}),
        sealed_secret=b"sealed",
        created_at=NOW,
        updated_at=NOW,
    )
    return attrs.evolve(webhook, **changes)


def a_webhook_attempt(webhook_id: int, event_id: int, **outcome: Any) -> WebhookAttempt:
    """The second call of a webhook with this event, and what it came to."""
    return WebhookAttempt(
        webhook_id=webhook_id,
        event_id=event_id,
        number=2,
        at=at(1),
        duration=timedelta(milliseconds=12),
        outcome=Outcome(**outcome),
    )


def an_envelope(*addresses: str, **changes: Any) -> Envelope:
    """An envelope from the usual sender."""
    envelope = Envelope(
        sender=Address.parse("sender@example.com"),
        recipients=tuple(Address.parse(text) for text in addresses or ("ada@example.org",)),
    )
    return attrs.evolve(envelope, **changes)


def a_handoff(**changes: Any) -> Handoff:
    """A hand-off whose final dot was answered 250."""
    return attrs.evolve(Handoff(stage=Stage.DOT, reply=a_reply(), usable=True), **changes)


def a_verdict(**changes: Any) -> Verdict:
    """The verdict on a hand-off that went well, without recipients."""
    verdict = Verdict(
        result=Result.SENT, subject=Subject.NOBODY, reason="accepted", effect=AccountEffect.HEALTHY
    )
    return attrs.evolve(verdict, **changes)


def a_template(**changes: Any) -> Template:
    """A draft that greets somebody."""
    template = Template(
        name="welcome",
        locale="",
        version=1,
        source=TemplateSource(
            subject="Welcome, {{ name }}", kind=SourceKind.HTML, body="<p>Hello {{ name }}</p>"
        ),
        created_at=NOW,
    )
    return attrs.evolve(template, **changes)
