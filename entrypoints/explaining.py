"""Why an email is where it is, in words: for the pages of the dashboard and the commands.

A reason, a gate and a result have their words here and nowhere else.
"""

from types import MappingProxyType
from typing import Final

from domain.outcome.verdict import AccountEffect, Result

RESULTS: Final = MappingProxyType(
    {
        Result.SENT: "the email was accepted",
        Result.RETRY: "it is retried later, and that counts as a retry",
        Result.WAIT: "it waits until the account can send again; no retry is counted",
        Result.FAILED: "it has failed for good",
        Result.UNKNOWN: "it is unknown whether it was accepted",
    }
)
EFFECTS: Final = MappingProxyType(
    {
        AccountEffect.NONE: "nothing: other emails go on",
        AccountEffect.HEALTHY: "nothing: the server accepts mail",
        AccountEffect.SLOW: "it slows down for a short time",
        AccountEffect.UNREACHABLE: "it connects again after some seconds, then minutes",
        AccountEffect.PAUSE: "it pauses",
        AccountEffect.STREAK: "it pauses when several emails in a row get such a reply",
        AccountEffect.RECONNECT: "it opens a new connection at once",
        AccountEffect.REST: "it pauses for as long as the server asked",
    }
)

# What a reason code means, of an email, a recipient, an attempt or a pause.
REASONS: Final = MappingProxyType(
    {
        # the service's own
        "accepted": "the mail server accepted it",
        "cancelled": "somebody cancelled it",
        "crashed": "the process that sent it died",
        "expired": "its time was over before it could be sent",
        "lease_over": "the process that held it stood still for too long",
        "outcome_unknown": "the mail server had the message and did not say whether it accepted it",
        "poison": "the service died several times while it sent this email",
        "resolved": "a person found out that it was sent",
        "shutdown": "the service stopped before it was sent",
        "stopped": "the service stopped before it was sent",
        "suppressed": "the recipient is on the suppression list, or has unsubscribed",
        "announcement_refused": "the mail server takes one email after the other",
        "by_hand": "somebody paused it",
        "account_inactive": "the SMTP configuration is not active",
        "internal_error": "the service made a mistake: its log says more",
        "not_understood": "the mail server's reply was not understood",
        # the recipient, or the mailbox behind it
        "mailbox_full": "the recipient's mailbox is full",
        "recipient_refused": "the receiving server says that it cannot take mail for this address",
        "recipient_suppressed": "the provider has this address on its own suppression list",
        "recipient_throttled": "the recipient gets too much mail at once",
        # the message
        "message_refused": "the mail server refused what stands in the message",
        "message_too_big": "the message is too large for the mail server",
        "policy": "the receiving server refused it by a rule of its own",
        "reputation": "the receiving server distrusts the sender's address or network",
        "smtputf8_unsupported": "the mail server takes only addresses in ASCII",
        "too_many_recipients": "the mail server takes fewer recipients at once",
        "dkim_key_unreadable": "the DKIM key cannot be opened with SECRET_KEY",
        # the account
        "account_closed": "the provider has closed or suspended the account",
        "auth_deferred": "the mail server could not check the password for now",
        "auth_disabled": "the provider does not allow logins with a password for this account",
        "auth_failed": "the mail server refused the username or the password",
        "auth_required": "the mail server wants a login",
        "needs_consent": "somebody must authorize the service at the provider again",
        "no_auth_mechanism": "the mail server offers no way to log in that the service knows",
        "not_authorized": "the account may not send as this address",
        "oauth_client": "the provider refused the OAuth client",
        "password_missing": "the account has no password",
        "quota_exceeded": "the provider's limit of emails is used up",
        "relay_denied": "the mail server does not send mail on for this account",
        "secret_unreadable": "the account's password cannot be opened with SECRET_KEY",
        "sender_blocked": "the provider has blocked the sender",
        "sender_mailbox_full": "the sender's own mailbox is full",
        "sender_refused": "the mail server refused the sender's address",
        "sender_throttled": "the mail server takes less mail of this sender for now",
        "sender_unauthenticated": "the sender's domain did not pass SPF, DKIM or DMARC",
        "sender_unverified": "the sender's address must be verified at the provider first",
        "sending_paused": "the provider has paused sending for this account",
        "token_refused": "the mail server refused the OAuth token",
        "token_server": "the server that gives out OAuth tokens did not answer as it should",
        "too_many_logins": "the mail server had too many logins",
        "unusual_activity": "the provider saw unusual activity and wants somebody to log in",
        # this machine
        "blocked_host": "the settings do not allow connections to this host",
        "client_refused": "the mail server refuses the network address of this machine",
        "helo": "the mail server refuses the name by which this machine greets",
        "tls_mode": "the port expects another kind of encryption (TLS or STARTTLS)",
        # the server, or the network up to it
        "congestion": "the mail server is overloaded",
        "connection_lost": "the connection broke",
        "deferred": "the mail server asked to try again later",
        "dns": "the name of the mail server could not be looked up",
        "no_esmtp": "the server does not speak ESMTP",
        "out_of_step": "the mail server's replies did not fit the dialogue",
        "parameter_refused": "the mail server refused a parameter that it offers itself",
        "protocol": "the mail server's reply was no SMTP",
        "protocol_refused": "the mail server did not understand a command",
        "server_busy": "the mail server is busy",
        "server_refuses": "the mail server takes no mail now",
        "session_limit": "the mail server takes no more emails on this connection",
        "slowed_down": "the mail server asked for a slower pace",
        "throttled": "the mail server asked to send more slowly",
        "tls_certificate": "the certificate of the mail server cannot be trusted",
        "tls_failed": "the encryption could not be negotiated",
        "tls_unavailable": "the mail server offers no encryption",
        "too_many_connections": "the mail server had too many connections",
        "unreachable": "the mail server could not be reached",
        "server_unreachable": "the mail server could not be reached",
    }
)

