"""What the tests of the real sender share: a sender with short waits, and a clock that jumps."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs

from adapters.clock import SystemClock
from adapters.fakes.sender import Rule, Script
from adapters.name_resolver import NameResolver, look_up
from adapters.smtp_sender import SmtpSender
from application.ports.network import Endpoint
from application.ports.sender import Sender
from domain.account.account import Account
from domain.account.network import Address
from domain.dialogue.timeouts import Timeouts
from domain.outcome.handoff import Envelope, Handoff, Parcel
from tests.builders import an_envelope
from tests.contract.sender_suite import MESSAGE, TOKENS, VAULT, Permission, an_account_at
from tests.smtp_server import SessionLimit, SmtpServer


class RunningClock(SystemClock):
    """The real clock, which a test may set forward: sockets need time that passes by itself."""

    def __init__(self) -> None:
        self._ahead_s = 0.0
        super().__init__()

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead_s

    def tick(self, seconds: float) -> None:
        """Let time pass at once."""
        self._ahead_s += seconds


def short_timeouts(**changes: float) -> Timeouts:
    """Ample for a server on this machine, and no test waits long if it fails."""
    stages = ("resolve", "connect", "banner", "ehlo", "starttls", "auth", "mail", "rcpt", "data")
    ample = dict.fromkeys((*stages, "body", "dot", "rset", "quit"), 10.0)
    return Timeouts(**{**ample, "pending": 0.5, "body_rate": 1e9, **changes})


def a_resolver(
    *,
    allow: Callable[[Address], bool] = lambda _: True,
    look_up: Callable[[str, int], list[Endpoint]] = look_up,
) -> NameResolver:
    """The real resolver, which allows every address unless it is told otherwise."""
    return NameResolver(allow=allow, look_up=look_up)


def a_sender(**changes: Any) -> SmtpSender:
    """The real sender."""
    defaults: dict[str, Any] = {
        "vault": VAULT,
        "tokens": TOKENS,
        "clock": SystemClock(),
        "resolver": a_resolver(),
        "ehlo_hostname": "client.example.com",
        "timeouts": short_timeouts(),
    }
    return SmtpSender(**{**defaults, **changes})


@attrs.frozen
class Line:
    """A sender, a server, and the account that leads from one to the other."""

    sender: Sender
    server: SmtpServer
    account: Account

    def send(
        self,
        *,
        octets: bytes = MESSAGE,
        account: Account | None = None,
        envelope: Envelope | None = None,
        before_dot: Callable[[], bool] | None = None,
    ) -> Handoff:
        """One attempt."""
        parcel = Parcel(envelope or an_envelope(), octets)
        with self.sender.converse(account or self.account) as conversation:
            return conversation.send(parcel, before_dot=before_dot or Permission())

    def heard(self, verb: bytes) -> list[bytes]:
        """The commands the server heard that begin with *verb*."""
        return [line for line in self.server.commands if line.startswith(verb)]


@contextmanager
def a_line(
    *rules: Rule,
    script: Script | None = None,
    limit: SessionLimit | None = None,
    make: Callable[..., Sender] = a_sender,
    **changes: Any,
) -> Iterator[Line]:
    """A sender connected to a server that plays *rules* (or *script*)."""
    sender = make(**changes)
    with SmtpServer(script or Script(rules), limit=limit) as server:
        try:
            yield Line(sender, server, an_account_at(server.host, server.port))
        finally:
            sender.close()
