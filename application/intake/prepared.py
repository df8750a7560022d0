"""An email on its way into the store."""

from collections.abc import Mapping

import attrs

from domain.email.detail import NOTHING, Detail
from domain.email.labels import NO_LABELS, Labels
from domain.email.lifecycle import Email
from domain.message.attachment import Blob
from domain.message.skeleton import PlacedBlob
from domain.suppression import Subscription
from domain.throughput import Via


@attrs.frozen
class Prepared:
    """An email that only has to be stored, and its message.

    *subscription* is what its recipient may end; most emails have no *detail* and none of that.
    *large* are the octets of *blobs* that are to be stored before it.
    """

    email: Email
    octets: bytes = attrs.field(repr=False)
    labels: Labels = NO_LABELS
    detail: Detail = NOTHING
    subscription: Subscription | None = None
    blobs: tuple[PlacedBlob, ...] = ()
    large: Mapping[Blob, bytes] = attrs.field(factory=dict, repr=False)
    via: Via = Via.API
