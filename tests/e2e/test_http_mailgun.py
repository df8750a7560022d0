"""Mailgun's API, beyond what holds for every dialect."""

import json
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from application import Application
from tests.applications import a_client, a_client_with_config, a_key, an_application
from tests.dialect_ways import (
    a_dialect_client,
    a_template,
    basic,
    message,
    number_of_emails,
    stored,
)

PATH = "/v3/mg.example.com/messages"
EMAIL: dict[str, Any] = {
    "from": "Shop <shop@example.com>",
    "to": "ada@example.org",
    "subject": "Hi",
    "html": "<p>Hello</p>",
}
MIME = (
    b"From: shop@example.com\r\nTo: ada@example.org\r\nSubject: Made\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nHello\r\n"
)


@pytest.fixture
def application() -> Application:
    return an_application()


@pytest.fixture
def client(application: Application) -> FlaskClient:
    return a_dialect_client(application, basic)


def sent(client: FlaskClient, *, kind: str | None = None, **fields: Any) -> TestResponse:
    form = {name: value for name, value in {**EMAIL, **fields}.items() if value is not None}
    return client.post(PATH, data=form, content_type=kind)


def variables(values: dict[str, Any]) -> dict[str, str]:
    return {"recipient-variables": json.dumps(values)}


@pytest.mark.parametrize("kind", [None, "multipart/form-data"])
def test_the_answer_has_the_message_id(
    application: Application, client: FlaskClient, kind: str | None
) -> None:
    reply = sent(client, kind=kind)

    assert reply.status_code == 200, reply.text
    assert reply.json == {
        "id": stored(application).email.message_id,
        "message": "Queued. Thank you.",
    }


def test_recipients_come_in_several_fields_or_with_commas(
    application: Application, client: FlaskClient
) -> None:
    sent(
        client,
        to=['"Lovelace, Ada" <ada@example.org>, grace@example.org', "x@example.org"],
        cc="a@example.org",
        bcc=["b@example.org", "c@example.org"],
    )

    assert message(application)["To"] == (
        '"Lovelace, Ada" <ada@example.org>, grace@example.org, x@example.org'
    )
    assert len(stored(application).email.recipients) == 6


def test_files_are_attached_or_stand_within_the_html(
    application: Application, client: FlaskClient
) -> None:
    reply = sent(
        client,
        html='<img src="cid:logo.png">',
        attachment=[(BytesIO(b"a"), "a.txt", "text/plain"), (BytesIO(b"b"), "b.bin")],
        inline=[(BytesIO(b"c"), "logo.png", "image/png"), (BytesIO(b"d"), "d.png", "image/png")],
    )

    assert reply.status_code == 200, reply.text
    files = stored(application).detail.attachments
    assert {(file.filename, file.content_id) for file in files} == {
        *(("a.txt", None), ("b.bin", None), ("logo.png", "logo.png"), ("d.png", None))
    }


def test_options_headers_and_values(application: Application, client: FlaskClient) -> None:
    reply = sent(
        client,
        **{
            "o:tag": ["welcome", "second"],
            "o:deliverytime": "Tue, 20 Jan 2026 10:00:00 +0100",
            "h:X-Order": "1042",
            "h:Reply-To": "help@example.com",
            "h:X-Mailgun-Variables": '{"nested": {"a": 1}}',
            "v:order": "1042",
        },
    )

    assert reply.status_code == 200, reply.text
    view, made = stored(application), message(application)
    assert view.labels.tags == ("welcome", "second")
    assert dict(view.labels.metadata) == {"order": "1042", "nested": '{"a": 1}'}
    assert view.email.status == "scheduled"
    assert view.email.eligible_at.isoformat() == "2026-01-20T09:00:00+00:00"
    assert (made["X-Order"], made["Reply-To"]) == ("1042", "help@example.com")


def test_with_recipient_variables_each_gets_an_email(
    application: Application, client: FlaskClient
) -> None:
    reply = sent(
        client,
        to=["Ada Lovelace <ada@example.org>", "grace@example.org"],
        subject="Hi %recipient.name%",
        html="<p>%recipient_fname% %recipient%, your order is %recipient.order%</p>",
        **{"v:user": "%recipient.v:id%"},
        **variables(
            {
                "ADA@example.org": {"name": "Ada", "order": 1, "v:id": "a"},
                "grace@example.org": {"name": "Grace", "order": 2, "v:id": "g"},
            }
        ),
    )

    assert reply.status_code == 200, reply.text
    first, second = stored(application, 1), stored(application, 2)
    assert [str(one.address) for one in first.email.recipients] == ["ada@example.org"]
    assert (first.email.subject, second.email.subject) == ("Hi Ada", "Hi Grace")
    assert dict(second.labels.metadata) == {"user": "g"}
    html = message(application).get_body(("html",))
    assert html is not None
    assert "<p>Ada ada@example.org, your order is 1</p>" in html.get_content()


