"""A message as people read it: what a reader of messages finds in one."""

import sys

import attrs

from domain.lint.outline import Outline


@attrs.frozen(kw_only=True)
class LetterPart:
    """One part of a message, *depth* containers deep. A container has no *size* and no octets.

    *size* is that of its octets after decoding. *content_id* stands without angle brackets.
    """

    number: int
    depth: int
    content_type: str
    disposition: str
    filename: str
    content_id: str
    size: int | None

    @property
    def is_file(self) -> bool:
        """Whether people would call it an attachment, or an image that the message brings."""
        shown = self.content_type in ("text/plain", "text/html") and not self.filename
        return self.size is not None and (self.disposition == "attachment" or not shown)


@attrs.frozen(kw_only=True)
class Letter:
    """A message as people read it. *html* does no harm: it has nothing but text, its look, links
    and images of its own.

    In *html* an image of the message itself still is ``cid:…``: the reader's `html` puts it in.
    *to*, *cc* and *bcc* are recipients of the envelope: those whom the header To names, whom only
    Cc names, and whom neither names. *author* is the name and the address in From, each "" if there
    is none. *html_size* counts the octets of the HTML as it came, *outline* says what stands in it.
    *cut* says that the message is longer than what is here.
    """

    subject: str
    author: tuple[str, str] = ("", "")
    to: tuple[str, ...]
    cc: tuple[str, ...]
    bcc: tuple[str, ...]
    headers: tuple[tuple[str, str], ...] = attrs.field(repr=False)
    text: str | None = attrs.field(repr=False)
    html: str | None = attrs.field(repr=False)
    html_size: int | None = None
    outline: Outline | None = attrs.field(default=None, repr=False)
    parts: tuple[LetterPart, ...] = attrs.field(default=(), repr=False)
    cut: bool

    @property
    def files(self) -> tuple[LetterPart, ...]:
        """The parts that are no text of the message itself: attachments, and images beside it."""
        return tuple(part for part in self.parts if part.is_file)

    @property
    def size(self) -> int:
        """The memory that it takes, nearly all of it."""
        texts = (self.text, self.html, *(value for _, value in self.headers))
        outlined = 0 if self.outline is None else self.outline.size
        return outlined + sum(sys.getsizeof(text) for text in texts if text is not None)
