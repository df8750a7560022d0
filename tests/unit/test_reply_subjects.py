"""What a reply is about: the rows that were once judged wrong, each with ten neighbours.

A neighbour differs in one thing that must not matter (the stage, the code, a name in an address),
or in the one thing that must.
"""

import pytest

from domain.outcome.handoff import Stage
from domain.outcome.reply_text import reply_of
from domain.outcome.rules_file import Rule
from domain.outcome.verdict import AccountEffect, Evidence, Limit, Result, Subject
from tests.shipped_rules import RULES


def judge(stage: str, line: str, **context: bool) -> Rule:
    return RULES.find(Stage(stage), reply=reply_of(line), **context)


@pytest.mark.parametrize(
    "line",
    [
        "550 5.1.1 <ada@relay.example.org>: Recipient address rejected: User unknown",
        "550 5.1.1 <ada@relay.example.org>: … User unknown",
        "550 5.1.1 Not listed in our directory",
        "550 5.1.1 <blocklist@example.org>: user unknown",
        "550 <relay.access.denied@example.org>: no such user here",
        "550 5.1.1 <ada@spamhaus.org>: unknown mailbox",
        "550 5.1.1 <too-many-emails@hourly.limit.example>: does not exist",
        "550 5.1.1 <sending-paused@account.example>: does not exist",
        "550 5.1.1 <authentication-required@example.org>: does not exist",
        "550 5.7.1 blocked@dnsbl.example.org: mailbox not listed in our directory",
        "551 User <quota-exceeded@example.org> not local",
        "550 5.1.1 helo.rejected@client.example: Recipient address rejected: User unknown in table",
        '550 "blocklist" is not a known user',
        "550 5.1.1 blocklist... User unknown",
        "550 No such user: see https://quota.example.org/hourly-limit-exceeded",
    ],
)
def test_a_word_in_an_address_concerns_only_the_recipient(line):
    rule = judge("rcpt", line)

    assert (rule.subject, rule.result) == (Subject.RECIPIENT, Result.FAILED)
    assert rule.effect is AccountEffect.NONE


@pytest.mark.parametrize(
    ("line", "subject", "reason"),
    [
        ("553 5.7.1 <s@e.org>: Sender address rejected: not owned by user", "account", "sender"),
        ("550 5.7.1 <s@e.org>: Sender address rejected: not owned by user x", "account", "sender"),
        ("554 5.7.1 <s@e.org>: Sender address rejected: Access denied", "account", "sender"),
        ("550 5.1.8 <s@e.org>: Sender address rejected: Domain not found", "account", "sender"),
        ("550 Sender verify failed", "account", "sender"),
        ("550-Verification failed for <s@e.org>\n550 Sender verify failed", "account", "sender"),
        (
            "550 5.7.1 <s@e.org>: Sender address rejected: undeliverable address",
            "account",
            "sender",
        ),
        ("504 5.5.2 <h>: Helo command rejected: need fully-qualified hostname", "client", "helo"),
        ("550 5.7.1 <h.example>: Helo command rejected: Host not found", "client", "helo"),
        ("550 HELO argument does not match calling host", "client", "helo"),
        ("554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied", "client", "client"),
        ("550 5.7.1 Client host rejected: cannot find your hostname", "client", "client"),
        ("553 5.7.1 <s@e.org>: Sender address rejected: not logged in", "account", "auth"),
        ("550 SMTP AUTH is required for message submission on port 587", "account", "auth"),
    ],
)
def test_the_rejected_item_is_the_subject_at_every_stage(line, subject, reason):
    for stage in ["mail", "rcpt", "data", "dot"]:
        rule = judge(stage, line)

        assert (rule.subject, rule.result) == (subject, Result.WAIT)
        assert (rule.effect, rule.evidence) == (AccountEffect.PAUSE, Evidence.CERTAIN)
        assert rule.reason.startswith(reason)


