"""The sandbox in Chromium: what a person sees and does there, and what no message can do.

One service for all of it, started as `email-service serve --sandbox` does. The screenshots stand in
build/screenshots.
"""

import smtplib
import struct
import urllib.request
import zlib
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from urllib.parse import quote

import pytest

from tests.browser.axe import axe_violations
from tests.browser.chromium import Browser
from tests.browser.page import Page
from tests.running import Running, free_port, running, wait_until

ROWS = "document.querySelectorAll('#list > li').length"
ROW = "document.activeElement?.closest('#list > li')"
FOCUSED = "document.activeElement.id"
READY = "document.getElementById('keys')?.hidden === false"  # the keys can be pressed


class Sandbox:
    """The running service's sandbox."""

    def __init__(self, service: Running, smtp_port: int) -> None:
        self.service = service
        self.url = f"{service.url}/sandbox"
        self._smtp_port = smtp_port

    def send(self, octets: bytes, *recipients: str) -> None:
        with smtplib.SMTP("127.0.0.1", self._smtp_port, local_hostname="test") as client:
            client.sendmail("hello@example.com", recipients or ["ada@example.org"], octets)

    def account(self) -> None:
        self.service.account(self._smtp_port)

    def subjects(self) -> list[str]:
        return [one["subject"] for one in self.service.get("/sandbox/messages.json")[1]]

    def clear(self) -> None:
        request = urllib.request.Request(f"{self.url}/delete", method="POST")
        urllib.request.urlopen(request).close()


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    port = free_port()
    with running(tmp_path_factory.mktemp("sandbox"), SANDBOX=1, SANDBOX_PORT=port) as service:
        yield Sandbox(service, port)


@pytest.fixture
def sandbox(started: Sandbox) -> Sandbox:
    """With nothing in it."""
    started.clear()
    return started


def a_message(subject: str = "Hello", *, html: str | None = None, text: str = "Hi") -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = "Northwind Books <hello@example.com>"
    message["To"] = "ada@example.org"
    message["Subject"] = subject
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    return message


def send_some(sandbox: Sandbox, *subjects: str) -> None:
    for subject in subjects:
        sandbox.send(a_message(subject).as_bytes())


def a_picture() -> bytes:
    def chunk(kind: bytes, octets: bytes) -> bytes:
        return (
            struct.pack(">I", len(octets))
            + kind
            + octets
            + struct.pack(">I", zlib.crc32(kind + octets))
        )

    size = struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes((240, 200, 80)) * 64) * 64)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


ORDER = """<table width="100%" bgcolor="#f4f1ea"><tr><td align="center">
<table width="560" style="background:#fff;font-family:Georgia,serif">
<tr><td style="background:#203a36;color:#fff;padding:24px;font-size:22px">
<img src="cid:logo" width="32" height="32" alt="" style="vertical-align:middle">
Northwind Books</td></tr>
<tr><td style="padding:28px"><h1>Thank you, Ada.</h1>
<p>Your order 4711 is confirmed. We will write again when it leaves our warehouse.</p>
<p><a href="https://shop.example.com/orders/4711" style="background:#203a36;color:#fff;
padding:12px 20px;border-radius:4px;text-decoration:none">View your order</a></p>
<p>Or open <a href="https://click.example.net/x">https://shop.example.com/4711</a>.</p>
<img src="https://cdn.example.com/banner.png" alt="">
</td></tr></table></td></tr></table>"""


def an_order() -> bytes:
    message = a_message("Your order 4711 is confirmed", html=ORDER, text="Thank you, Ada.")
    message["Cc"] = "bob@example.org"
    html = message.get_payload()[1]  # type: ignore[index]
    html.add_related(a_picture(), "image", "png", cid="<logo>", filename="logo.png")  # type: ignore[union-attr]
    message.add_attachment(b"%PDF" + bytes(30_000), "application", "pdf", filename="Invoice.pdf")
    return message.as_bytes()


