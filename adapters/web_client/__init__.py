"""The WebClient port on urllib3, for URLs that users or a stranger's DNS name.

urllib3 is imported with the first request: most processes ask nobody, and start without it.
"""

import ssl
from collections.abc import Callable
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING

from application.ports.network import Resolver
from application.ports.system import Clock
from application.ports.web import MOST_OCTETS, TIMEOUT_S, WebAnswer, WebRequest, always
from domain.account.network import NetworkPolicy

if TYPE_CHECKING:
    from adapters.web_client.asking import Asking


class UrllibWebClient:
    """A web client that connects to judged addresses only. See the port."""

    def __init__(
        self,
        *,
        resolver: Resolver,
        network: NetworkPolicy,
        clock: Clock,
        ssl_context: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    ) -> None:
        self._resolver = resolver
        self._network = network
        self._clock = clock
        self._ssl_context = ssl_context
        self._making = Lock()

    def fetch(
        self,
        request: WebRequest,
        *,
        timeout_s: float = TIMEOUT_S,
        most_octets: int = MOST_OCTETS,
        plain: bool = False,
        connect_s: float | None = None,
        before: Callable[[], bool] = always,
    ) -> WebAnswer:
        """The answer, as the port describes it."""
        with self._making:
            asking = self._asking
        return asking.fetch(
            request,
            timeout_s=timeout_s,
            most_octets=most_octets,
            plain=plain,
            connect_s=connect_s,
            before=before,
        )

    def close(self) -> None:
        """Close the connections that are kept."""
        with self._making:
            if "_asking" in self.__dict__:
                self._asking.close()

    @cached_property
    def _asking(self) -> "Asking":
        from adapters.web_client.asking import Asking

        return Asking(
            resolver=self._resolver,
            network=self._network,
            clock=self._clock,
            ssl_context=self._ssl_context,
        )
