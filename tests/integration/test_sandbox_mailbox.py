"""What a person does in the sandbox: search, read, delete; and what programs read."""

from email.message import EmailMessage
from email.policy import SMTP

import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient

from adapters.fakes.clock import FakeClock
from adapters.message_reader import BoundedMessageReader
from adapters.sandbox_inbox import SandboxInbox
from entrypoints.http.sandbox import Sandbox


@pytest.fixture
def inbox() -> SandboxInbox:
    """Two messages: an invoice with a file, read; and a greeting with a blind copy, unread."""
    clock = FakeClock()  # 2026-01-05 09:00 UTC
    inbox = SandboxInbox(clock=clock, reader=BoundedMessageReader(), port=0)
    inbox.keep("billing@shop.example", ["ada@example.org", "carl@example.org"], an_invoice())
    inbox.mark([1], seen=True)
    clock.tick(3 * 24 * 3600)
    inbox.keep("bob@example.com", ["ada@example.org", "eve@example.org"], a_greeting())
    return inbox


@pytest.fixture
def pages(inbox: SandboxInbox) -> FlaskClient:
    return client_of(inbox)


def client_of(inbox: SandboxInbox, *others: Blueprint, **more: object) -> FlaskClient:
    app = Flask("sandbox-test")
    for blueprint in (Sandbox(inbox, **more).routes(), *others):  # type: ignore[arg-type]
        app.register_blueprint(blueprint)
    return app.test_client()


def an_invoice() -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"] = "Billing <billing@shop.example>"
    message["To"] = "Ada <ada@example.org>"
    message["Cc"] = "carl@example.org"
    message["Subject"] = "Rechnung für Dich: 4711"
    message["X-Email-Ref"] = "0123abcd"
    message.set_content("Please find the sum below.")
    message.add_alternative(
        "<style>p { color: teal }</style><p>Please find the <b>amount</b> &amp; sum below.</p>"
        '<a href="https://evil.example/pay">https://shop.example/pay</a>'
        '<img src="https://cdn.example/logo.png" alt=""><a href="javascript:x()">no</a>',
        subtype="html",
    )
    message.add_attachment(b"%PDF" + bytes(200_000), "application", "pdf", filename="r-4711.pdf")
    return message.as_bytes()


def a_greeting() -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"] = "Bob <bob@example.com>"
    message["To"] = "ada@example.org"
    message["Subject"] = "Hello"
    message.set_content("Hello from the mountains.")
    return message.as_bytes()


# -- search ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("search", "numbers"),
    [
        ("", [2, 1]),
        ("  ", [2, 1]),
        ("RECHNUNG", [1]),
        ("für", [1]),
        ("mountains", [2]),
        ("amount", [1]),
        ("teal", []),
        ("hello mountains", [2]),
        ("hello amount", []),
        ('"from the mountains"', [2]),
        ('"from mountains"', []),
        ("r-4711.pdf", [1]),
        ("billing", [1]),
        ("subject:hello", [2]),
        ("subject:mountains", []),
        ("from:bob", [2]),
        ("from:ada", []),
        ("to:ada@", [2, 1]),
        ("to:eve", [2]),
        ("cc:carl", [1]),
        ("cc:ada", []),
        ("bcc:eve", [2]),
        ("bcc:ada", []),
        ("body:sum", [1]),
        ("file:pdf", [1]),
        ('subject:"für dich"', [1]),
        ("has:attachment", [1]),
        ("has:html", [1]),
        ("is:unread", [2]),
        ("is:read", [1]),
        ("-is:read", [2]),
        ("-has:attachment hello", [2]),
        ("!hello", [1]),
        ("larger:100k", [1]),
        ("smaller:100KB", [2]),
        ("after:2026-01-08", [2]),
        ("before:2026-01-08", [1]),
        ("after:yesterday", []),
        ("is:strange", []),
        ("Dich:", [1]),
        ('"', [2, 1]),
        ("(", []),
    ],
)
def test_a_search_finds(inbox: SandboxInbox, search: str, numbers: list[int]) -> None:
    assert [found.number for found in inbox.messages(search)] == numbers


def test_the_list_and_programs_are_given_what_the_search_finds(pages: FlaskClient) -> None:
    page = pages.get("/sandbox?q=from:bob").text
    assert 'href="/sandbox/2?q=from:bob"' in page
    assert 'href="/sandbox/1' not in page
    assert 'value="from:bob"' in page
    found = pages.get("/sandbox/messages.json?q=is:read").get_json()
    assert [one["number"] for one in found] == [1]
    assert "No message is what this search looks for" in pages.get("/sandbox?q=nothing").text


