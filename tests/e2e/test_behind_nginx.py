"""A client, the documented nginx, and the service: each in a process of its own."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from email import message_from_bytes
from html.parser import HTMLParser
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import apsw
import pytest

from domain.access import token_of
from tests.nginx import nginx_in_front_of
from tests.running import ROOT, Running, free_port, wait_until

GUNICORN = (
    str(Path(sys.executable).parent / "gunicorn"),
    *("--config", str(ROOT / "gunicorn.conf.py"), "--access-logfile", "-"),
    "entrypoints.wsgi:create_app()",
)
PUBLIC_URL = "https://mail.example.com"
WRONG = token_of("ffffffff", bytes(32))


class Reply(NamedTuple):
    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Outside:
    """Somebody who knows the address of nginx only."""

    def __init__(
        self,
        service: Running,
        *,
        port: int,
        chained_port: int,
        prefix: str,
        keyless: bool = False,
    ) -> None:
        self.service = service
        self.port = port
        self.chained_port = chained_port
        self.prefix = prefix
        self.key = None if keyless else service.key
        self.root = f"http://127.0.0.1:{port}{prefix}/"

    def ask(
        self,
        url: str,
        *,
        method: str = "GET",
        body: object = None,
        key: str | None = None,
        address: str = "127.0.0.1",
        port: int | None = None,
        **headers: str,
    ) -> Reply:
        """Ask for what *url*, seen from the root, leads to. *address* is whom it comes from."""
        whole = urlsplit(urljoin(self.root, url))
        assert whole.netloc == f"127.0.0.1:{self.port}", "a link led elsewhere"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            named["Content-Type"] = "application/json"
        if key or self.key:
            named["X-API-Key"] = key or self.key
        connection = HTTPConnection(
            "127.0.0.1", port or self.port, timeout=30, source_address=(address, 0)
        )
        path = whole.path + (f"?{whole.query}" if whole.query else "")
        octets = None if body is None else json.dumps(body)
        connection.request(method, path, octets, named)
        reply = connection.getresponse()
        try:
            return Reply(reply.status, reply.headers, reply.read())
        finally:
            connection.close()


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((command, prefix), id=f"{name}-{prefix or 'root'}")
        for name, command in (("serve", None), ("gunicorn", GUNICORN))
        for prefix in ("", "/mail")
    ],
)
def outside(request, tmp_path_factory) -> Iterator[Outside]:
    command, prefix = request.param
    folder = tmp_path_factory.mktemp("nginx")
    sandbox = {"SANDBOX": "1", "SANDBOX_PORT": free_port()} if command is None else {}
    service = Running(
        folder, command=command, TRUSTED_PROXIES="127.0.0.1", PUBLIC_URL=PUBLIC_URL, **sandbox
    )
    service.with_key("admin")
    with ExitStack() as stack:
        stack.callback(lambda: service.stop() if service.process else None)
        service.start()
        front = nginx_in_front_of(service.port, folder=folder, prefix=prefix)
        chain = nginx_in_front_of(service.port, folder=folder, prefix=prefix, client_chain=True)
        port, chained_port = stack.enter_context(front), stack.enter_context(chain)
        yield Outside(service, port=port, chained_port=chained_port, prefix=prefix)


class Loaded(HTMLParser):
    """What a page loads, fetches and links to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.assets: list[str] = []
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.assets += [found[name] for name in ("src", "data-feed") if name in found]
        if "href" in found:
            (self.assets if tag == "link" else self.links).append(found["href"])


def test_locations_and_links_can_be_followed(outside):
    account = {
        "name": "main",
        "email_address": "me@example.com",
        "smtp_host": "127.0.0.1",
        "smtp_port": free_port(),
        "active": False,
    }
    created = outside.ask("api/smtp-configs", method="POST", body=account)
    assert created.status == 201
    assert outside.ask(created.headers["Location"]).json["name"] == "main"
    email = {"subject": "x", "recipients": ["a@example.org"], "html_content": "x"}
    for _ in range(3):
        accepted = outside.ask("api/emails", method="POST", body=email)
    assert outside.ask(accepted.headers["Location"]).json["subject"] == "x"
    ids, path = [], "api/emails?limit=1"
    while path:
        page = outside.ask(path)
        ids += [one["id"] for one in page.json]
        link = re.fullmatch(r'<(.*)>; rel="next"', page.headers.get("Link", ""))
        path = link[1] if link else None
    assert len(ids) == 3
    listed = outside.ask("api/emails/status/queued?limit=1")
    assert outside.ask(re.match("<(.*)>", listed.headers["Link"])[1]).status == 200


