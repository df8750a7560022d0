"""An email on its way into the store."""

import attrs

from domain.email.detail import NOTHING, Detail
from domain.email.labels import NO_LABELS, Labels
from domain.email.lifecycle import Email
from domain.suppression import Subscription


@attrs.frozen
class Prepared:
    """An email that only has to be stored, and its message.

    *subscription* is what its recipient may end; most emails have no *detail* and none of that.
    """

    email: Email
    octets: bytes = attrs.field(repr=False)
    labels: Labels = NO_LABELS
    detail: Detail = NOTHING
    subscription: Subscription | None = None
