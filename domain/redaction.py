"""Credentials taken out of what a server says: some repeat what they were sent, at any stage."""

import base64
import re
from collections.abc import Iterable, Sequence
from typing import Final

MASK: Final = "***"
# A shorter password is also a word of plain replies: it is looked for during AUTH only.
SHORTEST: Final = 4


class Secrets:
    """What must not be repeated of one login: the password, and every form in which it is sent."""

    def __init__(self, forms: Iterable[str] = ()) -> None:
        self._forms = tuple(dict.fromkeys(filter(None, forms)))
        self._all = _Finder(self._forms)
        self._long = _Finder(form for form in self._forms if len(form) >= SHORTEST)

    def __repr__(self) -> str:
        return f"Secrets(of {len(self._forms)} forms)"

    @classmethod
    def of(cls, user: str, password: str) -> "Secrets":
        r"""The password, its base64 (AUTH LOGIN), and the base64 of PLAIN's \0user\0password."""
        if not password:
            return cls()
        plain = f"\0{user}\0{password}"
        return cls((password, _base64(password), _base64(plain), plain.strip("\0")))

    def with_response(self, response: bytes) -> "Secrets":
        """These, and the *response* to a challenge: as it was sent in base64, and its digest."""
        try:
            digest = base64.b64decode(response, validate=True).decode("utf-8", "replace")
        except ValueError:
            digest = ""
        return Secrets((*self._forms, response.decode("ascii", "replace"), digest.split(" ")[-1]))

    def clean(self, lines: Sequence[str], *, logging_in: bool = False) -> Sequence[str]:
        """The lines of a reply without the secrets, also where one goes over line ends.

        If there was one the lines are joined. *logging_in* looks for short passwords too.
        """
        return (self._all if logging_in else self._long).clean(lines)


class _Finder:
    """Finds texts whatever their case, and whatever spaces and line ends stand between."""

    def __init__(self, forms: Iterable[str]) -> None:
        needles = {_squeezed(form) for form in forms}
        self._needles = tuple(sorted(filter(None, needles), key=len, reverse=True))
        words = (r"\s*".join(map(re.escape, needle)) for needle in self._needles)
        self._pattern = re.compile("|".join(words), re.IGNORECASE) if self._needles else None

    def clean(self, lines: Sequence[str]) -> Sequence[str]:
        if self._pattern is None:
            return lines
        # most replies hold none: that is found out without the pattern, in a fifth of its time
        text = _squeezed(lines[0] if len(lines) == 1 else "".join(lines))
        if not any(needle in text for needle in self._needles):
            return lines
        return (self._pattern.sub(MASK, " ".join(lines)),)


def _squeezed(text: str) -> str:
    return "".join(text.lower().split())


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