@pytest.mark.parametrize(
    "line",
    [
        "550 User ada exceeded hour limit",
        "554 5.7.1 only 10 messages per day",
        "550 sorry, too many emails (#5.7.1)",
        "550 5.7.1 sorry, too many messages",
        "552 5.7.0 too many emails per second",
        "550 Domain example.org has exceeded the max emails per hour (313/250 (125%)) allowed",
        "554 5.7.1 <DATA>: Data command rejected: only 10 messages per day",
        "550 5.7.1 <ada@example.org>: Recipient address rejected: Daily sending limit reached",
        "550 5.7.1 Your mail limit has been reached.",
        "550 Send quota exceeded",
        "550 5.5.3 too many recipients today: the daily maximum is 500",
        "550 Tageslimit überschritten",
        "550 5.7.1 Vous avez dépassé le nombre maximum de messages par heure",
        "550 Превышен лимит отправки писем в сутки",
    ],
)
def test_a_quota_waits_at_any_stage(line):
    for stage in ["mail", "rcpt", "data", "dot"]:
        rule = judge(stage, line)

        assert (rule.subject, rule.result, rule.limit) == (
            Subject.ACCOUNT,
            Result.WAIT,
            Limit.QUOTA,
        )
        assert rule.effect is AccountEffect.PAUSE
        assert rule.pause_for is not None


@pytest.mark.parametrize(
    "line",
    [
        "552 5.2.2 mailbox over quota, try again in a day",
        "552 5.2.2 the recipient's daily quota is exhausted",
        "550 The recipient has exceeded the number of messages per hour it can receive",
        "550 5.1.1 no such user in the daily list, limit your mails",
        "552 Mailbox full: quota exceeded",
        "550 user over quota",
        "550 5.2.1 The user is receiving mail at a rate that prevents additional messages",
        "552 message size exceeds the daily maximum",
        "554 5.4.6 Too many hops: the limit is 30 per message",
        "550 5.3.4 message exceeds size limit",
        "554 header line too long: the maximum is 998 per line",
    ],
)
def test_other_limits_are_no_quota_of_the_account(line):
    assert judge("rcpt", line).effect is AccountEffect.NONE


@pytest.mark.parametrize(
    "line",
    [
        '451 4.7.1 Ratelimit "user" exceeded',
        '451 4.7.1 Ratelimit "mailcow" exceeded',
        "450 4.7.1 You are sending too many emails too fast",
        "450 4.7.1 <s@example.org>: Sender address rejected: hourly limit exceeded",
        "451 4.7.1 rate limit of 10 messages per minute reached",
        "452 4.5.3 Daily message limit exceeded",
        "455 Maximum messages sent per minute reached : limit is 10",
        "450 4.7.1 too many requests",
        "421 4.7.0 hourly message limit reached",
        "451 slow down, you send too fast",
        "450 4.3.2 Rate limited. Please wait to send more emails",
        "454 Throttling failure: Maximum sending rate exceeded",
    ],
)
def test_a_rate_slows_the_account_and_charges_nothing(line):
    for stage in ["mail", "rcpt", "data", "dot"]:
        rule = judge(stage, line)

        assert (rule.subject, rule.result) == (Subject.ACCOUNT, Result.WAIT)
        assert (rule.effect, rule.limit) == (AccountEffect.SLOW, Limit.RATE)


@pytest.mark.parametrize(
    "line",
    [
        "554 Sending paused for this account. For more information, please check the inbox",
        "554 Message rejected: Sending suspended for this account",
        "550 The from address does not match a verified Sender Identity.",
        "550 5.7.705 Access denied, tenant has exceeded threshold",
        "550 5.7.750 Service unavailable. Client blocked from sending from unregistered domains",
        "550 5.7.1 Your account has been suspended",
        "550 Unable to send email. Your SMTP account is not yet activated.",
        "550 message sending for this account is disabled",
        "553 5.7.1 ada@example.org is not one of your addresses",
        "421 Domain sandbox1.mailgun.org is not allowed to send: Please activate your account",
        "554 Message rejected: Email address is not verified.",
        "550 5.1.8 Access denied, bad outbound sender",
        "550 5.7.1 Access denied, OutboundSpam policy",
    ],
)
def test_a_closed_account_waits_for_a_person(line):
    for stage in ["mail", "rcpt", "data", "dot"]:
        rule = judge(stage, line)

        assert (rule.subject, rule.result) == (Subject.ACCOUNT, Result.WAIT)
        assert (rule.effect, rule.pause_for) == (AccountEffect.PAUSE, None)


