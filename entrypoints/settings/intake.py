"""Settings: what is accepted."""

# ruff: noqa: RUF009 - `setting` is attrs.field with a rule; it shares no mutable default

from enum import StrEnum
from typing import ClassVar, Final

import attrs

from entrypoints.settings import rules
from entrypoints.settings.declaration import setting

USUAL: Final = "usual"


class ApiTimes(StrEnum):
    """How the API writes a time."""

    PUBLISHED = "published"  # 2023-05-24T10:30:00.000000, in UTC
    RFC3339 = "rfc3339"  # 2023-05-24T10:30:00.000000Z


class DialectName(StrEnum):
    """The vendors whose APIs are spoken."""

    RESEND = "resend"
    SENDGRID = "sendgrid"
    POSTMARK = "postmark"
    MAILGUN = "mailgun"


@attrs.frozen(kw_only=True, slots=False)
class IntakeSettings:
    """How much a client may submit."""

    HEADING: ClassVar = "What is accepted"

    api_times: ApiTimes = setting(
        "API_TIMES",
        ApiTimes.PUBLISHED,
        rules.one_of(ApiTimes),
        meaning=(
            "How the API writes times. published: 2023-05-24T10:30:00.000000, which is UTC. "
            "rfc3339: the same with a Z, for clients whose types are made from the OpenAPI "
            "document."
        ),
    )
    dialects: tuple[DialectName, ...] = setting(
        "DIALECTS",
        tuple(DialectName),
        rules.words_of(DialectName, none="none"),
        meaning=(
            "The vendors whose APIs are spoken at the root of this service's URL, so that apps "
            "made for them send through it. They always need an API key."
        ),
    )
    max_queue_depth: int = setting(
        "MAX_QUEUE_DEPTH",
        1_000_000,
        rules.whole(0, 10**9),
        meaning=("Emails that may wait in the queue; the next one is answered 503. 0 is no limit."),
    )
    max_account_depth: int = setting(
        "MAX_ACCOUNT_DEPTH",
        500_000,
        rules.whole(0, 10**9),
        meaning=(
            "Emails that may wait for one SMTP configuration by name; the next one is "
            "answered 503 (account_queue_full). 0 is no limit."
        ),
    )
    max_body_bytes: int = setting(
        "MAX_BODY_BYTES",
        31_457_280,
        rules.whole(1024, 100 * 1024**2),
        meaning="The largest body of a request.",
    )
    max_bodies_bytes: int = setting(
        "MAX_BODIES_BYTES",
        0,
        rules.whole(0, 16 * 1024**3),
        meaning=(
            "Memory for the bodies of all requests that are being received or answered, in "
            "each process of serve; one more is answered 503. 0 is four times "
            "MAX_BODY_BYTES."
        ),
    )
    max_recipients: int = setting(
        "MAX_RECIPIENTS", 100, rules.whole(1, 10_000), meaning="Recipients of one email."
    )
    max_call_recipients: int = setting(
        "MAX_CALL_RECIPIENTS",
        10_000,
        rules.whole(1, 10**6),
        meaning="Recipients of all emails of a batch together.",
    )
    attachment_deny: tuple[str, ...] = setting(
        "ATTACHMENT_DENY",
        (USUAL,),
        rules.extensions(usual=USUAL, none="none"),
        meaning=(
            "Files with one of these extensions are refused. usual stands for those for which "
            "Gmail and Outlook refuse the whole email, such as exe, js and lnk."
        ),
    )
    rate_limit: int = setting(
        "RATE_LIMIT",
        50,
        rules.whole(1, 100_000),
        meaning="Calls a second with one API key, in each process; more are answered 429.",
    )
    rate_burst: int = setting(
        "RATE_BURST",
        100,
        rules.whole(1, 1_000_000),
        meaning="Calls at once with one API key, in each process; more are answered 429.",
    )
    key_daily_recipients: int = setting(
        "KEY_DAILY_RECIPIENTS",
        10_000,
        rules.whole(1, 10**9),
        meaning=(
            "Recipients that a key may name in any 24 hours, unless it was created with a "
            "number of its own."
        ),
    )
