"""A browser for the dashboard's pages, without one: it keeps cookies and fills in forms."""

import re
from collections.abc import Mapping
from html import unescape
from typing import Any, Final

from werkzeug.test import TestResponse

from application import Application
from entrypoints.http import create_http
from tests.applications import a_client, a_key, an_application

TOKEN: Final = re.compile(r'name="csrf" value="([0-9a-f]+)"')
HTTPS: Final = "https://mail.example.org"


# documents and files, which are no pages
_NO_PAGES: Final = re.compile(
    r"\.(static|unknown|login)$|download|attachment|\.(email_)?(raw|source|html|part|file|csv)$"
    r"|_(raw|html|part|file|csv|frame)$|preview_"
)


def pages_of(ids: Mapping[str, Any]) -> Mapping[str, str]:
    """The path of each page by its endpoint; *ids* has the values of what stands in paths."""
    app = create_http(an_application(), version="1")
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("dashboard.")]
    return {
        rule.endpoint.partition(".")[2]: re.sub(
            r"<(?:[^<>:]*:)?(\w+)>", lambda found: str(ids[found[1]]), rule.rule
        )
        for rule in rules
        if "GET" in (rule.methods or ()) and not _NO_PAGES.search(rule.endpoint)
    }


class Browser:
    """One browser at *base*, from a machine elsewhere if *remote* is given."""

    def __init__(
        self, application: Application, *, base: str = HTTPS, remote: str = "192.0.2.7"
    ) -> None:
        self.client = a_client(application)
        self.client.environ_base["REMOTE_ADDR"] = remote
        self.base = base
        self.token = ""

    def get(self, path: str, **options: Any) -> TestResponse:
        """A page; the token of its forms is remembered."""
        reply = self.client.get(path, base_url=self.base, **options)
        found = TOKEN.search(reply.text)
        if found:
            self.token = found[1]
        return reply

    def post(self, path: str, *, origin: str | None = "", **fields: Any) -> TestResponse:
        """A form of a page that was loaded before, with its token unless another one is given.

        *origin* is the page's own if it is "", and is not sent if it is None.
        """
        headers = {} if origin is None else {"Origin": origin or self.base}
        data = {"csrf": self.token, **fields}
        return self.client.post(path, base_url=self.base, data=data, headers=headers)

    def log_in(self, key: str) -> TestResponse:
        """By the page."""
        self.get("/dashboard/login")
        return self.post("/dashboard/login", key=key)


def a_browser(application: Application, **wish: Any) -> Browser:
    """A browser that is logged in by a new key with the scope admin."""
    browser = Browser(application)
    reply = browser.log_in(a_key(application, "admin", **wish))
    assert reply.status_code == 303, reply.text
    browser.get("/dashboard")
    return browser


def text_of(reply: TestResponse) -> str:
    """What a person reads of the page's content, in one line."""
    main = reply.text.partition("<main")[2]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", f"<main{main}")).split())
