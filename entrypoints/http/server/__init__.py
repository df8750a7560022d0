"""The embedded HTTP server: uvicorn and httptools, with a guard of our own before and behind them.

`front` judges octets before uvicorn sees them, `guard` requests before the application does, and
`bridge` calls the application, which is WSGI, in worker threads. Of uvicorn only what it documents
is used: its settings, ASGI, and a protocol class in place of its own (docs/building/decisions,
20).
"""

from entrypoints.http.server.limits import Limits
from entrypoints.http.server.server import READS, HttpServer

__all__ = ["READS", "HttpServer", "Limits"]
