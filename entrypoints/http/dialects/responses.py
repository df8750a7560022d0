"""The replies of the dialects, as Flask sends them."""

import json

from flask import Response

from entrypoints.http.dialects.dialect import Reply
from entrypoints.http.json_reader import JSON


def response_of(reply: Reply) -> Response:
    """*reply* as JSON, or without a body."""
    response = Response(octets_of(reply), status=reply.status, content_type=JSON)
    response.headers.update(reply.headers)
    response.headers["Cache-Control"] = "no-store"
    return response


def octets_of(reply: Reply) -> bytes:
    """The body of *reply*."""
    return b"" if reply.body is None else json.dumps(reply.body).encode()
