"""What stands in a message, for people who look at it. A message is somebody else's.

``letter`` reads one, whatever it is, ``parts`` takes it apart, ``charsets`` and ``shown_html`` make
of its text and HTML what may be shown. None may stop or slow the service.
"""

from collections.abc import Sequence

from adapters.message_reader.letter import html_with_images, part_octets, read_letter
from adapters.message_reader.shown_html import shown_html
from domain.message.letter import Letter


class BoundedMessageReader:
    """The MessageReader port: the standard library's parser behind bounds, and nh3 for HTML."""

    def read(self, octets: bytes, recipients: Sequence[str]) -> Letter:
        """The letter in *octets*. Never raises."""
        return read_letter(octets, recipients)

    def html(self, letter: Letter, octets: bytes, *, remote: bool = False) -> str:
        """The letter's HTML with up to 8 MB of the images that the message brings."""
        return html_with_images(letter, octets, remote=remote)

    def part(self, octets: bytes, number: int) -> bytes | None:
        """The octets of a part; None if there is none, or it holds parts. Never raises."""
        return part_octets(octets, number)

    def harmless(self, html: str) -> str:
        """*html* with nothing but text, its look, links and the images that it brings itself."""
        return shown_html(html)
