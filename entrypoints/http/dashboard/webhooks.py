"""Webhooks: where events are told, what came of each call, and telling again."""

from collections.abc import Sequence
from typing import Final

from flask import Blueprint, Response, url_for

from application import Application
from application.webhooks.registry import WebhookWish
from domain.event.types import EventType
from domain.webhook.delivery import WebhookAttempt, event_number, message_id
from domain.webhook.webhook import EVERY_TYPE, DisabledReason, Webhook
from entrypoints.http.dashboard.forms import (
    REFUSALS,
    checked,
    field,
    number_in_query,
    status_of,
    told,
    typed,
    without_blanks,
)
from entrypoints.http.dashboard.page import caller_of_page, go_to, page
from entrypoints.http.dashboard.shown_once import ShownOnce
from entrypoints.http.dashboard.words import Word
from entrypoints.http.validation import parse
from entrypoints.http.webhooks.schemas import WebhookChanges, WebhookRequest

ROWS: Final = 50  # attempts on a page
_DISABLED: Final = {
    DisabledReason.REQUEST: "It was switched off by a person.",
    DisabledReason.GONE: "The receiver answered 410 Gone: it wants no more calls.",
    DisabledReason.FAILING: "No call succeeded for five days.",
}
_PROBLEMS: Final = {
    "forbidden": "the address is not allowed",
    "not_found": "no such host",
    "unreachable": "no connection",
    "tls": "TLS failed",
    "timeout": "no answer in time",
    "too_large": "the answer was too large",
    "protocol": "the answer was no HTTP",
    "secret_unreadable": "the secret cannot be read with this SECRET_KEY",
    "internal_error": "an error of this service: see its log",
}


