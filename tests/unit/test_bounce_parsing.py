"""Single claims about reports: what names the email, what is bounded, what never fails."""

import base64
import json
import sys
import time
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.bounce.judge import Judge
from domain.bounce.mail_parts import parts_of
from domain.bounce.parse import LONGEST_REPORT, parse_report
from domain.bounce.report import MOST_RECIPIENTS, BounceKind, Report, Told
from tests.machine import is_within
from tests.shipped_rules import RULES
from tests.unit.test_bounce_reports import CORPUS, REPORTS

TOKEN = "0123456789abcdef0123456789abcdef"
DAEMON = b"From: MAILER-DAEMON\nSubject: undeliverable\n\n"
STATUS = """Reporting-MTA: dns; mx.example.net
Original-Envelope-Id: {token}

Final-Recipient: rfc822; ada@example.org
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user
"""


def report(status: str = STATUS, *, headers: str = "", returned: str = "") -> bytes:
    return (
        "From: MAILER-DAEMON@mx.example.net\nTo: bounces+" + TOKEN + "@example.com\n"
        'Subject: Undelivered\nContent-Type: multipart/report; boundary="b"\n' + headers + "\n"
        "--b\nContent-Type: text/plain\n\nNot delivered.\n"
        "--b\nContent-Type: message/delivery-status\n\n" + status.replace("{token}", TOKEN) + "\n"
        "--b\nContent-Type: text/rfc822-headers\n\n" + returned + "\n--b--\n"
    ).encode()


def read(octets: bytes) -> Report:
    return parse_report(octets, rules=RULES)


def test_the_reference_in_the_returned_headers_the_envelope_and_the_tag_are_told():
    returned = f"Message-ID: <{TOKEN}@example.com>\nX-Email-Ref: {TOKEN}\n"

    references = read(report(returned=returned)).references

    assert references.refs == (TOKEN,)
    assert references.message_ids == (f"<{TOKEN}@example.com>",)
    assert references.envelope_ids == (TOKEN,)
    assert references.tags == (TOKEN,)


def test_a_reference_in_the_copy_below_a_text_is_told():
    text = (
        "From: MAILER-DAEMON@mx.example.net\nSubject: failure notice\n\n"
        "Hi. This is the qmail-send program at mx.example.net.\n"
        "I'm afraid I wasn't able to deliver your message to the following addresses.\n\n"
        "<ada@example.org>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n"
        "--- Below this line is a copy of the message.\n\n"
        f"Received: (qmail)\nMessage-ID: <{TOKEN}@example.com>\nX-Email-Ref: {TOKEN}\n\nHello\n"
    )

    references = read(text.encode()).references

    assert (references.refs, references.message_ids) == ((TOKEN,), (f"<{TOKEN}@example.com>",))


def test_ses_names_the_email_by_its_own_id_too():
    document = {
        "notificationType": "Bounce",
        "bounce": {
            "bounceType": "Permanent",
            "bouncedRecipients": [{"emailAddress": "a@b.example"}],
        },
        "mail": {
            "messageId": "0102-ses",
            "headers": [{"name": "X-Email-Ref", "value": TOKEN}],
            "commonHeaders": {"messageId": "<c@example.com>"},
        },
    }

    references = read(json.dumps(document).encode()).references

    assert references.provider_ids == ("0102-ses",)
    assert references.refs == (TOKEN,)
    assert references.message_ids == ("<c@example.com>",)


def test_what_stands_behind_the_bound_is_not_read():
    far = report().replace(b"Not delivered.", b"x" * LONGEST_REPORT)

    assert read(far).recipients == ()


