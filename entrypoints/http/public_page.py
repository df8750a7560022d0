"""Pages for people who have nothing but a link: whoever holds it may do what it is for.

No script, and nothing that stands in the page itself; a form leads back to where it came from.
Neither a cache, a search engine nor a page that is followed from there learns the link.
"""

import math
from typing import Final

from flask import Response, render_template

from domain.errors import Unavailable

STYLES: Final = "static/public"  # the folder of their style sheet
PAGE_CSP: Final = (
    "default-src 'none'; style-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": PAGE_CSP,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}


def public_page(template: str, *, status: int = 200, **values: str) -> Response:
    """The page that *template* makes of *values*."""
    return Response(
        render_template(template, **values),
        status=status,
        content_type="text/html; charset=utf-8",
        headers=_HEADERS,
    )


def later_page(template: str, error: Unavailable, **values: str) -> Response:
    """A page that says that it cannot be done now, and when to try again."""
    page = public_page(template, status=503, **values)
    page.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after.total_seconds())))
    return page
