"""The reasons in words: why an account sends nothing, why emails failed, and what to do."""

from typing import Final, NamedTuple


class Reason(NamedTuple):
    """What is the matter, as a part of a sentence, and what a person does about it."""

    what: str
    advice: str


_DOCTOR: Final = "Open it and run the doctor: it says what to mend. Then resume it."
_LOGIN: Final = "Edit it and type the password in again: many providers want an app password."
_PROVIDER: Final = "Ask the provider why. When it is mended there, resume it."
_BY_ITSELF: Final = "Nothing to do: it goes on by itself. If it happens often, set lower limits."
_SERVER: Final = (
    "It is tried again by itself. If it lasts, open it and run the doctor: it says what to mend."
)
_MACHINE: Final = (
    "Have this machine's address and name taken off the provider's blocks, or send by another"
    " provider. Then resume it."
)
_AUTHORIZE: Final = "Authorize it: a person logs in at the provider and consents."

# why nothing is handed off through an account
ACCOUNT_REASONS: Final = {
    "by_hand": Reason("a person has paused it", "Resume it when it may send again."),
    "password_missing": Reason(
        "its password is missing, because the server or the username was changed",
        "Edit it and type the password in again.",
    ),
    "needs_consent": Reason("nobody has authorized it", _AUTHORIZE),
    "oauth_client": Reason(
        "the provider does not take its OAuth application",
        "Check the client ID and send the client secret again, then authorize it.",
    ),
    "token_refused": Reason("the server refuses its OAuth token", _AUTHORIZE),
    "token_server": Reason("the provider gives no token now", _SERVER),
    "auth_failed": Reason("the server refuses its username and password", _LOGIN),
    "auth_disabled": Reason(
        "the provider has switched logins by SMTP off for this mailbox",
        "Have the provider's administrator allow SMTP AUTH for it. Then resume it.",
    ),
    "auth_required": Reason("the server wants a login", _LOGIN),
    "auth_deferred": Reason("the server refuses logins for now", _SERVER),
    "no_auth_mechanism": Reason("the server offers no login that it can use", _DOCTOR),
    "secret_unreadable": Reason(
        "its password cannot be decrypted, because SECRET_KEY was changed",
        "Give the service its old SECRET_KEY again, or edit it and type the password in.",
    ),
    "dkim_key_unreadable": Reason(
        "its DKIM key cannot be decrypted, because SECRET_KEY was changed",
        "Give the service its old SECRET_KEY again, or make new DKIM keys.",
    ),
    "account_closed": Reason("the provider has closed it", _PROVIDER),
    "sending_paused": Reason("the provider has paused its sending", _PROVIDER),
    "sender_blocked": Reason("the provider has blocked it", _PROVIDER),
    "not_authorized": Reason("the provider does not let it send", _PROVIDER),
    "relay_denied": Reason("the server takes no mail from it for others", _DOCTOR),
    "unusual_activity": Reason(
        "the provider sees unusual activity",
        "Log in on the provider's web page and confirm that it was you. Then resume it.",
    ),
    "sender_refused": Reason("the server refuses its address as a sender", _DOCTOR),
    "sender_unverified": Reason(
        "the provider has not verified its address",
        "Verify the address, or its domain, at the provider. Then resume it.",
    ),
    "sender_unauthenticated": Reason("its domain does not authenticate its mail", _DOCTOR),
    "sender_mailbox_full": Reason(
        "its own mailbox is full", "Delete old mail there. Then resume it."
    ),
    "sender_throttled": Reason("the provider slows it down", _BY_ITSELF),
    "throttled": Reason("it sends too fast for the provider", _BY_ITSELF),
    "slowed_down": Reason("it sends as slowly as its server asked for", _BY_ITSELF),
    "congestion": Reason("the server asks for less mail at once", _BY_ITSELF),
    "quota_exceeded": Reason("the provider's sending limit is used up", _BY_ITSELF),
    "too_many_logins": Reason("it logged in too often for the provider", _BY_ITSELF),
    "too_many_connections": Reason("it has too many connections for the provider", _BY_ITSELF),
    "session_limit": Reason("the server takes few emails on one connection", _BY_ITSELF),
    "minute_limit": Reason("its limit for a minute is used up", _BY_ITSELF),
    "hour_limit": Reason("its limit for an hour is used up", _BY_ITSELF),
    "day_limit": Reason("its limit for a day is used up", _BY_ITSELF),
    "account_inactive": Reason("it is switched off", "Edit it and make it active."),
    "client_refused": Reason("the server refuses this machine", _MACHINE),
    "reputation": Reason("the server distrusts this machine's address", _MACHINE),
    "helo": Reason(
        "the server refuses the name of this machine",
        "Set EHLO_HOSTNAME to this machine's full name. Then resume it.",
    ),
    "blocked_host": Reason(
        "the service may not connect to its server",
        "Check the host, or allow it in SMTP_ALLOWED_CIDRS.",
    ),
    "tls_certificate": Reason("the server's certificate is not trusted", _DOCTOR),
    "tls_mode": Reason("the port and the TLS mode do not fit", _DOCTOR),
    "tls_failed": Reason("TLS with the server fails", _SERVER),
    "tls_unavailable": Reason("the server offers no TLS", _DOCTOR),
    "no_esmtp": Reason("the server speaks no ESMTP", _DOCTOR),
    "protocol": Reason("what answers there is no mail server", _DOCTOR),
    "dns": Reason("the name of its server cannot be looked up", _SERVER),
    "unreachable": Reason("its server cannot be reached", _SERVER),
    "server_unreachable": Reason("its server cannot be reached", _SERVER),
    "connection_lost": Reason("its server breaks connections off", _SERVER),
    "server_busy": Reason("its server is busy", _SERVER),
    "server_refuses": Reason("its server refuses mail", _SERVER),
    "outcome_unknown": Reason("its server gives no answer after a message", _SERVER),
    "deferred": Reason("its server puts mail off", _SERVER),
    "message_refused": Reason("its server refuses one message after the other", _DOCTOR),
    "policy": Reason("its server refuses one message after the other", _DOCTOR),
}
# why emails failed
EMAIL_REASONS: Final = {
    "recipient_refused": Reason(
        "the recipient does not exist, or takes no mail", "Correct or remove the addresses."
    ),
    "suppressed": Reason(
        "the recipient is on the suppression list, or has unsubscribed",
        "Look at the suppression list.",
    ),
    "recipient_suppressed": Reason(
        "the provider has the recipient on its own list",
        "Remove it there if the address is good again.",
    ),
    "recipient_throttled": Reason(
        "the recipient got too much mail at once", "Retry them later, and send less to each."
    ),
    "mailbox_full": Reason("the recipient's mailbox was full", "Retry them later."),
    "message_refused": Reason(
        "the server refused the message", "Read its reply: it says what is wrong with the content."
    ),
    "policy": Reason(
        "the server refused the message by its rules, often as spam",
        "Read its reply, and run the doctor for the account.",
    ),
    "message_too_big": Reason(
        "the message is too large for the server", "Send smaller attachments, or links."
    ),
    "expired": Reason(
        "they waited longer than their lifetime", "Find out what held them up, then retry them."
    ),
    "outcome_unknown": Reason(
        "the server went silent, so it is not known whether it took the message",
        "Ask a recipient, then resolve or retry them.",
    ),
    "smtputf8_unsupported": Reason(
        "the server takes no addresses beyond ASCII", "Send them by another account."
    ),
    "deferred": Reason("the server put them off until the last retry", "Read its reply."),
    "server_refuses": Reason("the server refused them", "Read its reply."),
    "internal_error": Reason("the service failed on them", "Look into its log."),
}


def of_account(code: str) -> Reason:
    """Of a pause or another hold-up; a rule of one's own has a reason that is unknown here."""
    return ACCOUNT_REASONS.get(code) or Reason(_as_it_is(code), _DOCTOR)


def of_emails(code: str) -> Reason:
    """Of emails that failed."""
    return EMAIL_REASONS.get(code) or Reason(_as_it_is(code), "Read what the server said.")


def _as_it_is(code: str) -> str:
    return code.replace("_", " ") or "no reason is known"
