"""From the octets of a file of text to its lines."""

import codecs
import io
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from domain.errors import FieldError, InvalidInput

LONGEST_LINE: Final = 1_000_000  # characters
_LIKELY: Final = "windows-1252"  # what spreadsheets of Western Europe write if not UTF-8
# UTF-32 comes first: its mark begins as that of UTF-16 does
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LOOKED_AT: Final = 4096  # octets


def encoding_of(head: bytes) -> str:
    """The encoding of a file that begins with *head*: by its mark, as UTF-16 without one, or UTF-8.

    Others look alike to a program: who has such a file must name its encoding.
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    looked_at = head[:_LOOKED_AT]
    for name, first in (("utf-16-le", 1), ("utf-16-be", 0)):  # every other octet of ASCII is 0
        zeros = looked_at[first::2].count(0)
        if zeros and zeros >= len(looked_at) // 4 and not looked_at[1 - first :: 2].count(0):
            return name
    return "utf-8"


def decoded(octets: Iterable[bytes], *, encoding: str | None = None) -> Iterator[str]:
    """The lines in pieces of a file, each with its end. The first piece must have 4 KiB or be all.

    *encoding* None is found out. InvalidInput with the line that cannot be read; LookupError for an
    encoding that is none.
    """
    pieces = iter(octets)
    head = next(pieces, b"")
    name = encoding or encoding_of(head)
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(name)(), translate=False)
    before, pending = 0, ""
    for piece, final in chain(((each, False) for each in chain((head,), pieces)), ((b"", True),)):
        try:
            text = pending + decoder.decode(piece, final=final)
        except UnicodeError as error:
            raise _unreadable(error, name, before + 1) from None
        lines = io.StringIO(text, newline="").readlines()
        pending = "" if final or not lines or lines[-1].endswith(("\n", "\r")) else lines.pop()
        if len(pending) > LONGEST_LINE:
            message = f"line {before + len(lines) + 1} is longer than {LONGEST_LINE:,} characters"
            raise InvalidInput(FieldError("", f"{message}: it is no CSV file"))
        before += len(lines)
        yield from lines


def _unreadable(error: UnicodeError, encoding: str, line: int) -> InvalidInput:
    """What to say of octets that are not of the *encoding*; their piece begins in *line*."""
    told = "UTF-8" if encoding.startswith("utf-8") else encoding
    if not isinstance(error, UnicodeDecodeError):
        return InvalidInput(FieldError("", f"the file is not {told}: {error}"))
    line += error.object[: error.start].count(b"\n")
    octet = error.object[error.start : error.start + 1]
    hint = ""
    if told == "UTF-8":
        hint = f" (in {_LIKELY} it is {octet.decode(_LIKELY, 'replace')!r})"
    message = f"line {line} is not {told}: the octet 0x{octet.hex().upper()} is none of it{hint}."
    return InvalidInput(FieldError("", f"{message} Say which encoding the file has"))