def test_a_message_that_was_opened_from_a_search_leads_to_its_neighbours_there(inbox, pages):
    inbox.keep("bob@example.com", ["x@example.org"], a_greeting())
    page = pages.get("/sandbox/3?q=from:bob").text
    assert 'id="older" href="/sandbox/2?q=from:bob"' in page
    assert 'id="newer"' not in page
    assert 'href="/sandbox?q=from:bob#m3"' in page


# -- read and unread -------------------------------------------------------------------------------


def test_opening_a_message_makes_it_read_and_a_button_unread(inbox, pages) -> None:
    assert inbox.unread == 1
    assert 'class="unread"' in pages.get("/sandbox").text
    pages.get("/sandbox/2/headers")
    assert inbox.unread == 0
    assert 'class="unread"' not in pages.get("/sandbox").text
    reply = pages.post("/sandbox/2/unread?q=bob")
    assert (reply.status_code, reply.location) == (303, "/sandbox?q=bob")
    assert inbox.unread == 1
    pages.post("/sandbox/2/read")
    assert inbox.unread == 0


def test_what_programs_read_stays_unread(inbox, pages) -> None:
    for path in ("/2.json", "/2/raw", "/2/html", "/messages.json", "/rows", ""):
        assert pages.get(f"/sandbox{path}").status_code == 200
    pages.head("/sandbox/2")
    assert inbox.unread == 1


def test_all_that_a_search_finds_is_marked_as_read(inbox, pages) -> None:
    pages.post("/sandbox/1/unread")
    pages.post("/sandbox/read?q=from:bob")
    assert [one.number for one in inbox.messages("is:unread")] == [1]


# -- deleting --------------------------------------------------------------------------------------


def test_one_message_is_deleted(inbox, pages) -> None:
    assert pages.post("/sandbox/1/delete").status_code == 303
    assert [one.number for one in inbox.messages()] == [2]
    assert pages.get("/sandbox/1").status_code == 404
    assert pages.post("/sandbox/1/delete").status_code == 303


def test_a_number_is_not_given_again(inbox, pages) -> None:
    pages.post("/sandbox/delete")
    assert inbox.messages() == ()
    assert inbox.keep("a@example.com", ["b@example.com"], a_greeting()).number == 3


def test_what_a_search_finds_is_deleted_and_nothing_else(inbox, pages) -> None:
    pages.post("/sandbox/delete?q=has:attachment")
    assert [one.number for one in inbox.messages()] == [2]


def test_deleting_makes_room(inbox) -> None:
    for _ in range(6):
        big = inbox.keep("a@example.com", ["b@example.com"], bytes(20_000_000))
        inbox.delete([big.number])
    assert [one.number for one in inbox.messages()] == [2, 1]


@pytest.mark.parametrize("path", ["/1/delete", "/delete", "/1/read", "/1/unread", "/read"])
def test_nothing_changes_by_a_get(inbox, pages, path) -> None:
    before = inbox.version
    assert pages.get(f"/sandbox{path}").status_code in (404, 405)
    assert inbox.version == before