# -- how it looks ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shown(browser: Browser) -> Page:
    return browser.page(timezone="Europe/Vienna")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_no_fault_on_any_page(
    sandbox: Sandbox, shown: Page, width: int, dark: bool
) -> None:
    def look(name: str, path: str = "") -> list[str]:
        shown.goto(sandbox.url + path)
        shown.screenshot(f"sandbox-{name}-{width}-{scheme}.png", whole=True)
        return [f"{name}: {line}" for line in axe_violations(shown)]

    scheme = "dark" if dark else "light"
    shown.resize(width=width, dark=dark)
    found = look("empty")
    send_some(sandbox, "Welcome", "Your parcel is on its way")
    sandbox.send(an_order(), "ada@example.org", "bob@example.org", "archive@example.com")
    found += look("list") + look("nothing", "?q=nothing")
    number = sandbox.service.get("/sandbox/messages.json")[1][0]["number"]
    for tab in ("", "/text", "/headers", "/source", "/parts", "/links", "/checks"):
        found += look(f"message{tab.replace('/', '-')}", f"/{number}{tab}")
    assert found == []
    assert shown.errors == []


def test_the_frame_is_as_high_as_its_content_and_as_wide_as_a_phone_on_request(
    sandbox: Sandbox, browser: Browser
) -> None:
    page = browser.page()
    inner = "document.getElementById('frame').contentDocument.documentElement"
    for lines in (3, 80):
        sandbox.send(a_message(html="<p>A line</p>" * lines).as_bytes())
        page.goto(f"{sandbox.url}/{_newest(sandbox)}")
        assert page.wait_for(f"{inner}.scrollHeight <= {inner}.clientHeight")
        height = page.evaluate("document.getElementById('frame').offsetHeight")
        assert lines * 30 < height < lines * 50 + 60
    page.click(".width a[data-phone]")
    assert page.wait_for("document.getElementById('frame').offsetWidth === 390")
    page.goto(page.evaluate("location.href"))
    assert page.wait_for("document.getElementById('frame').offsetWidth === 390")


def test_times_are_those_of_the_reader(sandbox: Sandbox, browser: Browser) -> None:
    send_some(sandbox, "One")
    page = browser.page(timezone="Asia/Tokyo")
    page.goto(sandbox.url)
    at = "document.querySelector('#list time')"
    assert page.evaluate(f"new Date({at}.dateTime).toLocaleTimeString() === {at}.textContent")
    assert page.evaluate("new Date().getTimezoneOffset()") == -540


def _newest(sandbox: Sandbox) -> int:
    number: int = sandbox.service.get("/sandbox/messages.json")[1][0]["number"]
    return number


# -- what a person does ----------------------------------------------------------------------------


def test_new_rows_are_put_in_and_focus_and_selection_stay(
    sandbox: Sandbox, browser: Browser
) -> None:
    send_some(sandbox, "One", "Two")
    page = browser.page()
    page.goto(sandbox.url)
    page.evaluate("window.kept = true")
    page.press("j")
    page.press("j")
    focused = page.evaluate(FOCUSED)
    page.evaluate("getSelection().selectAllChildren(document.querySelector('h1'))")
    send_some(sandbox, "Three")
    page.wait_for(f"{ROWS} === 3")
    assert page.evaluate("window.kept") is True
    assert page.evaluate(FOCUSED) == focused
    assert page.evaluate("getSelection().toString()") == "Inbox"
    assert page.text("#news") == "New message: Three"
    assert page.evaluate("document.title") == "(3) Sandbox · Email Service"
    assert page.text("#counts") == "3 messages, 3 unread"


def test_the_first_message_takes_the_place_of_the_instructions(
    sandbox: Sandbox, browser: Browser
) -> None:
    page = browser.page()
    page.goto(sandbox.url)
    assert "curl -s" in page.text()
    send_some(sandbox, "One")
    page.wait_for(f"{ROWS} === 1")
    assert "curl -s" not in page.text()


def test_nothing_is_asked_for_while_the_tab_is_hidden(sandbox: Sandbox, browser: Browser) -> None:
    page = browser.page()
    page.goto(sandbox.url)
    page.wait_for("performance.getEntriesByType('resource').some(e => e.name.endsWith('/rows'))")
    browser.page(beside=page)
    page.wait_for("document.hidden")
    page.settle(0.5)  # what was on its way
    asked = len(page.requests)
    page.settle(3)
    assert len(page.requests) == asked
    page.bring_to_front()
    wait_until(lambda: page.settle(0.1) or len(page.requests) > asked)


