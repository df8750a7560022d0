"""DMARC as of RFC 9989: which record applies, what it says, and what is aligned."""

import pytest

from domain.doctor.alignment import Identifier, aligned, judge_alignment
from domain.doctor.dmarc import Walk, effective, judge_dmarc, walk
from domain.doctor.finding import Status
from domain.doctor.questions import Answer, Question, answered
from tests.played_names import DEAD, Zone, resolve


def walked(domain: str, zone: Zone) -> Walk:
    return resolve(walk(domain), zone)


def policies(**at: str) -> Zone:
    return {
        f"TXT _dmarc.{name.replace('_', '.')}": [f"v=DMARC1; {text}"] for name, text in at.items()
    }


def names_asked(domain: str, zone: Zone | None = None) -> list[str]:
    asked: list[str] = []

    def answer(question: Question) -> Answer:
        asked.append(question.name.removeprefix("_dmarc."))
        return Answer(tuple((zone or {}).get(f"TXT {question.name}") or ()))

    answered(walk(domain), answer)
    return asked


# --- the walk (4.10)


def test_a_name_of_three_labels_is_asked_about_with_all_above_it() -> None:
    assert names_asked("mail.example.com") == ["mail.example.com", "example.com", "com"]


def test_a_long_name_costs_eight_questions_and_skips_to_seven_labels() -> None:
    # the example of the RFC
    assert names_asked("a.b.c.d.e.f.g.h.i.j.mail.example.com") == [
        "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "g.h.i.j.mail.example.com",
        "h.i.j.mail.example.com",
        "i.j.mail.example.com",
        "j.mail.example.com",
        "mail.example.com",
        "example.com",
        "com",
    ]


@pytest.mark.parametrize("labels", [7, 8, 9, 60])
def test_no_name_costs_more_than_eight_questions(labels: int) -> None:
    assert len(names_asked(".".join(["a"] * (labels - 2) + ["example", "com"]))) <= 8


@pytest.mark.parametrize("flag", ["y", "n"])
def test_the_walk_ends_at_a_record_that_says_whose_it_is(flag: str) -> None:
    zone = policies(example_com=f"p=none; psd={flag}", com="p=reject")
    assert names_asked("mail.example.com", zone) == ["mail.example.com", "example.com"]


# --- the organizational domain (4.10.2)


@pytest.mark.parametrize(
    ("domain", "zone", "organization"),
    [
        ("mail.example.com", {}, "mail.example.com"),
        ("mail.example.com", policies(example_com="p=none"), "example.com"),
        ("mail.example.com", policies(mail_example_com="p=none"), "mail.example.com"),
        (
            "a.mail.example.com",
            policies(mail_example_com="p=none", example_com="p=none"),
            "example.com",
        ),
        ("a.mail.example.com", policies(mail_example_com="p=none; psd=n"), "mail.example.com"),
        ("a.mail.example.com", policies(com="p=reject; psd=y"), "example.com"),
        ("a.b.giant.bank.example", policies(bank_example="p=none; psd=y"), "giant.bank.example"),
        ("bank.example", policies(bank_example="p=none; psd=y"), "bank.example"),
        ("mail.example.com", policies(example_com="p=none; psd=u"), "example.com"),
        ("mail.example.com", policies(example_com="p=none; psd=x"), "example.com"),
        ("mail.example.com", {"TXT _dmarc.example.com": DEAD}, None),
        (
            "mail.example.com",
            {**policies(mail_example_com="p=none; psd=n"), "TXT _dmarc.example.com": DEAD},
            "mail.example.com",
        ),
    ],
)
def test_the_organizational_domain(domain: str, zone: Zone, organization: str | None) -> None:
    assert walked(domain, zone).organization == organization


# --- the policy (4.10.1)


@pytest.mark.parametrize(
    ("domain", "zone", "exists", "policy"),
    [
        ("example.com", policies(example_com="p=reject"), True, "reject"),
        ("example.com", policies(example_com="P=Reject"), True, "reject"),
        ("example.com", policies(example_com="p=reject; sp=none; np=none"), True, "reject"),
        ("m.example.com", policies(example_com="p=reject; sp=quarantine"), True, "quarantine"),
        ("m.example.com", policies(example_com="p=reject; np=none"), True, "reject"),
        ("m.example.com", policies(example_com="p=reject; np=none"), False, "none"),
        ("m.example.com", policies(example_com="p=none; sp=reject"), False, "reject"),
        ("example.com", policies(example_com="rua=mailto:a@b.c"), True, "none"),
        ("example.com", policies(example_com="adkim=s"), True, "none"),
        ("example.com", policies(example_com="p=block; rua=mailto:a@b.c"), True, "none"),
        ("example.com", policies(example_com="p=block"), True, None),
        ("example.com", policies(example_com="p=reject; sp=block"), True, None),
        ("a.b.com", policies(com="p=quarantine; psd=y"), True, "quarantine"),
        (
            "a.b.com",
            {**policies(com="p=quarantine; psd=y"), **policies(b_com="p=reject")},
            True,
            "reject",
        ),
    ],
)
def test_the_policy_that_applies(domain: str, zone: Zone, exists: bool, policy: str | None) -> None:
    record = walked(domain, zone).applied
    assert record is not None
    assert effective(record, domain=domain, exists=exists) == policy


def test_a_record_of_a_domain_between_does_not_apply_to_one_below_it() -> None:
    # only the author's own and the organization's count
    zone = policies(b_example_com="p=reject", example_com="p=none")
    record = walked("a.b.example.com", zone).applied
    assert record is not None
    assert record.domain == "example.com"


