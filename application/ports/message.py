"""What a message needs that is not pure: templates, signatures of DKIM, and to be read again."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from domain.message.dkim import Algorithm, SigningKey
from domain.message.letter import Letter
from domain.message.template import Rendered, TemplateSource, Value


class CompiledTemplate(Protocol):
    """A template that is rendered many times, by one thread at a time."""

    def render(self, variables: Mapping[str, Value]) -> Rendered:
        """What it comes to. InvalidInput ``template_error`` if a variable is missing or null, or if
        it takes too much.
        """
        ...


class TemplateEngine(Protocol):
    """Checks and compiles templates. It never takes more than a bounded time and memory."""

    def check(self, source: TemplateSource) -> None:
        """InvalidInput with the code ``template_error`` if nothing could be rendered from it."""
        ...

    def compile(self, source: TemplateSource) -> CompiledTemplate:
        """The template, ready to be rendered; it was checked before. InvalidInput."""
        ...


class DkimSigner(Protocol):
    """Makes keys and signs with them."""

    def sign(self, key: SigningKey, octets: bytes) -> bytes:
        """The signature of *octets*; the same each time, so that copies of an email are equal."""
        ...

    def new_private_key(self, algorithm: Algorithm) -> bytes:
        """A new private key (PKCS #8, PEM)."""
        ...

    def dns_record(self, key: SigningKey) -> str:
        """The text of the TXT record at ``SELECTOR._domainkey.DOMAIN``."""
        ...


class MessageReader(Protocol):
    """Reads messages for people, whatever they are: never an error, and never for long."""

    def read(self, octets: bytes, recipients: Sequence[str]) -> Letter:
        """The letter in *octets*, which goes to these *recipients* of the envelope."""
        ...

    def html(self, letter: Letter, octets: bytes, *, remote: bool = False) -> str:
        """The HTML of a letter that was read from *octets*, with the images that they bring.

        With *remote* also images that a browser loads from elsewhere stand in it.
        """
        ...

    def part(self, octets: bytes, number: int) -> bytes | None:
        """What is in the part of this number; None if there is none, or it holds others."""
        ...

    def harmless(self, html: str) -> str:
        """*html* without whatever does more than look like something."""
        ...