@pytest.mark.parametrize(
    ("stage", "line"),
    [
        ("rcpt", "550 5.7.1 Your message to <ada@x.org> was blocked by the recipient"),
        ("rcpt", "550 5.7.1 The recipient does not accept mail from your domain"),
        ("rcpt", "550 5.7.1 Delivery not authorized, message refused"),
        ("rcpt", "550 5.2.1 Account is disabled, too many messages per day"),
        ("rcpt", "550 User account is not active"),
        ("rcpt", "550 This user is not allowed to receive mail from outside"),
        ("rcpt", "550 5.7.1 Sender not in allowed senders list of the group"),
        ("rcpt", "550 You are not allowed to send mail to this list"),
        ("rcpt", "550 5.7.1 You are not permitted to send to this recipient"),
        ("rcpt", "550 5.7.1 Not authorized to send to this distribution list"),
        ("rcpt", "550 the recipient's account has been suspended for exceeding limits"),
        ("rcpt", "550 The email account ada has been locked"),
        ("rcpt", "550 account closed by owner"),
        ("rcpt", "550 5.7.1 recipient requires authenticated sender"),
        ("rcpt", "550 user has been deactivated"),
        ("rcpt", "550 5.1.1 sender unknown"),
        ("rcpt", "550 domain not found"),
        ("rcpt", "550 5.1.2 unknown host"),
        ("rcpt", "550 Domain is not verified to receive mail here"),
        ("rcpt", "550 5.7.1 recipient limits mail to 10 messages per day"),
        ("rcpt", "452 4.2.2 user has exceeded max messages per day"),
        ("rcpt", "450 recipient mailbox busy, 1 message per minute allowed"),
        ("rcpt", "550 5.7.0 This address is not used any more, see our website"),
        ("rcpt", "550 authentication server down for user"),
        ("rcpt", "451 4.3.0 auth lookup failed"),
        ("rcpt", "550 No such user - login required to see directory"),
        ("dot", "554 5.7.1 Message rejected: sender name is spoofed"),
        (
            "dot",
            "550 5.7.1 The message was rejected as it contains prohibited virus or spam content",
        ),
        ("dot", "554 5.7.1 header From does not match"),
        ("dot", "550 5.7.1 Message has too many recipients"),
        ("dot", "550 Too many recipients in header"),
        ("dot", "552 5.7.0 attachment blocked: your file type is not allowed"),
        ("dot", "554 message expired: exceeded 3 days"),
        ("dot", "554 5.6.0 date header older than 24 hours"),
        ("dot", "550 5.7.1 email with links to our competitors is blocked"),
        ("dot", "554 Message body contains your account has been suspended phishing"),
        ("dot", '554 5.7.1 phishing: "your account has been suspended"'),
        ("dot", "550 message rejected as spam, score 12.5 exceeds limit 5.0"),
        ("dot", "550 5.7.1 Your email has been rejected because it contains a daily newsletter"),
        ("dot", "554 5.7.1 DKIM-Signature header malformed"),
        ("dot", "550 5.7.1 This message exceeds the maximum number of attachments per message"),
        ("dot", "552 The message exceeds the maximum size allowed per day"),
        ("dot", "550 HTML part contains blocked sending IP address link"),
        ("dot", "554 bulk mail not accepted; limit your recipients"),
        ("dot", "550 duplicate message within 1 hour"),
        ("dot", "550 5.7.1 Reply-To not allowed"),
    ],
)
def test_what_sounds_like_the_account_and_is_not_stops_nothing(stage, line):
    assert judge(stage, line).effect in (AccountEffect.NONE, AccountEffect.STREAK)