@pytest.mark.parametrize(
    "values",
    [
        {"ada@example.org": {}},
        {},
        {"ada@example.org": "x"},
        {"ada@example.org": {"name": "x\r\nBcc: eve@example.org"}},
    ],
)
def test_values_that_cannot_be_put_in_are_refused(
    application: Application, client: FlaskClient, values: dict[str, Any]
) -> None:
    reply = sent(client, subject="Hi %recipient.name%", **variables(values))

    assert reply.status_code == 400
    assert number_of_emails(application) == 0


def test_what_values_may_blow_up_to_is_bounded(application: Application) -> None:
    a_client_with_config(application)
    client = a_client(application, max_body_bytes=20_000)
    form = {
        **EMAIL,
        "html": "%recipient.x%" * 100,
        **variables({"ada@example.org": {"x": "x" * 1000}}),
    }
    reply = client.post(PATH, data=form, headers=basic(a_key(application, "send")))

    assert reply.status_code == 400
    assert "send fewer emails at once" in reply.json["message"]


def test_a_template_writes_the_email(application: Application, client: FlaskClient) -> None:
    a_template(application)
    fields: dict[str, Any] = {"html": None, "template": "welcome"}
    sent(client, **fields, **{"t:variables": '{"name": "Ada"}'})
    sent(client, **fields, **{"v:name": "Grace"})
    third = sent(
        client,
        **fields,
        **{"v:name": "%recipient.name%", "subject": None},
        **variables({"ada@example.org": {"name": "Eve"}}),
    )

    assert third.status_code == 200, third.text
    subjects = [stored(application, number).email.subject for number in (1, 2, 3)]
    assert subjects == ["Hi Ada", "Hi Grace", "Hi Eve"]


def test_a_message_that_the_client_made_goes_as_it_is(
    application: Application, client: FlaskClient
) -> None:
    form = {
        "to": ["ada@example.org", "grace@example.org"],
        "message": (BytesIO(MIME), "message.mime"),
        "o:tag": "made",
    }
    reply = client.post(f"{PATH}.mime", data=form)

    assert reply.status_code == 200, reply.text
    view = stored(application)
    assert view.email.subject == "Made"
    assert len(view.email.recipients) == 2
    assert view.labels.tags == ("made",)
    assert reply.json["id"] == view.email.message_id


@pytest.mark.parametrize(
    ("octets", "status"),
    [(b"", 400), (b"no message", 400), (MIME.replace(b"shop@", b"eve@"), 404)],
)
def test_a_message_that_cannot_be_sent_is_refused(
    application: Application, client: FlaskClient, octets: bytes, status: int
) -> None:
    form = {"to": "ada@example.org", "message": (BytesIO(octets), "message.mime")}
    reply = client.post(f"{PATH}.mime", data=form)

    assert reply.status_code == status
    assert reply.json["message"]
    assert number_of_emails(application) == 0


@pytest.mark.parametrize("value", ["yes", "true"])
def test_in_test_mode_an_email_is_validated_and_not_stored(
    application: Application, client: FlaskClient, value: str
) -> None:
    good = sent(client, **{"o:testmode": value})
    bad = sent(client, **{"o:testmode": value}, to="nobody")

    assert (good.status_code, bad.status_code) == (200, 400)
    assert good.json["message"] == "Queued. Thank you."
    assert number_of_emails(application) == 0


def test_a_from_without_a_configuration_is_a_domain_that_is_not_found(client: FlaskClient) -> None:
    reply = sent(client, **{"from": "eve@example.net"})

    assert reply.status_code == 404
    assert reply.json["message"].startswith("Domain not found: ")


def test_tracking_and_pools_are_ignored_and_named(client: FlaskClient) -> None:
    ignored = ("o:tracking", "o:tracking-clicks", "o:dkim", "o:sending-ip-pool", "t:text")
    reply = sent(client, **dict.fromkeys(ignored, "yes"), **{"o:require-tls": "no"})

    assert reply.status_code == 200, reply.text
    assert set(reply.headers["X-Ignored"].split(", ")) == set(ignored)


