"""How the commands show rows and times."""

from collections.abc import Sequence
from datetime import datetime


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Columns as wide as their widest word; the last one is left as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def time_text(when: datetime) -> str:
    """In UTC, to the second."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def printable(text: str) -> str:
    """*text* without what a terminal would take for an order."""
    return "".join(one if one.isprintable() else "\ufffd" for one in text)