def test_the_openapi_document_names_an_address_that_answers(outside):
    [server] = outside.ask("api/openapi.json").json["servers"]
    assert server["url"] + "/" == outside.root
    assert outside.ask(f"{server['url']}/healthz").status == 200


def test_the_links_of_the_welcome_lead_somewhere(outside):
    for path in outside.ask("").json["links"].values():
        assert outside.ask(path).status == 200


def test_the_pages_load_what_they_need(outside):
    pages = ["", "docs"]
    if outside.service.environ["SANDBOX"] == "1":
        pages.append("sandbox")
        send_to_the_sandbox(outside)
        pages.append("sandbox/1")
    for path in pages:
        page = outside.ask(path, Accept="text/html")
        assert page.status == 200, path
        found = Loaded(page.body.decode())
        assert len(found.assets) >= 2
        for link in (*found.assets, *found.links):
            if link.startswith(("#", "https://www.rfc-editor.org/")):
                continue
            answer = outside.ask(urljoin(urljoin(outside.root, path), link))
            if answer.status == 303:  # the dashboard leads to its login, under the same prefix
                answer = outside.ask(urljoin(outside.root, answer.headers["Location"]))
            assert answer.status == 200, link
        assert str(outside.service.port) not in page.body.decode()


def test_recipients_unsubscribe_and_no_log_has_their_links(outside):
    """Whatever the proxy makes of its path; one click brings no key."""
    account = {
        "name": "newsletter",
        "email_address": "news@example.com",
        "smtp_host": "127.0.0.1",
        "smtp_port": free_port(),
        "active": False,
    }
    made = outside.ask("api/smtp-configs", method="POST", body=account).json
    email = {"subject": "x", "recipients": ["n@example.org"], "html_content": "x", "topic": "news"}
    email["smtp_config_id"] = made["config_id"]
    number = outside.ask("api/emails", method="POST", body=email).json["email_id"]
    token = token_in(outside, number)
    nobody = Outside(
        outside.service, port=outside.port, chained_port=0, prefix=outside.prefix, keyless=True
    )

    page = nobody.ask(f"u/{token}")
    assert page.status == 200
    for asset in Loaded(page.body.decode()).assets:
        assert nobody.ask(urljoin(f"{nobody.root}u/{token}", asset)).status == 200
    assert nobody.ask(f"u/{token[:-1]}").status == 404
    assert outside.ask(f"api/emails/{number}").json["status"] == "queued"
    done = nobody.ask(f"u/{token}", method="POST", Origin="https://webmail.example")
    assert (done.status, done.headers["Set-Cookie"]) == (200, None)
    shown = outside.ask(f"api/emails/{number}").json
    assert (shown["status"], shown["reason_code"]) == ("failed", "suppressed")
    wait_until(lambda: "unsubscribed" in outside.service.output())
    logs = "".join(path.read_text("utf-8") for path in outside.service.folder.rglob("*.log"))
    assert ("/u/***" in logs) == (outside.service.command == GUNICORN)  # it logs every path
    assert token[:-1] not in logs


def token_in(outside, number):
    """That of the link in this email."""
    with closing(apsw.Connection(str(outside.service.folder / "service.db"))) as database:
        found = database.execute("SELECT octets FROM email_body WHERE email_id = ?", (number,))
        octets = found.fetchone()[0]
    link = message_from_bytes(octets)["List-Unsubscribe"]
    assert link.startswith(f"<{PUBLIC_URL}/u/")
    return link.rstrip(">").rpartition("/")[2]


def send_to_the_sandbox(outside):
    account = {
        "name": "sandbox",
        "email_address": "me@example.com",
        "smtp_host": "127.0.0.1",
        "smtp_port": int(outside.service.environ["SANDBOX_PORT"]),
        "use_tls": False,
    }
    made = outside.ask("api/smtp-configs", method="POST", body=account).json
    email = {"subject": "Hi", "recipients": ["a@example.org"], "html_content": "<p>Hi</p>"}
    email["smtp_config_id"] = made["config_id"]
    assert outside.ask("api/emails", method="POST", body=email).status == 201
    wait_until(lambda: outside.ask("sandbox/messages.json").json)