def test_a_report_tells_a_bounded_number_of_recipients_in_time():
    blocks = "".join(
        f"Final-Recipient: rfc822;u{n}@example.org\nAction: failed\nStatus: 5.0.0\n"
        f"Diagnostic-Code: smtp; 550 {n} refused because {'x' * 300} {n}\n\n"
        for n in range(3000)
    )
    started = time.thread_time()

    found = read(report("Reporting-MTA: dns; mx.example.net\n\n" + blocks)).recipients

    assert is_within(time.thread_time() - started, 2)
    assert len(found) == MOST_RECIPIENTS
    assert found[0].recipient == "u0@example.org"


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\n",
        b"{",
        b"[" * 100_000,
        b'{"Message":' * 20_000,
        b"From: <>\n" * 20_000,
        b"Content-Type: multipart/mixed; boundary=\n\n--\n--\n",
        DAEMON + b"a@b.example " * 20_000,
        DAEMON + b"<a@b.example>:\n" * 15_000,
        DAEMON + b"@" * 200_000,
        DAEMON + b"not delivered " * 18_000,
        DAEMON + b"-" * 250_000,
        DAEMON + b'"' * 250_000,
        b"From: MAILER-DAEMON\nSubject: undeliverable\nContent-Type: text/html\n\n"
        + b"<" * 250_000,
        b"From: MAILER-DAEMON\nSubject: " + b"=?utf-8?q?" * 20_000 + b"\n\nx",
        b"Content-Type: x; " + b'a="\\' * 50_000 + b"\n\nx",
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n" * 50_000,
        b"To: " + b", ".join(b"a%d@b.example" % n for n in range(15_000)) + b"\n\nx",
        b"Message-ID: <[[[\n\nx",
        DAEMON + b"a@b.example\n" + b"Received: from x\nReturn-Path: <x>\n" * 5_000,
        DAEMON + b"".join(b"<u%d@b.example>:\n" % n for n in range(10_000)),
        DAEMON + b"".join(b"u%d@b.example 550 no %d\n" % (n, n) for n in range(10_000)),
        DAEMON + b"could not was not unable to " * 9_000,
        DAEMON + b"(has been delivery of message is not yet " * 6_000,
        DAEMON + b"550-5.1.1 unknown user: " * 10_000,
        DAEMON + b"550 " + b"a.b-c." * 40_000,
        b"X-Failed-Recipients: " + b"a@b.example, " * 15_000 + b"\n" + DAEMON,
        b"Content-Type: multipart/digest; boundary=b\n\n" + b"--b\n\n" * 40_000,
        DAEMON + b"\r" * 250_000,
        DAEMON + b"\r\r\n" * 80_000,
        DAEMON.replace(b"\n\n", b"\nContent-Type: text/html\n\n") + b"<style>" * 35_000,
        b"Content-Type: multipart/mixed\n\n" + b"--b\nContent-" * 20_000,
        b"\xff\xfe" + b"a\x00\n\x00" * 60_000,
    ],
    ids=range(33),
)
def test_hostile_mail_is_read_in_time(octets):
    text = octets.decode("latin-1")
    for one in (octets, report(returned=text), report(text), octets.replace(b"\n", b"\r\n")):
        started = time.thread_time()
        read(one)
        assert is_within(time.thread_time() - started, 2)


PIECES = """
--b | --b-- | < | > | @ | a@b.example | <a@b.example>: | [ | ( | " | 550 | 5.1.1 | >>> | <<< | to |
from | could not | deliver | failed | account | unknown | domain | not found | =?utf-8?B? | &lt; |
<br> | <td> | <style> | RFC-822= | Received: from | original message | 配信 | {" | on Mon, | ... |
Content-Type: text/plain | Content-Type: message/rfc822 | Final-Recipient: rfc822; a@b.example |
Original-Recipient: rfc822; +41 | Action: failed | Status: 5.1.1 | Diagnostic-Code: smtp; 550
""".replace("\n", "").split(" | ")
BEGINNINGS = [
    "",
    DAEMON.decode(),
    "From: MAILER-DAEMON\nSubject: undeliverable\nContent-Type: text/html\n\n",
    "From: MAILER-DAEMON\nContent-Type: multipart/report; boundary=b\n\n--b\n"
    "Content-Type: message/delivery-status\n\n",
    "From: MAILER-DAEMON\nContent-Type: multipart/mixed; boundary=b\n\n",
    "From: MAILER-DAEMON\nSubject: ",
]


def calls_for(octets: bytes) -> int:
    """How many functions are called to read a message: the same on every machine."""
    called = 0

    def count(_frame: FrameType, event: str, _of: Any) -> None:
        nonlocal called
        called += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        read(octets)
    finally:
        sys.setprofile(None)
    return called


@settings(max_examples=60, deadline=None)
@given(
    beginning=st.sampled_from(BEGINNINGS),
    unit=st.lists(
        st.sampled_from([*PIECES, "\n", "\n\n", "\r", " ", "\0"]), min_size=1, max_size=4
    ),
)
def test_twice_the_mail_is_at_most_twice_the_work(beginning, unit):
    piece = "".join(unit)
    once = 20_000 // len(piece)

    short = calls_for((beginning + piece * once).encode())
    long = calls_for((beginning + piece * once * 2).encode())

    assert long <= 2.2 * short + 1000


