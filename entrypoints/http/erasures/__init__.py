"""The calls under /api/erasures."""

from entrypoints.http.erasures.handlers import Erasures

__all__ = ["Erasures"]
