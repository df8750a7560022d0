"""Keeps secrets in paths out of the logs: links to unsubscribe, codes of OAuth, event hooks.

Whoever reads one can use it.
"""

import logging
import re
from typing import Final

_PATH: Final = "/u/"
# longer than the names of files under that path
_LINK: Final = re.compile(r"/u/[A-Za-z0-9_%-]{16,}")
_HOOKS: Final = "/hooks/"
_HOOK: Final = re.compile(r"(/hooks/[A-Za-z0-9_%-]{0,40}/)[^\s\"'?]+")
_CALLBACK: Final = "/oauth/callback?"
_QUERY: Final = re.compile(r"/oauth/callback\?[^\s\"']*")


def without_links(text: str) -> str:
    """*text* with `***` in the place of what is secret in each path or query."""
    if _PATH in text:
        text = _LINK.sub(f"{_PATH}***", text)
    if _HOOKS in text:
        text = _HOOK.sub(r"\1***", text)
    return _QUERY.sub(f"{_CALLBACK}***", text) if _CALLBACK in text else text


class LinkFilter(logging.Filter):
    """For handlers that are not ours. It changes the message of a record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        text = record.getMessage()
        if _PATH in text or _HOOKS in text or _CALLBACK in text:
            record.msg, record.args = without_links(text), ()
        return True
