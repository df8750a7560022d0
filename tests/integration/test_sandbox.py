"""The sandbox: a real SMTP client on one side, the pages on the other."""

import json
import logging
import re
import smtplib
import socket
import threading
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from time import monotonic

import pytest
from flask import Flask
from flask.testing import FlaskClient

from adapters.fakes.clock import FakeClock
from adapters.message_reader import BoundedMessageReader
from adapters.sandbox_inbox import MOST_MESSAGES, SandboxInbox
from entrypoints.http.sandbox import Sandbox
from entrypoints.http.sandbox.policies import MESSAGE_CSP

SLOW_S = 0.2
PATHS = (
    *(
        "",
        "?q=x",
        "/rows",
        "/messages.json",
        "/1.json",
        "/1/raw",
        "/1/html",
        "/1/html?images=remote",
    ),
    *("/1", "/1/text", "/1/headers", "/1/source", "/1/parts", "/1/links", "/1/checks"),
)
EVIL = '"><img src=x onerror=alert(1)><script>alert(2)</script>'


@pytest.fixture
def inbox() -> Iterator[SandboxInbox]:
    inbox = SandboxInbox(clock=FakeClock(), reader=BoundedMessageReader(), port=0, slow_s=SLOW_S)
    inbox.start()
    yield inbox
    inbox.close()


@pytest.fixture
def client(inbox: SandboxInbox) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP(inbox.host, inbox.port, local_hostname="test", timeout=10) as client:
        yield client


@pytest.fixture
def pages(inbox: SandboxInbox) -> FlaskClient:
    app = Flask("sandbox-test")
    app.register_blueprint(Sandbox(inbox).routes())
    return app.test_client()


def a_message(subject: str = "Hello", html: str = "<p>Hi</p>") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Ada <ada@example.com>"
    message["To"] = "bob@example.com"
    message["Subject"] = subject
    message.set_content("Hi in plain text")
    message.add_alternative(html, subtype="html")
    return message


def send(client: smtplib.SMTP, *recipients: str, **fields: str) -> None:
    client.sendmail("ada@example.com", recipients, a_message(**fields).as_bytes())


# -- the server ------------------------------------------------------------------------------------


def test_what_is_sent_stands_in_the_inbox_as_it_was_sent(inbox, client):
    octets = b"Subject: Hello\r\n\r\n.a line that begins with a dot\r\nend\r\n"
    client.sendmail("ada@example.com", ["bob@example.com", "eve@example.com"], octets)
    (received,) = inbox.messages()
    assert received.sender == "ada@example.com"
    assert received.recipients == ("bob@example.com", "eve@example.com")
    assert received.octets == octets


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_any_password_will_do_and_nothing_is_warned_of(client, caplog, mechanism):
    client.ehlo()
    client.user, client.password = "anybody", "anything"
    method = {"PLAIN": client.auth_plain, "LOGIN": client.auth_login}[mechanism]
    with caplog.at_level(logging.WARNING):
        code, _ = client.auth(mechanism, method)
    assert code == 235
    assert caplog.records == []


def test_addresses_outside_ascii_are_taken(inbox, client):
    message = a_message()
    client.ehlo()
    assert client.has_extn("SMTPUTF8")
    client.sendmail("ada@example.com", ["jürgen@example.com"], message.as_bytes(), ["SMTPUTF8"])
    assert inbox.messages()[0].recipients == ("jürgen@example.com",)


@pytest.mark.parametrize("code", [450, 451, 452, 499, 550, 552, 554, 599])
def test_a_recipient_plays_its_reply_and_the_others_get_the_mail(inbox, client, code):
    refused = f"reply-{code}@example.com"
    answer = client.sendmail("ada@example.com", [refused, "bob@example.com"], b"Subject: x\r\n\r\n")
    assert answer[refused][0] == code
    assert re.match(rb"[45]\.\d\.\d ", answer[refused][1])
    assert inbox.messages()[0].recipients == ("bob@example.com",)


def test_a_greylisting_recipient_is_deferred_once_and_then_accepted(inbox, client):
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        send(client, "reply-451-once@example.com")
    assert refused.value.recipients["reply-451-once@example.com"][0] == 451
    send(client, "reply-451-once@example.com")
    assert len(inbox.messages()) == 1


def test_a_reply_at_the_dot_comes_after_the_message_and_nothing_is_kept(inbox, client):
    with pytest.raises(smtplib.SMTPDataError) as refused:
        send(client, "reply-554-dot@example.com")
    assert refused.value.smtp_code == 554
    assert inbox.messages() == ()


def test_421_closes_the_connection(inbox):
    client = smtplib.SMTP(inbox.host, inbox.port, local_hostname="test", timeout=10)
    client.ehlo()
    client.mail("ada@example.com")
    code, _ = client.rcpt("reply-421@example.com")
    assert code == 421
    assert client.sock is not None
    assert client.sock.recv(100) == b""
    client.close()


@pytest.mark.parametrize("address", ["reply-250@example.com", "reply-999@x.org", "reply@x.org"])
def test_what_only_looks_like_an_outcome_is_an_ordinary_recipient(inbox, client, address):
    send(client, address)
    assert inbox.messages()[0].recipients == (address,)


