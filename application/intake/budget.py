"""Refusing emails before they cost anything: counted before they are parsed."""

from datetime import datetime

import attrs

from application.intake.admission import Admission
from application.intake.quota import Quota
from application.intake.routing import NO_ACCOUNT
from domain.errors import Conflict, NotFound


@attrs.frozen(kw_only=True)
class Demand:
    """What an email asks for, counted before it is parsed: *recipients* are different texts."""

    recipients: int
    account_id: int | None = None


class Budget:
    """What there was for one call when it came: refuses emails before they cost anything.

    It only reads. The exact judgement is made again where the emails are stored.
    """

    def __init__(
        self,
        *,
        admission: Admission,
        quota: Quota | None,
        accounts: frozenset[int],
        waiting: int,
        now: datetime,
    ) -> None:
        self._admission = admission
        self._quota = quota
        self._accounts = accounts
        self._emails = waiting
        self._recipients = 0
        self._now = now

    def check(self, *demands: Demand) -> None:
        """TooMany, NotAccepting, NotFound or Conflict if not all of *demands* can be met."""
        if self._quota is not None:
            named = sum(demand.recipients for demand in demands)
            self._quota.check(self._recipients + named, now=self._now)
        self._admission.check_room(self._emails, emails=len(demands))
        for demand in demands:
            if demand.account_id is not None and demand.account_id not in self._accounts:
                raise NotFound(f"there is no SMTP configuration {demand.account_id}")
        if not self._accounts:
            raise Conflict(NO_ACCOUNT)

    def spend(self, demand: Demand) -> None:
        """Count an email that will be stored."""
        self._emails += 1
        self._recipients += demand.recipients
