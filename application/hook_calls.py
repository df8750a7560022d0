"""What a provider calls in: whose hook it is, whether the provider has signed it, what it reports.

Everything is written down before the call is answered: a provider that hears of no success calls
again, and what is written down already is not told twice.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from application.ports.hooks import Signatures
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Observe, Vault
from application.rate_limit import Strikes
from application.reports import Recorded, Reports
from application.sns_trust import SnsTrust
from domain.errors import Forbidden, NotFound, SecretUnreadable, TooMany, Unavailable
from domain.events import Event
from domain.hook import mailgun, postmark, sendgrid, sns
from domain.hook.freshness import WINDOW, is_fresh
from domain.hook.hook import EventHook, HookKind, digest_of
from domain.hook.reading import VendorReport, read_object
from domain.outcome.rules_file import Rules

AT_ONCE: Final = 50  # reports that are written in one work
_PRUNED_AT_ONCE: Final = 100


@attrs.frozen(kw_only=True)
class HookCall:
    """One call: its body, its headers with names in any case, and the address it came from."""

    octets: bytes = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    remote: str


class HookCalls:
    """The provider's use case: whoever has the URL, and signs what it sends, may report."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        vault: Vault,
        signatures: Signatures,
        trust: SnsTrust,
        reports: Reports,
        rules: Rules,
        strikes: int,
        observe: Observe,
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._signatures = signatures
        self._trust = trust
        self._reports = reports
        self._rules = rules
        self._observe = observe
        self._strikes = Strikes(most=strikes, clock=clock)

    def hook(self, kind: str, secret: str, *, remote: str) -> EventHook:
        """Whose URL this is. NotFound; TooMany after too many wrong ones of one address.

        A good one is taken from any address: good and bad callers may share one.
        """
        digest = digest_of(secret)
        found = None
        if digest is not None:
            found = self._store.read_latest(lambda tx: tx.hooks.find(digest))
        if found is None or found.kind.value != kind:
            wait = self._strikes.add(remote)
            if wait is not None:
                raise TooMany("too many unknown event hooks", retry_after=wait)
            self._observe(Event(name="hook_unknown", fields={"remote": remote}))
            raise NotFound("there is no such event hook")
        return found

    def receive(self, hook: EventHook, call: HookCall) -> None:
        """Write down what *call* reports. InvalidInput for what cannot be read.

        Forbidden for what the provider has not signed, or not lately; Unavailable, and it is to be
        called again.
        """
        reports = self._read(hook, call)
        for start in range(0, len(reports), AT_ONCE):
            self._record(hook, reports[start : start + AT_ONCE])

    def _read(self, hook: EventHook, call: HookCall) -> Sequence[VendorReport]:
        if hook.kind is HookKind.SES:
            return self._of_ses(hook, call)
        if hook.kind is HookKind.SENDGRID:
            return self._of_sendgrid(hook, call)
        if hook.kind is HookKind.MAILGUN:
            return self._of_mailgun(hook, call)
        return self._of_postmark(hook, call)

    def _record(self, hook: EventHook, reports: Sequence[VendorReport]) -> None:
        def work(tx: Transaction) -> list[Recorded]:
            return [
                self._reports.record_in(tx, one.report, account_id=hook.account_id)
                for one in reports
            ]

        for one, recorded in zip(reports, self._store.write(work), strict=True):
            self._reports.tell(recorded, source=f"hook {hook.id}", report_id=one.report_id)

    # -- each provider -------------------------------------------------------------------------

    def _of_ses(self, hook: EventHook, call: HookCall) -> Sequence[VendorReport]:
        raw = _header(call, sns.RAW).lower() == "true"
        message = sns.read_sns(call.octets, raw=raw)
        if hook.topic not in (None, message.topic):
            raise self._refused(hook, call, "another topic")
        if not self._trust.is_signed(message):
            raise self._refused(hook, call, "signature")
        self._check_time(hook, call, message.timestamp)
        if message.type == sns.CONFIRMATION:
            self._subscribe(hook, call, message)
        elif hook.topic is None:
            raise self._refused(hook, call, "not subscribed")
        elif message.type == sns.NOTIFICATION:
            return sns.read_ses(message, rules=self._rules)
        else:
            self._tell("hook_unsubscribed", hook, topic=message.topic)
        return []

    def _of_sendgrid(self, hook: EventHook, call: HookCall) -> Sequence[VendorReport]:
        timestamp = _header(call, sendgrid.TIMESTAMP)
        signed = self._signatures.is_by_p256_key(
            _header(call, sendgrid.SIGNATURE),
            sendgrid.signed_text(timestamp, call.octets),
            public_key=self._key(hook) or "",
        )
        if not signed:
            raise self._refused(hook, call, "signature")
        self._check_time(hook, call, timestamp)
        return sendgrid.read_sendgrid(call.octets, rules=self._rules)

    def _of_mailgun(self, hook: EventHook, call: HookCall) -> Sequence[VendorReport]:
        document = read_object(call.octets)
        signature = mailgun.signature_of(document)
        if not signature.is_of(self._key(hook) or ""):
            raise self._refused(hook, call, "signature")
        self._check_time(hook, call, signature.timestamp)
        if not self._is_first(hook, signature.token, mailgun.digest_of_event(document)):
            raise self._refused(hook, call, "token used before")
        return mailgun.read_mailgun(document, rules=self._rules)

    def _of_postmark(self, hook: EventHook, call: HookCall) -> Sequence[VendorReport]:
        wanted = self._key(hook)
        given = _header(call, "Authorization")
        if wanted is not None and not postmark.is_allowed(given, name_and_password=wanted):
            raise self._refused(hook, call, "Basic auth")
        return postmark.read_postmark(call.octets, rules=self._rules)

    # -- what providers sign with --------------------------------------------------------------

    def _subscribe(self, hook: EventHook, call: HookCall, message: sns.SnsMessage) -> None:
        """Pin the topic, then confirm it: of two topics at once one is pinned."""
        if not message.may_subscribe:
            raise self._refused(hook, call, "SubscribeURL")

        def work(tx: Transaction) -> str | None:
            stored = tx.hooks.find(hook.digest)
            if stored is not None and stored.topic is None:
                stored = attrs.evolve(stored, topic=message.topic)
                tx.hooks.save(stored)
            return None if stored is None else stored.topic

        if self._store.write(work) != message.topic:
            raise self._refused(hook, call, "another topic")
        self._trust.confirm(message)
        self._tell("hook_subscribed", hook, topic=message.topic)

    def _is_first(self, hook: EventHook, token: str, event: str) -> bool:
        """Whether no other *event* has used the token; the same one may come again."""
        digest = hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
        now = self._clock.now()

        def work(tx: Transaction) -> bool:
            tx.hooks.prune_tokens(now - 2 * WINDOW, limit=_PRUNED_AT_ONCE)
            return tx.hooks.take_token(hook.id, digest, call=event, at=now) == event

        return self._store.write(work)

    def _key(self, hook: EventHook) -> str | None:
        if hook.sealed_key is None:
            return None
        try:
            return self._vault.open(hook.sealed_key, context=hook.context)
        except SecretUnreadable:
            self._tell("hook_key_unreadable", hook)
            raise Unavailable("the key of this event hook cannot be opened") from None

    def _check_time(self, hook: EventHook, call: HookCall, timestamp: str) -> None:
        if not is_fresh(timestamp, now=self._clock.now()):
            raise self._refused(hook, call, "too old")

    def _refused(self, hook: EventHook, call: HookCall, reason: str) -> Forbidden | TooMany:
        wait = self._strikes.add(call.remote)
        if wait is not None:
            return TooMany("too many refused calls of event hooks", retry_after=wait)
        self._tell("hook_refused", hook, reason=reason, remote=call.remote)
        return Forbidden(f"this call is refused: {reason}")

    def _tell(self, name: str, hook: EventHook, **more: str) -> None:
        fields = {"hook": hook.id, "kind": hook.kind.value, **more}
        self._observe(Event(name=name, account_id=hook.account_id, fields=fields))


def _header(call: HookCall, name: str) -> str:
    return call.headers.get(name, "")
