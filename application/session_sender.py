"""A `Sender` for whoever brings connections: dialogue, idle connections and stopping stand here.

`adapters/smtplib_sender.py` is the example. Each command waits for its reply: nothing is pipelined
or announced. Of each account's connections one is kept while it is idle.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

import attrs

from application.ports.oauth import Tokens
from application.ports.system import Clock, Vault
from application.sending import CancelToken, CancelTokens, DsnRefusals, credential_of
from domain.account.account import Account
from domain.account.verification import Step
from domain.address import Address
from domain.dialogue.session import NewConnection, Session
from domain.dialogue.timeouts import VERIFY_S, Timeouts
from domain.outcome.handoff import Handoff, Parcel
from domain.outcome.notifications import proves_refusal, refuses_dsn, refuses_dsn_of_some
from domain.outcome.session import calls_for_another

MAX_IDLE_S: Final = 60.0


class OwnConnection(NewConnection, Protocol):
    """A connection that can be given up. Neither call raises."""

    def interrupt(self) -> None:
        """Wake the thread that reads or writes; it finds the connection closed. From any thread."""
        ...

    def close(self, *, polite: bool) -> None:
        """Close at once; *polite* with a QUIT whose reply is not waited for."""
        ...


Connecting = Callable[[Account, CancelToken, Timeouts], OwnConnection]


@attrs.define
class _Link:
    """A connection, what goes over it, and what may stop that now."""

    connection: OwnConnection
    token: CancelToken
    epoch: int
    session: Session = attrs.field(init=False)
    idle_since: float = 0.0

    def close(self) -> None:
        self.connection.close(polite=self.session.usable)


class SessionSender:
    """Safe from many threads; each conversation has a connection of its own.

    *connecting* makes a connection that is not connected yet: it watches the token and keeps the
    timeouts.
    """

    def __init__(
        self,
        *,
        connecting: Connecting,
        vault: Vault,
        tokens: Tokens,
        clock: Clock,
        timeouts: Timeouts,
    ) -> None:
        self._connecting = connecting
        self._vault = vault
        self._access_tokens = tokens
        self._monotonic = clock.monotonic
        self._timeouts = timeouts
        self._tokens = CancelTokens()
        self._lock = threading.Lock()
        self._idle: dict[int, _Link] = {}
        self._epochs: dict[int, int] = {}
        self._closed = False
        self.dsn_refusals = DsnRefusals(clock.monotonic)

    @contextmanager
    def converse(self, account: Account) -> Iterator["_Conversation"]:
        """One message after the other; the connection is kept at the end if it is still good."""
        with self._tokens.one() as token:
            conversation = _Conversation(self, account, token)
            try:
                yield conversation
            finally:
                conversation.end()

    def probe(self, account: Account) -> Handoff:
        """Connect, TLS, AUTH on a connection of its own, then QUIT."""
        with self._tokens.one() as token:
            link = self.new(account, token)
            try:
                return attrs.evolve(link.session.open(), usable=False)
            finally:
                link.close()

    def verify(self, account: Account, *, recipient: Address) -> tuple[Step, ...]:
        """Connect, TLS, AUTH, MAIL, RCPT on a connection of its own, then RSET and QUIT."""
        with self._tokens.one() as token:
            link = self.new(account, token, within_s=VERIFY_S)
            try:
                return link.session.verify(recipient)
            finally:
                link.close()

    def retire(self, account_id: int) -> None:
        """Close the account's idle connection, and those in use when they come back."""
        with self._lock:
            self._epochs[account_id] = self._epochs.get(account_id, 0) + 1
        self._close_idle(lambda link: link.session.account.id == account_id)

    def abort(self) -> None:
        """Drop every connection that has not passed the final dot; their sends end as STOPPED."""
        self._tokens.stop()
        self.drop_idle()

    def tend(self) -> None:
        """Close the connections that have idled for too long."""
        now = self._monotonic()
        self._close_idle(lambda link: now - link.idle_since >= MAX_IDLE_S)

    def drop_idle(self) -> None:
        """Close every idle connection; the next send opens one of its own."""
        self._close_idle(lambda _: True)

    def close(self) -> None:
        """Close what is idle and keep nothing from now on."""
        self._closed = True
        self.drop_idle()

    # --- what conversations need

    def new(self, account: Account, token: CancelToken, *, within_s: float | None = None) -> _Link:
        """A link that is not connected yet; no stage of it takes longer than *within_s*."""
        timeouts = self._timeouts if within_s is None else self._timeouts.at_most(within_s)
        with self._lock:
            epoch = self._epochs.get(account.id, 0)
        link = _Link(self._connecting(account, token, timeouts), token, epoch)
        link.session = Session(
            account,
            link.connection,
            credential=credential_of(account, vault=self._vault, tokens=self._access_tokens),
            stopped=lambda: link.token.stopped,
            pipelining=False,
        )
        return link

    def take_idle(self, account: Account, token: CancelToken) -> _Link | None:
        """The idle one, if it is of exactly this configuration. *token* may stop it from now on."""
        self.tend()
        with self._lock:
            link = self._idle.pop(account.id, None)
        if link is not None and link.session.account.version != account.version:
            link.close()
            return None
        if link is not None:
            link.token = token
            token.watch(link.connection.interrupt)
        return link

    def keep(self, link: _Link) -> None:
        """Keep it for the next conversation, in the place of one that was kept before."""
        spare: _Link | None = link
        account_id, link.idle_since = link.session.account.id, self._monotonic()
        with self._lock:
            is_current = link.epoch == self._epochs.get(account_id, 0)
            if link.session.usable and is_current and not self._closed:
                spare = self._idle.get(account_id)
                self._idle[account_id] = link
        if spare is not None:
            spare.close()

    def _close_idle(self, which: Callable[[_Link], bool]) -> None:
        with self._lock:
            links = [link for link in self._idle.values() if which(link)]
            for link in links:
                del self._idle[link.session.account.id]
        for link in links:
            link.close()


