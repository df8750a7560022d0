"""What a real mail server is put through by an account that logs in with OAuth tokens.

The service is in this process: the tokens come from the trial, not from an authorization server.
"""

import ssl
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import attrs

from adapters.clock import SystemClock
from adapters.fakes.tokens import FakeTokens
from adapters.fakes.vault import FakeVault
from adapters.name_resolver import NameResolver
from adapters.smtp_sender import SmtpSender
from adapters.smtplib_sender import SmtplibSender
from domain.account.account import Account, Security
from domain.address import Address
from domain.dialogue.timeouts import Timeouts
from domain.email.status import Status
from domain.outcome.handoff import Problem
from tests.builders import an_oauth_client
from tests.mail_servers.servers import USER, Certificates, MailServer, running
from tests.mail_servers.tokens import a_token, tokens_of
from tests.running import wait_until
from tests.world import World

STRANGERS_KEY: Final = b"a key that no server has been told"


@attrs.frozen
class TokenLine:
    """A service in memory, a sender of production, and a server that takes tokens."""

    world: World
    server: MailServer
    tokens: FakeTokens

    def account(self, name: str, *tokens: str | Problem, **changes: Any) -> Account:
        """One that logs in with *tokens*, one after the other."""
        account = self.world.account(
            name,
            **{
                "address": Address.parse(USER),
                "host": "localhost",
                "port": self.server.ports["STARTTLS"],
                "security": Security.STARTTLS,
                "username": USER,
                "sealed_password": None,
                "oauth": an_oauth_client(),
                **changes,
            },
        )
        self.tokens.give(account, *tokens)
        return account

    def submit(self, account: Account, subject: str) -> int:
        return self.world.submit(USER, subject=subject, account_id=account.id)


@contextmanager
def a_token_line(
    kind: type[MailServer], *, make: type[SmtpSender | SmtplibSender] = SmtpSender
) -> Iterator[TokenLine]:
    """One server, and a sender that trusts its certificate."""
    certificates, tokens = Certificates(), FakeTokens()
    authority = certificates.authority.decode()
    sender = make(
        vault=FakeVault(),
        tokens=tokens,
        clock=SystemClock(),
        resolver=NameResolver(allow=lambda _: True),
        ehlo_hostname="client.example.com",
        timeouts=Timeouts(),
        ssl_context=lambda: ssl.create_default_context(cadata=authority),
    )
    with running(kind, certificates) as server:
        try:
            yield TokenLine(World(sender=sender, clock=SystemClock()), server, tokens)
        finally:
            sender.close()


def queued(line: TokenLine, *, emails: int = 30, **changes: Any) -> int:
    """So many emails, divided among accounts with tokens of a few sizes: how many arrived once."""
    accounts = [line.account(f"with {len(token)}", token, **changes) for token in tokens_of(USER)]
    subjects = {f"token-{n:03d}": accounts[n % len(accounts)] for n in range(emails)}
    ids = [line.submit(account, subject) for subject, account in subjects.items()]
    line.world.run()
    left = [email for email in map(line.world.email, ids) if email.status is not Status.SENT]
    assert not left, [(email.status, email.error_message) for email in left]
    assert [list(line.tokens.asked(account)) for account in accounts] == [[False]] * len(accounts)
    expected = Counter((subject, USER) for subject in subjects)
    wait_until(lambda: not expected - Counter(line.server.taken()), patience=60, every=0.2)
    assert Counter(line.server.taken()) == expected
    return len(ids)


def replaced(line: TokenLine, **changes: Any) -> Sequence[bool]:
    """A token that the server refuses, then a good one: what was asked of the token's source."""
    bad, good = a_token(USER, key=STRANGERS_KEY), tokens_of(USER)[0]
    account = line.account("replaced", bad, good, **changes)
    handoff = line.world.sender.probe(account)
    assert handoff.logged_in, handoff
    return line.tokens.asked(account)


def refused(line: TokenLine, **changes: Any) -> tuple[str, str]:
    """Two tokens that the server refuses: why the account is paused, and what the server said.

    Its email is kept.
    """
    bad = [a_token(USER, key=STRANGERS_KEY, octets=octets) for octets in (0, 3_000)]
    account = line.account("refused", *bad, tokens_of(USER)[0], **changes)
    email = line.submit(account, "kept")
    line.world.run()
    assert list(line.tokens.asked(account)) == [False, True]
    assert line.world.email(email).status is Status.QUEUED
    pause = line.world.account_now(account).health.pause
    assert pause is not None
    assert not [token for token in bad if token[:20] in pause.text]
    return pause.reason, pause.text