def test_the_keyboard_does_it_all(sandbox: Sandbox, browser: Browser) -> None:
    send_some(sandbox, "One", "Two", "Three")
    page = browser.page()
    page.goto(sandbox.url)
    for key in "jjk":
        page.press(key)
    newest = page.evaluate(FOCUSED)
    page.press("m")
    page.wait_for(f"{ROW}.classList.contains('unread') === false")
    page.press("j")
    page.press("Enter")
    page.wait_for(f"document.title.startsWith('Two') && {READY}")
    page.press("j")
    page.wait_for(f"document.title.startsWith('One') && {READY}")
    page.press("k")
    page.wait_for(f"document.title.startsWith('Two') && {READY}")
    page.press("u")
    page.wait_for(f"{ROW}?.textContent.includes('Two')")
    page.press("d")
    page.wait_for(f"{ROW}?.textContent.includes('One')")
    assert page.evaluate(ROWS) == 2
    assert sandbox.subjects() == ["Three", "One"]
    page.press("k")
    assert page.evaluate(FOCUSED) == newest
    page.press("/")
    page.type("from:nobody")
    page.press("Enter")
    page.wait_for("document.body.innerText.includes('No message is what this search looks for')")


def test_the_keys_can_be_switched_off(sandbox: Sandbox, browser: Browser) -> None:
    send_some(sandbox, "One")
    page = browser.page()
    page.goto(sandbox.url)
    page.press("?")
    page.click("#keys-on")
    page.goto(f"{sandbox.url}/{_newest(sandbox)}")
    page.press("d")
    page.settle(0.3)
    assert sandbox.subjects() == ["One"]


def test_everything_works_without_scripts(sandbox: Sandbox, browser: Browser) -> None:
    sandbox.send(an_order())
    send_some(sandbox, "One", "Two", "Three")
    page = browser.page(scripts=False)
    page.goto(sandbox.url)
    page.click("#q")
    page.type("has:attachment")
    page.click_through(".search button")
    page.click_through("#list .open")
    for tab, text in (("text", "Thank you, Ada."), ("headers", "MIME-Version"), ("links", "View")):
        page.click_through(f'.tabs a[href*="/{tab}"]')
        assert text in page.text("#shown")
    page.click_through("#delete")
    assert sandbox.subjects() == ["Three", "Two", "One"]
    page.click_through(".search a")
    page.click_through("#list .delete")
    assert sandbox.subjects() == ["Two", "One"]
    page.click(".menu summary")
    page.click_through(".menu button")
    assert sandbox.subjects() == []


def test_a_link_in_a_message_opens_in_a_tab_of_its_own(sandbox: Sandbox, browser: Browser) -> None:
    sandbox.send(a_message(html=f'<a id="x" href="{sandbox.url}">go</a>').as_bytes())
    page = browser.page()
    page.goto(f"{sandbox.url}/{_newest(sandbox)}")
    frame = "document.getElementById('frame').contentDocument"
    page.wait_for(f"{frame}.querySelector('a[href]') !== null")
    before = page.tabs()
    page.click_in_frame("#frame", "a")
    wait_until(lambda: page.tabs() == before + 1)
    assert page.evaluate("document.getElementById('frame') !== null")


def test_a_message_of_the_service_names_its_email(sandbox: Sandbox, browser: Browser) -> None:
    sandbox.account()
    email_id = sandbox.service.submit("From the service")
    wait_until(lambda: sandbox.subjects() == ["From the service"])
    page = browser.page()
    page.goto(f"{sandbox.url}/{_newest(sandbox)}")
    assert f"Email\n{email_id} of this service" in page.text(".envelope") or (
        f"Email {email_id} in the dashboard" in page.text(".envelope")
    )


# -- what no message can do ------------------------------------------------------------------------

