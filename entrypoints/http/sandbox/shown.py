"""What of a message the pages and programs are shown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs

from domain.lint.content import host_of
from domain.lint.outline import Outline
from domain.message.client_headers import REF
from entrypoints.http.message_parts import file_name
from entrypoints.http.sandbox.ports import Received
from entrypoints.http.times import shown

IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_OPENED: Final = ("http://", "https://", "mailto:")


@attrs.frozen(kw_only=True)
class ShownLink:
    """A link of a message; *opens* if a browser may follow it from here."""

    href: str
    text: str
    opens: bool


def links_of(received: Received) -> Sequence[ShownLink]:
    """Its links in their order."""
    outline = received.letter.outline or Outline()
    return [
        ShownLink(
            href=link.href,
            text=link.text or ("an image" if link.image else ""),
            opens=link.href.lower().startswith(_OPENED),
        )
        for link in outline.links
    ]


def blocked_hosts(received: Received) -> Sequence[str]:
    """The hosts that its HTML would load something from."""
    outline = received.letter.outline or Outline()
    hosts = (host_of(f"https:{one}" if one.startswith("//") else one) for one in outline.remote)
    return sorted(set(filter(None, hosts)))


def reference_in(received: Received) -> str | None:
    """The reference that the service has written into it, if a service has."""
    name = REF.lower()
    return next((value for one, value in received.letter.headers if one.lower() == name), None)


def summary(received: Received) -> dict[str, object]:
    """What programs read of a message in the list."""
    return {
        "number": received.number,
        "received_at": shown(received.received_at),
        "from": received.sender,
        "recipients": list(received.recipients),
        "to": list(received.letter.to),
        "cc": list(received.letter.cc),
        "bcc": list(received.letter.bcc),
        "subject": received.letter.subject,
        "size": len(received.octets),
        "read": received.seen,
        "attachments": len(received.letter.files),
    }


def whole(received: Received, *, files: Mapping[int, str]) -> dict[str, object]:
    """What programs read of one message. *files* are the addresses of its attachments."""
    letter = received.letter
    return summary(received) | {
        "headers": [{"name": name, "value": value} for name, value in letter.headers],
        "text": letter.text,
        "html": letter.html,
        "files": [
            {
                "filename": file_name(part),
                "content_type": part.content_type,
                "size": part.size,
                "url": files[part.number],
            }
            for part in letter.files
        ],
        "links": [{"href": link.href, "text": link.text} for link in links_of(received)],
        "checks": list(_checks(received)),
    }


def _checks(received: Received) -> Iterator[dict[str, object]]:
    for finding in received.findings:
        check = finding.check
        yield {
            "code": check.code,
            "level": check.level.value,
            "title": check.title,
            "advice": check.advice,
            "places": list(finding.places),
            "source": check.source,
            "url": check.url,
        }
