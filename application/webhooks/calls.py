"""One call of a webhook: the request with its signatures, and what the answer comes to."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import attrs

from application.event_feed import Shown
from application.ports.system import Clock, Observe, Vault
from application.ports.web import WebAnswer, WebClient, WebFailed, WebProblem, WebRequest
from domain.errors import SecretUnreadable
from domain.event.event import Position
from domain.event.payload import payload_json, timestamp
from domain.events import Event
from domain.webhook.delivery import TEST_TYPE, Outcome, WebhookAttempt, message_id, retry_after
from domain.webhook.signature import headers_of
from domain.webhook.webhook import Webhook, sealed_for

CALL_TIMEOUT_S: Final = 15.0
SECRET_UNREADABLE: Final = "secret_unreadable"  # noqa: S105 - a problem's name
INTERNAL_ERROR: Final = "internal_error"
_MOST_SECRETS: Final = 200  # more than there are webhooks with two each


@attrs.frozen(kw_only=True)
class Job:
    """A call that is to be made, the *number*th for its event.

    *position* is that of an event of the feed; None for a delivery that has waited.
    """

    event_id: int
    number: int
    body: bytes = attrs.field(repr=False)
    position: Position | None = None


def job_of(shown: Shown, *, number: int = 1, waited: bool = False) -> Job:
    """The call that tells an event as the feed has it."""
    event, labels = shown
    body = _octets(payload_json(event, labels, id=message_id(event.id)))
    position = None if waited else event.position
    return Job(event_id=event.id, number=number, body=body, position=position)


def job_of_test(event_id: int, webhook: Webhook, *, at: datetime) -> Job:
    """The call of a test, which tells nothing."""
    payload = {
        "id": message_id(event_id),
        "type": TEST_TYPE,
        "timestamp": timestamp(at),
        "data": {"webhook_id": webhook.id},
    }
    body = _octets(json.dumps(payload, separators=(",", ":")))
    return Job(event_id=event_id, number=1, body=body)


class WebhookCalls:
    """Makes calls. Safe from many threads."""

    def __init__(self, *, web: WebClient, clock: Clock, vault: Vault, observe: Observe) -> None:
        self._web = web
        self._clock = clock
        self._vault = vault
        self._observe = observe
        self._opened: dict[tuple[int, bytes], str] = {}

    def make(
        self, webhook: Webhook, job: Job, *, may_call: Callable[[], bool]
    ) -> WebhookAttempt | None:
        """The attempt; None if nothing was sent because *may_call* said no."""
        at, begun = self._clock.now(), self._clock.monotonic()
        outcome = self._outcome(webhook, job, at, may_call)
        if outcome is None:
            return None
        return WebhookAttempt(
            webhook_id=webhook.id,
            event_id=job.event_id,
            number=job.number,
            at=at,
            duration=timedelta(seconds=self._clock.monotonic() - begun),
            outcome=outcome,
        )

    def _outcome(
        self, webhook: Webhook, job: Job, at: datetime, may_call: Callable[[], bool]
    ) -> Outcome | None:
        try:
            request = self._request(webhook, job, at)
            return self._judged(self._web.fetch(request, timeout_s=CALL_TIMEOUT_S, before=may_call))
        except WebFailed as failed:
            stopped = failed.problem is WebProblem.STOPPED
            return None if stopped else Outcome(problem=failed.problem.value)
        except SecretUnreadable:
            return Outcome(problem=SECRET_UNREADABLE)
        except Exception as error:  # a bug must not lose the event, nor end the lane
            self._observe(_bug(error, webhook))
            return Outcome(problem=INTERNAL_ERROR)

    def _judged(self, answer: WebAnswer) -> Outcome:
        wish = retry_after(answer.headers.get("retry-after"), now=self._clock.now())
        return Outcome(status=answer.status, retry_after=wish)

    def _request(self, webhook: Webhook, job: Job, at: datetime) -> WebRequest:
        secrets = [self._open(webhook.id, sealed) for sealed in webhook.sealed_secrets(at=at)]
        signed = headers_of(message_id(job.event_id), job.body, secrets=secrets, at=at)
        headers = {"content-type": "application/json", **signed}
        return WebRequest(method="POST", url=webhook.url, headers=headers, body=job.body)

    def _open(self, webhook_id: int, sealed: bytes) -> str:
        """The secret; to open it anew for each call would take longer than to sign."""
        secret = self._opened.get((webhook_id, sealed))
        if secret is None:
            secret = self._vault.open(sealed, context=sealed_for(webhook_id))
            if len(self._opened) >= _MOST_SECRETS:
                self._opened.clear()
            self._opened[webhook_id, sealed] = secret
        return secret


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _bug(error: Exception, webhook: Webhook) -> Event:
    fields: dict[str, str | int | float | None] = {
        "webhook": webhook.id,
        "error": type(error).__name__,
        "text": str(error),
    }
    return Event(name="webhook_call_failed", fields=fields)