def test_parts_are_bounded_in_depth_and_number():
    nested = "".join(
        f"--b{n}\nContent-Type: multipart/mixed; boundary=b{n + 1}\n\n" for n in range(2000)
    )
    flat = "--b\n\nx\n" * 10_000

    assert len(parts_of(b"Content-Type: multipart/mixed; boundary=b0\n\n" + nested.encode())) < 20
    assert len(parts_of(b"Content-Type: multipart/mixed; boundary=b\n\n" + flat.encode())) == 100


def test_a_base64_status_with_empty_lines_between_is_read():
    encoded = base64.encodebytes(STATUS.encode()).decode().replace("\n", "\r\n\r\n")
    octets = report(encoded).replace(
        b"message/delivery-status\n",
        b"message/delivery-status\nContent-Transfer-Encoding: BASE64\n",
    )

    assert [one.status for one in read(octets).recipients] == ["5.1.1"]


@pytest.mark.parametrize(
    ("action", "status", "diagnostic", "kind"),
    [
        ("failed", "5.1.1", "", BounceKind.HARD),
        ("failed", "5.1.2", "", BounceKind.HARD),
        ("failed", "5.1.3", "", BounceKind.HARD),
        ("failed", "5.1.6", "", BounceKind.HARD),
        ("failed", "5.1.10", "", BounceKind.HARD),
        ("failed", "4.1.1", "", BounceKind.HARD),
        ("failed", "5.2.1", "550 5.2.1 mailbox disabled", BounceKind.HARD),
        ("failed", "5.1.4", "", BounceKind.SOFT),
        ("failed", "5.2.2", "", BounceKind.SOFT),
        ("failed", "5.7.1", "550 5.7.1 policy", BounceKind.SOFT),
        ("failed", "5.7.1", "550 5.7.1 unknown user", BounceKind.HARD),
        ("failed", "4.2.2", "user unknown", BounceKind.SOFT),
        ("failed", "4.0.0", "450 mailbox unavailable (mailbox busy)", BounceKind.SOFT),
        ("failed", "4.0.0", "450 unknown user", BounceKind.HARD),
        ("failed", "5.0.0", "550 Invalid HELO name (See RFC2821 4.1.3)", BounceKind.SOFT),
        ("failed", "5.5.1", "554 5.5.1 Error: no valid recipients", BounceKind.SOFT),
        ("failed", "5.1.1", "552 5.1.1 recipient rejected - quota violation", BounceKind.SOFT),
        ("delayed", "4.1.1", "", BounceKind.DELAYED),
        ("delayed", "5.1.1", "", BounceKind.DELAYED),
        ("delivered", "2.0.0", "", BounceKind.OTHER),
        ("", "5.1.1", "", BounceKind.HARD),
        ("", "2.0.0", "", BounceKind.OTHER),
    ],
)
def test_the_kind_follows_from_action_status_and_words(action, status, diagnostic, kind):
    told = Told(recipient="ada@example.org", action=action, status=status, diagnostic=diagnostic)

    assert Judge(RULES).kind(told) is kind


