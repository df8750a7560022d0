"""MX, PTR, MTA-STS, the rules for bulk mail, and what a message tells."""

import time
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from domain.account.account import Account, Security
from domain.account.verification import Step, TlsFacts, Verification
from domain.doctor.bulk import THRESHOLD, judge_bulk
from domain.doctor.connection import judge_connection
from domain.doctor.finding import Finding, Group, Status, listed, shown, worst
from domain.doctor.mail_domain import exchangers, judge_mx, judge_ptr, reverse
from domain.doctor.message import Signature, read_message
from domain.doctor.mta_sts import Fetched, is_announced, judge_mta_sts
from domain.doctor.questions import NO_ANSWER, Answer
from domain.errors import InvalidInput
from domain.outcome.handoff import Problem, Reply, Stage
from tests.builders import an_account
from tests.machine import is_within
from tests.played_names import DEAD, Zone, resolve

NOW = datetime(2026, 11, 30, tzinfo=UTC)
HERE = "193.0.2.1"


def a_finding(code: str, status: Status = Status.OK, found: str = "") -> Finding:
    return Finding(code=code, status=status, found=found, expected="", source="")


# --- findings together


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], Status.OK),
        (["ok", "warn"], Status.WARN),
        (["ok", "unknown", "warn"], Status.UNKNOWN),
        (["unknown", "fail", "warn"], Status.FAIL),
    ],
)
def test_a_failure_counts_more_than_what_is_unknown(statuses: list[str], expected: Status) -> None:
    assert worst(a_finding("mx", Status(status)) for status in statuses) is expected


def test_a_strangers_text_is_shown_printable_and_short() -> None:
    assert shown("a\x1b[2J\nb") == "a\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}b"
    assert len(shown("x" * 70_000)) == 301
    assert listed(map(str, range(10)), most=2) == "0, 1 and 8 more"


def test_every_code_has_a_chapter() -> None:
    chapters = [a_finding(code).group for code in ("auth", "spf_all", "dkim_key", "dmarc", "ptr")]
    assert chapters == [Group.CONNECTION, Group.SPF, Group.DKIM, Group.DMARC, Group.DOMAIN]


# --- MX


@pytest.mark.parametrize(
    ("zone", "status"),
    [
        ({"MX example.com": ["a.example.com"], "A a.example.com": [HERE]}, Status.OK),
        ({"MX example.com": [""]}, Status.FAIL),
        ({"A example.com": [HERE]}, Status.WARN),
        ({}, Status.FAIL),
        ({"MX example.com": DEAD}, Status.UNKNOWN),
        ({"A example.com": DEAD}, Status.UNKNOWN),
        ({"MX example.com": ["a.example.com"]}, Status.FAIL),
        ({"MX example.com": ["a.example.com"], "A a.example.com": DEAD}, Status.UNKNOWN),
        (
            {"MX example.com": ["a.example.com", "b.example.com"], "A b.example.com": [HERE]},
            Status.WARN,
        ),
    ],
)
def test_a_domain_takes_mail_or_not(zone: Zone, status: Status) -> None:
    assert judge_mx(resolve(exchangers("example.com"), zone)).status is status


def test_a_null_mx_is_told_as_what_it_is() -> None:
    finding = judge_mx(resolve(exchangers("example.com"), {"MX example.com": [""]}))
    assert "null MX" in finding.found


# --- PTR


@pytest.mark.parametrize(
    ("zone", "status"),
    [
        ({f"PTR {HERE}": ["m.example.com"], "A m.example.com": [HERE]}, Status.OK),
        (
            {f"PTR {HERE}": ["x.example", "m.example.com"], "A m.example.com": [HERE]},
            Status.OK,
        ),
        ({f"PTR {HERE}": ["m.example.com"], "A m.example.com": ["193.0.2.2"]}, Status.FAIL),
        ({f"PTR {HERE}": ["m.example.com"]}, Status.FAIL),
        ({}, Status.FAIL),
        ({f"PTR {HERE}": DEAD}, Status.UNKNOWN),
        ({f"PTR {HERE}": ["m.example.com"], "A m.example.com": DEAD}, Status.UNKNOWN),
    ],
)
def test_an_address_has_a_name_that_leads_back(zone: Zone, status: Status) -> None:
    assert judge_ptr(resolve(reverse([HERE]), zone)).status is status


