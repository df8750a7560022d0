"""What is worth reporting to an operator, as values; the edge makes log lines and metrics of them.

How urgent an event is, is decided there too.
"""

from collections.abc import Mapping

import attrs


@attrs.frozen(kw_only=True)
class Event:
    """Something that happened and is durable.

    ``name`` is a stable snake_case word; ``fields`` are small and hold no secret and no message.
    """

    name: str
    email_id: int | None = None
    account_id: int | None = None
    attempt: int | None = None
    fields: Mapping[str, str | int | float | None] = attrs.field(factory=dict)