def test_a_reply_of_many_lines_waits_for_no_acknowledgement(client):
    """Its lines are packets of their own: held back until the first is acknowledged, 40 ms."""

    def seconds(*calls: Callable[[], object]) -> float:
        started = monotonic()
        for call in calls:
            call()
        return monotonic() - started

    many_lines = min(seconds(client.ehlo) for _ in range(5))
    one_line = seconds(*[client.noop] * 30)
    assert many_lines < one_line


def test_a_slow_recipient_takes_its_time(inbox, client):
    started = monotonic()
    send(client, "slow@example.com")
    assert monotonic() - started >= SLOW_S
    assert len(inbox.messages()) == 1


def test_only_the_last_messages_are_kept(inbox):
    for number in range(MOST_MESSAGES + 3):
        inbox.keep("a@example.com", ["b@example.com"], b"Subject: %d\r\n\r\n" % number)
    kept = inbox.messages()
    assert len(kept) == MOST_MESSAGES
    assert (kept[0].number, kept[-1].number) == (MOST_MESSAGES + 3, 4)
    assert inbox.get(3) is None


def test_the_list_goes_page_by_page(inbox, pages):
    for number in range(120):
        inbox.keep("a@example.com", ["b@example.com"], b"Subject: no %d\r\n\r\n" % number)
    seen, path = [], "/sandbox"
    while path:
        page = pages.get(path)
        assert "120 messages" in page.text
        seen += [int(number) for number in re.findall(r'id="m(\d+)"', page.text)]
        older = re.search(r'<a id="older" rel="next" href="([^"]+)">', page.text)
        path = older and older[1]

    assert seen == list(range(120, 0, -1))


def test_the_feed_of_a_page_says_how_many_there_are_and_where_the_next_one_begins(inbox, pages):
    for _ in range(120):
        inbox.keep("a@example.com", ["b@example.com"], b"Subject: x\r\n\r\n")

    first, last = pages.get("/sandbox/rows"), pages.get("/sandbox/rows?before=21")

    assert (first.headers["Sandbox-Found"], first.headers["Sandbox-Older"]) == ("120", "71")
    assert (first.text.count("<li"), last.text.count("<li")) == (50, 20)
    assert last.headers["Sandbox-Older"] == ""
    for place in ("x", "-1", "9" * 30, "\N{SUPERSCRIPT TWO}"):
        assert pages.get(f"/sandbox?before={place}").status_code == 200


def test_big_messages_are_kept_up_to_a_bound(inbox):
    for _ in range(5):
        inbox.keep("a@example.com", ["b@example.com"], bytes(20_000_000))
    assert len(inbox.messages()) == 3


def test_a_taken_port_is_an_error_at_once(inbox):
    with pytest.raises(OSError, match="in use"):
        SandboxInbox(clock=FakeClock(), reader=BoundedMessageReader(), port=inbox.port).start()


def test_closing_drops_the_connections_and_frees_the_port(inbox):
    with socket.create_connection((inbox.host, inbox.port), timeout=10) as connection:
        replies = connection.makefile("rb")
        assert replies.readline().startswith(b"220 ")
        connection.sendall(b"EHLO test\r\n")
        while not replies.readline().startswith(b"250 "):
            pass
        inbox.close()
        assert replies.read() == b""
        replies.close()
    again = SandboxInbox(clock=FakeClock(), reader=BoundedMessageReader(), port=inbox.port)
    again.start()
    again.close()


# -- the pages ----------------------------------------------------------------------------------


def test_the_empty_inbox_says_what_to_type(inbox, pages):
    text = pages.get("/sandbox").get_data(as_text=True)
    assert "No mail yet" in text
    assert "curl -s http://localhost/api/smtp-configs" in text
    assert f"&#34;smtp_port&#34;: {inbox.port}" in text or f'"smtp_port": {inbox.port}' in text
    assert "curl -s http://localhost/api/emails" in text


def test_a_message_stands_in_the_list_and_on_its_page(client, pages):
    send(client, "bob@example.com", subject="Grüße")
    listed = pages.get("/sandbox").get_data(as_text=True)
    assert "Grüße" in listed
    assert 'href="/sandbox/1"' in listed
    page = pages.get("/sandbox/1").get_data(as_text=True)
    assert "Ada &lt;ada@example.com&gt;" in page
    assert "<iframe " in page
    assert "Hi in plain text" in pages.get("/sandbox/1/text").get_data(as_text=True)


def test_programs_read_the_same_list(client, pages):
    send(client, "bob@example.com", subject="One")
    send(client, "bob@example.com", subject="Two")
    two, one = json.loads(pages.get("/sandbox/messages.json").data)
    assert (one["subject"], two["subject"]) == ("One", "Two")
    assert one["number"] == 1
    assert one["from"] == "ada@example.com"
    assert (one["to"], one["cc"], one["bcc"]) == (["bob@example.com"], [], [])
    assert one["recipients"] == ["bob@example.com"]
    assert one["received_at"] == "2026-01-05T09:00:00.000000"