def test_one_address_without_a_name_is_enough_to_fail() -> None:
    zone: Zone = {f"PTR {HERE}": ["m.example.com"], "A m.example.com": [HERE]}
    finding = judge_ptr(resolve(reverse([HERE, "193.0.2.2"]), zone))
    assert finding.status is Status.FAIL
    assert "193.0.2.2" in finding.found


# --- MTA-STS

POLICY = (
    "version: STSv1\r\nmode: {mode}\r\nmx: mail.example.com\r\nmx: *.example.net\r\n"
    "max_age: 86400\r\n"
)
RECORD = Answer(("v=STSv1; id=20261130;",))
MX = Answer(("mail.example.com", "mx1.example.net"))


def sts(
    record: Answer = RECORD,
    *,
    text: str | None = POLICY.format(mode="enforce"),
    mx: Answer = MX,
    problem: str = "",
    known: bool = True,
) -> Status:
    fetched = Fetched(text=text, problem=problem, known=known) if is_announced(record) else None
    return judge_mta_sts("example.com", record, fetched, mx).status


def test_a_policy_that_names_every_host_is_well() -> None:
    assert sts() is Status.OK


@pytest.mark.parametrize(
    ("record", "status"),
    [
        (Answer(), Status.OK),
        (Answer(("other",)), Status.OK),
        (NO_ANSWER, Status.UNKNOWN),
        (Answer((*RECORD.records, *RECORD.records)), Status.WARN),
        (Answer(("v=STSv1;",)), Status.WARN),
    ],
)
def test_the_record_is_judged(record: Answer, status: Status) -> None:
    assert sts(record) is status


@pytest.mark.parametrize(
    ("mode", "status"),
    [("enforce", Status.FAIL), ("testing", Status.WARN), ("none", Status.OK)],
)
@pytest.mark.parametrize("host", ["other.example.com", "a.b.example.net", "example.net"])
def test_a_host_that_the_policy_does_not_name(mode: str, status: Status, host: str) -> None:
    assert sts(text=POLICY.format(mode=mode), mx=Answer((host,))) is status


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        POLICY.format(mode="strict"),
        POLICY.format(mode="enforce").replace("STSv1", "STSv2"),
        POLICY.format(mode="enforce").replace("86400", "a day"),
        POLICY.format(mode="enforce").replace("mx:", "host:"),
    ],
)
def test_a_policy_that_cannot_be_read_fails(text: str) -> None:
    assert sts(text=text) is Status.FAIL


def test_a_policy_that_is_not_there_fails_and_one_that_does_not_answer_is_unknown() -> None:
    assert sts(text=None, problem="the server answers 404") is Status.FAIL
    assert sts(text=None, problem="no answer in time", known=False) is Status.UNKNOWN


def test_mx_hosts_that_are_not_known_are_unknown() -> None:
    assert sts(mx=NO_ANSWER) is Status.UNKNOWN


# --- bulk

WELL = [
    a_finding(code)
    for code in (
        *("spf_one_record", "spf_lookups", "spf_covers_relay", "dkim_selector", "dkim_key"),
        *("dmarc", "alignment", "ptr", "tls"),
    )
]


def bulk(sent: int, *others: Finding, one_click: bool | None = True) -> dict[str, Finding]:
    codes = {one.code for one in others}
    findings = [*(one for one in WELL if one.code not in codes), *others]
    return {one.code: one for one in judge_bulk(sent, findings, one_click=one_click)}


def statuses(found: dict[str, Finding]) -> list[str]:
    return [found[f"bulk_{name}"].status.value for name in ("gmail", "outlook", "yahoo")]


def test_whoever_sends_little_is_asked_nothing() -> None:
    failing = a_finding("alignment", Status.FAIL)
    assert statuses(bulk(THRESHOLD - 1, failing, one_click=None)) == ["ok", "ok", "ok"]