def test_the_calls_on_the_page_name_the_outer_address(outside):
    page = outside.ask("", Accept="text/html").body.decode()
    assert f"curl -s {outside.root}api/emails" in page


@pytest.mark.parametrize("chained", [False, True], ids=["alone", "behind-another"])
def test_wrong_keys_are_counted_for_each_client_and_a_spoofed_address_for_nothing(outside, chained):
    """gunicorn counts in each of its two processes."""
    port = outside.chained_port if chained else outside.port
    liar, neighbour, good = ("127.0.0.3", "127.0.0.4", "127.0.0.5")
    if chained:
        liar, neighbour, good = ("127.0.0.13", "127.0.0.14", "127.0.0.15")

    def status(address, **headers):
        return outside.ask("api/emails", address=address, port=port, **headers).status

    tried = [
        status(liar, key=WRONG, X_Forwarded_For=f"203.0.113.{number}", X_Real_IP="203.0.113.9")
        for number in range(60)
    ]
    assert tried[0] == 401
    assert tried[-1] == 429, "each request had another spoofed address and was counted for it"
    assert status(neighbour, key=WRONG) == 401, "counted for the proxy"
    assert status(good) == 200
    assert status(neighbour, key=WRONG, X_Forwarded_For=liar) == 401, "counted for somebody else"


def test_what_a_client_says_of_the_proxys_part_is_not_believed(outside):
    lies = {
        "X_Forwarded_Host": "evil.example",
        "X_Forwarded_Proto": "https",
        "X_Forwarded_Prefix": "/evil",
        "Forwarded": "for=203.0.113.7;host=evil.example;proto=https",
    }
    page = outside.ask("", Accept="text/html", **lies).body.decode()
    assert "evil" not in page
    assert f"{outside.root}api/emails" in page
    [server] = outside.ask("api/openapi.json", **lies).json["servers"]
    assert server["url"] + "/" == outside.root


def test_who_comes_past_the_proxy_is_not_believed(outside):
    """From another address of this machine, as from another machine."""
    lies = {"X_Forwarded_Host": "evil.example", "X_Forwarded_Prefix": "/evil"}
    links = outside.ask("/", address="127.0.0.2", port=outside.service.port, **lies).json["links"]
    assert links["docs"] == "/docs"


def test_the_sandbox_is_nobodys_but_this_machines(outside):
    if outside.service.environ["SANDBOX"] == "1":
        assert outside.ask("sandbox").status == 200
        assert outside.ask("sandbox", Host="mail.example.com").status == 403
        assert outside.ask("sandbox", Origin="http://evil.example").status == 403


def test_without_a_slash_the_path_leads_to_the_page(outside):
    if outside.prefix:
        reply = outside.ask(outside.prefix)
        assert (reply.status, reply.headers["Location"]) == (308, f"{outside.prefix}/")


@pytest.mark.parametrize("command", [None, GUNICORN], ids=["serve", "gunicorn"])
def test_the_server_itself_believes_nobody_either(tmp_path, command):
    service = Running(tmp_path, command=command, DISPATCHER="none").with_key("read")
    try:
        service.start()
        direct = Outside(service, port=service.port, chained_port=0, prefix="")
        lies = {"X_Forwarded_Proto": "https", "X_Forwarded_Prefix": "/evil", "SCRIPT_NAME": "/evil"}
        page = direct.ask("", Accept="text/html", **lies).body.decode()
        assert f"http://127.0.0.1:{service.port}/api/emails" in page
        assert "evil" not in page
    finally:
        service.stop()


@pytest.mark.parametrize("trusted", ["", "127.0.0.1"])
@pytest.mark.parametrize("command", [None, GUNICORN], ids=["serve", "gunicorn"])
def test_while_the_api_is_open_nothing_comes_through(tmp_path, command, trusted):
    service = Running(tmp_path, command=command, TRUSTED_PROXIES=trusted, DISPATCHER="none")
    try:
        service.start()
        with nginx_in_front_of(service.port, folder=tmp_path) as port:
            open_one = Outside(service, port=port, chained_port=port, prefix="")
            for path in ("", "docs", "healthz", "api/emails"):
                reply = open_one.ask(path)
                assert (reply.status, reply.json["code"]) == (403, "forbidden")
        assert service.get("/api/emails")[0] == 200
    finally:
        service.stop()
