"""The keys that signatures are verified with: found, and strong enough."""

import base64
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from domain.doctor.dkim import Origin, Selector, judge_selectors, read_key, usable
from domain.doctor.finding import Finding, Status
from domain.doctor.questions import NO_ANSWER, Answer


@cache
def rsa_key(bits: int) -> rsa.RSAPublicKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key()


def rsa_text(bits: int, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> str:
    return base64.b64encode(rsa_key(bits).public_bytes(Encoding.DER, form)).decode()


ED = base64.b64encode(
    ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
).decode()
GOOD = rsa_text(2048)
SHORT = rsa_text(1024)
# no library makes a key of 512 bits any more: the modulus of this one is 2^511 + 1
WEAK = base64.b64encode(
    bytes.fromhex("305c300d06092a864886f70d0101010500034b003048024100")
    + b"\x80"
    + bytes(62)
    + b"\x01"
    + bytes.fromhex("0203010001")
).decode()


@pytest.mark.parametrize("bits", [1024, 2048, 3072])
@pytest.mark.parametrize("form", [PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1])
def test_the_length_of_an_rsa_key_is_read_in_both_forms(bits: int, form: PublicFormat) -> None:
    key = read_key(f"v=DKIM1; k=rsa; p={rsa_text(bits, form)}")
    assert (key.kind, key.bits, key.problem) == ("rsa", bits, "")


# their names must not be the keys, which are others in each process
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"v=DKIM1; k=ed25519; p={ED}", ""),
        (f"k=rsa; p={GOOD}", ""),
        (f"p={GOOD[:60]} \r\n {GOOD[60:]}", ""),
        (f"v=DKIM1; h=sha1:sha256; s=email; t=s; n=note; p={GOOD}", ""),
        ("v=DKIM1; k=rsa; p=", "revoked"),
        ("v=DKIM1; k=rsa", "no p"),
        (f"v=DKIM1; k=rsa; p={WEAK}", "512 bits"),
        ("v=DKIM1; k=rsa; p=not base64!", "no public key"),
        ("v=DKIM1; k=rsa; p=QUJD", "no public key"),
        (f"v=DKIM1; k=rsa; p={ED}", "no public key"),
        (f"v=DKIM1; k=ed25519; p={GOOD}", "no public key"),
        (f"v=DKIM1; k=dsa; p={GOOD}", "k=dsa"),
        (f"v=DKIM2; p={GOOD}", "v must be DKIM1"),
        (f"k=rsa; v=DKIM1; p={GOOD}", "v must be DKIM1"),
        (f"h=sha1; p={GOOD}", "sha256"),
        (f"s=tlsrpt; p={GOOD}", "email"),
    ],
    ids=map(str, range(16)),
)
def test_keys_that_no_receiver_uses_are_told(text: str, problem: str) -> None:
    found = read_key(text).problem
    assert problem in found
    assert bool(found) is bool(problem)


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_key_that_was_cut_off_is_no_key(cut: int) -> None:
    octets = base64.b64decode(GOOD)[:-cut]
    assert read_key(f"p={base64.b64encode(octets).decode()}").problem == "p is no public key"


def a_selector(origin: Origin, name: str = "s1", **more: object) -> Selector:
    record = more.get("record")
    assert record is None or isinstance(record, str)
    sure = bool(more.get("sure", True))
    return Selector(name=name, domain="example.com", origin=origin, record=record, sure=sure)


def judged(*pairs: tuple[Selector, Answer]) -> list[tuple[str, Status]]:
    return [(one.code, one.status) for one in findings(*pairs)]


def findings(*pairs: tuple[Selector, Answer]) -> list[Finding]:
    return list(judge_selectors(pairs, sign_at="there"))


def there(*records: str) -> Answer:
    return Answer(records)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (there(f"p={GOOD}"), [("dkim_selector", Status.OK), ("dkim_key", Status.OK)]),
        (there(f"p={SHORT}"), [("dkim_selector", Status.OK), ("dkim_key", Status.WARN)]),
        (there(f"p={WEAK}"), [("dkim_selector", Status.OK), ("dkim_key", Status.FAIL)]),
        (there("p="), [("dkim_selector", Status.OK), ("dkim_key", Status.FAIL)]),
        (there(f"t=y; p={GOOD}"), [("dkim_selector", Status.OK), ("dkim_key", Status.WARN)]),
        (there(f"p={GOOD}", f"p={GOOD}"), [("dkim_selector", Status.FAIL)]),
        (there(), [("dkim_selector", Status.FAIL)]),
        (NO_ANSWER, [("dkim_selector", Status.UNKNOWN)]),
    ],
)
def test_a_selector_of_the_message_is_judged(
    answer: Answer, expected: list[tuple[str, Status]]
) -> None:
    assert judged((a_selector(Origin.MESSAGE), answer)) == expected


OURS = f"v=DKIM1; k=rsa; p={GOOD}"


@pytest.mark.parametrize(
    ("origin", "answer", "status"),
    [
        (Origin.OWN, there(OURS), Status.OK),
        (Origin.OWN, there(f"p={SHORT}"), Status.FAIL),
        (Origin.OWN, there(), Status.FAIL),
        (Origin.PREPARED, there(), Status.WARN),
        (Origin.PREPARED, there(f"p={SHORT}"), Status.WARN),
        (Origin.PREPARED, NO_ANSWER, Status.UNKNOWN),
    ],
)
def test_our_own_key_must_be_the_one_in_the_dns(
    origin: Origin, answer: Answer, status: Status
) -> None:
    assert findings((a_selector(origin, record=OURS), answer))[0].status is status


def test_of_the_selectors_of_a_relay_one_with_a_key_is_enough() -> None:
    one, two = (a_selector(Origin.RELAY, name=name) for name in ("selector1", "selector2"))
    assert judged((one, there()), (two, there(OURS))) == [
        ("dkim_selector", Status.OK),
        ("dkim_key", Status.OK),
    ]
    assert judged((one, there()), (two, there())) == [("dkim_selector", Status.FAIL)]
    assert judged((one, there()), (two, NO_ANSWER)) == [("dkim_selector", Status.UNKNOWN)]


def test_a_relay_that_lets_its_owner_choose_a_selector_is_not_judged_by_the_usual_one() -> None:
    google = a_selector(Origin.RELAY, name="google", sure=False)
    finding = findings((google, there()))[0]
    assert finding.status is Status.WARN
    assert "--message" in finding.fix


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(there(OURS), True), (there(), False), (there("p="), False), (NO_ANSWER, None)],
)
def test_whether_signatures_can_be_verified(answer: Answer, expected: bool | None) -> None:
    assert usable(a_selector(Origin.OWN, record=OURS), answer) is expected
