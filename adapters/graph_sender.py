"""The Sender port over Microsoft's Graph API: each email is one request of HTTP.

What Graph answers means, `domain/outcome/graph_answer.py` says. The token is fetched first; then
the connection is made; the permission is asked when it stands, as the last thing before the
request's first octet. From there on the message may have been taken, whatever comes after.
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final
from urllib.parse import quote

import attrs

from application.ports.oauth import Tokens, TokenUnavailable
from application.ports.system import Clock
from application.ports.web import WebAnswer, WebClient, WebFailed, WebProblem, WebRequest
from application.sending import CancelToken, CancelTokens
from domain.account.account import Account, Security
from domain.account.graph import MOST_OCTETS, base_url
from domain.account.verification import Step
from domain.address import Address
from domain.dialogue.timeouts import VERIFY_S, Timeouts
from domain.message.addressed import addressed
from domain.outcome.graph_answer import of_asking, of_sending
from domain.outcome.handoff import Handoff, Parcel, Problem, Reply, Stage
from domain.outcome.secret_forms import SecretForms

# Where a connection did not come about, or nothing went over it.
_UNSENT: Final[Mapping[WebProblem, tuple[Stage, Problem]]] = {
    WebProblem.FORBIDDEN: (Stage.CONNECT, Problem.BLOCKED),
    WebProblem.NOT_FOUND: (Stage.RESOLVE, Problem.NOT_FOUND),
    WebProblem.UNREACHABLE: (Stage.CONNECT, Problem.REFUSED),
    WebProblem.TLS: (Stage.TLS, Problem.HANDSHAKE),
    WebProblem.TIMEOUT: (Stage.CONNECT, Problem.TIMEOUT),
    WebProblem.TOO_LARGE: (Stage.CONNECT, Problem.CLOSED),
    WebProblem.PROTOCOL: (Stage.CONNECT, Problem.CLOSED),
    WebProblem.STOPPED: (Stage.BODY, Problem.STOPPED),
}
_TELLING: Final = 16  # characters of a token in a row that are not kept
_STOPPED: Final = Handoff(stage=Stage.BODY, problem=Problem.STOPPED)


class GraphSender:
    """Hands messages to Graph. Safe from many threads; it keeps nothing of an account."""

    def __init__(self, *, web: WebClient, tokens: Tokens, clock: Clock, timeouts: Timeouts) -> None:
        self._web = web
        self._tokens = tokens
        self._clock = clock
        self._timeouts = timeouts
        self._cancel_tokens = CancelTokens()

    @contextmanager
    def converse(self, account: Account) -> Iterator["_Conversation"]:
        """One message after the other; the web client keeps the connections."""
        with self._cancel_tokens.one() as cancel_token:
            yield _Conversation(self, account, cancel_token)

    def probe(self, account: Account) -> Handoff:
        """Whether there is a token that Graph takes; nothing but Mail.Send is needed for it."""
        return self._ask(account, self._timeouts)

    def verify(self, account: Account, *, recipient: Address) -> tuple[Step, ...]:
        """The same, stage by stage. Graph says nothing of a recipient without sending to it."""
        handoff = self._ask(account, self._timeouts.at_most(VERIFY_S))
        if handoff.logged_in:
            return (
                Step(stage=Stage.CONNECT, detail=f"connected to {account.host}"),
                Step(stage=Stage.AUTH, detail="the token was taken"),
            )
        failed = Step.of(handoff)
        if handoff.reply is None:
            return (failed,)
        return (Step(stage=Stage.CONNECT, detail=f"connected to {account.host}"), failed)

    def retire(self, account_id: int) -> None:
        """Nothing of an account is kept: its token goes with each request."""

    def abort(self) -> None:
        """Requests whose permission was not given yet will not get it; they end as STOPPED."""
        self._cancel_tokens.stop()

    def tend(self) -> None:
        """The web client closes what idles."""

    def drop_idle(self) -> None:
        """A connection of the web client has no login: any process may go on without it."""

    def close(self) -> None:
        """The web client is closed by whoever made it."""

    # --- what conversations need

    def send(
        self,
        account: Account,
        parcel: Parcel,
        *,
        allowed: Callable[[], bool],
        stopped: Callable[[], bool],
    ) -> Handoff:
        """One attempt. *allowed* is the permission, asked again before a second request."""
        if parcel.size > MOST_OCTETS:
            detail = (
                f"the message has {parcel.size} octets, and Microsoft Graph takes {MOST_OCTETS}"
            )
            return Handoff(stage=Stage.MAIL, problem=Problem.TOO_BIG, detail=detail)
        message = addressed(b"".join(parcel.pieces()), parcel.envelope.recipients)
        body = base64.b64encode(message)
        handoff, token = _STOPPED, ""
        for _ in range(2):
            if stopped():
                return _STOPPED
            try:
                token = self._tokens.token(account, refused=token)
            except TokenUnavailable as unavailable:
                return _without_token(unavailable)
            if stopped():
                return _STOPPED
            request = WebRequest(
                method="POST",
                url=f"{_mailbox(account)}/sendMail",
                headers={**_bearer(token), "Content-Type": "text/plain"},
                body=body,
            )
            try:
                answer = self._fetch(request, self._timeouts, before=allowed)
            except WebFailed as failed:
                return _failed(failed)
            handoff = _told(answer, of_sending, token, self._clock)
            if handoff.stage is not Stage.AUTH:
                break
        return handoff

    def _ask(self, account: Account, timeouts: Timeouts) -> Handoff:
        """What Graph says to a token of the account, without a message."""
        handoff, token = _STOPPED, ""
        for _ in range(2):
            try:
                token = self._tokens.token(account, refused=token)
            except TokenUnavailable as unavailable:
                return _without_token(unavailable)
            url = f"{_mailbox(account)}?$select=id"
            try:
                answer = self._web.fetch(
                    WebRequest(url=url, headers=_bearer(token)),
                    timeout_s=timeouts.auth,
                    connect_s=timeouts.connect,
                )
            except WebFailed as failed:
                stage, problem = _UNSENT[failed.problem]
                if failed.may_have_arrived:
                    stage = Stage.AUTH
                return Handoff(stage=stage, problem=problem, detail=failed.detail)
            handoff = _told(answer, of_asking, token, self._clock)
            if handoff.stage is not Stage.AUTH:
                break
        return handoff

    def _fetch(
        self, request: WebRequest, timeouts: Timeouts, *, before: Callable[[], bool]
    ) -> WebAnswer:
        return self._web.fetch(
            request,
            timeout_s=timeouts.connect + timeouts.dot,
            connect_s=timeouts.connect,
            before=before,
        )


@attrs.define
class _Conversation:
    """The Conversation port."""

    _sender: GraphSender
    _account: Account
    _cancel_token: CancelToken

    def send(
        self,
        parcel: Parcel,
        *,
        before_dot: Callable[[], bool],
        still: Callable[[], bool] = lambda: True,
        then: Callable[[], Parcel | None] = lambda: None,
    ) -> Handoff:
        """One attempt, as the port describes it. *then* is not asked."""
        cancel_token = self._cancel_token
        cancel_token.renew()
        asked: list[bool] = []

        def allowed() -> bool:
            if not asked:
                asked.append(not cancel_token.stopped and before_dot())
            # from the first request on it is too late to stop: the second follows at once
            return asked[0] and cancel_token.release() and still()

        return self._sender.send(
            self._account, parcel, allowed=allowed, stopped=lambda: cancel_token.stopped
        )


_Teller = Callable[..., Handoff]


def _told(answer: WebAnswer, tell: _Teller, token: str, clock: Clock) -> Handoff:
    """What an answer means. A text that repeats the token is not kept."""
    handoff = tell(answer.status, answer.headers, answer.body, now=clock.now())
    if handoff.accepted or not _repeats(handoff.text, token):
        return handoff
    reply = handoff.reply
    if reply is None:
        return attrs.evolve(handoff, detail=f"HTTP {answer.status}")
    bare = f"{reply.enhanced or ''} HTTP {answer.status}".strip()
    return attrs.evolve(handoff, reply=Reply.of(reply.code, bare))


def _repeats(text: str, token: str) -> bool:
    """Whether *text* has the token in any form, or a part of it that is no word by chance."""
    whole = SecretForms(username="", password=token)
    if list(whole.masked([text])) != [text]:
        return True
    return any(token[at : at + _TELLING] in text for at in range(max(len(token) - _TELLING, 0) + 1))


def _mailbox(account: Account) -> str:
    """The resource of the mailbox that the account logs in to."""
    secure = account.security is not Security.PLAIN
    base = base_url(host=account.host, port=account.port, secure=secure)
    return f"{base}/v1.0/users/{quote(account.username, safe='@')}"


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _without_token(unavailable: TokenUnavailable) -> Handoff:
    return Handoff(stage=Stage.AUTH, problem=unavailable.problem, detail=unavailable.detail)


def _failed(failed: WebFailed) -> Handoff:
    """What became of a message whose request had no answer."""
    if not failed.may_have_arrived:
        stage, problem = _UNSENT[failed.problem]
        return Handoff(stage=stage, problem=problem, detail=failed.detail)
    problem = {
        WebProblem.TIMEOUT: Problem.TIMEOUT,
        WebProblem.PROTOCOL: Problem.CLOSED,
    }.get(failed.problem, Problem.PROTOCOL)
    return Handoff(stage=Stage.DOT, problem=problem, detail=failed.detail)
