"""The pages behind the links to unsubscribe, as mail clients and people use them."""

import email
import re
from html.parser import HTMLParser
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from adapters.fernet_vault import FernetVault
from application import Application, ServicePolicy
from domain.suppression import Suppression
from tests.applications import (
    a_client,
    a_config_body,
    a_key,
    an_application,
    an_email_body,
    delivery_rules,
)

PUBLIC_URL = "https://mail.example.com"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
TEMPLATES = Path(__file__).parents[2] / "entrypoints/http/templates/unsubscribe"


class Service:
    """A service in production, with one email of a topic, and the path of its link."""

    def __init__(self, *, vault: FernetVault | None = None, **rules: Any) -> None:
        self.store = MemoryStore(clock=FakeClock())
        self._rules = ServicePolicy(delivery=delivery_rules(), public_url=PUBLIC_URL)
        application = self.application()
        self.client = a_client(application, **rules)
        self.headers = {"X-API-Key": a_key(application, "admin", "send", "read")}
        body = a_config_body()
        made = self.client.post("/api/smtp-configs", json=body, headers=self.headers)
        assert made.status_code == 201, made.text
        self.path = self.submit(topic="news")

    def application(self, **parts: Any) -> Application:
        return an_application(rules=self._rules, store=self.store, closed=True, **parts)

    def submit(self, **changes: Any) -> str:
        """The path of the link in a new email."""
        sent = self.client.post("/api/emails", json=an_email_body(**changes), headers=self.headers)
        assert sent.status_code == 201, sent.text
        octets = self.store.read(lambda tx: tx.emails.octets(sent.json["email_id"]))
        link = email.message_from_bytes(octets)["List-Unsubscribe"]
        return urlsplit(str(link).strip("<>")).path

    def status(self, email_id: int) -> tuple[str, str | None, str]:
        shown = self.client.get(f"/api/emails/{email_id}", headers=self.headers).json
        return shown["status"], shown["reason_code"], shown["recipient_status"][0]["status"]

    def listed(self) -> list[Suppression]:
        return list(self.store.write(lambda tx: tx.suppressions.of(["ada@example.org"])))


@pytest.fixture
def service() -> Service:
    return Service()


