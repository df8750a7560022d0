"""Keeps links to unsubscribe out of the logs: whoever reads one can use it."""

import logging
import re
from typing import Final

_PATH: Final = "/u/"
# longer than the names of files under that path
_LINK: Final = re.compile(r"/u/[A-Za-z0-9_%-]{16,}")


def without_links(text: str) -> str:
    """*text* with `/u/***` in the place of each path of a link."""
    return _LINK.sub(f"{_PATH}***", text) if _PATH in text else text


class LinkFilter(logging.Filter):
    """For handlers that are not ours. It changes the message of a record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        text = record.getMessage()
        if _PATH in text:
            record.msg, record.args = without_links(text), ()
        return True