@pytest.mark.parametrize(
    "line",
    [
        "550 5.2.1 The mailbox has been suspended",
        "550 5.2.1 The email account that you tried to reach is disabled",
        "550 This account has been disabled or discontinued",
        "554 This mailbox is disabled (554.30)",
        "550 user is locked",
        "550 Local mailbox ada@mail.ru is unavailable: account is disabled",
        "550 5.1.1 Account disabled",
        "550 User suspended",
        "550 mailbox ada@example.org is inactive",
        "550 recipient suspended",
        "550 5.1.6 account no longer active",
    ],
)
def test_a_closed_mailbox_is_the_recipients(line):
    rule = judge("rcpt", line)

    assert (rule.subject, rule.result) == (Subject.RECIPIENT, Result.FAILED)


@pytest.mark.parametrize(
    "line",
    [
        "452 4.4.5 Insufficient disk space; try again later",
        "421 4.4.5 Server busy",
        "451 4.4.5 congestion",
        "452 4.3.1 Insufficient system storage",
        "452 4.3.1 Temporary System Error",
        "421 4.4.5 Service unavailable, concurrency is high",
        "450 4.4.5 try again",
        "452 4.4.5 Messages in queue",
        "431 4.3.1 disk full",
        "452 4.3.1 out of memory",
    ],
)
def test_congestion_is_seconds_and_no_quota(line):
    for stage in ["mail", "rcpt", "data", "dot"]:
        rule = judge(stage, line)

        assert (rule.subject, rule.result) == (Subject.SERVER, Result.WAIT)
        assert rule.pause_for is not None
        assert rule.pause_for.total_seconds() <= 30


@pytest.mark.parametrize(
    "line",
    [
        "554 5.7.1 Message contains a URL found at dbl.spamhaus.org",
        "550 5.7.1 The URL in your message is listed on a blocklist",
        "554 5.7.1 Blacklisted URL in message. (1) in [black]",
        "550 link http://bad.example/path is listed by uribl.com",
        "554 rejected due to spam URL in content",
        "554 rejecting banned content",
        "550 5.7.1 body contains links to a blocked site",
        "554 5.7.1 Virus found in message",
        "552 5.7.0 This message was blocked because its content presents a potential issue",
        "552 Virus infected message rejected",
        "554 5.7.1 the attachment invoice.exe is forbidden",
    ],
)
def test_a_listed_link_or_bad_content_is_this_email(line):
    for stage in ["data", "dot"]:
        rule = judge(stage, line)

        assert (rule.subject, rule.result) == (Subject.MESSAGE, Result.FAILED)
        assert rule.effect is AccountEffect.NONE


@pytest.mark.parametrize(
    "line",
    [
        "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
        "550 5.7.1 Your IP 192.0.2.1 is listed in a block list",
        "550 rejected because 192.0.2.1 is in a black list at bl.spamcop.net",
        "550 5.7.1 Mail from IP 192.0.2.1 was rejected due to listing in Spamhaus SBL",
        "550 5.7.606 Access denied, banned sending IP [192.0.2.1]",
        "553 5.7.1 Connections not accepted from IP addresses on Spamhaus XBL",
        "550 5.7.1 messages from [192.0.2.1] weren't sent: their network is on our block list",
        "554 5.7.1 Email rejected: your IP address has a poor reputation",
        "550 5.7.25 The IP address sending this message does not have a PTR record",
        "550 Access from ip address 192.0.2.1 blocked",
        "554 5.7.1 [2001:db8::1] is listed at dnsbl.example.net",
    ],
)
def test_a_listed_host_is_the_clients(line):
    for stage in ["mail", "rcpt", "dot"]:
        rule = judge(stage, line)

        assert (rule.subject, rule.result) == (Subject.CLIENT, Result.WAIT)


@pytest.mark.parametrize(
    ("stage", "line"),
    [
        ("mail", "421 4.7.0 Too many messages in this session"),
        ("mail", "421 Max message per connection reached, closing transmission channel"),
        ("mail", "452 4.5.3 Too many messages sent"),
        ("mail", "421 closing"),
        ("mail", "450 4.3.2 please reconnect"),
        ("mail", "451 4.3.0 enough"),
        ("mail", "421 4.3.2 Service not available"),
        ("rcpt", "421 4.3.2 closing connection"),
        ("rcpt", "421 4.7.0 session limit"),
        ("rcpt", "452 4.5.3 Too many messages in this session"),
        ("rcpt", "450 too many transactions on this connection"),
    ],
)
def test_a_used_connection_that_is_closed_is_the_sessions_end(stage, line):
    rule = judge(stage, line, used_connection=True)

    assert (rule.subject, rule.result, rule.limit) == (Subject.SERVER, Result.WAIT, Limit.SESSION)
    assert rule.effect is AccountEffect.RECONNECT
    assert rule.retry_after is not None
    assert not rule.retry_after
    assert judge(stage, line).effect is not AccountEffect.RECONNECT