class _Conversation:
    """The Conversation port: it holds one link from message to message."""

    def __init__(self, sender: SessionSender, account: Account, token: CancelToken) -> None:
        self._sender = sender
        self._account = account
        self._token = token
        self._link: _Link | None = None
        self._dsn = not sender.dsn_refusals.lately(account)

    def send(
        self,
        parcel: Parcel,
        *,
        before_dot: Callable[[], bool],
        still: Callable[[], bool] = lambda: True,
        then: Callable[[], Parcel | None] = lambda: None,
    ) -> Handoff:
        """One attempt, as the port describes it. *then* is not asked."""
        token = self._token
        token.renew()

        def last() -> bool:
            return token.release() and still()

        try:
            handoff = self._hand_off(parcel, before_dot, last)
            if refuses_dsn(handoff):
                self._use_dsn(False)
                refused, handoff = handoff, self._hand_off(parcel, before_dot, last)
                if proves_refusal(handoff, refused):
                    self._sender.dsn_refusals.add(self._account)
                else:
                    self._use_dsn(True)
            elif refuses_dsn_of_some(handoff):
                self._use_dsn(False)
                self._sender.dsn_refusals.add(self._account)
            return handoff
        finally:
            if self._link is not None and not self._link.session.usable:
                self._drop()

    def end(self) -> None:
        """Give the connection back."""
        self._token.watch(None)  # it is no longer ours to interrupt
        link, self._link = self._link, None
        if link is not None:
            self._sender.keep(link)

    def _hand_off(
        self, parcel: Parcel, before_dot: Callable[[], bool], last: Callable[[], bool]
    ) -> Handoff:
        """Over the connection of the message before, an idle one or a new one."""
        while not self._token.stopped and (link := self._used()) is not None:
            if not link.session.renew(parcel):
                self._drop()
                continue
            delivered = link.session.transaction.delivered
            handoff = self._over(link, parcel, before_dot, last)
            if not calls_for_another(handoff, delivered=delivered):
                return handoff
            self._drop()
            break
        self._link = link = self._sender.new(self._account, self._token)
        handoff = link.session.open()
        return self._over(link, parcel, before_dot, last) if handoff.usable else handoff

    def _over(
        self,
        link: _Link,
        parcel: Parcel,
        before_dot: Callable[[], bool],
        last: Callable[[], bool],
    ) -> Handoff:
        if not self._dsn:
            link.session.transaction.use_dsn(False)
        return link.session.hand_off(parcel, before_dot=before_dot, still=last)

    def _use_dsn(self, wanted: bool) -> None:
        """For the rest of this conversation."""
        self._dsn = wanted
        if self._link is not None:
            self._link.session.transaction.use_dsn(wanted)

    def _used(self) -> _Link | None:
        """The link of the message before, or an idle one."""
        if self._link is None:
            self._link = self._sender.take_idle(self._account, self._token)
        return self._link

    def _drop(self) -> None:
        """Close it, whatever it may think of itself."""
        self._token.watch(None)
        link, self._link = self._link, None
        if link is not None:
            link.close()
