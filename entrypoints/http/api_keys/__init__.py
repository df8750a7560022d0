"""The calls under /api/keys."""

from entrypoints.http.api_keys.handlers import KeyCalls

__all__ = ["KeyCalls"]
