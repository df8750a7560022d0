"""What the API calls that which limits a queue, wherever a forecast is shown."""

from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import Field

LimitName: TypeAlias = Literal[
    "scheduled",
    "account_inactive",
    "account_paused",
    "server_unreachable",
    "minute_limit",
    "hour_limit",
    "day_limit",
    "slowed_down",
    "connections",
]
LimitedBy: TypeAlias = Annotated[
    LimitName | None,
    Field(
        description="What holds the mail up the longest; connections: how fast the server takes it."
        " null if nothing does."
    ),
]
_NAMES: dict[str, LimitName] = {name: name for name in get_args(LimitName)}


def limit_name(name: str | None) -> LimitName | None:
    """The name as the API knows it."""
    return None if name is None else _NAMES[name]
