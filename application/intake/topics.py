"""What the topic of an email adds to it: the link by which its recipient unsubscribes."""

import attrs

from application.intake.draft import Draft
from application.unsubscribe_links import UnsubscribeLinks
from domain.errors import FieldError, InvalidInput
from domain.suppression import Subscription, address_key

NO_PUBLIC_URL = "no_public_url"


@attrs.frozen
class TopicLink:
    """Mail of a topic to one address, and the link that ends it."""

    subscription: Subscription
    url: str

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What a mail client makes its button of (RFC 2369, RFC 8058)."""
        return (
            ("List-Unsubscribe", f"<{self.url}>"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        )


def topic_link(draft: Draft, links: UnsubscribeLinks) -> TopicLink | None:
    """The link of a draft that was checked; None without a topic. InvalidInput, Unavailable."""
    if draft.topic is None:
        return None
    if not links.can_be_made:
        message = (
            "needs the setting PUBLIC_URL of this service, the address at which recipients reach it"
        )
        raise InvalidInput(FieldError("topic", message), code=NO_PUBLIC_URL)
    [recipient] = draft.recipients()
    subscription = Subscription(address_key(recipient.address), draft.topic)
    return TopicLink(subscription, links.url(subscription))