@pytest.mark.parametrize(
    "fields",
    [
        {"o:require-tls": "yes"},
        {"o:tracking-é": "yes"},
        {"o:tracking-\x01": "yes"},
        {"o:time-zone-localize": "09:00"},
        {"o:deliverytime-optimize-period": "24h"},
        {"o:archive-to": "https://example.com"},
        {"amp-html": "x"},
        {"o:deliverytime": "soon"},
        {"from": None},
        {"to": None},
        {"subject": ["a", "b"]},
        {"html": None},
        {"h:Bcc": "eve@example.org"},
        {"h:X-Mailgun-Variables": "{bad"},
        {"recipient-variables": "[]"},
        {"attachment": "no file"},
        {"subject": "a\r\nBcc: eve@example.org"},
        {"v:a": "\0"},
        {"template": "nothing", "html": None},
        {"html": (BytesIO(b"x"), "a.html")},
    ],
)
def test_what_cannot_be_done_is_refused(
    application: Application, client: FlaskClient, fields: dict[str, Any]
) -> None:
    reply = sent(client, **fields)

    assert reply.status_code == 400, reply.text
    assert reply.json["message"]
    assert number_of_emails(application) == 0


def test_a_body_that_is_no_form_is_told_which_kind_is_wanted(client: FlaskClient) -> None:
    reply = client.post(PATH, json=EMAIL)

    assert reply.status_code == 415
    assert reply.get_json() == {
        "message": "send the body as a form: multipart/form-data, or"
        " application/x-www-form-urlencoded"
    }


def test_only_the_user_api_has_a_key(client: FlaskClient, application: Application) -> None:
    given = client.environ_base.pop("HTTP_AUTHORIZATION")
    wrong = ["Basic #", "Basic " + "YWJj", "Bearer x", given.replace("Basic", "Basic x")]
    replies = [client.post(PATH, data=EMAIL, headers={"Authorization": one}) for one in wrong]

    assert {reply.status_code for reply in replies} == {401}
    assert {reply.headers["WWW-Authenticate"][:5] for reply in replies} == {"Basic"}
    assert number_of_emails(application) == 0


# -- what an app sends that knows only Mailgun -----------------------------------------------------


def a_newsletter() -> dict[str, Any]:
    """A call as Ghost 6 makes it for each batch of its newsletter."""
    link = "https://blog.example.com/unsubscribe/?uuid="
    return {
        "to": ["ada@example.org", "grace@example.org"],
        "html": '<p>Hi %recipient.name%, <a href="%recipient.list_unsubscribe%">leave</a></p>',
        "text": "Hi %recipient.name%",
        "h:Reply-To": "shop@example.com",
        "h:Sender": "Shop <shop@example.com>",
        "h:Auto-Submitted": "auto-generated",
        "h:X-Auto-Response-Suppress": "OOF, AutoReply",
        "h:List-Unsubscribe": "<%recipient.list_unsubscribe%>, <%tag_unsubscribe_email%>",
        "h:List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "v:email-id": "6740c1",
        "o:tag": ["bulk-email", "ghost-email"],
        "o:tracking-opens": "true",
        **variables(
            {
                "ada@example.org": {"name": "Ada", "list_unsubscribe": f"{link}1"},
                "grace@example.org": {"name": "Grace", "list_unsubscribe": f"{link}2"},
            }
        ),
    }


def test_a_newsletter_of_ghost_goes_out_with_each_readers_own_link(
    application: Application, client: FlaskClient
) -> None:
    reply = sent(client, **a_newsletter())

    assert reply.status_code == 200, reply.text
    first, second = message(application), message(application, 2)
    assert first["List-Unsubscribe"] == "<https://blog.example.com/unsubscribe/?uuid=1>"
    assert second["List-Unsubscribe"] == "<https://blog.example.com/unsubscribe/?uuid=2>"
    assert first["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert first["Sender"] is None
    assert {"o:tracking-opens", "Sender"} <= set(reply.headers["X-Ignored"].split(", "))


def test_a_sender_other_than_from_is_refused(application: Application, client: FlaskClient) -> None:
    reply = sent(client, **{"h:Sender": "other@example.com"})

    assert reply.status_code == 400
    assert "h:Sender" in reply.text, "as the field is called"
    assert number_of_emails(application) == 0


def test_unsubscribing_at_mailgun_alone_is_refused(
    application: Application, client: FlaskClient
) -> None:
    reply = sent(client, **{"h:List-Unsubscribe": "<%tag_unsubscribe_email%>"})

    assert reply.status_code == 400
    assert "h:List-Unsubscribe" in reply.text
    assert number_of_emails(application) == 0