class WebhookPages:
    """The list, and a page for each webhook."""

    def __init__(self, application: Application) -> None:
        self._webhooks = application.webhooks
        self._account_queries = application.account_queries
        self._shown = ShownOnce(
            application.dashboard_sessions,
            "webhook_secret",
            title="The webhook's secret",
            text="Every call is signed with it, as Standard Webhooks says. Keep it where your"
            " program reads it.",
        )

    def add_to(self, routes: Blueprint) -> None:
        """Route them."""
        both = ["GET", "POST"]
        routes.add_url_rule("/webhooks", "webhooks", self.webhooks, methods=both)
        routes.add_url_rule("/webhooks/<id:webhook_id>", "webhook", self.webhook, methods=both)
        path = "/webhooks/<id:webhook_id>/secret"
        routes.add_url_rule(path, "webhook_secret", self.secret)
        for name, act in (
            ("active", self.switch),
            ("rotate", self.rotate),
            ("test", self.test),
            ("replay", self.replay),
            ("delete", self.delete),
        ):
            path = f"/webhooks/<id:webhook_id>/{name}"
            routes.add_url_rule(path, f"webhook_{name}", act, methods=["POST"])

    def webhooks(self) -> Response:
        """All of them, and a form for a new one."""
        if field("url") or checked("events"):
            return self._add()
        return self._list()

    def _list(self, problems: Sequence[str] = (), *, status: int = 200) -> Response:
        return page(
            "webhooks.html",
            status=status,
            place="dashboard.webhooks",
            listed=self._webhooks.all(caller=caller_of_page()),
            state=_state,
            problems=problems,
            typed=typed(),
            chosen=checked("events") or (EVERY_TYPE,),
            types=(EVERY_TYPE, *EventType),
        )

    def _add(self) -> Response:
        caller = caller_of_page()
        try:
            wish = parse(
                WebhookRequest, without_blanks(url=field("url"), events=list(checked("events")))
            )
            webhook, secret = self._webhooks.add(wish.url, frozenset(wish.events), caller=caller)
        except REFUSALS as error:
            return self._list(told(error), status=status_of(error))
        return self._shown.lead_to(secret, webhook_id=webhook.id)

    def webhook(self, webhook_id: int) -> Response:
        """One of them with its calls, and the form that changes it."""
        if not field("url"):
            return self._one(webhook_id)
        try:
            changes = parse(
                WebhookChanges, without_blanks(url=field("url"), events=list(checked("events")))
            )
            wish = WebhookWish(
                url=changes.url,
                types=None if changes.events is None else frozenset(changes.events),
            )
            self._webhooks.change(webhook_id, wish, caller=caller_of_page())
        except REFUSALS as error:
            return self._one(webhook_id, told(error), status=status_of(error))
        return go_to("webhook", webhook_id=webhook_id, done="saved")

    def _one(self, webhook_id: int, problems: Sequence[str] = (), *, status: int = 200) -> Response:
        caller = caller_of_page()
        listed = self._webhooks.get(webhook_id, caller=caller)
        before = number_in_query("before")
        found = self._webhooks.attempts(webhook_id, before=before, limit=ROWS + 1, caller=caller)
        rows = found[:ROWS]
        webhook = listed.webhook
        return page(
            "webhook.html",
            status=status,
            place="dashboard.webhooks",
            webhook=webhook,
            waiting=listed.waiting,
            names=self._account_queries.account_names(caller=caller),
            state=_state(webhook),
            why=webhook.disabled and _DISABLED[webhook.disabled],
            attempts=rows,
            came_to=_came_to,
            message_id=message_id,
            older=url_for("dashboard.webhook", webhook_id=webhook_id, before=rows[-1].id)
            if len(found) > ROWS
            else None,
            problems=problems,
            typed=typed() or {"url": webhook.url},
            chosen=checked("events") or sorted(webhook.types),
            types=(EVERY_TYPE, *EventType),
        )

    def switch(self, webhook_id: int) -> Response:
        """On or off."""
        active = field("active") == "yes"
        self._webhooks.change(webhook_id, WebhookWish(active=active), caller=caller_of_page())
        return go_to("webhook", webhook_id=webhook_id, done="enabled" if active else "disabled")

    def rotate(self, webhook_id: int) -> Response:
        """A new secret, shown on this page only."""
        _, secret = self._webhooks.rotate(webhook_id, caller=caller_of_page())
        return self._shown.lead_to(secret, webhook_id=webhook_id)

    def test(self, webhook_id: int) -> Response:
        """A call for nothing."""
        try:
            self._webhooks.test(webhook_id, caller=caller_of_page())
        except REFUSALS as error:
            return self._one(webhook_id, told(error), status=status_of(error))
        return go_to("webhook", webhook_id=webhook_id, done="tested")

    def replay(self, webhook_id: int) -> Response:
        """One event again."""
        try:
            number = event_number(field("event_id"))
        except ValueError as error:
            return self._one(webhook_id, [f"event id: {error}"], status=400)
        try:
            replayed = self._webhooks.replay(
                webhook_id, first=number, last=number, caller=caller_of_page()
            )
        except REFUSALS as error:
            return self._one(webhook_id, told(error), status=status_of(error))
        if not replayed.number:
            text = "There is no such event any more, or this webhook does not get it."
            return self._one(webhook_id, [text], status=409)
        return go_to("webhook", webhook_id=webhook_id, done="replayed")

    def delete(self, webhook_id: int) -> Response:
        """It, and all that waits for it."""
        self._webhooks.remove(webhook_id, caller=caller_of_page())
        return go_to("webhooks", done="deleted")

    def secret(self, webhook_id: int) -> Response:
        """The new secret, once; then the webhook."""
        then = url_for("dashboard.webhook", webhook_id=webhook_id)
        shown = self._shown.show(place="dashboard.webhooks", then=then)
        return shown or go_to("webhook", webhook_id=webhook_id)


def _state(webhook: Webhook) -> Word:
    if webhook.disabled is not None:
        by_hand = webhook.disabled is DisabledReason.REQUEST
        return Word("switched off", "off") if by_hand else Word("given up", "bad")
    return Word("active", "good") if webhook.failing_since is None else Word("failing", "bad")


def _came_to(attempt: WebhookAttempt) -> Word:
    outcome = attempt.outcome
    if outcome.status is not None:
        return Word(f"HTTP {outcome.status}", "good" if outcome.succeeded else "bad")
    return Word(_PROBLEMS.get(outcome.problem or "", outcome.problem or "failed"), "bad")
