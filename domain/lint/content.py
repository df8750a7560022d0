"""The checks of what a reader sees: text, HTML, links, images and files."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from domain.lint.finding import Check, Examined, Level
from domain.lint.headers import SPAMASSASSIN
from domain.lint.outline import HtmlLink, Outline
from domain.message.attachment import DENIED
from domain.message.template_warnings import GMAIL_CLIPS_AT

MOST_PLACES: Final = 10
GMAIL_TAKES: Final = 25 * 1024**2  # octets of a whole message
_LEAST_LETTERS: Final = 200  # beside an image: SpamAssassin counts messages of fewer words
_LEAST_SHARE: Final = 0.1  # of the letters of the HTML that the text part should have
_LONG_HTML: Final = 400  # letters: below that a short text is no surprise
# what mail readers take out, with all that depends on it
_REMOVED: Final = frozenset(
    "applet audio base button embed form frame frameset iframe input link object script select "
    "textarea video".split()
)
_HOST: Final = re.compile(
    r"(?:https?://)?(?P<host>(?:[\w-]{1,63}\.){1,10}[a-z][a-z0-9-]{1,62})(?::\d{1,5})?(?:[/?#]|$)",
    re.I,
)
_SHORTENERS: Final = frozenset(
    "bit.ly bitly.com buff.ly cutt.ly goo.gl is.gd lnkd.in ow.ly rb.gy rebrand.ly shorturl.at "
    "t.co t.ly tiny.cc tinyurl.com v.gd".split()
)
_LOCAL: Final = (".localhost", ".local", ".internal", ".test", ".invalid", ".lan")
_SAFE_SCHEMES: Final = ("mailto:", "tel:", "sms:", "#")


def _no_text(examined: Examined) -> Sequence[str] | None:
    return () if examined.outline is not None and not (examined.text or "").strip() else None


def _text_differs(examined: Examined) -> Sequence[str] | None:
    if examined.outline is None or not (examined.text or "").strip():
        return None
    words, letters = len("".join((examined.text or "").split())), examined.outline.letters
    differs = letters >= _LONG_HTML and words < _LEAST_SHARE * letters
    return (f"{words} characters beside {letters} in the HTML",) if differs else None


def _empty(examined: Examined) -> Sequence[str] | None:
    outline = examined.outline or Outline()
    has_something = (examined.text or "").strip() or outline.letters or outline.images
    return None if has_something or examined.files else ()


def _images_only(examined: Examined) -> Sequence[str] | None:
    outline = examined.outline
    if outline is None or not outline.images or outline.letters >= _LEAST_LETTERS:
        return None
    return (f"{len(outline.images)} images and {outline.letters} letters",)


def _no_alt(examined: Examined) -> Sequence[str] | None:
    images = () if examined.outline is None else examined.outline.images
    return _some(image.src[:100] or "<img>" for image in images if image.alt is None)


def _clipped(examined: Examined) -> Sequence[str] | None:
    size = examined.html_size or 0
    return (f"{size} octets",) if size > GMAIL_CLIPS_AT else None


def _removed(examined: Examined) -> Sequence[str] | None:
    elements = frozenset() if examined.outline is None else examined.outline.elements
    return _some(f"<{name}>" for name in sorted(elements & _REMOVED))


def _links(examined: Examined) -> Sequence[HtmlLink]:
    return () if examined.outline is None else examined.outline.links


def host_of(href: str) -> str:
    """The host of an http or https address in lower case; "" of anything else."""
    try:
        found = urlsplit(href.strip())
        return (found.hostname or "").lower() if found.scheme in ("http", "https") else ""
    except ValueError:
        return ""


def _names_another_host(link: HtmlLink) -> bool:
    shown, host = _HOST.match(link.text), host_of(link.href)
    if shown is None or not host or "@" in link.text or " " in link.text:
        return False
    one, other = shown["host"].lower().removeprefix("www."), host.removeprefix("www.")
    return one != other and not other.endswith(f".{one}") and not one.endswith(f".{other}")


def _other_host(examined: Examined) -> Sequence[str] | None:
    return _some(
        f"“{link.text[:80]}” leads to {host_of(link.href)}"
        for link in _links(examined)
        if _names_another_host(link)
    )


def _is_address(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def _is_local(host: str) -> bool:
    if _is_address(host):
        return not ip_address(host).is_global
    return host == "localhost" or host.endswith(_LOCAL)


def _addresses(examined: Examined) -> Sequence[str] | None:
    hosts = map(host_of, (link.href for link in _links(examined)))
    return _some(host for host in hosts if _is_address(host) and not _is_local(host))


def _local(examined: Examined) -> Sequence[str] | None:
    outline = examined.outline or Outline()
    addresses = [*(link.href for link in outline.links), *outline.remote]
    return _some(address[:100] for address in addresses if _is_local(host_of(address)))


def _short(examined: Examined) -> Sequence[str] | None:
    return _some(link.href[:100] for link in _links(examined) if host_of(link.href) in _SHORTENERS)


def _relative(examined: Examined) -> Sequence[str] | None:
    return _some(
        link.href[:100] or "an empty address"
        for link in _links(examined)
        if not link.href.lower().startswith(_SAFE_SCHEMES) and not _has_scheme(link.href)
    )


def _has_scheme(href: str) -> bool:
    return re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", href) is not None


def _denied(examined: Examined) -> Sequence[str] | None:
    return _some(name for name in examined.files if name.rpartition(".")[2].lower() in DENIED)


def _too_large(examined: Examined) -> Sequence[str] | None:
    size = len(examined.octets)
    return (f"{size} octets",) if size > GMAIL_TAKES else None


def _some(places: Iterable[str]) -> Sequence[str] | None:
    """The first of the places, each once; None if there is none."""
    return tuple(dict.fromkeys(places))[:MOST_PLACES] or None


CHECKS: Final = (
    Check(
        code="empty",
        level=Level.PROBLEM,
        title="The message is empty",
        advice="Write something: filters take an empty message for a probe.",
        source="SpamAssassin EMPTY_MESSAGE",
        url=SPAMASSASSIN,
        found=_empty,
    ),
    Check(
        code="no_text",
        level=Level.WARNING,
        title="There is no text part",
        advice="Send the same as plain text beside the HTML, in a multipart/alternative.",
        source="RFC 2046, 5.1.4; SpamAssassin MIME_HTML_ONLY",
        url="https://www.rfc-editor.org/rfc/rfc2046#section-5.1.4",
        found=_no_text,
    ),
    Check(
        code="text_differs",
        level=Level.WARNING,
        title="The text part says far less than the HTML",
        advice="Let the text part say what the HTML says.",
        source="SpamAssassin MPART_ALT_DIFF",
        url=SPAMASSASSIN,
        found=_text_differs,
    ),
    Check(
        code="images_only",
        level=Level.WARNING,
        title="The HTML is hardly more than images",
        advice="Write as text what the images say: many readers do not load images.",
        source="SpamAssassin HTML_IMAGE_ONLY_04",
        url=SPAMASSASSIN,
        found=_images_only,
    ),
    Check(
        code="no_alt",
        level=Level.NOTE,
        title="An image has no alternative text",
        advice='Give each image an alt text, and alt="" to those that only adorn.',
        source="WCAG 2.2, 1.1.1",
        url="https://www.w3.org/TR/WCAG22/#non-text-content",
        found=_no_alt,
    ),
    Check(
        code="clipped",
        level=Level.PROBLEM,
        title="Gmail clips the HTML",
        advice="Shorten the HTML below 102 kB: Gmail hides the rest behind a link.",
        source="Spam Resource, measured",
        url="https://www.spamresource.com/2022/01/what-is-gmail-clipping-and-what-to-do.html",
        found=_clipped,
    ),
    Check(
        code="removed",
        level=Level.WARNING,
        title="The HTML has elements that mail readers take out",
        advice="Do without them: link to a page that has them.",
        source="Can I email",
        url="https://www.caniemail.com/",
        found=_removed,
    ),
    Check(
        code="other_host",
        level=Level.WARNING,
        title="The text of a link names another host than it leads to",
        advice="Write words instead of an address as the link's text, or the host it leads to.",
        source="Gmail's rules for senders",
        url="https://support.google.com/a/answer/81126",
        found=_other_host,
    ),
    Check(
        code="address_link",
        level=Level.WARNING,
        title="A link leads to an IP address",
        advice="Link to a host name.",
        source="SpamAssassin NORMAL_HTTP_TO_IP",
        url=SPAMASSASSIN,
        found=_addresses,
    ),
    Check(
        code="local_link",
        level=Level.PROBLEM,
        title="A link or image works on this machine or network alone",
        advice="Use the public address of your site.",
        source="RFC 6761",
        url="https://www.rfc-editor.org/rfc/rfc6761#section-6",
        found=_local,
    ),
    Check(
        code="short_link",
        level=Level.WARNING,
        title="A link goes through a URL shortener",
        advice="Link to the page itself: the shortener's reputation becomes yours.",
        source="SpamAssassin URL_SHORTENER_CHAINED",
        url=SPAMASSASSIN,
        found=_short,
    ),
    Check(
        code="relative_link",
        level=Level.PROBLEM,
        title="A link has no host",
        advice="Write the whole address, https:// included: a mail has no page to start from.",
        source="RFC 3986, 4.2",
        url="https://www.rfc-editor.org/rfc/rfc3986#section-4.2",
        found=_relative,
    ),
    Check(
        code="denied_file",
        level=Level.PROBLEM,
        title="A file is of a type that receivers refuse",
        advice="Send a link to the file instead: Gmail refuses the whole message.",
        source="Gmail's blocked file types",
        url="https://support.google.com/mail/answer/6590",
        found=_denied,
    ),
    Check(
        code="too_large",
        level=Level.PROBLEM,
        title="The message is larger than 25 MB",
        advice="Send a link to what is large: Gmail refuses such messages.",
        source="Gmail's limit of attachments",
        url="https://support.google.com/mail/answer/6584",
        found=_too_large,
    ),
)
