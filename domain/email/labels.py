"""What a client labels its emails with, to find them again: tags and metadata."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import attrs

from domain.errors import FieldError
from domain.message.headers import unsafe_character

MOST_TAGS: Final = 10
LONGEST_TAG: Final = 64  # characters, as the others here
MOST_METADATA: Final = 20
LONGEST_KEY: Final = 40
LONGEST_VALUE: Final = 500


@attrs.frozen(kw_only=True)
class Labels:
    """The tags of an email in the order of the client, each once, and its metadata by key.

    *metadata* are pairs of a key and a value, ordered by the key.
    """

    tags: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.tags or self.metadata)

    def errors(self) -> Iterator[FieldError]:
        """What is wrong with them."""
        if len(self.tags) > MOST_TAGS:
            yield FieldError("tags", f"must have at most {MOST_TAGS} items")
        for place, tag in enumerate(self.tags):
            yield from _errors(f"tags/{place}", tag, most=LONGEST_TAG)
        if len(self.metadata) > MOST_METADATA:
            yield FieldError("metadata", f"must have at most {MOST_METADATA} items")
        for key, value in self.metadata:
            yield from _errors(f"metadata/{key}", key, most=LONGEST_KEY)
            yield from _errors(f"metadata/{key}", value, most=LONGEST_VALUE, least=0)


NO_LABELS: Final = Labels()


def labels(tags: Iterable[str], metadata: Mapping[str, str]) -> Labels:
    """The labels of these *tags*, of which the same one may stand there twice, and *metadata*."""
    return Labels(tags=tuple(dict.fromkeys(tags)), metadata=tuple(sorted(metadata.items())))


def _errors(field: str, text: str, *, most: int, least: int = 1) -> Iterator[FieldError]:
    if len(text) < least:
        yield FieldError(field, "must not be empty")
    if len(text) > most:
        yield FieldError(field, f"must have at most {most} characters")
    character = unsafe_character(text)
    if character is not None:
        yield FieldError(field, f"must not contain the character {character}")