def test_a_blind_copy_is_distinguished_from_the_other_recipients(client, pages):
    message = a_message()
    message["Cc"] = "Carol <carol@example.com>"
    recipients = ["eve@example.com", "carol@example.com", "bob@example.com"]
    client.sendmail("ada@example.com", recipients, message.as_bytes())
    [told] = json.loads(pages.get("/sandbox/messages.json").data)
    assert told["recipients"] == recipients
    assert told["to"] == ["bob@example.com"]
    assert told["cc"] == ["carol@example.com"]
    assert told["bcc"] == ["eve@example.com"]
    page = pages.get("/sandbox/1").get_data(as_text=True)
    assert "<dt>To</dt><dd>bob@example.com</dd>" in page
    assert "<dt>Cc</dt><dd>carol@example.com</dd>" in page
    assert re.search("<dt>Bcc</dt><dd>eve@example.com <span", page)
    listed = pages.get("/sandbox").get_data(as_text=True)
    assert re.search('eve@example.com <span class="note">Bcc</span>', listed)


def test_one_that_takes_long_to_read_holds_no_other_connection_up(inbox, client):
    head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    slow = head + b"--b\r\n\r\nx\r\n" * 100_000
    with smtplib.SMTP(inbox.host, inbox.port, local_hostname="test", timeout=10) as other:
        other.ehlo()
        waits = []

        def ask_on(ended: threading.Event) -> None:
            while not ended.is_set():
                began = monotonic()
                other.noop()
                waits.append(monotonic() - began)

        ended = threading.Event()
        asking = threading.Thread(target=ask_on, args=(ended,))
        asking.start()
        began = monotonic()
        client.sendmail("ada@example.com", ["bob@example.com"], slow)
        took = monotonic() - began
        ended.set()
        asking.join()
    assert max(waits) < took / 2


def test_the_message_can_be_read_as_it_arrived(inbox, client, pages):
    send(client, "bob@example.com")
    response = pages.get("/sandbox/1/raw")
    assert response.data == inbox.messages()[0].octets
    assert response.headers["Content-Disposition"].startswith("attachment")


def test_t_xss_a_message_cannot_write_into_the_pages(client, pages):
    message = EmailMessage()
    message["From"] = "x@example.com"
    message["Subject"] = f"a {EVIL}"
    message["X-Header"] = EVIL
    message.set_content(f"text {EVIL}")
    client.sendmail("ada@example.com", ["bob@example.com"], message.as_bytes())
    for path in ("/sandbox", "/sandbox/1", "/sandbox/1/text", "/sandbox/1/headers"):
        page = pages.get(path).get_data(as_text=True)
        assert "&lt;img src=x" in page
        assert "<img src=x" not in page
        assert "alert(2)</script>" not in page


def test_t_xss_the_html_runs_no_script_and_loads_nothing(client, pages):
    send(client, "bob@example.com", html=f"<p>Hi</p>{EVIL}")
    response = pages.get("/sandbox/1/html")
    assert response.content_type == "text/html; charset=utf-8"
    assert response.headers["Content-Security-Policy"] == MESSAGE_CSP
    assert "default-src 'none'" in MESSAGE_CSP
    assert "; sandbox allow-same-origin allow-popups" in MESSAGE_CSP
    assert "allow-scripts" not in MESSAGE_CSP
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["", "/1", "/1/checks", "/rows", "/messages.json", "/static/list.js"]
)
def test_t_xss_the_pages_run_only_their_own_script_and_cannot_be_framed(client, pages, path):
    send(client, "bob@example.com")
    with pages.get(f"/sandbox{path}") as response:
        policy = response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_the_pages_load_nothing_from_elsewhere(client, pages):
    send(client, "bob@example.com")
    for path in ("/sandbox", "/sandbox/1", "/sandbox/1/parts"):
        page = pages.get(path).get_data(as_text=True)
        assert re.findall(r'(?:src|href)="(?!/sandbox)', page) == []
        assert "style=" not in page
        assert "onclick" not in page


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\xff\xfe\x00not a message",
        b"Subject: =?utf-8?q?broken\r\n\r\n",
        b"Subject: =?nonsense?b?!!?=\r\n\r\nx",
        b"Content-Type: text/plain; charset=klingon\r\n\r\nx",
        b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n!",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"To: \xff@@@, <<>>\r\nDate: yesterday\r\nMessage-ID: <\r\n\r\nx",
        b"Subject: one\r\nSubject: two\r\n\r\nx",
    ],
)
def test_a_broken_message_is_shown_as_well_as_can_be(inbox, pages, octets):
    inbox.keep("a@example.com", ["b@example.com"], octets)
    for path in PATHS:
        assert pages.get(f"/sandbox{path}").status_code == 200


@pytest.mark.parametrize(
    "path", ["/9", "/9/html", "/9/raw", "/9/text", "/9.json", "/x", "/1/x", "/1/../../etc"]
)
def test_what_is_not_there_is_not_found(pages, path):
    assert pages.get(f"/sandbox{path}").status_code == 404