@pytest.mark.parametrize(
    ("stage", "line"),
    [
        ("rcpt", "450 4.2.0 Greylisted, try again in 5 minutes"),
        ("rcpt", "450 4.1.1 unverified address"),
        ("rcpt", "452 4.2.2 over quota"),
        ("rcpt", "451 4.3.0 lookup failure"),
        ("rcpt", "452 4.5.3 Too many recipients"),
        ("mail", "451 4.7.1 Ratelimit exceeded for this account"),
        ("mail", "450 4.1.8 <s@example.org>: Sender address rejected: Domain not found"),
        ("mail", "421 4.7.0 hourly message limit reached"),
        ("mail", "452 4.3.1 Insufficient system storage"),
        ("mail", "550 too many messages in this session"),
        ("dot", "421 closing"),
    ],
)
def test_other_refusals_on_a_used_connection_are_what_they_say(stage, line):
    assert judge(stage, line, used_connection=True).effect is not AccountEffect.RECONNECT


@pytest.mark.parametrize(
    ("stage", "line", "subject", "result"),
    [
        ("mail", "552 5.3.4 too big", "message", "failed"),
        ("dot", "552 5.2.3 too long", "message", "failed"),
        ("dot", "552 no", "message", "failed"),
        ("rcpt", "552 no", "recipient", "retry"),
        ("rcpt", "452 no", "recipient", "retry"),
        ("rcpt", "552 5.2.2 mailbox full", "recipient", "retry"),
        ("dot", "552 5.2.2 The sender's mailbox is full", "account", "wait"),
        ("mail", "550 5.6.7 SMTPUTF8 required", "message", "failed"),
        ("mail", "501 5.1.7 bad", "account", "wait"),
        ("rcpt", "550 5.7.23 SPF", "account", "wait"),
        ("rcpt", "550 5.7.1 policy", "recipient", "failed"),
        ("dot", "550 5.7.1 policy", "message", "failed"),
        ("mail", "550 5.7.1 policy", "account", "wait"),
        ("mail", "530 no", "account", "wait"),
        ("dot", "535 no", "account", "wait"),
        ("rcpt", "534 no", "account", "wait"),
        ("mail", "555 no", "us", "retry"),
        ("rcpt", "501 5.5.4 Syntax error", "us", "retry"),
        ("rcpt", "550 5.5.0 mailbox unavailable", "recipient", "failed"),
        ("rcpt", "551 no", "recipient", "failed"),
        ("rcpt", "553 no", "recipient", "failed"),
        ("dot", "451 no", "server", "retry"),
        ("dot", "450 no", "message", "retry"),
        ("dot", "554 no", "message", "failed"),
        ("rcpt", "503 no", "server", "wait"),
        ("rcpt", "550 4.2.2 odd", "recipient", "failed"),
    ],
)
def test_where_words_are_missing_status_code_and_stage_decide(stage, line, subject, result):
    rule = judge(stage, line)

    assert (rule.subject, rule.result) == (subject, result)


@pytest.mark.parametrize("echo", ["Sending paused for this account", "Daily limit exceeded"])
@pytest.mark.parametrize("stage", ["rcpt", "data", "dot"])
def test_words_that_the_reply_quotes_from_the_email_decide_nothing(stage, echo):
    line = f"550 5.7.1 Message '{echo}' is unwanted"

    assert judge(stage, line).subject is Subject.ACCOUNT
    rule = RULES.find(Stage(stage), reply=reply_of(line), echoes=(echo,))

    assert rule.subject in (Subject.MESSAGE, Subject.RECIPIENT)
