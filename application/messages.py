"""The message of an email as people look at it: read, cleaned, and taken apart."""

import attrs

from application.ports.message import MessageReader
from application.queries import Queries
from domain.access import LOCAL, Caller
from domain.errors import NotFound
from domain.message.letter import Letter, LetterPart


@attrs.frozen
class Part:
    """One part with what is in it."""

    about: LetterPart
    octets: bytes = attrs.field(repr=False)


class Messages:
    """The use cases; each raises what `Queries.message` does: NotFound, ContentPurged, Forbidden.

    A message is read whole: it is as long as the service takes one.
    """

    def __init__(self, *, queries: Queries, reader: MessageReader) -> None:
        self._queries = queries
        self._reader = reader

    def letter(self, email_id: int, *, caller: Caller = LOCAL) -> Letter:
        """What stands in it."""
        return self._letter(email_id, self.octets(email_id, caller=caller), caller)

    def html(self, email_id: int, *, caller: Caller = LOCAL) -> str:
        """Its HTML, which does no harm, with the images that it brings; "" if it has none."""
        octets = self.octets(email_id, caller=caller)
        return self._reader.html(self._letter(email_id, octets, caller), octets)

    def part(self, email_id: int, number: int, *, caller: Caller = LOCAL) -> Part:
        """One part; NotFound also if it holds others."""
        octets = self.octets(email_id, caller=caller)
        letter = self._letter(email_id, octets, caller)
        found = self._reader.part(octets, number)
        if found is None or number >= len(letter.parts):
            raise NotFound(f"the message of email {email_id} has no such part")
        return Part(letter.parts[number], found)

    def octets(self, email_id: int, *, caller: Caller = LOCAL) -> bytes:
        """All of it."""
        return b"".join(self._queries.message(email_id, caller=caller))

    def harmless(self, html: str) -> str:
        """HTML that somebody wrote, so that it can be shown."""
        return self._reader.harmless(html)

    def _letter(self, email_id: int, octets: bytes, caller: Caller) -> Letter:
        email = self._queries.email(email_id, caller=caller).email
        return self._reader.read(octets, [str(one.address) for one in email.recipients])
