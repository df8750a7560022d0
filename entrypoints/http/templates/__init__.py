"""The calls under /api/templates."""

from entrypoints.http.templates.handlers import Templates

__all__ = ["Templates"]
