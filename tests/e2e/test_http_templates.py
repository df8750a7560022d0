"""Templates over HTTP: written once, filled in for each recipient (cases 8 to 11 of the design)."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from html import unescape
from time import process_time
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from adapters.fakes.sender import FakeSender
from adapters.fernet_vault import FernetVault
from application import Application, ServicePolicy
from tests.applications import (
    a_client_with_config,
    a_config_body,
    a_keyed_client,
    an_application,
    deliver,
    delivery_rules,
    pointers,
)

HTML = "<p>Hello {{ name }}</p>"


class Service:
    """A service with one SMTP configuration, and the mail that it has handed off."""

    def __init__(self) -> None:
        vault = FernetVault("a secret key for tests only")
        self.sender = FakeSender(vault=vault)
        rules = ServicePolicy(delivery=delivery_rules(), public_url="https://mail.example.com")
        self.application: Application = an_application(rules=rules, sender=self.sender, vault=vault)
        self.client: FlaskClient = a_client_with_config(self.application)

    def save(self, html: str = HTML, *, publish: bool = True, **changes: Any) -> None:
        """A further version of `welcome`."""
        body = {"subject": "Welcome, {{ name }}", "html": html, **changes}
        if self.client.post("/api/templates", json={"name": "welcome", **body}).status_code != 201:
            assert self.client.put("/api/templates/welcome", json=body).status_code == 200
        if publish:
            asked = {"locale": changes["locale"]} if "locale" in changes else {}
            assert self.client.post("/api/templates/welcome/publish", json=asked).status_code == 200

    def send(self, variables: Any = None, **changes: Any) -> TestResponse:
        """One email that `welcome` writes."""
        body = {
            "template": {"name": "welcome"},
            "recipients": ["ada@example.org"],
            "variables": {"name": "Ada"} if variables is None else variables,
            **changes,
        }
        return self.client.post("/api/emails", json=body)

    def batch(self, *to: Any, **changes: Any) -> TestResponse:
        """One email for each of these."""
        body = {"template": {"name": "welcome"}, "to": list(to), **changes}
        return self.client.post("/api/emails/batch", json=body)

    def delivered(self) -> list[EmailMessage]:
        """What was handed off, parsed, by recipient."""
        deliver(self.application)
        taken = sorted(self.sender.accepted, key=lambda one: str(one.envelope.recipients[0]))
        return [message_from_bytes(one.octets, policy=policy.default) for one in taken]


@pytest.fixture
def service() -> Service:
    return Service()


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert found is not None
    return str(found.get_content()).rstrip("\r\n")


# -- one email -------------------------------------------------------------------------------------


def test_a_missing_variable_is_told_with_its_place(service: Service) -> None:
    service.save("Hi {{ name }}", subject="Hi")

    refused = service.send({})

    assert (refused.status_code, refused.json["code"]) == (400, "template_error")
    assert refused.json["errors"] == [
        {"pointer": "/template", "message": "html: line 1: UndefinedError: undefined value: name"}
    ]
    assert service.client.get("/api/emails").json == []


def test_html_is_escaped_and_subject_and_text_are_not(service: Service) -> None:
    service.save(text="Hello {{ name }}")

    assert service.send({"name": "A & <b>"}).status_code == 201

    [message] = service.delivered()
    assert message["Subject"] == "Welcome, A & <b>"
    assert part(message, "html") == "<p>Hello A &amp; &lt;b&gt;</p>"
    assert part(message, "plain") == "Hello A & <b>"


def test_a_hostile_template_is_refused_before_it_has_taken_its_time(service: Service) -> None:
    service.save("{% for a in range(3000) %}{% for b in range(3000) %}x{% endfor %}{% endfor %}")

    seconds = []
    for _ in range(3):
        started = process_time()
        refused = service.send()
        seconds.append(process_time() - started)

        assert (refused.status_code, refused.json["code"]) == (400, "template_error")
        assert "fuel" in refused.json["detail"].lower()
    assert min(seconds) < 0.05


def test_what_was_accepted_is_not_rendered_again(service: Service) -> None:
    service.save("<p>first {{ name }}</p>")
    email_id = service.send().json["email_id"]
    service.save("<p>second {{ name }}</p>")

    [message] = service.delivered()

    assert part(message, "html") == "<p>first Ada</p>"
    shown = service.client.get(f"/api/emails/{email_id}").json
    assert shown["template"] == {"name": "welcome", "version": 1, "locale": None}
    assert shown["subject"] == "Welcome, Ada"


def test_the_locale_falls_back_to_the_language_and_then_to_the_default(service: Service) -> None:
    service.save()
    service.save("<p>Hallo {{ name }}</p>", locale="de")

    ids = [
        service.send(template={"name": "welcome", "locale": locale}).json["email_id"]
        for locale in ("de-AT", "fr")
    ]

    shown = [service.client.get(f"/api/emails/{email_id}").json["template"] for email_id in ids]
    assert [one["locale"] for one in shown] == ["de", None]


def test_an_email_without_a_template_shows_none(service: Service) -> None:
    body = {"subject": "x", "text_content": "x", "recipients": ["ada@example.org"]}
    email_id = service.client.post("/api/emails", json=body).json["email_id"]

    assert service.client.get(f"/api/emails/{email_id}").json["template"] is None


@pytest.mark.parametrize("field", ["subject", "html_content", "text_content"])
def test_what_the_template_writes_is_left_out(service: Service, field: str) -> None:
    service.save()

    refused = service.send(**{field: "x"})

    assert pointers(refused) == [f"/{field}"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"template": {"name": "Welcome"}}, "/template/name"),
        ({"template": {"name": "welcome", "locale": "german"}}, "/template/locale"),
        ({"template": {"name": "welcome", "version": 0}}, "/template/version"),
        ({"template": {}}, "/template/name"),
        ({"template": "welcome"}, "/template"),
        ({"template": None}, "/template"),
        ({"variables": ["a"]}, "/variables"),
        ({"template": {"name": "other"}}, "/template/name"),
    ],
)
def test_a_wrong_choice_is_told(service: Service, changes: Any, pointer: str) -> None:
    service.save()

    assert pointers(service.send(**changes)) == [pointer]


def test_variables_without_a_template_are_refused(service: Service) -> None:
    body = {"subject": "x", "text_content": "x", "recipients": ["a@example.org"], "variables": {}}

    assert pointers(service.client.post("/api/emails", json=body)) == ["/variables"]


def test_declared_variables_are_checked(service: Service) -> None:
    variables = {"name": {}, "count": {"type": "number", "required": False, "default": 1}}
    service.save("<p>{{ name }} {{ count }}</p>", variables=variables)

    refused = service.send({"count": "2", "other": 1})

    assert sorted(pointers(refused)) == ["/variables/count", "/variables/name", "/variables/other"]
    assert service.send({"name": "Ada"}).status_code == 201


def test_emails_of_a_batch_may_have_templates_too(service: Service) -> None:
    service.save()
    one = {"template": {"name": "welcome"}, "recipients": ["ada@example.org"]}
    emails = [{**one, "variables": {"name": "Ada"}}, {**one, "variables": {}}]

    refused = service.client.post("/api/emails/batch", json={"emails": emails})
    each = service.client.post("/api/emails/batch", json={"emails": emails, "mode": "each"})

    assert pointers(refused) == ["/emails/1/template"]
    assert [result["error"] is None for result in each.json["results"]] == [True, False]
    assert each.json["results"][1]["error"]["code"] == "template_error"


# -- one template, many recipients -----------------------------------------------------------------


def test_each_recipient_gets_an_email_of_its_own(service: Service) -> None:
    service.save("<p>{{ name }} in {{ month }}</p>")

    accepted = service.batch(
        {"recipient": "ada@example.org", "variables": {"name": "Ada"}},
        {"recipient": "grace@example.org", "variables": {"name": "Grace", "month": "May"}},
        common={"priority": 2, "variables": {"month": "June"}},
    )

    assert accepted.status_code == 201, accepted.text
    shown = [service.client.get(f"/api/emails/{one}").json for one in accepted.json["email_ids"]]
    assert [(one["recipients"], one["priority"]) for one in shown] == [
        (["ada@example.org"], 2),
        (["grace@example.org"], 2),
    ]
    assert [part(one, "html") for one in service.delivered()] == [
        "<p>Ada in June</p>",
        "<p>Grace in May</p>",
    ]


def test_a_newsletter_shows_each_recipient_a_link_of_its_own(service: Service) -> None:
    service.save('<p>{{ name }}</p><a href="{{ unsubscribe_url }}">Unsubscribe</a>')

    accepted = service.batch(
        *[{"recipient": f"{name}@example.org", "variables": {"name": name}} for name in "abc"],
        common={"topic": "news"},
    )

    assert accepted.status_code == 201, accepted.text
    messages = service.delivered()
    links = [one["List-Unsubscribe"].strip("<>") for one in messages]
    assert len(set(links)) == 3
    for message, link in zip(messages, links, strict=True):
        assert f'<a href="{link}">' in unescape(part(message, "html"))
        assert f"Unsubscribe ({link})" in part(message, "plain")
    shown = service.client.get(f"/api/emails/{accepted.json['email_ids'][0]}").json
    assert (shown["topic"], shown["template"]["name"]) == ("news", "welcome")


def test_all_have_a_sender_a_reply_address_and_headers_in_common(service: Service) -> None:
    service.save()

    accepted = service.batch(
        {"recipient": "Ada Lovelace <ada@example.org>", "variables": {"name": "Ada"}},
        {
            "recipient": {"address": "g@example.org", "name": "Grace"},
            "variables": {"name": "Grace"},
        },
        common={
            "from": {"address": "shop@example.com", "name": "News of May"},
            "reply_to": ["editor@example.org"],
            "headers": {"X-Campaign": "may"},
        },
    )

    assert accepted.status_code == 201, accepted.text
    messages = service.delivered()
    assert [message["To"] for message in messages] == [
        "Ada Lovelace <ada@example.org>",
        "Grace <g@example.org>",
    ]
    for message in messages:
        assert message["From"] == "News of May <shop@example.com>"
        assert message["Reply-To"] == "editor@example.org"
        assert message["X-Campaign"] == "may"


@pytest.mark.parametrize(
    ("common", "place"),
    [
        ({"from": "other@example.net"}, "/common/from"),
        ({"headers": {"Bcc": "eve@example.org"}}, "/common/headers/Bcc"),
        ({"reply_to": ["nobody"]}, "/common/reply_to/0"),
    ],
)
def test_what_is_wrong_with_what_all_have_in_common_is_told_once(
    service: Service, common: dict[str, Any], place: str
) -> None:
    service.save()

    refused = service.batch(
        *[{"recipient": f"{name}@example.org", "variables": {"name": name}} for name in "ab"],
        common=common,
    )

    assert refused.status_code == 400
    assert pointers(refused) == [place]


def test_a_file_that_all_have_in_common_is_attached_to_each(service: Service) -> None:
    service.save('<p>{{ name }}</p><img src="cid:logo" alt="Logo">')
    files = [
        {"filename": "price-list.pdf", "content": "JVBERg=="},
        {"filename": "logo.png", "content": "iVBORw==", "content_id": "logo"},
    ]

    accepted = service.batch(
        *[{"recipient": f"{name}@example.org", "variables": {"name": name}} for name in "ab"],
        common={"attachments": files},
    )

    assert accepted.status_code == 201, accepted.text
    for message in service.delivered():
        parts = {
            each.get_filename(): each.get_content()
            for each in message.walk()
            if not each.is_multipart()
        }
        assert parts["price-list.pdf"] == b"%PDF"
        assert parts["logo.png"] == b"\x89PNG"


def test_a_fault_of_a_file_is_told_once_where_it_stands(service: Service) -> None:
    service.save()

    refused = service.batch(
        *[{"recipient": f"{name}@example.org", "variables": {"name": name}} for name in "ab"],
        common={"attachments": [{"filename": "run.exe", "content": "QUJD"}]},
    )

    assert refused.status_code == 400
    assert pointers(refused) == ["/common/attachments/0/filename"]


def test_metadata_of_a_recipient_is_added_to_that_of_all(service: Service) -> None:
    service.save()

    accepted = service.batch(
        *[
            {"recipient": f"{name}@example.org", "variables": {"name": name}, **more}
            for name, more in (("a", {"metadata": {"k": "1", "n": "2"}}), ("b", {}))
        ],
        common={"tags": ["news"], "metadata": {"k": "0"}},
    )

    shown = [service.client.get(f"/api/emails/{one}").json for one in accepted.json["email_ids"]]
    assert [(one["tags"], one["metadata"]) for one in shown] == [
        (["news"], {"k": "1", "n": "2"}),
        (["news"], {"k": "0"}),
    ]


@pytest.mark.parametrize(
    ("to", "changes", "found"),
    [
        ([{"recipient": "a@example.org"}, {"recipient": "b"}], {}, ["/to/1/recipient"]),
        ([{"recipient": "a@example.org"}], {}, ["/to/0/variables"]),
        ([], {}, ["/to"]),
        ([{"recipient": "a@example.org"}], {"common": {"priority": 9}}, ["/common/priority"]),
        ([{"recipient": "a@example.org"}], {"common": {"subject": "x"}}, ["/common/subject"]),
        ([{"recipient": "a@example.org"}] * 2, {"template": {"name": "other"}}, ["/template/name"]),
        ([{"recipient": "a@example.org"}], {"mode": "each"}, ["/mode"]),
        ([{"recipient": "a@example.org", "cc": []}], {}, ["/to/0/cc"]),
        ([{"recipient": "a@example.org"}] * 501, {}, ["/to"]),
        (
            [{"recipient": "a@example.org", "variables": {"name": "A"}}] * 2,
            {"common": {"send_at": "2099-01-01T00:00:00Z"}},
            ["/common/send_at"],
        ),
        ({}, {}, ["/to"]),
    ],
)
def test_what_is_wrong_with_it_is_told_at_its_place(
    service: Service, to: Any, changes: Any, found: list[str]
) -> None:
    service.save()
    body = {"template": {"name": "welcome"}, "to": to, **changes}

    assert pointers(service.client.post("/api/emails/batch", json=body)) == found
    assert service.client.get("/api/emails").json == []


def test_a_batch_repeated_with_its_key_is_answered_with_the_same_ids(service: Service) -> None:
    service.save()
    body = {
        "template": {"name": "welcome"},
        "to": [{"recipient": "ada@example.org", "variables": {"name": "Ada"}}],
    }
    headers = {"Idempotency-Key": "one"}

    first, second = (
        service.client.post("/api/emails/batch", json=body, headers=headers) for _ in range(2)
    )

    assert first.json["email_ids"] == second.json["email_ids"]


# -- the templates themselves ----------------------------------------------------------------------


def test_a_template_is_saved_shown_published_and_deleted(service: Service) -> None:
    client = service.client
    variables = {"name": {"type": "string", "required": True, "default": None, "sample": "Ada"}}
    body = {"name": "welcome", "locale": "de", "subject": "Hallo", "html": HTML, "text": "{{name}}"}

    created = client.post("/api/templates", json={**body, "variables": {"name": {"sample": "Ada"}}})
    published = client.post("/api/templates/welcome/publish", json={"locale": "de"})

    assert created.status_code == 201
    assert created.headers["Location"] == "/api/templates/welcome?locale=de"
    assert (published.json["version"], published.json["locale"]) == (1, "de")
    shown = client.get(created.headers["Location"]).json
    assert shown == {
        **body,
        "mjml": None,
        "version": 1,
        "variables": variables,
        "created_at": "2026-01-05T09:00:00.000000Z",
        "published_at": "2026-01-05T09:00:00.000000Z",
    }
    assert client.get("/api/templates/welcome").status_code == 404
    assert client.delete("/api/templates/welcome?locale=de").status_code == 200
    assert client.get("/api/templates").json == []


def test_a_template_exists_once(service: Service) -> None:
    service.save()
    body = {"name": "welcome", "subject": "x", "html": "x"}

    assert service.client.post("/api/templates", json=body).status_code == 409
    assert service.client.post("/api/templates", json={**body, "locale": "de"}).status_code == 201


def test_a_put_makes_the_next_draft(service: Service) -> None:
    service.save()
    service.save("<p>2</p>", publish=False)

    [row] = service.client.get("/api/templates").json
    versions = service.client.get("/api/templates/welcome/versions").json

    assert (row["version"], row["published_version"]) == (2, 1)
    assert [(one["version"], one["published_at"] is None) for one in versions] == [
        (2, True),
        (1, False),
    ]
    assert service.client.get("/api/templates/welcome?version=1").json["html"] == HTML


def test_lists_go_on_at_their_link(service: Service) -> None:
    for number in range(3):
        service.save(f"<p>{number}</p>")
        body = {"name": f"t{number}", "subject": "x", "html": "x"}
        service.client.post("/api/templates", json=body)

    def all_pages(path: str) -> list[Any]:
        found, pages = [], 0
        following: str | None = path
        while following is not None:
            page = service.client.get(following)
            assert page.status_code == 200, page.text
            found += page.json
            pages += 1
            link = page.headers.get("Link")
            following = None if link is None else link[1 : link.index(">")]
        assert pages == 2
        return found

    names = [row["name"] for row in all_pages("/api/templates?limit=2")]
    versions = [row["version"] for row in all_pages("/api/templates/welcome/versions?limit=2")]
    assert names == ["welcome", "t0", "t1", "t2"]
    assert versions == [3, 2, 1]


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"html": "{{ name"}, "template_error", "/html"),
        ({"html": "<p class={{ name }}>"}, "template_error", "/html"),
        (
            {"html": "{% autoescape false %}{{ name }}{% endautoescape %}"},
            "template_error",
            "/html",
        ),
        ({"subject": "{{ name| }}"}, "template_error", "/subject"),
        ({"text": "{% for %}"}, "template_error", "/text"),
        ({"html": None}, "invalid_input", "/html"),
        ({"mjml": "<mjml></mjml>"}, "invalid_input", ""),
        ({"subject": ""}, "invalid_input", "/subject"),
        ({"variables": {"a-b": {}}}, "template_error", "/variables/a-b"),
        ({"variables": {"a": {"type": "date"}}}, "invalid_input", "/variables/a/type"),
        ({"from": "x"}, "unknown_field", "/from"),
    ],
)
def test_a_bad_template_is_refused_when_it_is_saved(
    service: Service, changes: Any, code: str, pointer: str
) -> None:
    service.save()
    body = {"subject": "x", "html": "x", **changes}

    created = service.client.post("/api/templates", json={"name": "new", **body})
    changed = service.client.put("/api/templates/welcome", json=body)

    for refused in (created, changed):
        assert pointers(refused) == [pointer]
        assert refused.json["code"] == code


def test_a_change_may_repeat_the_name_and_no_other_one(service: Service) -> None:
    service.save()
    body = {"subject": "Hello", "html": "<p>Hello</p>"}

    changed = service.client.put("/api/templates/welcome", json={"name": "welcome", **body})
    other = service.client.put("/api/templates/welcome", json={"name": "other", **body})

    assert (changed.status_code, changed.json["version"]) == (200, 2)
    assert pointers(other) == ["/name"]
    assert other.json["code"] == "invalid_input"


def test_bad_mjml_is_refused(service: Service) -> None:
    body = {"name": "new", "subject": "x", "mjml": "<mjml><mj-body>"}

    refused = service.client.post("/api/templates", json=body)

    assert pointers(refused) == ["/mjml"]
    assert refused.json["code"] == "template_error"


@pytest.mark.parametrize("name", ["", "Welcome", "-a", "a b", "ü", "a" * 65])
def test_a_wrong_name_is_refused(service: Service, name: str) -> None:
    body = {"name": name, "subject": "x", "html": "x"}

    assert pointers(service.client.post("/api/templates", json=body)) == ["/name"]


def test_a_preview_shows_the_draft_and_warns(service: Service) -> None:
    service.save()
    draft = '<a href="http://example.org">{{ name }}</a><img src="https://example.org/a.png">'
    service.save(draft, publish=False)

    preview = service.client.post(
        "/api/templates/welcome/preview", json={"variables": {"name": "A & B"}}
    ).json

    assert preview == {
        "subject": "Welcome, A & B",
        "html": draft.replace("{{ name }}", "A &amp; B"),
        "text": "A & B (http://example.org)",
        "size": len(draft) - len("{{ name }}") + len("A &amp; B"),
        "warnings": [
            "the link http://example.org is not https",
            "the image https://example.org/a.png has no alt text",
        ],
    }
    assert service.client.get("/api/emails").json == []


def test_a_preview_that_fails_says_why(service: Service) -> None:
    service.save()

    refused = service.client.post("/api/templates/welcome/preview")

    assert pointers(refused) == [""]
    assert refused.json["code"] == "template_error"


def test_a_preview_of_mjml_names_elements_that_do_not_exist(service: Service) -> None:
    mjml = "<mjml><mj-body><mj-section><mj-kolumn>x</mj-kolumn></mj-section></mj-body></mjml>"
    body = {"name": "new", "subject": "x", "mjml": mjml}
    assert service.client.post("/api/templates", json=body).status_code == 201

    warnings = service.client.post("/api/templates/new/preview").json["warnings"]

    assert warnings == ["<mj-kolumn> is no element of MJML: it and its content are left out"]


def test_a_test_is_sent_though_nothing_is_published(service: Service) -> None:
    service.save(publish=False, variables={"name": {"sample": "Sam"}})

    sent = service.client.post(
        "/api/templates/welcome/test", json={"recipient": "me@example.org", "smtp_config_id": 1}
    )

    assert (sent.status_code, sent.headers["Location"]) == (201, "/api/emails/1")
    [message] = service.delivered()
    assert (message["To"], message["Subject"]) == ("me@example.org", "Welcome, Sam")


@pytest.mark.parametrize(("scope", "status"), [("admin", {201}), ("send", {403}), ("read", {403})])
def test_templates_are_changed_by_admins(scope: str, status: set[int]) -> None:
    client = a_keyed_client(an_application(closed=True), scope)
    body = {"name": "welcome", "subject": "x", "html": "x"}

    assert client.post("/api/templates", json=body).status_code in status


def test_an_admin_of_some_configurations_reads_templates_and_sends_with_them_only() -> None:
    application = an_application(closed=True)
    body = {"name": "welcome", "subject": "x", "html": "x"}
    admin = a_keyed_client(application, "admin")
    assert admin.post("/api/smtp-configs", json=a_config_body()).status_code == 201
    assert admin.post("/api/templates", json=body).status_code == 201
    limited = a_keyed_client(application, "admin", accounts=frozenset({1}))
    path, changed = "/api/templates/welcome", {"subject": "y", "html": "y"}

    refused = [
        limited.post("/api/templates", json={**body, "name": "another"}),
        limited.put(path, json=changed),
        limited.post(f"{path}/publish", json={}),
        limited.delete(path),
    ]

    assert [answer.status_code for answer in refused] == [403] * 4
    assert [one["name"] for one in limited.get("/api/templates").json] == ["welcome"]
    assert limited.get(path).json["version"] == 1
    assert limited.post(f"{path}/preview", json={}).status_code == 200
    sent = limited.post(f"{path}/test", json={"recipient": "ada@example.org"})
    assert sent.status_code == 201
    assert admin.put(path, json=changed).status_code == 200


def test_style_sheets_are_copied_after_the_rendering(service: Service) -> None:
    service.save(
        "<style>td { color: red }</style><table>{% for one in rows %}<tr><td>{{ one }}</td></tr>"
        "{% endfor %}</table>",
        subject="x",
    )

    service.send({"rows": ["1", "2"]})

    [message] = service.delivered()
    assert part(message, "html").count('<td style="color: red;">') == 2


def test_a_template_and_its_values_have_a_largest_size(service: Service) -> None:
    body = {"name": "large", "subject": "x", "html": "x" * (256 * 1024)}
    assert service.client.post("/api/templates", json=body).status_code == 201
    body |= {"name": "larger", "html": "x" * (256 * 1024 + 1)}
    assert pointers(service.client.post("/api/templates", json=body)) == ["/html"]
    variables = {f"v{number}": {"type": "string"} for number in range(51)}
    body |= {"html": "x", "variables": variables}
    assert service.client.post("/api/templates", json=body).status_code == 400

    service.save()
    assert service.send({"name": "Ada", "more": "x" * 60_000}).status_code == 201
    refused = service.send({"name": "Ada", "more": "x" * 66_000})
    assert (refused.status_code, refused.json["code"]) == (400, "template_error")
