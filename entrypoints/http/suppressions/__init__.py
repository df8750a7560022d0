"""The calls under /api/suppressions."""

from entrypoints.http.suppressions.handlers import Suppressions

__all__ = ["Suppressions"]
