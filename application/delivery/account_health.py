"""What delivery writes down about an account: what a verdict says of it, and what is forgiven."""

from datetime import datetime

import attrs

from application.delivery.accounts import find_locked
from application.delivery.policy import DeliveryPolicy
from application.delivery.rows import AccountRows
from application.telling import save_account_health
from domain.account.account import Account
from domain.account.suspicion import Witness
from domain.account.weighing import Weighed, window_of
from domain.account.weighing import weighed as weigh
from domain.outcome.verdict import ACCOUNT_GATES, AccountEffect, Evidence, Limit, Result, Verdict


class AccountHealth:
    """The health of the accounts that this process sends through."""

    def __init__(self, rules: DeliveryPolicy) -> None:
        self._rules = rules

    def weighed(
        self,
        account: Account,
        verdict: Verdict,
        witness: Witness | None,
        evidence: Evidence,
        now: datetime,
        jitter: float,
        *,
        again: bool = False,
        discredited: bool = False,
        began: datetime | None = None,
    ) -> Weighed:
        return weigh(
            account.health,
            verdict,
            witness,
            evidence=evidence,
            again=again,
            discredited=discredited,
            now=now,
            policy=self._rules.congestion,
            jitter=jitter,
            most=account.limits.max_connections,
            began=began,
        )

    def save(
        self,
        tx: AccountRows,
        current: Account,
        weighed: Weighed,
        verdict: Verdict,
        *,
        now: datetime,
    ) -> None:
        sent = verdict.result is Result.SENT
        health, window = weighed.health, window_of(verdict)
        if window is not None and weighed.effect in ACCOUNT_GATES:
            totals = tx.ledger.totals(current.id, self._rules.windows)
            _, number = totals[window]
            health = health.learnt(window, number, now=now)
            if verdict.limit is Limit.RATE:
                health = health.slowed_down(number, now=now)
        sent_at = now if sent else current.last_sent_at
        changed = attrs.evolve(current, health=health, last_sent_at=sent_at)
        save_account_health(tx, changed, was=current, at=now)

    def settle(
        self, tx: AccountRows, account: Account, verdict: Verdict, *, now: datetime, jitter: float
    ) -> None:
        """A success forgives what the account has been blamed for, as it stands now.

        The copy from the claim cannot tell: a result of the same batch, or of another process, may
        have come since. To look does not lock the row: every result would wait for every other.
        """
        sent = verdict.result is Result.SENT
        if verdict.effect is AccountEffect.NONE or tx.accounts.health(account.id).untroubled:
            if sent:
                tx.accounts.touch(account.id, sent_at=now)
            return
        current = find_locked(tx.accounts, account)
        if current is not None:
            weighed = self.weighed(current, verdict, None, Evidence.CERTAIN, now, jitter)
            self.save(tx, current, weighed, verdict, now=now)
