"""Which trace the work of this thread belongs to, if its caller has said so (W3C Trace Context).

The service makes no spans. It only writes the caller's ids into its log lines, so that they are
found from a trace.
"""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

# Version, trace, parent and flags; a later version may have more. (W3C Trace Context, 3.2 and 4.3)
_HEADER: Final = re.compile(
    r"(?:00(?=.{53}\Z)|(?!00|ff)[0-9a-f]{2})"
    r"-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?"
)
_FIELDS: Final = ("trace_id", "span_id")
_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_CURRENT: Final[ContextVar[Mapping[str, str]]] = ContextVar("trace", default=_NONE)


def enter_trace(traceparent: str | None) -> None:
    """The work that begins belongs to this trace; to none without a header that is one."""
    known = None if traceparent is None else _HEADER.fullmatch(traceparent)
    _CURRENT.set(_NONE if known is None else dict(zip(_FIELDS, known.groups(), strict=True)))


def trace_fields() -> Mapping[str, str]:
    """``trace_id`` and ``span_id``, as log lines have them; empty if there is no trace."""
    return _CURRENT.get()