def test_whoever_sends_much_and_does_all_is_well() -> None:
    assert statuses(bulk(THRESHOLD)) == ["ok", "ok", "ok"]


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        (a_finding("alignment", Status.FAIL), ["fail", "fail", "fail"]),
        (a_finding("dkim_selector", Status.FAIL), ["fail", "fail", "fail"]),
        (a_finding("spf_covers_relay", Status.UNKNOWN), ["unknown", "unknown", "unknown"]),
        (a_finding("ptr", Status.FAIL), ["fail", "ok", "fail"]),
        (a_finding("tls", Status.FAIL), ["fail", "ok", "ok"]),
        (a_finding("dkim_key", Status.WARN), ["ok", "ok", "ok"]),
        (a_finding("dmarc", Status.WARN, "none for example.com, at ..."), ["ok", "ok", "ok"]),
        (attrs.evolve(a_finding("dmarc", Status.WARN), absent=True), ["fail", "fail", "fail"]),
    ],
)
def test_what_a_bulk_sender_lacks(finding: Finding, expected: list[str]) -> None:
    found = bulk(THRESHOLD, finding)
    assert statuses(found) == expected
    if "fail" in expected:
        assert finding.code in found["bulk_gmail"].found or "tls" in found["bulk_gmail"].found


@pytest.mark.parametrize("one_click", [None, False])
def test_one_click_unsubscription_that_is_not_seen_is_a_warning(one_click: bool | None) -> None:
    assert statuses(bulk(THRESHOLD, one_click=one_click)) == ["warn", "ok", "warn"]


def test_it_is_told_that_all_emails_are_counted() -> None:
    assert "whoever they went to" in bulk(17)["bulk_gmail"].found


# --- the message

MESSAGE = b"""Return-Path: <bounce+1@em.example.com>\r
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=Example.COM;\r
 s=S1; h=from:to; bh=x; b=y\r
DKIM-Signature: v=1; a=rsa-sha256; d=sendgrid.example; s=smtp api; b=y\r
DKIM-Signature: v=1; d=example.com; s=s1; b=z\r
From: "Ada, Countess" <ada@Example.com>\r
List-Unsubscribe-Post: List-Unsubscribe=One-Click\r
\r
From: body@example.net\r
"""


def test_a_message_tells_who_signed_it_and_where_its_bounces_go() -> None:
    evidence = read_message(MESSAGE)
    assert (evidence.author, evidence.return_path) == ("example.com", "em.example.com")
    assert evidence.signatures == (
        Signature("s1", "example.com"),
        Signature("smtpapi", "sendgrid.example"),
    )
    assert evidence.one_click


def test_lines_may_end_in_lf_alone_and_headers_may_be_missing() -> None:
    evidence = read_message(b"From: ada@example.com\nReturn-Path: <>\n\nbody")
    assert (evidence.author, evidence.return_path, evidence.signatures) == ("example.com", None, ())
    assert not evidence.one_click


