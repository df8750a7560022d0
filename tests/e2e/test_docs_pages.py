"""The pages of the documentation: complete, linked, found by their search, without a script."""

import gzip
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag

import pytest
from flask.testing import FlaskClient

from entrypoints.http import OPERATIONS
from entrypoints.http.docs.guides import GUIDES
from entrypoints.http.openapi.codes import CODES
from entrypoints.settings import Settings
from entrypoints.wiring import build
from tests.applications import a_client, a_key, an_application

RESOURCES = {
    *("emails", "templates", "suppressions", "smtp-configs", "providers", "dkim", "event-hooks"),
    *("events", "webhooks", "api-keys", "operations"),
}
PAGES = ("", *(guide.id for guide in GUIDES), *sorted(RESOURCES), "search?q=retry")
LARGEST = 60_000  # octets of a page, gzipped, with all that it loads
LANGUAGES = ["curl", "python", "node", "php"]
EVIL = "\"'><script>alert(1)</script>"


class Page(HTMLParser):
    """What a page loads and links to, its ids, its inline scripts and styles, its samples."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.inline: list[str] = []
        self.samples: list[str] = []
        self.chosen: list[str] = []
        self.headings: list[int] = []
        self._in = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self._in = tag
        self.inline += [name for name in found if name.startswith("on") or name == "style"]
        if "src" in found or tag == "link":
            self.loaded.append(found.get("src") or found["href"])
        if tag == "a":
            self.links.append(found["href"])
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "pre" and "class" in found:
            self.samples.append(found["class"])
        if found.get("type") == "radio" and "checked" in found:
            self.chosen.append(found["value"])
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in in ("script", "style"):
            self.inline.append(data)


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    """Of a service in development."""
    return a_client(try_calls=True)


@pytest.fixture(scope="module")
def texts(client: FlaskClient) -> dict[str, str]:
    """Every page by its path."""
    found = {}
    for name in PAGES:
        path = f"/docs/{name}".removesuffix("/")
        reply = client.get(path)
        assert reply.status_code == 200, path
        assert reply.content_type == "text/html; charset=utf-8"
        found[path] = reply.text
    return found


@pytest.fixture(scope="module")
def pages(texts: dict[str, str]) -> dict[str, Page]:
    """The same, read."""
    return {path: Page(text) for path, text in texts.items()}


def test_each_resource_and_each_guide_has_a_page_that_all_pages_link_to(
    pages: dict[str, Page],
) -> None:
    wanted = {f"/docs/{name}" for name in {*RESOURCES, *(guide.id for guide in GUIDES)}}
    for page in pages.values():
        assert wanted <= set(page.links)


def test_every_call_stands_on_the_page_of_its_resource_and_on_the_first_page(
    pages: dict[str, Page],
) -> None:
    ids = {one.id for one in OPERATIONS}
    resources = [id_ for name in RESOURCES for id_ in pages[f"/docs/{name}"].ids]
    assert ids <= set(pages["/docs"].ids)
    assert sorted(ids) == sorted(ids & set(resources))


def test_every_link_leads_to_a_place_that_is_there(
    client: FlaskClient, pages: dict[str, Page]
) -> None:
    ids = {path: set(page.ids) for path, page in pages.items()}
    for path, page in pages.items():
        assert len(page.ids) == len(ids[path]), path
        for link in set(page.links):
            if link.startswith("https:"):
                continue
            target, anchor = urldefrag(link)
            target = target or path
            assert target in ids or client.get(target).status_code == 200, link
            assert not anchor or anchor in ids[target], link


def test_every_sample_has_all_languages_and_curl_is_shown_first(pages: dict[str, Page]) -> None:
    for path, page in pages.items():
        groups = [page.samples[at : at + 4] for at in range(0, len(page.samples), 4)]
        assert groups == [LANGUAGES] * len(groups), path
        assert page.chosen == ["curl"] * len(groups), path
    assert all(pages[f"/docs/{name}"].samples for name in RESOURCES)


def test_headings_leave_out_no_level(pages: dict[str, Page]) -> None:
    for path, page in pages.items():
        assert page.headings.count(1) == 1, path
        deeper = [b - a for a, b in zip(page.headings, page.headings[1:], strict=False) if b > a]
        assert set(deeper) <= {1}, path


def test_every_page_loads_its_own_files_only_and_has_nothing_inline(
    client: FlaskClient, pages: dict[str, Page]
) -> None:
    for path, page in pages.items():
        assert page.inline == [], path
        for file in page.loaded:
            assert re.fullmatch(r"/docs/static/\w+\.(css|js|svg)", file)
    for file in {file for page in pages.values() for file in page.loaded}:
        with client.get(file) as reply:
            assert reply.status_code == 200
            assert reply.headers["X-Content-Type-Options"] == "nosniff"


def test_the_policy_allows_nothing_inline_and_no_other_site(client: FlaskClient) -> None:
    for path in ("/docs", "/docs/emails", "/docs/search?q=x", "/docs/nothing"):
        policy = client.get(path).headers["Content-Security-Policy"]
        parts = dict(part.split(" ", 1) for part in policy.split("; "))
        assert parts.pop("default-src") == "'none'"
        assert parts.pop("frame-ancestors") == "'none'"
        assert set(parts.values()) == {"'self'", "'none'"}


def test_a_page_with_all_that_it_loads_has_at_most_60_kb_gzipped(
    client: FlaskClient, texts: dict[str, str]
) -> None:
    def gzipped(path: str) -> int:
        with client.get(path) as reply:
            return len(gzip.compress(reply.data))

    for path, text in texts.items():
        size = len(gzip.compress(text.encode())) + sum(map(gzipped, set(Page(text).loaded)))
        assert size <= LARGEST, path


def test_every_code_of_an_error_stands_on_the_page_with_what_to_do(texts: dict[str, str]) -> None:
    for name, code in CODES.items():
        assert f'<tr id="{name}">' in texts["/docs/errors"]
        assert len(code.means) > 10 < len(code.remedy)


# -- the search -----


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("authentication", "/docs/authentication"),
        ("emails", "/docs/emails"),
        ("cancel email", "/docs/emails#cancelEmail"),
        ("POST /api/emails/batch", "/docs/emails#submitEmails"),
        ("submitRawEmail", "/docs/emails#submitRawEmail"),
        ("idempotency_mismatch", "/docs/errors#idempotency_mismatch"),
        ("IDEMPOTENCY-KEY", "/docs/idempotency"),
        ("reply_to", "/docs/emails#submitEmail-body-reply_to"),
        ("choose a key", "/docs/idempotency#choose"),
        ("recipients.address", "/docs/emails#submitEmail-body-recipients-address"),
    ],
)
def test_the_search_finds_pages_calls_codes_headings_and_fields(
    client: FlaskClient, query: str, first: str
) -> None:
    reply = client.get("/docs/search", query_string={"q": query})
    results = reply.text.partition('<ol class="results"')[2]
    assert re.findall(r'href="([^"]*)"', results)[0] == first


def test_the_search_takes_any_query_and_shows_it_as_text(client: FlaskClient) -> None:
    for query in ("", " ", EVIL, "x" * 100_000, "(", "\\", "%00", "ß\u0130\u202e", "a " * 50_000):
        reply = client.get("/docs/search", query_string={"q": query, "utm_source": "x"})
        assert reply.status_code == 200 or len(query) > 1000
        assert "<script>alert" not in reply.text
    assert "Nothing has" in client.get("/docs/search?q=zzzzzz").text


def test_a_page_that_is_not_there_is_searched_for(client: FlaskClient) -> None:
    reply = client.get("/docs/smtp-configurations")
    assert reply.status_code == 404
    assert 'href="/docs/smtp-configs"' in reply.text.partition('<ol class="results"')[2]


# -- trying calls -----


def test_calls_can_be_tried_in_development_only(client: FlaskClient) -> None:
    production = a_client()
    for name in ("", *RESOURCES):
        path = f"/docs/{name}".removesuffix("/")
        assert "try.js" in client.get(path).text
        text = production.get(path).text
        assert "try.js" not in text
        assert "<textarea" not in text
        assert 'class="try"' not in text


@pytest.mark.parametrize("mode", ["development", "production"])
def test_the_setting_of_the_mode_decides_whether_calls_can_be_tried(
    tmp_path: Path, mode: str
) -> None:
    environ = {
        "FLASK_ENV": mode,
        "SECRET_KEY": "3f9c1d07b2a84e65aa10c2d4e6f80912",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'mail.db'}",
    }
    client = build(Settings.from_environment(environ)).http.test_client()
    text = client.get("/docs/emails").text
    assert "Send an email" in text
    assert ("try.js" in text, "<textarea" in text) == (mode == "development",) * 2


def test_t_xss_a_host_that_nobody_has_is_no_way_into_a_page(client: FlaskClient) -> None:
    for path in ("/docs", "/docs/emails", "/docs/pagination", "/docs/search?q=a"):
        reply = client.get(path, headers={"Host": f"x{EVIL}"})
        assert "<script>alert" not in reply.text


def test_the_samples_need_a_key_only_where_the_service_does() -> None:
    application = an_application()
    client = a_client(application)
    assert "API_KEY" not in client.get("/docs/emails").text
    a_key(application, "admin")
    assert "API_KEY" in client.get("/docs/emails").text


def test_the_samples_have_the_address_that_the_reader_uses(client: FlaskClient) -> None:
    for path in ("/docs", "/docs/emails", "/docs/rate-limits", "/docs/pagination"):
        text = client.get(path, headers={"Host": "mail.localhost"}).text
        assert "http://mail.localhost/api/" in text
        assert "127.0.0.1:5000" not in text
