"""Webhooks: URLs of users' own programs that the service calls with events."""