class Parts(HTMLParser):
    """The tags of a page, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def is_page(reply: TestResponse) -> bool:
    return reply.content_type == "text/html; charset=utf-8"


# -- a look changes nothing ------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_to_look_changes_nothing_however_often(service, method):
    for _ in range(3):
        assert service.client.open(service.path, method=method).status_code == 200
    assert service.listed() == []
    assert service.status(1)[0] == "queued"


def test_the_page_says_what_it_would_end_and_has_one_button(service):
    page = service.client.get(service.path)
    assert is_page(page)
    assert "ada@example.org" in page.text.replace("<wbr>", "")
    assert "<b>news</b>" in page.text
    [form] = Parts(page.text).of("form")
    assert form == {"method": "post"}  # to the address that it was read from
    assert len(Parts(page.text).of("button")) == 1


def test_the_head_of_the_page_is_that_of_the_page(service):
    page, head = service.client.get(service.path), service.client.head(service.path)
    assert (head.status_code, head.data) == (200, b"")
    for name in ("Content-Type", "Content-Security-Policy", "Cache-Control"):
        assert head.headers[name] == page.headers[name]


# -- a POST unsubscribes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        {"data": ONE_CLICK},
        {"data": ONE_CLICK, "content_type": "multipart/form-data"},
        {"data": b"List-Unsubscribe=One-Click", "content_type": "text/plain"},
        {"data": b""},
        {"data": b"\xff{", "content_type": "application/json"},
    ],
)
def test_a_post_unsubscribes_whatever_a_mail_client_makes_of_its_body(service, request_):
    done = service.client.post(service.path, **request_)

    assert done.status_code == 200
    assert [(one.address, one.scope) for one in service.listed()] == [
        ("ada@example.org", "topic:news")
    ]
    assert service.status(1) == ("failed", "suppressed", "suppressed")


def test_looks_and_posts_together_leave_one_suppression(service):
    for method in ("GET", "GET", "GET", "POST", "POST"):
        assert service.client.open(service.path, method=method).status_code == 200
    assert len(service.listed()) == 1


def test_later_email_of_the_topic_is_accepted_and_suppressed(service):
    service.client.post(service.path, data=ONE_CLICK)
    service.submit(topic="news")
    service.submit(topic="offers")

    assert service.status(2) == ("failed", "suppressed", "suppressed")
    assert service.status(3)[0] == "queued"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://webmail.example"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Host": "mail.example.com"},
        {"X-API-Key": "wrong"},
        {"Authorization": "Bearer wrong", "Cookie": "session=x"},
    ],
)
def test_a_post_needs_no_key_and_may_come_from_anywhere(service, headers):
    done = service.client.post(
        service.path,
        data=ONE_CLICK,
        headers=headers,
        environ_overrides={"REMOTE_ADDR": "203.0.113.9"},
    )
    assert done.status_code == 200
    assert "Set-Cookie" not in done.headers
    assert "Location" not in done.headers
    assert len(service.listed()) == 1


def test_no_number_of_posts_is_too_many(service):
    statuses = {service.client.post(service.path, data=ONE_CLICK).status_code for _ in range(300)}
    assert statuses == {200}


def test_who_has_used_up_the_strikes_of_wrong_keys_can_still_unsubscribe(service):
    for _ in range(30):
        service.client.get("/api/emails", headers={"X-API-Key": "wrong"})
    refused = service.client.get("/api/emails", headers={"X-API-Key": "wrong"})
    assert refused.status_code == 429
    assert service.client.post(service.path, data=ONE_CLICK).status_code == 200


def test_what_others_add_to_the_link_does_not_make_it_useless(service):
    assert service.client.get(service.path + "?utm_source=x").status_code == 200
    assert service.client.post(service.path + "?utm_source=x").status_code == 200
    assert len(service.listed()) == 1


# -- what does not open ----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("change", [lambda p: p[:-1], lambda p: p + "A", lambda p: "/u/x" * 1])
def test_what_does_not_open_is_not_found(service, method, change):
    reply = service.client.open(change(service.path), method=method)
    assert reply.status_code == 404
    assert is_page(reply)
    assert service.listed() == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_no_other_method_is_allowed(service, method):
    reply = service.client.open(service.path, method=method)
    assert reply.status_code == 405
    assert service.listed() == []


# -- what cannot be done now -----------------------------------------------------------------------


def test_while_the_store_is_down_a_post_fails_so_that_it_can_be_repeated(service):
    service.store.close()
    reply = service.client.post(service.path, data=ONE_CLICK)
    assert reply.status_code == 503
    assert int(reply.headers["Retry-After"]) > 0
    assert "<b>not</b>" in reply.text


def test_with_a_wrong_secret_key_a_good_link_is_not_called_wrong(service):
    other = a_client(service.application(vault=FernetVault("another secret key, for tests too")))
    for method in ("GET", "POST"):
        assert other.open(service.path, method=method).status_code == 503


# -- the pages are safe ----------------------------------------------------------------------------


def every_page(service: Service) -> list[TestResponse]:
    """One of each, the last of them of a service without its store."""
    pages = [
        service.client.get(service.path),
        service.client.post(service.path),
        service.client.get("/u/wrong"),
    ]
    service.store.close()
    return [*pages, service.client.post(service.path)]


def test_every_page_is_kept_from_caches_referrers_frames_and_scripts(service):
    pages = every_page(service)
    assert [page.status_code for page in pages] == [200, 200, 404, 503]
    for page in pages:
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["X-Robots-Tag"] == "noindex, nofollow"
        policy = dict(
            part.strip().split(" ", 1)
            for part in page.headers["Content-Security-Policy"].split(";")
        )
        assert policy == {
            "default-src": "'none'",
            "style-src": "'self'",
            "base-uri": "'none'",
            "form-action": "'self'",
            "frame-ancestors": "'none'",
        }


def test_no_page_has_a_script_a_style_of_its_own_or_an_image(service):
    for page in every_page(service):
        parts = Parts(page.text)
        assert {"html", "main", "h1", "link"} <= {tag for tag, _ in parts.tags}
        assert not {tag for tag, _ in parts.tags} & {"script", "style", "img", "iframe", "a"}
        for _, attributes in parts.tags:
            assert not [name for name in attributes if name == "style" or name.startswith("on")]


def test_every_page_is_made_for_small_screens_and_says_its_language(service):
    for page in every_page(service):
        parts = Parts(page.text)
        assert parts.of("html") == [{"lang": "en"}]
        assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in parts.of(
            "meta"
        )


def test_the_style_is_where_the_page_looks_for_it(service):
    [link] = Parts(service.client.get(service.path).text).of("link")
    with service.client.get(urljoin(service.path, link["href"])) as style:
        assert (style.status_code, style.mimetype) == (200, "text/css")


def test_an_address_is_never_read_as_html(service):
    path = service.submit(recipients=["a&b'c@example.org"], topic="news")
    page = service.client.get(path)
    assert "a&amp;b&#39;c@<wbr>example.org" in page.text


def test_nothing_in_the_templates_is_unescaped():
    for template in TEMPLATES.glob("*.html"):
        assert not re.search(r"safe|autoescape", template.read_text("utf-8")), template


# -- behind a proxy --------------------------------------------------------------------------------


def test_it_works_behind_a_proxy_under_a_sub_path():
    service = Service(trusted_proxies=[ip_network("127.0.0.1")])
    headers = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "mail.example.com",
        "X-Forwarded-Prefix": "/news",
    }
    page = service.client.get(service.path, headers=headers)
    assert page.status_code == 200
    # whatever is in front: nothing in the page leads out of the folder of the link
    [link] = Parts(page.text).of("link")
    shown = f"https://mail.example.com/news{service.path}"
    assert urljoin(shown, link["href"]) == "https://mail.example.com/news/u/static/public.css"
    assert service.client.post(service.path, headers=headers).status_code == 200
    assert len(service.listed()) == 1


def test_it_works_where_the_server_itself_mounts_the_service_under_a_path(service):
    base = {"base_url": "https://mail.example.com/news"}
    assert service.client.get(service.path, **base).status_code == 200
    assert service.client.post(service.path, **base).status_code == 200
    assert len(service.listed()) == 1


def test_the_api_stays_closed_beside_the_pages(service):
    client: FlaskClient = service.client
    assert client.get("/api/emails").status_code == 401
