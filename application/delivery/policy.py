"""What delivery goes by."""

import attrs

from domain.account.account import OnUnknown
from domain.account.congestion import CongestionPolicy
from domain.account.limits import WindowLengths
from domain.email.retry import RetryPolicy
from domain.outcome.rules_file import Rules


@attrs.frozen(kw_only=True)
class DeliveryPolicy:
    """What delivery goes by."""

    replies: Rules
    retry: RetryPolicy = attrs.field(factory=RetryPolicy)
    congestion: CongestionPolicy = attrs.field(factory=CongestionPolicy)
    windows: WindowLengths = attrs.field(factory=WindowLengths)
    on_unknown: OnUnknown = OnUnknown.RESEND_ONCE
    fairness_every: int = 10
