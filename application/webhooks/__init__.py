"""Webhooks: what admins do with them, and how they are told."""
