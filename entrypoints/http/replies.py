"""Successful replies."""

from collections.abc import Sequence
from typing import TypeVar

from flask import Response
from pydantic import TypeAdapter

from entrypoints.http.schemas import ReplyModel

R = TypeVar("R", bound=ReplyModel)


def reply(model: ReplyModel, status: int = 200) -> Response:
    """The model as JSON."""
    octets = model.model_dump_json().encode() + b"\n"
    return Response(octets, status=status, content_type="application/json")


def reply_list(rows: TypeAdapter[list[R]], models: Sequence[R]) -> Response:
    """The models as a JSON array."""
    octets = rows.dump_json(list(models))
    return Response(octets + b"\n", content_type="application/json")
