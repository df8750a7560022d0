"""The real sender, over a socket to a scripted server, keeps the contract of every sender."""

from collections.abc import Iterator
from contextlib import contextmanager

from adapters.clock import SystemClock
from adapters.fakes.sender import Fault, Script
from adapters.name_resolver import NameResolver
from adapters.smtp_sender import SmtpSender
from domain.dialogue.timeouts import Timeouts
from tests.contract.sender_suite import TOKENS, VAULT, Played, SenderContract, an_account_at
from tests.smtp_server import SmtpServer

SLOW = (Fault.HANG, Fault.DRIP, Fault.ACCEPT_HANG)


def timeouts_for(script: Script, *, short_s: float = 0.1) -> Timeouts:
    """Ample time for every stage but those at which the script has the server dawdle."""
    ample = dict.fromkeys(("banner", "ehlo", "auth", "mail", "rcpt", "data", "body", "dot"), 10.0)
    for rule in script.rules:
        if rule.answer in SLOW and rule.stage in ample:
            ample[rule.stage] = short_s
    return Timeouts(**ample, body_rate=1e9, pending=0.5, rset=2.0, quit=2.0)


class TestSmtpSender(SenderContract):
    @contextmanager
    def playing(self, script: Script) -> Iterator[Played]:
        sender = SmtpSender(
            vault=VAULT,
            tokens=TOKENS,
            clock=SystemClock(),
            resolver=NameResolver(allow=lambda _: True),
            ehlo_hostname="client.example.com",
            timeouts=timeouts_for(script),
        )
        with SmtpServer(script) as server:
            yield Played(
                sender,
                an_account_at(server.host, server.port, announce_next=self.announces),
                lambda: [(taken.recipients, taken.octets) for taken in server.accepted],
            )
            sender.close()
            assert not server.bad_wire


class TestSmtpSenderWithoutPipelining(TestSmtpSender):
    pipelining = False


class TestSmtpSenderThatAnnounces(TestSmtpSender):
    announces = True
