"""What a browser may do with the sandbox's pages, and with the HTML of a message.

The frame of a message has the page's own origin, so that the page can make it as high as its
content. It runs no script: its sandbox, its policy and the cleaned HTML each see to that.
"""

from typing import Final

from flask import Response, request

PAGE_CSP: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SANDBOX: Final = "allow-same-origin allow-popups allow-popups-to-escape-sandbox"
_MESSAGE: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src {images}; base-uri 'none'; "
    f"form-action 'none'; sandbox {SANDBOX}; frame-ancestors 'self'"
)
MESSAGE_CSP: Final = _MESSAGE.format(images="data:")
REMOTE_CSP: Final = _MESSAGE.format(images="data: https: http:")
FRAME_HEAD: Final = '<!doctype html><base target="_blank">'  # a link opens in a tab of its own
FILE_CSP: Final = "default-src 'none'; sandbox"


def protected(response: Response) -> Response:
    """The reply with what a browser may do with it.

    With "no-referrer" a browser would send a form of these pages with ``Origin: null``.
    """
    response.headers.setdefault("Content-Security-Policy", PAGE_CSP)
    response.headers.setdefault("X-Frame-Options", "DENY")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Referrer-Policy", "same-origin")
    if request.endpoint != "sandbox.static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response