# What a closed gate waits for, or what limits a queue in a forecast.
WAITS_FOR: Final = MappingProxyType(
    {
        "scheduled": "its time has not come yet",
        "retry_delay": "the wait before its next attempt is not over",
        "no_account": "no SMTP configuration is active that could send it",
        "account_inactive": "the SMTP configuration is not active",
        "account_paused": "the SMTP configuration is paused",
        "server_unreachable": "the mail server does not answer; the service tries it by itself",
        "server_busy": "the mail server is busy; the service tries it by itself",
        "minute_limit": "the limit of this minute is used up",
        "hour_limit": "the limit of this hour is used up",
        "day_limit": "the limit of this day is used up",
        "slowed_down": "the mail server asked for a slower pace",
        "connections": "the mail server takes only so many emails at once",
        "in_line": "nothing holds it up: it is next",
    }
)

# A gate as the condition that must hold.
CONDITIONS: Final = MappingProxyType(
    {
        "scheduled": "its time has come",
        "retry_delay": "the wait before the next attempt is over",
        "no_account": "an SMTP configuration is active",
        "account_inactive": "the SMTP configuration is active",
        "account_paused": "the SMTP configuration is not paused",
        "server_unreachable": "the mail server answers",
        "server_busy": "the mail server is not busy",
        "minute_limit": "there is room in the limit of a minute",
        "hour_limit": "there is room in the limit of an hour",
        "day_limit": "there is room in the limit of a day",
    }
)


def reason(code: str | None) -> str:
    """What a reason code means; the code itself if it is of the owner's own rules."""
    if code is None:
        return ""
    return REASONS.get(code) or WAITS_FOR.get(code) or code.replace("_", " ")


def waits_for(name: str | None) -> str:
    """What a gate, or what limits a forecast, waits for."""
    return "" if name is None else WAITS_FOR.get(name, name.replace("_", " "))
