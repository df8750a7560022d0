"""The root: a page for people, JSON for everybody else."""

import re
import shlex
from html import unescape
from time import thread_time

import pytest

from adapters.fakes.clock import FakeClock
from adapters.message_reader import BoundedMessageReader
from adapters.sandbox_inbox import SandboxInbox
from entrypoints.http.sandbox import Sandbox
from tests.applications import a_client, a_key, an_application
from tests.machine import is_within

BROWSERS = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "text/html",
    "text/html, */*; q=0.1",
    "text/*",
    "application/json;q=0.5, text/html",
)
PROGRAMS = (
    None,
    "",
    "*/*",
    "application/json",
    "application/json, text/html",
    "application/json, text/plain, */*",
    "text/html;q=0.5, application/json",
    "text/html;q=0, */*",
    "text/plain",
    "application/*",
    "nonsense",
    "text/html;q=x;q=",
    "text/html," * 5000,
)


def page_of(client):
    reply = client.get("/", headers={"Accept": BROWSERS[0]})
    assert reply.status_code == 200
    assert reply.content_type == "text/html; charset=utf-8"
    return reply


def with_sandbox(client):
    inbox = SandboxInbox(clock=FakeClock(), reader=BoundedMessageReader(), port=2599)
    client.application.register_blueprint(Sandbox(inbox).routes())
    return client


@pytest.mark.parametrize("accept", BROWSERS)
def test_who_prefers_html_gets_the_page(accept):
    reply = a_client().get("/", headers={"Accept": accept})
    assert reply.content_type == "text/html; charset=utf-8"
    assert reply.headers["Vary"] == "Accept"


@pytest.mark.parametrize("accept", PROGRAMS, ids=lambda text: (text or "nothing")[:20])
def test_everybody_else_gets_what_is_published(accept):
    headers = {} if accept is None else {"Accept": accept}
    client = a_client()
    began = thread_time()
    reply = client.get("/", headers=headers)
    assert is_within(thread_time() - began, 1)
    assert reply.content_type == "application/json"
    assert reply.headers["Vary"] == "Accept"
    assert reply.json["name"] == "email-service"
    assert reply.json["links"]["emails"] == "/api/emails"


def test_every_link_of_the_page_leads_somewhere_and_loads_its_own_files_only():
    client = with_sandbox(a_client())
    links = re.findall(r'(?:href|src)="([^"]*)"', page_of(client).text)
    assert {
        "/docs",
        "/sandbox",
        "/readyz",
        "/api/openapi.json",
        "/welcome/static/welcome.css",
    } <= set(links)
    for link in links:
        assert link.startswith("/")
        with client.get(link, follow_redirects=True) as reply:
            assert reply.status_code == 200, link


def test_the_sandbox_is_named_only_where_there_is_one():
    assert "andbox" not in page_of(a_client()).text
    assert "andbox" in page_of(with_sandbox(a_client())).text


def test_the_page_works_under_a_policy_without_scripts():
    reply = page_of(with_sandbox(a_client()))
    policy = reply.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self'; ")
    assert "frame-ancestors 'none'" in policy
    assert "script" not in policy
    assert not re.search(r"<script|<style|style=|\son\w+=|https?://(?!localhost)", reply.text)


def typed(client, text):
    """What a call on the page answers, typed as it stands."""
    calls = re.findall(r"<pre[^>]*>(curl .*?)</pre>", text, re.DOTALL)
    for call in calls:
        words = shlex.split(unescape(call).replace("\\\n", " "))
        path = words[2].removeprefix("http://localhost")
        yield client.post(
            path,
            data=words[words.index("-d") + 1].encode(),
            content_type="application/json",
        ).status_code


@pytest.mark.parametrize("sandboxed", [False, True])
def test_the_first_two_calls_can_be_typed_as_they_stand(sandboxed):
    client = with_sandbox(a_client()) if sandboxed else a_client()
    text = page_of(client).text
    assert ("2599" in text) == sandboxed
    assert list(typed(client, text)) == [201, 201]


def test_calls_that_need_a_key_say_so():
    application = an_application()
    assert "API_KEY" not in page_of(a_client(application)).text
    a_key(application, "admin")
    text = page_of(a_client(application)).text
    assert text.count("X-API-Key: $API_KEY") == 2
    assert "email-service keys create" in text
    closed = a_client(an_application(closed=True), document_needs_key=True)
    assert "X-API-Key: $API_KEY" in page_of(closed).text


def test_t_xss_a_host_that_nobody_has_is_no_way_into_the_page_or_a_shell():
    for host in ("x'><script>alert(1)</script>", "x;touch${IFS}y", "x`y`", "$(y)"):
        reply = a_client().get("/", headers={"Accept": "text/html", "Host": host})
        assert "<script>" not in reply.text
        urls = re.findall(r"curl -s (.*?) \\\n", unescape(reply.text))
        assert len(urls) == (2 if reply.status_code == 200 else 0)
        for url in urls:
            assert re.fullmatch(r"[a-z0-9:/.-]+|'[^']*'", url), url
