"""What every session of one sender has in common."""

import ssl
from collections.abc import Callable

import attrs

from adapters.smtp_sender.addresses import KnownAddresses
from application.ports.network import Resolver
from application.ports.oauth import Tokens
from application.ports.system import Vault
from domain.dialogue.timeouts import Timeouts


@attrs.frozen(kw_only=True)
class Terms:
    """What every session of one sender has in common.

    ``ehlo_hostname`` None names this client by the address of the connection's own end.
    """

    vault: Vault
    tokens: Tokens
    monotonic: Callable[[], float]
    ehlo_hostname: str | None
    timeouts: Timeouts
    ssl_context: Callable[[], ssl.SSLContext]
    resolver: Resolver
    addresses: KnownAddresses