@pytest.mark.parametrize(
    "text",
    [
        "v=DMARC1",
        "v=DMARC1;",
        "v = DMARC1 ; p = none",
        "V=DMARC1;p=none",
    ],
)
def test_texts_that_are_a_record(text: str) -> None:
    assert walked("example.com", {"TXT _dmarc.example.com": [text]}).records


@pytest.mark.parametrize(
    "text",
    ["v=dmarc1; p=none", "p=none; v=DMARC1", "v=DMARC12; p=none", "v=spf1 -all", "", '"v=DMARC1"'],
)
def test_texts_that_are_none(text: str) -> None:
    assert not walked("example.com", {"TXT _dmarc.example.com": [text]}).records


# --- the finding


@pytest.mark.parametrize(
    ("records", "status", "word"),
    [
        (["v=DMARC1; p=reject; rua=mailto:a@example.com"], Status.OK, "reject"),
        (["v=DMARC1; p=none"], Status.OK, "none"),
        (["v=DMARC1; p=none; x-unknown=1"], Status.OK, "none"),
        ([], Status.WARN, "neither example.com"),
        (["v=dmarc1; p=none"], Status.WARN, "v=dmarc1"),
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], Status.FAIL, "more than one"),
        (["v=DMARC1; p=block"], Status.FAIL, "block"),
        (["v=DMARC1; p=none; pct=50; ri=86400; rf=afrf"], Status.WARN, "none"),
        (["v=DMARC1; p=none; adkim=strict"], Status.WARN, "none"),
        (["v=DMARC1; p=reject; t=y"], Status.WARN, "tested"),
        (["v=DMARC1; rua=mailto:a@example.com"], Status.WARN, "none"),
        (["v=DMARC1; p=none; rua=a@example.com"], Status.WARN, "none"),
        (DEAD, Status.UNKNOWN, "did not answer"),
    ],
)
def test_a_record_is_judged(records: list[str] | None, status: Status, word: str) -> None:
    finding = judge_dmarc(walked("example.com", {"TXT _dmarc.example.com": records}), exists=True)
    assert finding.status is status
    assert word in finding.found
    assert bool(finding.fix) is (status is not Status.OK)


def test_removed_tags_are_named() -> None:
    zone = policies(example_com="p=none; pct=50; ri=86400")
    assert "pct, ri" in judge_dmarc(walked("example.com", zone), exists=True).fix


def test_an_own_record_is_known_though_the_dns_does_not_answer_above_it() -> None:
    zone = {**policies(example_com="p=reject"), "TXT _dmarc.com": DEAD}
    assert judge_dmarc(walked("example.com", zone), exists=True).status is Status.OK


def test_a_missing_record_is_unknown_while_the_dns_does_not_answer_above_it() -> None:
    zone: Zone = {"TXT _dmarc.example.com": DEAD}
    assert judge_dmarc(walked("m.example.com", zone), exists=True).status is Status.UNKNOWN


# --- alignment, of section 4.4

RELAXED = policies(example_com="p=none")
STRICT = policies(example_com="p=none; adkim=s; aspf=s")


def identifier(
    domain: str, zone: Zone, *, mechanism: str = "DKIM", valid: bool | None = True
) -> Identifier:
    return Identifier(mechanism=mechanism, domain=domain, valid=valid, walked=walked(domain, zone))


@pytest.mark.parametrize(
    ("author", "domain", "zone", "expected"),
    [
        ("example.com", "example.com", {}, True),
        ("example.com", "example.com", {"TXT _dmarc.example.com": DEAD}, True),
        ("example.com", "mail.example.com", RELAXED, True),
        ("mail.example.com", "example.com", RELAXED, True),
        ("a.example.com", "b.example.com", RELAXED, True),
        ("example.com", "mail.example.com", STRICT, False),
        ("example.com", "example.com", STRICT, True),
        ("example.com", "example.net", RELAXED, False),
        # without a record every domain is an organization of its own
        ("mail.example.com", "example.com", {}, False),
        # where the registry says that it is one
        ("a.co.uk", "b.co.uk", policies(co_uk="p=none; psd=y"), False),
        # without psd=y a record above both makes them one organization: RFC 9989, B.4
        ("a.co.uk", "b.co.uk", policies(co_uk="p=none"), True),
        ("example.com", "mail.example.com", {**RELAXED, "TXT _dmarc.com": DEAD}, None),
    ],
)
def test_two_domains_are_aligned_or_not(
    author: str, domain: str, zone: Zone, expected: bool | None
) -> None:
    found = aligned(identifier(domain, zone), author=walked(author, zone))
    assert found is expected


@pytest.mark.parametrize(
    ("spf", "dkim", "status"),
    [
        (("example.com", True), ("example.com", True), Status.OK),
        (("amazonses.com", True), ("example.com", True), Status.OK),
        (("example.com", True), ("amazonses.com", True), Status.WARN),
        (("example.com", True), ("example.com", None), Status.OK),
        (("amazonses.com", True), ("amazonses.com", True), Status.FAIL),
        (("amazonses.com", True), ("example.com", False), Status.FAIL),
        (("amazonses.com", True), ("example.com", None), Status.UNKNOWN),
        (("example.com", None), ("amazonses.com", True), Status.UNKNOWN),
        (("example.com", False), ("example.com", False), Status.FAIL),
    ],
)
def test_one_aligned_identifier_is_enough(
    spf: tuple[str, bool | None], dkim: tuple[str, bool | None], status: Status
) -> None:
    found = [
        identifier(spf[0], RELAXED, mechanism="SPF", valid=spf[1]),
        identifier(dkim[0], RELAXED, valid=dkim[1]),
    ]
    assert judge_alignment(found, author=walked("example.com", RELAXED)).status is status
