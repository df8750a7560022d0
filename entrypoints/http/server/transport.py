"""The transport that uvicorn writes to: it sends head and body together, and closes gently."""

import asyncio
from typing import Any, Protocol


class Client(Protocol):
    """What the transport needs of the connection."""

    @property
    def unfinished(self) -> bool:
        """Whether the client may still be sending what will be discarded."""
        ...

    def linger(self) -> None:
        """Read and discard, for a moment, what the client still sends."""
        ...


class ReplyTransport(asyncio.Transport):
    """The connection's transport as uvicorn sees it."""

    def __init__(self, real: asyncio.Transport, client: Client) -> None:
        super().__init__()
        self._real = real
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._kept: list[bytes] = []
        self._closing = False
        self.close_when_answered = False

    def write(self, data: Any) -> None:
        """Send it together with all that is written in this iteration of the event loop."""
        if not self._kept:
            self._loop.call_soon(self._flush)
        self._kept.append(data)

    def _flush(self) -> None:
        kept, self._kept = self._kept, []
        if kept:
            self._real.write(kept[0] if len(kept) == 1 else b"".join(kept))

    def close(self) -> None:
        """Close it when everything is sent; if the client is still sending, read that first."""
        if self._closing:
            return
        self._closing = True
        self._flush()
        if self._client.unfinished and self._real.can_write_eof() and not self._real.is_closing():
            self._client.linger()
            self._real.resume_reading()
            self._real.write_eof()
        else:
            self._real.close()

    def end(self) -> None:
        """Close it even if the client is still sending."""
        self._closing = True
        self._flush()
        self._real.close()

    def abort(self) -> None:
        """Close it at once; what was not sent is lost."""
        self._closing = True
        self._kept.clear()
        self._real.abort()

    def lost(self) -> None:
        """The connection is lost: nothing can be sent."""
        self._closing = True
        self._kept.clear()

    def is_closing(self) -> bool:
        """Whether it is closed or closing."""
        return self._closing or self._real.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Information of the real transport."""
        return self._real.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Stop reading."""
        if not self._closing:
            self._real.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if not self.is_closing():
            self._real.resume_reading()
