"""The calls under /api/webhooks."""

from entrypoints.http.webhooks.handlers import WebhookCalls

__all__ = ["WebhookCalls"]
