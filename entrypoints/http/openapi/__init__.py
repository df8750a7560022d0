"""The contract of the API in OpenAPI 3.1, made from the models that check and answer.

`operation` declares a call at its handler, `build_document` makes the document of all calls.
"""

from entrypoints.http.openapi.document import JsonSchema, build_document
from entrypoints.http.openapi.operation import (
    CSV,
    HTML,
    JSON,
    NO_FIELDS,
    Answer,
    Body,
    Operation,
    Tag,
    add_routes,
    operation,
    operations_of,
)

__all__ = [
    "CSV",
    "HTML",
    "JSON",
    "NO_FIELDS",
    "Answer",
    "Body",
    "JsonSchema",
    "Operation",
    "Tag",
    "add_routes",
    "build_document",
    "operation",
    "operations_of",
]
