"""How urgent each event is: the level of its line in the log."""

from collections.abc import Mapping
from logging import ERROR, INFO, WARNING
from typing import Final

from domain.events import Event

LEVELS: Final[Mapping[str, int]] = {
    "account_paused": ERROR,
    "alert_not_sent": ERROR,
    "announcing_stopped": WARNING,
    "attempt_lost": WARNING,
    "attempt_not_opened": WARNING,
    "attempt_recovered": WARNING,
    "authorization_failed": WARNING,
    "broker_unreachable": WARNING,
    "claim_failed": ERROR,
    "clock_set_back": WARNING,
    "delivery_bug": ERROR,
    "email_expired": WARNING,
    "feeder_failed": ERROR,
    "hook_key_unreadable": ERROR,
    "hook_refused": WARNING,
    "hook_unknown": WARNING,
    "hook_unsubscribed": WARNING,
    "inbox_failed": WARNING,
    "inbox_reader_failed": ERROR,
    "instance_removed": WARNING,
    "key_refused": WARNING,
    "process_ended": ERROR,
    "process_not_started": ERROR,
    "result_came_late": WARNING,
    "retention_begins": WARNING,
    "secret_unreadable": ERROR,
    "store_unavailable": ERROR,
    "sweep_failed": ERROR,
    "token_refused": WARNING,
    "webhook_call_failed": ERROR,
    "webhook_disabled": WARNING,
    "webhook_gave_up": WARNING,
    "webhooks_failed": ERROR,
    "worker_died": ERROR,
    "worker_failed": ERROR,
}


def level_of(event: Event) -> int:
    """The level of *event*'s line; INFO unless the table or the server's answer says otherwise.

    The end of an attempt has a stage. A warning is due if its email was not simply accepted. A
    pause without a reason is one that a person wanted.
    """
    if "stage" in event.fields and event.name.startswith("email_"):
        return INFO if event.fields.get("reason", "accepted") == "accepted" else WARNING
    if event.name == "account_paused" and "reason" not in event.fields:
        return INFO
    return LEVELS.get(event.name, INFO)
