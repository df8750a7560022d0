"""The HTML of a message without whatever does more than look like something.

What a browser reads out of broken HTML is decided by the HTML standard's parser alone, so that one
(html5ever, by nh3) is asked, and what is kept is named. Python's html.parser reads HTML differently
from browsers, and takes quadratic time for some. The frame's sandbox and policy stand behind this.
"""

from collections.abc import Mapping
from typing import Final

import nh3

MOST_CHARACTERS: Final = 512 * 1024
MOST_TAGS: Final = 10_000  # the standard's algorithm is quadratic for some that stand in each other

_KEPT: Final = frozenset(
    (
        "a abbr acronym address article aside b bdi bdo big blockquote br caption center cite code"
        " col colgroup dd del dfn div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6"
        " header hr i img ins kbd li main mark nav ol p pre q s samp section small span strike"
        " strong style sub sup table tbody td tfoot th thead time tr tt u ul var wbr"
    ).split()
)
# removed with all that stands in them; of any other element what stands in it is kept
_GONE_WITH_CONTENT: Final = frozenset(
    (
        "applet audio canvas embed frameset iframe math noembed noframes noscript object plaintext"
        " script select svg template textarea title video xmp"
    ).split()
)
_ATTRIBUTES: Final[Mapping[str, frozenset[str]]] = {
    "*": frozenset(
        (
            "align bgcolor border class color dir height id lang role size style title valign width"
        ).split()
    ),
    "a": frozenset({"href"}),
    "col": frozenset({"span"}),
    "colgroup": frozenset({"span"}),
    "font": frozenset({"face"}),
    "img": frozenset({"alt", "src"}),
    "li": frozenset({"value"}),
    "ol": frozenset({"start", "type"}),
    "table": frozenset({"cellpadding", "cellspacing"}),
    "td": frozenset({"colspan", "rowspan"}),
    "th": frozenset({"colspan", "rowspan"}),
}
_LINKS: Final = ("http:", "https:", "mailto:")
_IMAGES: Final = ("data:image/", "cid:")


def shown_html(html: str, *, remote: bool = False) -> str:
    """*html* with nothing but text, its look, links and the images that it brings itself.

    With *remote* also the images that are loaded from elsewhere.
    """
    begun = html[:MOST_CHARACTERS].split("<", MOST_TAGS + 1)[: MOST_TAGS + 1]
    return nh3.clean(
        "<".join(begun),
        tags=set(_KEPT),
        clean_content_tags=set(_GONE_WITH_CONTENT),
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        attribute_filter=_filtered_remote if remote else _filtered,
        url_schemes={"http", "https", "mailto", "data", "cid"},
        url_relative="deny",
    )


def is_cut(html: str) -> bool:
    """Whether `shown_html` leaves out an end for its length."""
    return len(html) > MOST_CHARACTERS or html.count("<") > MOST_TAGS


def _filtered(tag: str, name: str, value: str) -> str | None:
    """The attribute's value; None takes the attribute away."""
    wanted = value.strip().lower()
    if name == "src":
        return value if wanted.startswith(_IMAGES) else None
    if name == "href":
        return value if wanted.startswith(_LINKS) else None
    return value


def _filtered_remote(tag: str, name: str, value: str) -> str | None:
    is_remote = name == "src" and value.strip().lower().startswith(("http:", "https:"))
    return value if is_remote else _filtered(tag, name, value)