# status of the report, what was said, and whether the address is dead
SAID = [
    (
        "5.1.351",
        "550 5.1.351 unknown recipient or mailbox unavailable -> 550 No user",
        True,
    ),
    (
        "5.0.0",
        "550 invalid mailbox. ada@example.org is unavailable: account is disabled",
        True,
    ),
    ("5.0.0", "550 non-local recipient verification failed", False),
    ("5.0.0", "554 delivery error: dd Requested mail action aborted, mailbox not found", True),
    ("5.4.312", "550 5.4.312 Message expired, DNS query failed", False),
    ("5.4.300", "550 5.4.300 Message expired -> 421 Service unavailable", False),
    ("5.4.14", "554 5.4.14 Hop count exceeded - possible mail loop", False),
    ("5.1.0", "550 5.1.0 <ada@x.example> User unknown; rejecting", True),
    ("5.1.0", "550 5.1.0 sender rejected", False),
    ("5.1.0", "550 5.1.0 Address rejected.", False),
    ("5.7.606", "550 5.7.606 Access denied, banned sending IP [192.0.2.1]", False),
    ("5.3.0", "553 5.3.0 <ada@example.org>... No such user here", True),
    ("5.3.0", "unknown mailer error 1", False),
    ("5.2.0", "550 5.2.0 mailbox unavailable", True),
    ("5.2.1", "550 5.2.1 Mailbox full", False),
    ("5.2.1", "", True),
    ("5.2.1", "554 5.2.1 spam detected", False),
    ("5.1.1", "", True),
    ("5.0.0", "550 Mail rejected by Windows Live Hotmail for policy reasons", False),
    ("5.0.0", "550 ESMTP: Sender verify failed", False),
    ("5.0.0", "550 Administrative prohibition", False),
    ("5.0.0", "550 This account is not active", True),
    ("5.4.4", "[Errno -2] Name or service not known", True),
    ("5.1.2", "smtp; 550 Host unknown", True),
    ("5.4.4", "unable to look up host no-such.example: Name or service not known", True),
    ("5.4.3", "Name server error", False),
    (
        "5.0.0",
        "lost connection with mx.example.org while receiving the initial server greeting",
        False,
    ),
    ("4.4.2", "lost connection", False),
    ("5.4.6", "mail for x loops back to myself", False),
    (
        "5.7.1",
        "554 5.7.1 The subject (user unknown) matches what many call spam",
        False,
    ),
    ("5.1.1", "550 5.1.1 RESOLVER.ADR.ExRecipNotFound; not found", True),
    ("5.1.3", "501 5.1.3 Invalid address", True),
    ("5.1.8", "550 5.1.8 Access denied, bad outbound sender", False),
    ("5.7.129", "550 5.7.129 RESOLVER.RST.RestrictedToRecipientsPermission", False),
    ("5.7.54", "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", False),
    ("5.0.0", "552 Requested mail action aborted: exceeded storage allocation", False),
    ("5.0.0", "550 inbox is full", False),
    ("5.0.0", "Mailbox for ada is over quota", False),
    ("5.0.0", "no such user", True),
    ("5.0.0", "user unknown", True),
    ("5.0.0", "Account closed", True),
    ("5.0.0", "550 relay not permitted", False),
    ("4.0.0", "451 4.3.0 temporary failure", False),
    (
        "5.0.0",
        "SMTP error from remote mail server after end of data: 550 spam score too high",
        False,
    ),
    ("5.0.0", "550 Blocked by SpamAssassin", False),
    ("5.0.0", "554 5.7.1 [P4] Message blocked due to spam content in the message.", False),
    ("5.0.0", "550 High probability of spam", False),
    ("5.0.0", "550 no MX record for sending domain", False),
    ("5.0.0", "501 Domain must resolve", False),
    ("5.0.0", "550 Dynamic IPs not accepted", False),
    ("5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound", True),
]


@pytest.mark.parametrize(("status", "said", "dead"), SAID)
def test_what_was_said_decides_whether_an_address_is_dead(status, said, dead):
    told = Told(recipient="ada@example.org", action="failed", status=status, diagnostic=said)

    assert (Judge(RULES).kind(told) is BounceKind.HARD) is dead


BODIES = [(CORPUS / entry["file"]).read_bytes() for entry in REPORTS]
SNIPPETS = [
    b"\n", b"\r", b"--b\n", b"--", b"Final-Recipient: rfc822;", b"Content-Type: multipart/mixed;",
    b"Content-Transfer-Encoding: base64\n", b"\x00", b"\xff\xfe", b"@", b"<", b">", b"{", b'"',
    b"=?", b"message/rfc822", b"charset=utf-16\n", b"Status: ", b'boundary="', b"5.1.1",
    b"\\x{110000}",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A report of the corpus with pieces cut out, put in, doubled and joined with another."""
    octets = draw(st.sampled_from(BODIES))[:20_000]
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(octets)))
        end = min(len(octets), start + draw(st.integers(0, 400)))
        put = draw(
            st.sampled_from([*SNIPPETS, octets[start:end] * 2, draw(st.binary(max_size=40))])
        )
        octets = octets[:start] + put + octets[end:]
    if draw(st.booleans()):
        octets += draw(st.sampled_from(BODIES))[:20_000]
    return octets


@settings(max_examples=300, deadline=2000)
@given(octets=mutated())
def test_no_mutation_of_a_report_makes_it_fail(octets):
    for one in read(octets).recipients:
        assert one.recipient.count("@") >= 1
        assert one.kind in BounceKind


@settings(max_examples=200, deadline=2000)
@given(
    pieces=st.lists(
        st.one_of(
            st.binary(max_size=60), st.sampled_from(SNIPPETS), st.text(max_size=30).map(str.encode)
        ),
        max_size=40,
    )
)
def test_no_octets_make_it_fail(pieces):
    read(b"".join(pieces))
