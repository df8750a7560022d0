"""A message as people read it: what a reader of messages finds in one."""

import sys

import attrs


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


@attrs.frozen(kw_only=True)
class Letter:
    """A message as people read it. *html* does no harm: it has nothing but text, its look, links
    and images of its own.

    In *html* an image of the message itself still is ``cid:…``: the reader's `html` puts it in.
    *to*, *cc* and *bcc* are recipients of the envelope: those whom the header To names, whom only
    Cc names, and whom neither names. *cut* says that the message is longer than what is here.
    """

    subject: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    bcc: tuple[str, ...]
    headers: tuple[tuple[str, str], ...] = attrs.field(repr=False)
    text: str | None = attrs.field(repr=False)
    html: str | None = attrs.field(repr=False)
    parts: tuple[LetterPart, ...] = attrs.field(default=(), repr=False)
    cut: bool

    @property
    def size(self) -> int:
        """The memory that it takes, nearly all of it."""
        texts = (self.text, self.html, *(value for _, value in self.headers))
        return sum(sys.getsizeof(text) for text in texts if text is not None)
