"""What a topic adds to an email at acceptance: a link to unsubscribe."""

import re
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

import attrs

from application.intake.draft import Draft
from application.unsubscribe_links import UnsubscribeLinks
from domain.errors import FieldError, InvalidInput
from domain.suppression import Subscription, address_key

NO_PUBLIC_URL = "no_public_url"
_HOST: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")  # an IPv6 address is none


@attrs.frozen
class TopicLink:
    """Mail of a topic to one address, and the link that ends it."""

    subscription: Subscription
    url: str

    def headers(self, given: Sequence[str] = ()) -> tuple[tuple[str, str], ...]:
        """What a mail client makes its button of (RFC 2369, RFC 8058), and the name of the list
        (RFC 2919) unless it is among the headers that the client has *given*.
        """
        return (
            *(() if any(name.lower() == "list-id" for name in given) else self._list_id()),
            ("List-Unsubscribe", f"<{self.url}>"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        )

    def _list_id(self) -> Iterator[tuple[str, str]]:
        """The topic at the host of the link: the same whichever account sends it."""
        host = urlsplit(self.url).hostname or ""
        if _HOST.fullmatch(host):
            yield "List-Id", f"<{self.subscription.topic}.{host}>"


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
