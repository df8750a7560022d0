"""What is taken as signed by a provider is what the provider's own library takes, and no more."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from adapters.signatures import CryptographySignatures
from domain.hook.sendgrid import SIGNATURE, TIMESTAMP, signed_text
from domain.hook.sns import read_sns
from tests.builders import NOW
from tests.hook_calls import (
    certificate,
    sendgrid_event,
    sendgrid_headers,
    sendgrid_public_key,
    ses_bounce,
    sns_call,
    sns_confirmation,
)
from tests.node import PATIENCE_S, with_packages

FOLDER = Path(__file__).parents[1] / "provider_calls"
SIGNATURES = CryptographySignatures()
BOUNCE = ses_bounce("id", "ada@example.org")
SNS: dict[str, dict[str, Any]] = {
    "notification v1": sns_call(BOUNCE),
    "notification v2": sns_call(BOUNCE, version="2"),
    "with a subject": sns_call(BOUNCE, Subject="Amazon SES Email Event Notification"),
    "in Unicode": sns_call('é ü 漢字 \\ " \n \t', version="2"),
    "confirmation": sns_confirmation(),
    "confirmation v2": sns_confirmation(version="2"),
    "another message": {**sns_call(BOUNCE), "Message": "{}"},
    "a subject added": {**sns_call(BOUNCE), "Subject": "x"},
    "another id": {**sns_call(BOUNCE), "MessageId": "x"},
    "another time": {**sns_call(BOUNCE), "Timestamp": "2026-01-01T00:00:00.000Z"},
    "the other version": {**sns_call(BOUNCE), "SignatureVersion": "2"},
    "another token": {**sns_confirmation(), "Token": "x"},
    "no signature": sns_call(BOUNCE, Signature=""),
    "no Base64": sns_call(BOUNCE, Signature="#"),
}
# Amazon documents that its token is signed; sns-validator 0.3.5 leaves it out
GOODBYE = sns_confirmation(Type="UnsubscribeConfirmation")
BODY = json.dumps([sendgrid_event()]) + "\r\n"


def sendgrid(body: str = BODY, **changes: str) -> dict[str, str]:
    headers = sendgrid_headers(BODY.encode())
    return {
        "key": sendgrid_public_key(),
        "body": body,
        "signature": headers[SIGNATURE],
        "timestamp": headers[TIMESTAMP],
        **changes,
    }


SENDGRID = {
    "as it was sent": sendgrid(),
    "without the last line end": sendgrid(BODY.strip()),
    "another body": sendgrid("[]"),
    "another time": sendgrid(timestamp="1"),
    "another signature": sendgrid(signature=sendgrid_headers(b"x")[SIGNATURE]),
}


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bool]]:
    folder = with_packages(FOLDER, tmp_path_factory.mktemp("provider_calls"))
    asked = {
        "certificate": certificate().decode(),
        "sns": list(SNS.values()),
        "sendgrid": list(SENDGRID.values()),
    }
    said = subprocess.run(
        ["node", "verify.mjs"],
        cwd=folder,
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    answer: dict[str, list[bool]] = json.loads(said.stdout)
    return answer


def is_signed(call: dict[str, Any]) -> bool:
    message = read_sns(json.dumps(call).encode())
    return SIGNATURES.is_by_certificate(
        message.signature,
        message.signed_text,
        certificate=certificate(),
        digest=message.digest,
        now=NOW,
    )


def test_calls_of_sns_are_judged_as_sns_validator_does(oracle: dict[str, list[bool]]) -> None:
    ours = {name: is_signed(call) for name, call in SNS.items()}

    assert ours == dict(zip(SNS, oracle["sns"], strict=True))
    assert sum(ours.values()) == 6


def test_the_token_of_the_end_of_a_subscription_is_signed() -> None:
    assert is_signed(GOODBYE)
    assert not is_signed({**GOODBYE, "Token": "x"})


def test_calls_of_sendgrid_are_judged_as_its_library_does(oracle: dict[str, list[bool]]) -> None:
    ours = {
        name: SIGNATURES.is_by_p256_key(
            call["signature"],
            signed_text(call["timestamp"], call["body"].encode()),
            public_key=call["key"],
        )
        for name, call in SENDGRID.items()
    }

    assert ours == dict(zip(SENDGRID, oracle["sendgrid"], strict=True))
    assert [name for name, good in ours.items() if good] == ["as it was sent"]


def test_the_example_of_sendgrids_documentation_is_read_as_a_key() -> None:
    key = (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEDr2LjtURuePQzplybdC+u4CwrqDqBaWjcMMsTbhdbcwHBcepxo7"
        "yAQGhHPTnlvFYPAZFceEu/1FwCM/QmGUhA=="
    )
    assert SIGNATURES.is_p256_key(key)
    assert SIGNATURES.is_p256_key(f"-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n")


@pytest.mark.parametrize("key", ["", "x", "AAAA", "MFkw", sendgrid_public_key()[:-4], "é"])
def test_what_is_no_key_on_p256_verifies_nothing(key: str) -> None:
    assert not SIGNATURES.is_p256_key(key)
    assert not SIGNATURES.is_by_p256_key("AAAA", b"", public_key=key)
