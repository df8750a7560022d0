"""The contract of the API in OpenAPI 3.1, made from the models that check and answer.

`OPERATIONS` is the table of all calls, `build_document` makes the document of it.
"""

from entrypoints.http.openapi.document import JsonSchema, build_document
from entrypoints.http.openapi.operations import OPERATIONS, Operation

__all__ = ["OPERATIONS", "JsonSchema", "Operation", "build_document"]