# -- looking again ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/rows", "/rows?q=bob", "/messages.json"])
def test_looking_again_is_answered_304_until_something_changes(inbox, pages, path) -> None:
    first = pages.get(f"/sandbox{path}")
    again = pages.get(f"/sandbox{path}", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    tags = {first.headers["ETag"]}
    for change in (
        lambda: inbox.keep("a@example.com", ["b@example.com"], a_greeting()),
        lambda: inbox.mark([3], seen=True),
        lambda: inbox.delete([3]),
    ):
        change()
        reply = pages.get(f"/sandbox{path}", headers={"If-None-Match": max(tags)})
        assert reply.status_code == 200
        tags.add(reply.headers["ETag"])
    assert len(tags) == 4


def test_an_inbox_that_was_started_anew_is_not_taken_for_the_old_one(pages) -> None:
    old = pages.get("/sandbox/rows").headers["ETag"]
    other = SandboxInbox(reader=BoundedMessageReader(), clock=FakeClock(), port=0)
    other.keep("a@example.com", ["b@example.com"], a_greeting())
    reply = client_of(other).get("/sandbox/rows", headers={"If-None-Match": old})
    assert reply.status_code == 200


# -- one message -----------------------------------------------------------------------------------


def test_the_tabs_are_links_that_each_show_something_of_the_message(pages) -> None:
    page = pages.get("/sandbox/1").text
    shown = {
        "/sandbox/1": "<iframe ",
        "/sandbox/1/text": "Please find the sum below.",
        "/sandbox/1/headers": '<th scope="row">X-Email-Ref</th><td>0123abcd</td>',
        "/sandbox/1/source": "Content-Disposition: attachment",
        "/sandbox/1/parts": "multipart/alternative",
        "/sandbox/1/links": "https://evil.example/pay",
        "/sandbox/1/checks": "names another host",
    }
    for path, text in shown.items():
        assert f'<a href="{path}"' in page
        tab = pages.get(path).text
        assert text in tab
        assert f'<a href="{path}" aria-current="page">' in tab


def test_a_message_without_html_begins_with_its_text(pages) -> None:
    page = pages.get("/sandbox/2").text
    assert "Hello from the mountains." in page
    assert "<iframe" not in page
    assert '<a href="/sandbox/2" aria-current="page">' in page


def test_a_link_that_could_run_something_is_shown_and_cannot_be_followed(pages) -> None:
    page = pages.get("/sandbox/1/links").text
    assert "<code>javascript:x()</code>" in page
    assert 'href="javascript' not in page
    assert 'href="https://evil.example/pay" target="_blank" rel="noopener noreferrer"' in page


def test_remote_content_is_blocked_and_said_and_shown_on_request_alone(pages) -> None:
    page = pages.get("/sandbox/1").text
    assert "Remote content blocked" in page
    assert "cdn.example" in page
    html = pages.get("/sandbox/1/html")
    assert "cdn.example" not in html.text
    assert "img-src data:;" in html.headers["Content-Security-Policy"]
    asked = pages.get("/sandbox/1/html?images=remote")
    assert 'src="https://cdn.example/logo.png"' in asked.text
    assert "img-src data: https: http:;" in asked.headers["Content-Security-Policy"]
    assert asked.headers["Referrer-Policy"] == "no-referrer"
    assert "/sandbox/1/html?images=remote" in pages.get("/sandbox/1?images=remote").text


def test_files_are_downloaded_and_only_images_shown(inbox, pages) -> None:
    page = pages.get("/sandbox/1").text
    assert 'href="/sandbox/1/parts/4" download' in page
    assert pages.get("/sandbox/1/parts/4").data[:4] == b"%PDF"
    assert pages.get("/sandbox/1/parts/4/image").status_code == 404
    message = EmailMessage(policy=SMTP)
    message.add_attachment(b"<svg onload=x()>", "image", "svg+xml", filename="x.svg")
    message.add_attachment(b"\x89PNG", "image", "png", filename="x.png")
    inbox.keep("a@example.com", ["b@example.com"], message.as_bytes())
    assert pages.get("/sandbox/3/parts/1/image").status_code == 404
    shown = pages.get("/sandbox/3/parts/2/image")
    assert (shown.content_type, shown.data) == ("image/png", b"\x89PNG")
    assert "sandbox" in shown.headers["Content-Security-Policy"]


def test_programs_read_a_whole_message(pages) -> None:
    told = pages.get("/sandbox/1.json").get_json()
    assert told["subject"] == "Rechnung für Dich: 4711"
    assert told["text"].startswith("Please find")
    assert "<b>amount</b>" in told["html"]
    assert {"name": "Cc", "value": "carl@example.org"} in told["headers"]
    [file] = told["files"]
    assert (file["filename"], file["url"]) == ("r-4711.pdf", "/sandbox/1/parts/4")
    assert pages.get(file["url"]).status_code == 200
    assert told["links"][0] == {
        "href": "https://evil.example/pay",
        "text": "https://shop.example/pay",
    }
    codes = {check["code"] for check in told["checks"]}
    assert codes == {"other_host", "images_only", "no_date", "no_message_id"}
    assert all(check["advice"] and check["url"] for check in told["checks"])
    assert (told["read"], told["attachments"]) == (True, 1)


# -- the email in the service ----------------------------------------------------------------------


def _shown(number: int) -> str:
    return str(number)


def a_dashboard() -> Blueprint:
    dashboard = Blueprint("dashboard", __name__)
    dashboard.get("/dashboard/emails/<int:number>")(_shown)
    return dashboard


def test_a_message_of_the_service_leads_to_its_email_in_the_dashboard(inbox) -> None:
    asked = []

    def email_of(reference: str, *, recipients: tuple[str, ...]) -> int | None:
        asked.append((reference, recipients))
        return 12

    page = client_of(inbox, a_dashboard(), email_of=email_of).get("/sandbox/1").text
    assert '<a href="/dashboard/emails/12">' in page
    assert asked == [("0123abcd", ("ada@example.org", "carl@example.org"))]
    assert "12 of this service" in client_of(inbox, email_of=email_of).get("/sandbox/1").text


def test_a_message_that_the_service_does_not_know_leads_nowhere(inbox) -> None:
    pages = client_of(inbox, a_dashboard(), email_of=lambda reference, *, recipients: None)
    assert "/dashboard" not in pages.get("/sandbox/1").text
    assert "/dashboard" not in pages.get("/sandbox/2").text
