"""After an account was added a person is told how the service can learn of bounces."""

import json

import pytest

from domain.address import Address
from entrypoints.cli.report_hints import hints
from entrypoints.wiring.rules import shipped_providers
from tests.builders import an_address

PROVIDERS = {provider.id: provider for provider in shipped_providers().all()}
ADA: Address = an_address("ada@example.org")


def told(provider: str | None, *, oauth: bool = False) -> tuple[str, str, dict[str, object]]:
    """The method, the path and the body of the call that is shown."""
    found = None if provider is None else PROVIDERS[provider]
    *_, call = hints(7, found, ADA, oauth=oauth)
    method, path, body = call.strip().split(" ", 2)
    return method, path, json.loads(body)


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        ("ses", {"kind": "ses"}),
        ("postmark", {"kind": "postmark"}),
        ("sendgrid", {"kind": "sendgrid", "signing_key": "…"}),
        ("mailgun", {"kind": "mailgun", "signing_key": "…"}),
    ],
)
def test_a_provider_with_event_hooks_is_to_call(provider: str, body: dict[str, object]) -> None:
    assert told(provider) == ("POST", "/api/smtp-configs/7/hooks", body)


@pytest.mark.parametrize(
    ("provider", "oauth", "inbox"),
    [
        ("gmail", False, {"host": "imap.gmail.com", "password": "…"}),
        ("gmail", True, {"host": "imap.gmail.com"}),
        ("outlook.com", True, {"host": "outlook.office365.com"}),
        ("fastmail", False, {"host": "imap.…", "password": "…"}),
        (None, False, {"host": "imap.…", "password": "…"}),
    ],
)
def test_of_any_other_its_mailbox_is_to_be_read(
    provider: str | None, oauth: bool, inbox: dict[str, str]
) -> None:
    assert told(provider, oauth=oauth) == ("PUT", "/api/smtp-configs/7", {"inbox": inbox})
