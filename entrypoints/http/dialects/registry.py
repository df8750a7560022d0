"""The dialects that a service speaks: which one a request is in."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from domain.access import Scope
from entrypoints.http.dialects.dialect import Dialect
from entrypoints.http.json_reader import JSON
from entrypoints.http.keys import presented_key
from entrypoints.http.openapi.operation import Body

_OURS: Final = "/api"


class Dialects:
    """Looks at the path of a request alone: none of the dialects' paths is another one's."""

    def __init__(self, dialects: Sequence[Dialect] = ()) -> None:
        self.all = tuple(dialects)

    def of(self, path: str) -> Dialect | None:
        """The dialect that *path* belongs to; None for our own API."""
        path = "/" + path.lstrip("/")  # as the routes are matched
        if path.startswith(_OURS):
            return None
        return next((one for one in self.all if one.paths.match(path)), None)

    def presented_key(self, environ: Mapping[str, Any]) -> str | None:
        """The API key of a request, valid or not, from the header of its API."""
        dialect = self.of(environ.get("PATH_INFO", ""))
        return presented_key(environ) if dialect is None else dialect.key(environ)

    @property
    def scopes(self) -> dict[str, Scope]:
        """What each endpoint needs."""
        return {
            endpoint(dialect, place): call.scope
            for dialect in self.all
            for place, call in enumerate(dialect.calls)
        }

    @property
    def bodies(self) -> dict[str, Body]:
        """What each endpoint takes."""
        return {
            endpoint(dialect, place): Body(
                others={kind: {} for kind in call.media_types if kind != JSON}
            )
            for dialect in self.all
            for place, call in enumerate(dialect.calls)
            if call.method != "GET"
        }


NO_DIALECTS: Final = Dialects()


def name_of(place: int) -> str:
    """The name of a call within its dialect, by its place in the declaration."""
    return f"call_{place}"


def endpoint(dialect: Dialect, place: int) -> str:
    """Flask's name of a call."""
    return f"{dialect.name}.{name_of(place)}"