HOSTILE = (
    "<script>executed('script')</script>",
    "<img src=x onerror=executed('img')>",
    "<svg onload=executed('svg')></svg>",
    "<svg><script>executed('svg script')</script></svg>",
    "<body onload=executed('body')>",
    "<iframe srcdoc=\"<script>parent.executed('srcdoc')</script>\"></iframe>",
    "<iframe src=\"javascript:parent.executed('iframe')\"></iframe>",
    "<details open ontoggle=executed('details')>x</details>",
    "<input autofocus onfocus=executed('focus')>",
    "<video><source onerror=executed('video')></video>",
    "<style>@import 'http://elsewhere.example/x'; p { background: url(//else.example) }</style>",
    "<math><mtext><table><mglyph><style><img src onerror=\"executed('mutation')\">",
    "<noscript><p title=\"</noscript><img src=x onerror=executed('noscript')>\">",
    "<svg></p><style><a id='</style><img src=1 onerror=executed(1)>'>",
    "<form action=//elsewhere.example><button autofocus onfocus=executed('button')>x",
    "<meta http-equiv=refresh content='0;url=http://elsewhere.example/'>",
    "<base href='http://elsewhere.example/'><link rel=stylesheet href=x.css>",
    "<object data=\"javascript:executed('object')\"></object><embed src=//elsewhere.example>",
    "\"><script>executed('quote')</script>",
    "'><img src=x onerror=executed('apostrophe')>",
    "</title></style></textarea><script>executed('closed')</script>",
    "{{ 7 * 7 }}<template><script>executed('template')</script></template>",
    "<a href=\"javascript:executed('link')\" autofocus>x</a>",
    "\u2028<img src=x onerror=executed('separator')>",
)


def a_hostile_message(payload: str) -> bytes:
    """With the payload wherever something is shown, written as it is: no library cares for it."""
    plain = payload.encode()
    lines = (
        b'From: "%s" <a@example.com>' % plain.replace(b'"', b"'"),
        b"To: %s <ada@example.org>" % plain,
        b"Subject: %s" % plain,
        b"X-%s: %s" % (plain.replace(b":", b"").replace(b" ", b"-"), plain),
        b"Content-Type: multipart/mixed; boundary=b",
        b"",
        b"--b",
        b"Content-Type: text/plain; charset=utf-8",
        b"",
        plain,
        b"--b",
        b"Content-Type: text/html; charset=utf-8",
        b"",
        b"<p>Before</p>%s<p>After</p>" % plain,
        b"--b",
        b"Content-Type: image/png; name*=utf-8''%s" % quote(payload).encode(),
        b"Content-Disposition: attachment; filename*=utf-8''%s" % quote(payload).encode(),
        b"Content-ID: <%s>" % plain,
        b"",
        plain,
        b"--b--",
        b"",
    )
    return b"\r\n".join(lines)


def test_t_xss_no_message_runs_anything_or_loads_anything(
    sandbox: Sandbox, browser: Browser
) -> None:
    for payload in HOSTILE:
        sandbox.send(a_hostile_message(payload))
    page = browser.page()
    page.goto(sandbox.url)
    send_some(sandbox, HOSTILE[1])  # its row is put in by the script
    page.wait_for(f"{ROWS} === {len(HOSTILE) + 1}")
    newest = _newest(sandbox)
    for number in range(newest - len(HOSTILE), newest):
        page.goto(f"{sandbox.url}/{number}")
    for tab in ("text", "headers", "source", "parts", "links", "checks"):
        for number in (newest - len(HOSTILE), newest - len(HOSTILE) + 1, newest - 6):
            page.goto(f"{sandbox.url}/{number}/{tab}")
    for number in (newest - 6, newest - 3):
        page.goto(f"{sandbox.url}/{number}/html")
    page.settle()
    assert page.executed == []
    assert [one for one in page.requests if not one.startswith((sandbox.url, "data:"))] == []


def test_t_xss_the_same_markup_runs_where_nothing_stops_it(browser: Browser) -> None:
    """So the test above could fail."""
    page = browser.page()
    for payload in HOSTILE[:10]:
        page.goto(f"data:text/html,{quote(payload)}")
    page.settle()
    assert {"script", "img", "svg", "body"} <= set(page.executed)
