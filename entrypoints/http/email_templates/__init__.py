"""The calls under /api/templates."""

from entrypoints.http.email_templates.handlers import Templates

__all__ = ["Templates"]
