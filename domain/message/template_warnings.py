"""What a mail reader would make of a rendered template that its author may not expect.

Warnings stop nothing. They are found by looking at tags, not by parsing.
"""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from domain.message.html_markup import MARKUP, attributes_of
from domain.message.template import Rendered, SourceKind, TemplateSource

GMAIL_CLIPS_AT: Final = 102 * 1024  # octets of HTML: the rest stands behind "View entire message"
MOST_WARNINGS: Final = 100

# https://documentation.mjml.io/#components, without mj-include, which is never loaded
MJML_ELEMENTS: Final = frozenset(
    "mjml mj-accordion mj-accordion-element mj-accordion-text mj-accordion-title mj-all "
    "mj-attributes mj-body mj-breakpoint mj-button mj-carousel mj-carousel-image mj-class "
    "mj-column mj-divider mj-font mj-group mj-head mj-hero mj-html-attributes mj-html-attribute "
    "mj-image mj-navbar mj-navbar-link mj-preview mj-raw mj-section mj-selector mj-social "
    "mj-social-element mj-spacer mj-style mj-table mj-text mj-title mj-wrapper".split()
)
_MJML_TAG: Final = re.compile(r"<(mj-?[A-Za-z0-9-]{1,60})")
_OTHER_SCHEMES: Final = frozenset({"mailto", "tel", "sms", "cid"})


def size_of(html: str) -> int:
    """Octets of the HTML, by which Gmail decides where to clip it."""
    return len(html.encode("utf-8", "replace"))


def warnings(source: TemplateSource, rendered: Rendered) -> tuple[str, ...]:
    """One sentence for each thing, in the order they are found; at most `MOST_WARNINGS`."""
    found = dict.fromkeys(_found(source, rendered))
    return tuple(found)[:MOST_WARNINGS]


def _found(source: TemplateSource, rendered: Rendered) -> Iterator[str]:
    if source.kind is SourceKind.MJML:
        for tag in _MJML_TAG.finditer(source.body):
            if tag[1].lower() not in MJML_ELEMENTS:
                yield f"<{tag[1]}> is no element of MJML: it and its content are left out"
    size = size_of(rendered.html)
    if size > GMAIL_CLIPS_AT:
        yield f"the HTML has {size} octets: Gmail shows the first {GMAIL_CLIPS_AT} of them"
    for tag in MARKUP.finditer(rendered.html):
        name = "" if tag["end"] else (tag["name"] or "").lower()
        if name not in ("img", "a"):
            continue
        attributes = attributes_of(tag["attributes"])
        if name == "img":
            if "alt" not in attributes:
                yield f"the image {_short(attributes.get('src', ''))} has no alt text"
        elif (why := _link_problem(attributes.get("href", "").strip())) is not None:
            yield why


def _link_problem(href: str) -> str | None:
    if not href or href.startswith("#"):
        return None
    try:
        scheme = urlsplit(href).scheme.lower()
    except ValueError:
        return f"the link {_short(href)} is no URL"
    if scheme == "https" or scheme in _OTHER_SCHEMES:
        return None
    if scheme:
        return f"the link {_short(href)} is not https"
    return f"the link {_short(href)} is relative: in a mail it leads nowhere"


def _short(text: str, most: int = 80) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