@pytest.mark.parametrize(
    "octets",
    [b"", b"\0\xff" * 1000, b"Subject: x\r\n\r\nFrom: a@b.c", b"From: nobody\r\n\r\n"],
)
def test_what_is_no_message_is_refused(octets: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_message(octets)


@pytest.mark.parametrize(
    "author",
    [
        b"ada@example.com (Ada)",
        b"ada@example.com",
        b'"b@example.net, x" <ada@example.com>',
        b"=?utf-8?q?b=40example.net?= <ada@example.com>",
        b"\xff\xfe <ada@example.com>",
        b"Ada\r\n <ada@example.com>",
    ],
)
def test_the_author_is_read_however_from_is_written(author: bytes) -> None:
    assert read_message(b"From: " + author + b"\r\n\r\n").author == "example.com"


@pytest.mark.parametrize("filler", [b"(", b"@a", b'"', b"<", b", ", b"@a ", b"a@b.c,"])
def test_a_hostile_author_is_refused_in_no_time(filler: bytes) -> None:
    begun = time.thread_time()
    with pytest.raises(InvalidInput):
        read_message(b"From: " + filler * 40_000 + b"(\r\n\r\n")
    assert is_within(time.thread_time() - begun, 1.0)


def test_a_hostile_message_names_few_selectors() -> None:
    many = b"".join(b"DKIM-Signature: d=e%d.example; s=x\r\n" % n for n in range(10_000))
    evidence = read_message(b"From: a@example.com\r\n" + many)
    assert len(evidence.signatures) == 5
    hidden = read_message(b"From: a@example.com\r\nDKIM-Signature: d=" + b"a." * 300 + b"; s=x\r\n")
    assert hidden.signatures == ()


# --- the connection


def connected(*steps: Step, account: Account | None = None) -> dict[str, Finding]:
    verification = Verification(account or an_account(), steps)
    found = judge_connection(verification, advise=lambda step: "do this" * (not step.ok), now=NOW)
    return {finding.code: finding for finding in found}


def tls(left: timedelta) -> Step:
    return Step(stage=Stage.TLS, tls=TlsFacts(version="TLSv1.3", not_after=NOW + left))


@pytest.mark.parametrize(
    ("left", "status"),
    [
        (timedelta(days=90), Status.OK),
        (timedelta(days=14), Status.OK),
        (timedelta(days=14, seconds=-1), Status.WARN),
        (timedelta(seconds=1), Status.WARN),
        (timedelta(0), Status.FAIL),
        (timedelta(days=-1), Status.FAIL),
    ],
)
def test_a_certificate_ends_soon_or_not(left: timedelta, status: Status) -> None:
    assert connected(tls(left))["tls_expiry"].status is status


def test_the_version_of_tls_is_told() -> None:
    assert connected(tls(timedelta(days=90)))["tls"].found.startswith("TLSv1.3")


def test_each_stage_is_told_once_and_a_failure_with_its_advice() -> None:
    hello = Step(stage=Stage.EHLO, reply=Reply.of(250, "hello"))
    refused = Step(stage=Stage.AUTH, reply=Reply.of(535, "5.7.8 no"))
    found = connected(Step(stage=Stage.CONNECT), hello, tls(timedelta(90)), hello, refused)
    assert list(found) == ["resolve", "connect", "tls", "ehlo", "auth", "tls_expiry"]
    assert (found["auth"].status, found["auth"].fix) == (Status.FAIL, "do this")


@pytest.mark.parametrize(
    "step",
    [
        Step(stage=Stage.RESOLVE, problem=Problem.DNS),
        Step(stage=Stage.CONNECT, problem=Problem.TIMEOUT),
        Step(stage=Stage.RCPT, reply=Reply.of(450, "4.2.0 greylisted")),
    ],
)
def test_what_may_be_well_in_a_moment_is_unknown(step: Step) -> None:
    assert connected(step)[step.stage.value].status is Status.UNKNOWN


def test_a_login_that_fails_before_a_connection_says_nothing_of_the_server() -> None:
    found = connected(Step(stage=Stage.AUTH, problem=Problem.NO_PASSWORD))
    assert list(found) == ["auth"]


def test_an_expired_certificate_fails_at_the_handshake() -> None:
    step = Step(stage=Stage.TLS, problem=Problem.CERTIFICATE, detail="certificate has expired")
    found = connected(step)
    assert (found["tls"].status, found["tls"].found) == (Status.FAIL, "certificate has expired")


def test_an_account_without_tls_is_warned() -> None:
    account = an_account(security=Security.PLAIN)
    hello = Step(stage=Stage.EHLO, reply=Reply.of(250, "hello"))
    assert connected(hello, account=account)["tls"].status is Status.WARN


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_server_on_this_machine_needs_no_tls(host: str) -> None:
    account = an_account(security=Security.PLAIN, host=host)
    hello = Step(stage=Stage.EHLO, reply=Reply.of(250, "hello"))
    assert connected(hello, account=account)["tls"].status is Status.OK


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Jun  1 12:30:05 2030 GMT", datetime(2030, 6, 1, 12, 30, 5, tzinfo=UTC)),
        ("Dec 31 23:59:59 2026 GMT", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("None", None),
        ("Jux  1 12:30:05 2030 GMT", None),
    ],
)
def test_the_end_of_a_certificate_is_read(text: str, moment: datetime | None) -> None:
    assert TlsFacts.of("TLSv1.3", text).not_after == moment
