"""An account examined: its server, its domain, and what the findings come to together."""

import base64
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.fakes.sender import Rule, Script
from adapters.fakes.web import FakeWeb
from application.doctor import MOST_QUESTIONS, MOST_TIME_S, Diagnosis, Doctor
from application.ports.web import WebAnswer, WebProblem, WebRequest
from domain.access import Caller, Scope
from domain.account.limits import WindowLengths
from domain.address import Address
from domain.doctor.finding import Finding, Status
from domain.errors import Forbidden, InvalidInput, NotFound
from domain.message.dkim import Algorithm
from domain.outcome.handoff import Stage
from tests.builders import a_dkim_key
from tests.played_names import DEAD, CountingDns, Zone
from tests.shipped_rules import PROVIDERS
from tests.world import World

RELAY = "193.0.2.1"
KEY = base64.b64encode(
    rsa.generate_private_key(public_exponent=65537, key_size=2048)
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()
# of an account whose own relay is smtp.example.com, and which signs with s1
WELL: Mapping[str, list[str] | None] = {
    "TXT example.com": ["v=spf1 ip4:193.0.2.1 -all"],
    "TXT es1-rsa._domainkey.example.com": [f"v=DKIM1; k=rsa; p={KEY}"],
    "TXT _dmarc.example.com": ["v=DMARC1; p=reject; rua=mailto:d@example.com"],
    "MX example.com": ["mx.example.com"],
    "A mx.example.com": ["193.0.2.7"],
    "A smtp.example.com": [RELAY],
    f"PTR {RELAY}": ["smtp.example.com"],
}
MESSAGE = b"Return-Path: <b@bounces.example.com>\r\nDKIM-Signature: d=example.com; s=m1\r\n"


def no_advice(step: object, account: object) -> str:
    return "see the advice"


class Practice:
    """A world with one account, whose domain has the records of a zone."""

    def __init__(self, zone: Zone, *, signs: bool = True, **account: object) -> None:
        self.world = World()
        self.account = self.world.account(**account)
        self.dns = CountingDns(zone)
        self.web = FakeWeb()
        if signs:
            key = a_dkim_key(self.account, record=f"v=DKIM1; k=rsa; p={KEY}", active=True)
            self.world.store.write(lambda tx: tx.dkim_keys.add_all([key]))

    @property
    def doctor(self) -> Doctor:
        return Doctor(
            store=self.world.store,
            clock=self.world.clock,
            sender=self.world.sender,
            dns=self.dns,
            web=self.web,
            windows=WindowLengths(),
            providers=PROVIDERS,
        )

    def examined(self, **more: object) -> Diagnosis:
        return self.doctor.examine(self.account.id, advise=no_advice, **more)  # type: ignore[arg-type]


def codes(diagnosis: Diagnosis) -> dict[str, Finding]:
    return {finding.code: finding for finding in diagnosis.findings}


def but(**changes: list[str] | None) -> Zone:
    """WELL with some names changed: underscores of the keyword are not used, dots are written."""
    return {**WELL, **changes}


def not_well(diagnosis: Diagnosis) -> dict[str, str]:
    return {one.code: one.status.value for one in diagnosis.findings if one.status is not Status.OK}


def test_an_account_that_is_well_in_all_is_ok() -> None:
    diagnosis = Practice(WELL).examined()
    assert not_well(diagnosis) == {}
    assert (diagnosis.status, diagnosis.domain) == (Status.OK, "example.com")
    assert {finding.code for finding in diagnosis.findings} == {
        *("resolve", "connect", "banner", "ehlo", "starttls", "tls", "tls_expiry"),
        *("auth", "mail", "rcpt"),
        *("spf_one_record", "spf_syntax", "spf_lookups", "spf_all", "spf_covers_relay"),
        *("dkim_selector", "dkim_key", "dmarc", "alignment", "mx", "ptr", "mta_sts"),
        *("bulk_gmail", "bulk_outlook", "bulk_yahoo"),
    }


def test_nothing_is_sent_and_nothing_is_changed() -> None:
    practice = Practice(WELL)
    before = practice.world.account_now(practice.account)
    practice.examined()
    assert not practice.world.sender.accepted
    assert practice.world.account_now(practice.account) == before


def test_two_spf_records_fail() -> None:
    zone = but(**{"TXT example.com": ["v=spf1 ip4:193.0.2.1 -all", "v=spf1 -all"]})
    diagnosis = Practice(zone).examined()
    assert diagnosis.status is Status.FAIL
    assert codes(diagnosis)["spf_one_record"].status is Status.FAIL
    # DKIM still makes DMARC pass
    assert codes(diagnosis)["alignment"].status is Status.OK


def test_a_dead_dns_is_unknown_in_all_and_nothing_fails() -> None:
    practice = Practice({})
    practice.dns.break_all()
    diagnosis = practice.examined()
    assert diagnosis.status is Status.UNKNOWN
    assert set(not_well(diagnosis).values()) == {"unknown"}
    assert {"spf_one_record", "dkim_selector", "dmarc", "alignment", "mx", "mta_sts"} <= set(
        not_well(diagnosis)
    )


@pytest.mark.parametrize("name", sorted({key.partition(" ")[2] for key in WELL}))
def test_one_name_that_does_not_answer_makes_nothing_fail(name: str) -> None:
    practice = Practice(WELL)
    practice.dns.break_name(name)
    diagnosis = practice.examined()
    assert Status.FAIL not in {finding.status for finding in diagnosis.findings}
    assert diagnosis.status is Status.UNKNOWN


def test_a_server_that_refuses_the_login_fails_with_the_advice_and_the_dns_is_judged_too() -> None:
    practice = Practice(WELL)
    practice.world.sender.play(Script((Rule(Stage.AUTH, "535 5.7.8 no"),)))
    diagnosis = practice.examined()
    assert not_well(diagnosis) == {"auth": "fail"}
    assert codes(diagnosis)["auth"].fix == "see the advice"
    assert "dmarc" in codes(diagnosis)


@pytest.mark.parametrize(
    ("days", "expected"), [(15, {}), (13, {"tls_expiry": "warn"}), (-1, {"tls_expiry": "fail"})]
)
def test_the_end_of_the_certificate_is_told(days: int, expected: dict[str, str]) -> None:
    practice = Practice(WELL)
    ends = practice.world.clock.now() + timedelta(days=days)
    practice.world.sender.play(Script(certificate_ends=ends))
    assert not_well(practice.examined()) == expected


# --- whose relay it is


def test_an_own_relay_must_be_named_by_spf_and_have_a_name() -> None:
    zone = {**WELL, "TXT example.com": ["v=spf1 -all"], f"PTR {RELAY}": []}
    assert not_well(Practice(zone).examined()) == {"spf_covers_relay": "fail", "ptr": "fail"}


def test_a_relay_of_somebody_else_is_not_asked_for_its_name() -> None:
    zone = {**WELL, "A smtp.relay.example": ["198.41.0.4"]}
    diagnosis = Practice(zone, host="smtp.relay.example").examined()
    assert not_well(diagnosis) == {"spf_covers_relay": "warn"}
    assert "ptr" not in codes(diagnosis)


def test_a_relay_on_this_machine_sends_from_an_address_that_nobody_knows() -> None:
    diagnosis = Practice(WELL, host="127.0.0.1").examined()
    assert not_well(diagnosis) == {"spf_covers_relay": "unknown"}
    assert "ptr" not in codes(diagnosis)


GOOGLE: Zone = {
    **WELL,
    "TXT example.com": ["v=spf1 include:_spf.google.com ~all"],
    "TXT _spf.google.com": ["v=spf1 ip4:35.190.247.0/24 ~all"],
    "TXT google._domainkey.example.com": [f"v=DKIM1; k=rsa; p={KEY}"],
}


def test_an_account_at_google_is_judged_by_its_record_and_its_selector() -> None:
    diagnosis = Practice(GOOGLE, signs=False, host="smtp.gmail.com").examined()
    assert not_well(diagnosis) == {}
    assert "google._domainkey.example.com" in codes(diagnosis)["dkim_key"].found


def test_an_account_at_microsoft_needs_one_of_two_selectors() -> None:
    zone: Zone = {
        **WELL,
        "TXT example.com": ["v=spf1 include:spf.protection.outlook.com -all"],
        "TXT spf.protection.outlook.com": ["v=spf1 ip4:40.92.0.0/15 -all"],
    }
    host = "smtp.office365.com"
    assert not_well(Practice(zone, signs=False, host=host).examined()) == {
        "dkim_selector": "fail",
        "alignment": "warn",
    }
    signed = {**zone, "TXT selector2._domainkey.example.com": [f"v=DKIM1; k=rsa; p={KEY}"]}
    assert not_well(Practice(signed, signs=False, host=host).examined()) == {}


def test_gmail_signs_mail_of_gmail_com_itself() -> None:
    zone: Zone = {
        "TXT gmail.com": ["v=spf1 redirect=_spf.google.com"],
        "TXT _spf.google.com": ["v=spf1 ip4:35.190.247.0/24 ~all"],
        "TXT _dmarc.gmail.com": ["v=DMARC1; p=none; sp=quarantine"],
        "MX gmail.com": ["mx.gmail.com"],
        "A mx.gmail.com": ["142.251.0.1"],
    }
    address = Address.parse("ada@gmail.com")
    practice = Practice(zone, signs=False, host="smtp.gmail.com", address=address)
    assert not_well(practice.examined()) == {}


def test_a_provider_answers_for_the_dns_of_its_own_domains() -> None:
    zone: Zone = {
        "TXT yahoo.com": ["v=spf1 redirect=_spf.mail.yahoo.com"],
        "TXT _spf.mail.yahoo.com": ["v=spf1 ip4:77.238.176.0/24 ?all"],
        "TXT _dmarc.yahoo.com": ["v=DMARC1; p=reject"],
        "MX yahoo.com": ["mx.yahoo.com"],
        "A mx.yahoo.com": ["67.195.204.1"],
        "A smtp.mail.yahoo.com": ["87.248.97.1"],
    }
    address = Address.parse("ada@yahoo.com")
    through_yahoo = Practice(zone, signs=False, host="smtp.mail.yahoo.com", address=address)
    assert not_well(through_yahoo.examined()) == {"spf_all": "warn"}
    elsewhere = Practice(zone, signs=False, host="127.0.0.1", address=address)
    assert not_well(elsewhere.examined())["dkim_selector"] == "unknown"


SES: Zone = {**WELL, "TXT example.com": []}
SES_HOST = "email-smtp.eu-west-1.amazonaws.com"


def test_at_ses_without_a_custom_mail_from_only_dkim_aligns() -> None:
    diagnosis = Practice(SES, host=SES_HOST).examined()
    assert not_well(diagnosis) == {}
    told = codes(diagnosis)["alignment"].found
    assert "SPF amazonses.com (not aligned)" in told
    assert "DKIM example.com (aligned)" in told


def test_at_ses_without_a_signature_nothing_aligns() -> None:
    diagnosis = Practice(SES, signs=False, host=SES_HOST).examined()
    assert not_well(diagnosis) == {"dkim_selector": "unknown", "alignment": "unknown"}
    seen = b"From: a@example.com\r\nDKIM-Signature: d=amazonses.com; s=x\r\n\r\n"
    zone = {**SES, "TXT x._domainkey.amazonses.com": [f"p={KEY}"]}
    diagnosis = Practice(zone, signs=False, host=SES_HOST).examined(message=seen)
    assert not_well(diagnosis) == {"alignment": "fail"}


def test_at_ses_a_custom_mail_from_that_the_message_shows_aligns() -> None:
    zone: Zone = {
        **SES,
        "TXT bounces.example.com": ["v=spf1 include:amazonses.com ~all"],
        "TXT amazonses.com": ["v=spf1 ip4:199.255.192.0/22 -all"],
        "TXT m1._domainkey.example.com": [f"v=DKIM1; p={KEY}"],
    }
    practice = Practice(zone, signs=False, host=SES_HOST)
    diagnosis = practice.examined(message=MESSAGE + b"From: a@example.com\r\n\r\n")
    assert not_well(diagnosis) == {}
    assert "SPF bounces.example.com (aligned)" in codes(diagnosis)["alignment"].found


def test_at_ses_keys_that_do_not_sign_yet_say_nothing_of_who_signs_now() -> None:
    practice = Practice(SES, signs=False, host=SES_HOST)
    key = a_dkim_key(practice.account, record=f"p={KEY}")
    practice.world.store.write(lambda tx: tx.dkim_keys.add_all([key]))
    assert codes(practice.examined())["alignment"].status is Status.UNKNOWN


# --- selectors


def test_a_message_without_a_signature_is_a_warning_and_too_little_for_bulk_mail() -> None:
    practice = Practice(WELL, signs=False)
    charge(practice, practice.account.id, 5000)
    seen = b"From: a@example.com\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\n"
    assert not_well(practice.examined(message=seen)) == {
        "dkim_selector": "warn",
        "alignment": "warn",
        "bulk_gmail": "fail",
        "bulk_outlook": "fail",
        "bulk_yahoo": "fail",
    }


def test_without_any_selector_it_is_unknown_who_signs() -> None:
    diagnosis = Practice(WELL, signs=False).examined()
    assert not_well(diagnosis) == {"dkim_selector": "unknown"}
    assert "--message" in codes(diagnosis)["dkim_selector"].fix


def test_a_message_tells_the_selector() -> None:
    zone = {**WELL, "TXT m1._domainkey.example.com": [f"v=DKIM1; p={KEY}"]}
    message = b"From: a@example.com\r\nDKIM-Signature: d=example.com; s=m1\r\n\r\n"
    diagnosis = Practice(zone, signs=False).examined(message=message)
    assert not_well(diagnosis) == {}
    assert "m1._domainkey.example.com" in codes(diagnosis)["dkim_selector"].found


def test_keys_that_do_not_sign_yet_are_a_warning_while_they_are_not_published() -> None:
    practice = Practice({**WELL, "TXT es1-rsa._domainkey.example.com": []}, signs=False)
    keys = [
        a_dkim_key(practice.account, algorithm=algorithm, record=f"p={KEY}")
        for algorithm in Algorithm
    ]
    practice.world.store.write(lambda tx: tx.dkim_keys.add_all(keys))
    found = [one for one in practice.examined().findings if one.code.startswith("dkim")]
    assert [one.status.value for one in found] == ["warn", "warn", "unknown"]


def test_a_message_without_from_is_refused_before_anything_is_asked() -> None:
    practice = Practice(WELL)
    with pytest.raises(InvalidInput):
        practice.examined(message=b"Subject: x\r\n\r\n")
    assert not practice.dns.asked


def test_the_domains_of_aliases_are_judged_too() -> None:
    zone = {
        **WELL,
        "TXT _dmarc.example.org": ["v=DMARC1; p=reject"],
        "TXT _dmarc.other.example": ["v=DMARC1; p=none"],
    }
    aliases = tuple(
        map(Address.parse, ("a@news.example.com", "b@other.example", "c@other.example"))
    )
    diagnosis = Practice(zone, aliases=aliases).examined()
    found = [one for one in diagnosis.findings if one.code == "alignment"]
    assert [one.status for one in found] == [Status.OK, Status.OK, Status.FAIL]
    assert "other.example" in found[2].expected


# --- MTA-STS

STS: Zone = {**WELL, "TXT _mta-sts.example.com": ["v=STSv1; id=1"]}
POLICY = b"version: STSv1\nmode: enforce\nmx: mx.example.com\nmax_age: 86400\n"


def answers(status: int, body: bytes = b"") -> Callable[[WebRequest], WebAnswer]:
    return lambda request: WebAnswer(status=status, headers={}, body=body)


@pytest.mark.parametrize(
    ("handler", "status"),
    [
        (answers(200, POLICY), Status.OK),
        (answers(200, POLICY.replace(b"mx.", b"other.")), Status.FAIL),
        (answers(200, b"\xff" * 100), Status.FAIL),
        (answers(404), Status.FAIL),
        (answers(301, POLICY), Status.FAIL),
        (answers(503), Status.UNKNOWN),
        (lambda request: WebProblem.TIMEOUT, Status.UNKNOWN),
        (lambda request: WebProblem.UNREACHABLE, Status.UNKNOWN),
        (lambda request: WebProblem.TLS, Status.FAIL),
        (None, Status.FAIL),
    ],
)
def test_the_policy_of_mta_sts_is_fetched_and_judged(
    handler: Callable[[WebRequest], WebAnswer] | None, status: Status
) -> None:
    practice = Practice(STS)
    if handler is not None:
        practice.web.serve("mta-sts.example.com", handler)
    assert codes(practice.examined())["mta_sts"].status is status


def test_a_policy_is_never_fetched_from_this_network() -> None:
    practice = Practice(STS)
    practice.web.serve("mta-sts.example.com", answers(200, POLICY), addresses=["127.0.0.1"])
    assert codes(practice.examined())["mta_sts"].status is Status.FAIL
    assert not practice.web.requests


def test_without_a_record_no_policy_is_fetched() -> None:
    practice = Practice(WELL)
    practice.web.serve("mta-sts.example.com", answers(200, POLICY))
    practice.examined()
    assert not practice.web.requests


# --- bulk mail


def charge(practice: Practice, account_id: int, number: int) -> None:
    """*number* units, which the ledger has for the last day."""
    practice.world.store.write(lambda tx: _charge(tx, account_id, number))


def _charge(tx: object, account_id: int, number: int) -> None:
    from tests.builders import an_email

    email = an_email(account_id=account_id, attempt_no=1)
    stored = tx.emails.add(email, b"x")  # type: ignore[attr-defined]
    tx.ledger.reserve([stored], units=lambda _: number)  # type: ignore[attr-defined]
    tx.ledger.charge(stored.id, 1, units=number)  # type: ignore[attr-defined]


def test_whoever_sent_5000_in_a_day_needs_one_click_unsubscription() -> None:
    practice = Practice(WELL)
    charge(practice, practice.account.id, 5000)
    diagnosis = practice.examined()
    assert not_well(diagnosis) == {"bulk_gmail": "warn", "bulk_yahoo": "warn"}
    assert "5000 emails" in codes(diagnosis)["bulk_gmail"].found
    seen = b"From: a@example.com\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\n"
    assert not_well(practice.examined(message=seen)) == {}


def test_what_the_accounts_of_one_domain_and_of_those_below_it_sent_is_summed() -> None:
    practice = Practice(WELL)
    below = practice.world.account("news", address=Address.parse("a@news.example.com"))
    other = practice.world.account("other", address=Address.parse("a@example.net"))
    for account_id, number in ((practice.account.id, 2000), (below.id, 2999), (other.id, 9000)):
        charge(practice, account_id, number)
    assert codes(practice.examined())["bulk_gmail"].found.startswith("4999 emails")


def test_what_accounts_of_others_sent_is_not_told() -> None:
    practice = Practice(WELL)
    below = practice.world.account("news", address=Address.parse("a@news.example.com"))
    charge(practice, below.id, 9000)
    mine = Caller(scopes=frozenset({Scope.ADMIN}), accounts=frozenset({practice.account.id}))
    assert codes(practice.examined(caller=mine))["bulk_gmail"].found.startswith("0 emails")


def test_after_a_day_nothing_is_left_of_it() -> None:
    practice = Practice(WELL)
    charge(practice, practice.account.id, 9000)
    practice.world.clock.tick(24 * 3600 + 1)
    assert codes(practice.examined())["bulk_gmail"].found.startswith("0 emails")


# --- who may ask, and what it costs


def test_only_an_admin_may_ask_and_only_about_accounts_of_its_own() -> None:
    practice = Practice(WELL)
    with pytest.raises(Forbidden):
        practice.examined(caller=Caller(scopes=frozenset({Scope.READ, Scope.SEND})))
    elsewhere = Caller(scopes=frozenset({Scope.ADMIN}), accounts=frozenset({99}))
    with pytest.raises(NotFound):
        practice.examined(caller=elsewhere)
    assert practice.doctor.account_ids(caller=elsewhere) == []
    assert practice.doctor.account_ids() == [practice.account.id]
    with pytest.raises(NotFound):
        practice.doctor.examine(99, advise=no_advice)


def test_an_examination_asks_each_question_once() -> None:
    practice = Practice(WELL)
    practice.examined()
    txt = [name for name in practice.dns.asked if name.startswith("_dmarc")]
    assert sorted(txt) == sorted(set(txt))
    assert len(practice.dns.asked) < 20


class Slow(CountingDns):
    """Each answer takes five seconds of the clock."""

    def __init__(self, zone: Zone, tick: Callable[[float], object]) -> None:
        super().__init__(zone)
        self._tick = tick

    def _found(self, records, name):  # type: ignore[no-untyped-def]
        self._tick(5)
        return super()._found(records, name)


def test_a_slow_dns_is_given_up_in_time_and_the_rest_is_unknown() -> None:
    practice = Practice(WELL)
    begun = practice.world.clock.monotonic()
    practice.dns = Slow(WELL, practice.world.clock.tick)
    diagnosis = practice.examined()
    assert practice.world.clock.monotonic() - begun <= MOST_TIME_S + 5
    assert diagnosis.status is Status.UNKNOWN
    assert Status.FAIL not in {finding.status for finding in diagnosis.findings}


class Hostile(CountingDns):
    """Answers every question with as much as it can."""

    def txt(self, name: str) -> list[str]:
        self.asked.append(name)
        below = " ".join(f"include:i{n}.{name} mx:m{n}.{name}" for n in range(200))
        return [f"v=spf1 {below} -all", "v=DMARC1; p=none; " + "x=y;" * 16_000, "v=STSv1; id=1"][
            :: 1 if name.startswith(("_dmarc", "_mta-sts")) else 3
        ]

    def addresses(self, name: str) -> list[object]:  # type: ignore[override]
        from ipaddress import ip_address

        self.asked.append(name)
        return [ip_address(0x20000000_00000000_00000000_00000000 + n) for n in range(200)]


def test_a_hostile_dns_costs_a_bounded_number_of_questions() -> None:
    practice = Practice(WELL, signs=False)
    practice.dns = Hostile({})
    diagnosis = practice.examined()
    assert len(practice.dns.asked) <= MOST_QUESTIONS
    assert all(len(finding.found) < 5000 for finding in diagnosis.findings)


def test_the_sources_are_told_and_every_finding_that_is_not_well_says_how_to_mend_it() -> None:
    diagnosis = Practice({"TXT example.com": DEAD}, signs=False).examined()
    for finding in diagnosis.findings:
        assert finding.source
        assert finding.expected
        assert finding.found
        assert finding.fix or finding.status is Status.OK, finding
    assert diagnosis.at == datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
