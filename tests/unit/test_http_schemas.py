"""The shapes of the API, and the small parts they are read and shown with."""

from datetime import UTC, datetime, timedelta, timezone
from typing import get_args

import pytest
from flask import Flask
from pydantic import BaseModel

from domain.account.account import AccountState, AuthMechanism, OnUnknown
from domain.account.limits import LimitUnit
from domain.email.recipient import RecipientField, RecipientStatus
from domain.email.status import Status
from domain.errors import InvalidInput
from entrypoints.http import schemas
from entrypoints.http.cursors import cursor_after, email_id_before
from entrypoints.http.emails import schemas as emails
from entrypoints.http.emails.schemas import EmailRequest
from entrypoints.http.schemas import ReplyModel, RequestModel
from entrypoints.http.smtp_configs import schemas as smtp_configs
from entrypoints.http.smtp_configs.fields import _WORDS
from entrypoints.http.smtp_configs.schemas import SmtpConfigChanges, SmtpConfigRequest
from entrypoints.http.smtp_configs.switches import SWITCHES
from entrypoints.http.times import moment, rfc3339, shown, shown_if_any
from entrypoints.http.validation import parse
from tests.applications import a_config_body

MODELS = [
    model
    for model in {**vars(schemas), **vars(emails), **vars(smtp_configs)}.values()
    if isinstance(model, type)
    and issubclass(model, RequestModel | ReplyModel)
    and model not in (RequestModel, ReplyModel)
]


def words(annotation: object) -> set[str]:
    """The words of a Literal, however wrapped."""
    found = set()
    for part in get_args(annotation):
        found |= {part} if isinstance(part, str) else words(part)
    return found


@pytest.mark.parametrize(
    ("annotation", "enum"),
    [
        (schemas.StatusName, Status),
        (emails.RecipientReply.model_fields["kind"].annotation, RecipientField),
        (emails.RecipientReply.model_fields["status"].annotation, RecipientStatus),
        (smtp_configs.SmtpConfigRow.model_fields["state"].annotation, AccountState),
        (smtp_configs.SmtpConfigReply.model_fields["limit_unit"].annotation, LimitUnit),
        (smtp_configs.SmtpConfigReply.model_fields["on_unknown"].annotation, OnUnknown),
        (smtp_configs.SmtpConfigReply.model_fields["auth_mechanism"].annotation, AuthMechanism),
    ],
)
def test_the_words_of_the_api_are_those_of_the_domain(annotation, enum):
    assert words(annotation) == set(enum)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_documents_itself(model: type[BaseModel]):
    schema = model.model_json_schema(by_alias=True)
    assert schema["description"]
    assert schema["additionalProperties"] is False
    assert all(field.get("default", "given") is not None for field in schema["properties"].values())


def test_what_may_be_created_may_be_changed():
    of_new = {"provider", "region"}  # they only fill others in
    assert set(SmtpConfigRequest.model_fields) - of_new == set(SmtpConfigChanges.model_fields)
    assert set(SmtpConfigChanges.model_fields) == _WORDS.keys() | SWITCHES


@pytest.mark.parametrize("field", sorted(EmailRequest.model_fields))
def test_null_is_no_value_for_a_field_of_an_email(field):
    with pytest.raises(InvalidInput) as refused:
        parse(EmailRequest, {field: None})
    assert f"/{field}" in [error.field for error in refused.value.errors]


NULLABLE = {
    "inbox",
    "password",
    "auth_mechanism",
    "daily_limit",
    "hourly_limit",
    "minute_limit",
    "max_message_bytes",
    "on_unknown",
}


@pytest.mark.parametrize("field", sorted(SmtpConfigChanges.model_fields))
@pytest.mark.parametrize("model", [SmtpConfigRequest, SmtpConfigChanges])
def test_null_means_something_for_few_fields_of_an_smtp_configuration(model, field):
    if field in NULLABLE:
        assert getattr(parse(model, a_config_body(**{field: None})), field) is None
        return
    with pytest.raises(InvalidInput) as refused:
        parse(model, a_config_body(**{field: None}))
    assert [error.field for error in refused.value.errors] == [f"/{field}"]


def test_a_request_never_shows_its_secrets():
    wanted = parse(SmtpConfigRequest, a_config_body(password="planted"))
    assert "planted" not in repr(wanted)


def test_a_pointer_escapes_its_signs():
    with pytest.raises(InvalidInput) as refused:
        parse(SmtpConfigChanges, {"a/b~c": 1})
    assert [error.field for error in refused.value.errors] == ["/a~1b~0c"]


@pytest.mark.parametrize("number", [1, 2, 255, 10**6, 2**63 - 1])
def test_a_cursor_leads_back_to_its_place(number):
    assert email_id_before(cursor_after(number)) == number


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "7", "' OR 1=1 --", "A" * 16, "A" * 15 + "=", "ü" * 16, cursor_after(7)[::-1]],
)
def test_a_made_up_cursor_is_refused(cursor):
    with pytest.raises(InvalidInput):
        email_id_before(cursor)


def test_a_time_is_shown_in_utc_with_six_digits_and_no_suffix():
    when = datetime(2023, 5, 24, 12, 30, tzinfo=timezone(timedelta(hours=2)))
    with Flask("test").app_context():
        assert shown(when) == "2023-05-24T10:30:00.000000"
        assert shown_if_any(None) is None
    assert rfc3339(when) == "2023-05-24T10:30:00.000000Z"


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2026-01-31T09:30:00Z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31t09:30:00z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31T09:30:00+01:00", datetime(2026, 1, 31, 8, 30, tzinfo=UTC)),
        ("2026-01-31T09:30:00.25-00:00", datetime(2026, 1, 31, 9, 30, 0, 250_000, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_with_its_offset(text, when):
    assert moment(text) == when


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T09:30:00",
        "2026-01-31 09:30:00Z",
        "2026-01-31",
        "2026-02-30T09:30:00Z",
        "2026-01-31T24:30:00Z",
        "2026-01-31T09:30:60Z",
        "2026-01-31T09:30:00+25:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-01-31T09:30:00Z\n",
        "٢٠٢٦-01-31T09:30:00Z",
        "1769850000",
        "tomorrow",
        1769850000,
        None,
        True,
    ],
)
def test_what_is_no_time_with_an_offset_is_refused(text):
    with pytest.raises(ValueError, match="must "):
        moment(text)
