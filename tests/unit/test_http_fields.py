"""The domain's names of fields become JSON pointers into a request."""

import pytest

from domain.errors import FieldError, InvalidInput
from entrypoints.http.fields import RequestError, about_one_email, pointer_of


@pytest.mark.parametrize(
    ("error", "pointer"),
    [
        (FieldError("html", "x"), "/html_content"),
        (FieldError("host", "x"), "/smtp_host"),
        (FieldError("subject", "x"), "/subject"),
        (FieldError("headers/X-a~b/c", "x"), "/headers/X-a~0b~1c"),
        (FieldError("attachments/0/content", "x"), "/attachments/0/content"),
        (FieldError("attachments/2/filename", "x", index=1), "/emails/1/attachments/2/filename"),
        (FieldError("calendar/content", "x"), "/calendar/content"),
        (FieldError("", "x"), ""),
        (FieldError("to", "x", index=3), "/emails/3/recipients"),
        (RequestError("/html", "is unknown"), "/html"),
        (RequestError("", "must be an object"), ""),
    ],
)
def test_an_error_points_into_the_request(error, pointer):
    assert pointer_of(error) == pointer


def test_the_errors_of_the_only_email_of_a_call_point_into_its_body():
    error = about_one_email(InvalidInput(FieldError("text", "x", index=0), code="unsafe_message"))
    assert [pointer_of(one) for one in error.errors] == ["/text_content"]
    assert error.code == "unsafe_message"
