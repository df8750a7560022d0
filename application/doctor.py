"""Examines an account: its server as `verify` does, then the DNS of the domain that it sends for.

The judgements are those of `domain/doctor`; here they are asked their questions, within a bound.
Nothing is changed and nothing is sent.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from ipaddress import ip_address
from typing import Final, TypeVar

import attrs

from application.ports.dns import Dns, DnsUnknown
from application.ports.sender import Sender
from application.ports.store import Store, Transaction
from application.ports.system import Clock
from application.ports.web import WebClient, WebFailed, WebProblem, WebRequest
from domain.access import LOCAL, Caller, Scope
from domain.account.account import Account
from domain.account.limits import Window, WindowLengths
from domain.account.provider import Providers
from domain.account.verification import Step, Verification
from domain.address import Address as MailAddress
from domain.doctor.bulk import judge_bulk
from domain.doctor.connection import judge_connection
from domain.doctor.examination import Examination, Patient
from domain.doctor.finding import Finding, Status, worst
from domain.doctor.message import Evidence, read_message
from domain.doctor.mta_sts import LONGEST_POLICY, Fetched, policy_url
from domain.doctor.questions import NO_ANSWER, Answer, Lookups, Question, RecordKind, answered
from domain.doctor.relays import relay_of

MOST_QUESTIONS: Final = 250  # of one examination
MOST_TIME_S: Final = 25.0  # for all of them
POLICY_TIMEOUT_S: Final = 5.0
_MISSING_POLICY: Final = frozenset(
    {WebProblem.NOT_FOUND, WebProblem.TLS, WebProblem.TOO_LARGE, WebProblem.FORBIDDEN}
)
_Result = TypeVar("_Result")

Advise = Callable[[Step, Account], str]


@attrs.frozen(kw_only=True)
class Diagnosis:
    """What an account was found to be like. ``domain`` is the one that it was judged for."""

    account: Account
    domain: str
    at: datetime
    findings: Sequence[Finding]

    @property
    def status(self) -> Status:
        """What the findings come to together."""
        return worst(self.findings)


class Doctor:
    """The owner's use case. Safe from many threads."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        sender: Sender,
        dns: Dns,
        web: WebClient,
        windows: WindowLengths,
        providers: Providers,
    ) -> None:
        self._store = store
        self._clock = clock
        self._sender = sender
        self._dns = dns
        self._web = web
        self._windows = windows
        self._providers = providers

    def examine(
        self,
        account_id: int,
        *,
        advise: Advise,
        message: bytes | None = None,
        recipient: MailAddress | None = None,
        caller: Caller = LOCAL,
    ) -> Diagnosis:
        """Everything about one account. Forbidden, NotFound; InvalidInput for a *message* without
        From.

        *advise* says what a person should do about a stage that failed. *message* is one that was
        sent through the account, *recipient* is whom RCPT names: the account itself if None.
        """
        caller.require(Scope.ADMIN)
        caller.check_account(account_id)
        evidence = None if message is None else read_message(message)
        patient = self._store.read(lambda tx: self._patient(tx, account_id, evidence, caller))
        account, now = patient.account, self._clock.now()
        steps = self._sender.verify(account, recipient=recipient or account.address)
        connection = judge_connection(
            Verification(account, steps),
            advise=lambda step: advise(step, account),
            now=now,
        )
        asked = Inquiry(self._dns, self._clock.monotonic)
        examination = Examination(patient, ask=asked.run, policy=self._policy)
        findings = [*connection, *examination.findings()]
        one_click = None if evidence is None else evidence.one_click
        findings += judge_bulk(patient.sent, findings, one_click=one_click)
        return Diagnosis(account=account, domain=patient.author, at=now, findings=findings)

    def account_ids(self, *, caller: Caller = LOCAL) -> Sequence[int]:
        """Every account that may be examined. Forbidden."""
        caller.require(Scope.ADMIN)
        accounts = self._store.read(lambda tx: tx.accounts.all())
        return [account.id for account in accounts if caller.may_use(account.id)]

    def _patient(
        self, tx: Transaction, account_id: int, evidence: Evidence | None, caller: Caller
    ) -> Patient:
        account = tx.accounts.get(account_id)
        own = account.address.domain
        related = [
            one
            for one in tx.accounts.all()
            if caller.may_use(one.id) and _related(one.address.domain, own)
        ]
        sent = sum(max(tx.ledger.totals(one.id, self._windows)[Window.DAY]) for one in related)
        return Patient(
            account=account,
            keys=tx.dkim_keys.of(account_id),
            sent=sent,
            evidence=evidence,
            relay=relay_of(account.host, self._providers),
            house=self._house(account),
        )

    def _house(self, account: Account) -> str | None:
        """The provider whose own domain the account sends for, through one of its servers."""
        match = self._providers.of_domain(account.address.domain)
        if match is None:
            return None
        provider = match.provider
        return provider.title if provider.serves(account.host.lower()) else None

    def _policy(self, domain: str) -> Fetched:
        """The policy file of MTA-STS. Redirects are not followed (RFC 8461, 3.3)."""
        try:
            answer = self._web.fetch(
                WebRequest(url=policy_url(domain)),
                timeout_s=POLICY_TIMEOUT_S,
                most_octets=LONGEST_POLICY,
            )
        except WebFailed as failed:
            return Fetched(problem=failed.detail, known=failed.problem in _MISSING_POLICY)
        if answer.status != 200:
            known = answer.status < 500 and answer.status != 429
            return Fetched(problem=f"the server answers {answer.status}", known=known)
        return Fetched(text=answer.body.decode("utf-8", "replace"))


class Inquiry:
    """The DNS as the judgements ask it: each question once, within a number and a time."""

    def __init__(self, dns: Dns, monotonic: Callable[[], float]) -> None:
        self._dns = dns
        self._monotonic = monotonic
        self._ends = monotonic() + MOST_TIME_S
        self._known: dict[Question, Answer] = {}

    def run(self, lookups: Lookups[_Result]) -> _Result:
        """What *lookups* come to. Beyond the bounds every answer is unknown."""
        return answered(lookups, self._answer)

    def _answer(self, question: Question) -> Answer:
        if question not in self._known:
            spent = len(self._known) >= MOST_QUESTIONS or self._monotonic() >= self._ends
            if spent:
                return NO_ANSWER
            self._known[question] = self._look_up(question)
        return self._known[question]

    def _look_up(self, question: Question) -> Answer:
        name = question.name
        try:
            match question.kind:
                case RecordKind.TXT:
                    return Answer(tuple(self._dns.txt(name)))
                case RecordKind.MX:
                    return Answer(tuple(record.host for record in self._dns.mx(name)))
                case RecordKind.ADDRESSES:
                    return Answer(tuple(map(str, self._dns.addresses(name))))
                case RecordKind.PTR:
                    return Answer(tuple(self._dns.ptr(ip_address(name))))
        except DnsUnknown:
            return NO_ANSWER


def _related(one: str, other: str) -> bool:
    """Whether one of the domains is the other, or below it."""
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")
