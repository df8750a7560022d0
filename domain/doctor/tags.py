"""Lists of tags, as the records of DKIM and DMARC are written: ``v=DKIM1; k=rsa; p=...``."""

import re
from collections.abc import Mapping
from typing import Final

_TAG: Final = re.compile(r"[ \t\r\n]*([A-Za-z][A-Za-z0-9_]*)[ \t\r\n]*=(.*)", re.DOTALL)
_MOST: Final = 100


def tags_of(text: str) -> Mapping[str, str]:
    """The tags in their order, names in small letters; of one that stands twice the first.

    What cannot be read as a tag is left out.
    """
    found: dict[str, str] = {}
    for part in text.split(";", _MOST)[:_MOST]:
        if tag := _TAG.fullmatch(part):
            found.setdefault(tag[1].lower(), tag[2].strip(" \t\r\n"))
    return found
