"""The call under /api/events."""

from entrypoints.http.events.handlers import EventCalls

__all__ = ["EventCalls"]
