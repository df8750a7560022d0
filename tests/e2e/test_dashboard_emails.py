"""The pages of emails: what a person reads there of each email, and what they can do with it."""

import re
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import attrs
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from adapters.fakes.clock import FakeClock
from adapters.fakes.script import Fault, Rule, Script
from adapters.fakes.sender import FakeSender
from application import Application
from domain.bounce.report import BounceKind, References, Report, ReportedRecipient
from domain.message.client_headers import reference_of
from domain.outcome.handoff import Stage
from entrypoints.explaining import REASONS, WAITS_FOR
from entrypoints.http.message_parts import FRAME_CSP
from tests.applications import (
    a_client,
    a_config_body,
    a_key,
    a_keyed_client,
    an_application,
    an_email_body,
    deliver,
)
from tests.dashboard import Browser, a_browser, text_of
from tests.shipped_rules import RULES

ADA = "ada@example.org"
EVIL = "<img src=x onerror=alert(1)>"
HOUR_S = 3600.0
DAY_S = 24 * HOUR_S


@attrs.define
class Office:
    """A service with an account, a browser on its dashboard, and a client of its API."""

    clock: FakeClock
    sender: FakeSender
    application: Application
    client: FlaskClient
    browser: Browser

    def account(self, **changes: Any) -> int:
        made = self.client.post("/api/smtp-configs", json=a_config_body(**changes))
        assert made.status_code == 201, made.text
        return int(made.json["config_id"])

    def email(self, **changes: Any) -> int:
        accepted = self.client.post("/api/emails", json=an_email_body(**changes))
        assert accepted.status_code == 201, accepted.text
        return int(accepted.json["email_id"])

    def play(self, *rules: Rule) -> None:
        self.sender.play(Script(rules))

    def deliver(self) -> None:
        deliver(self.application)

    def page(self, path: str) -> TestResponse:
        reply = self.browser.get(path)
        assert reply.status_code == 200, reply.text
        return reply

    def told(self, email_id: int) -> str:
        """What the page of an email says before its timeline."""
        return text_of(self.page(f"/dashboard/emails/{email_id}")).partition(" Timeline ")[0]

    def change(self, email_id: int, change: str, **fields: str) -> TestResponse:
        path = f"/dashboard/emails/{email_id}/{change}"
        self.browser.get(path)
        return self.browser.post(path, **fields)

    def status(self, email_id: int) -> str:
        return str(self.client.get(f"/api/emails/{email_id}").json["status"])


@pytest.fixture
def office() -> Office:
    return an_office()


def an_office() -> Office:
    clock, sender = FakeClock(), FakeSender()
    application = an_application(clock=clock, sender=sender)
    client = a_client(application)
    office = Office(clock, sender, application, client, Browser(application))
    office.account()
    # from here on an API key is needed
    office.client = a_keyed_client(application, "admin")
    office.browser = a_browser(application)
    return office


# -- why ada did not get her mail ------------------------------------------------------------------


def test_a_suppressed_recipient_is_told_with_the_way_out(office: Office) -> None:
    office.client.post("/api/suppressions", json={"address": ADA, "reason": "complaint"})
    told = office.told(office.email())

    assert "Not sent: no recipient may get it" in told
    assert "on the suppression list since 2026-01-05 09:00:00 UTC" in told
    assert "the recipient called a mail spam" in told
    assert "remove it from the suppression list and submit the email again" in told
    assert f"/dashboard/suppressions?address={ADA}" in office.page("/dashboard/emails/1").text


def test_a_bounce_is_told_with_what_the_report_said(office: Office) -> None:
    email_id = office.email()
    office.deliver()
    message_id = office.client.get(f"/api/emails/{email_id}").json["message_id"]
    report = Report(
        recipients=(
            ReportedRecipient(
                recipient=ADA, status="5.1.1", kind=BounceKind.HARD, diagnostic=f"550 no {EVIL}"
            ),
        ),
        references=References(refs=(reference_of(message_id),)),
    )
    office.application.reports.record(report, source="test", account_id=None, report_id="1")

    listed = office.page(f"/dashboard/emails?recipient={ADA}")
    reply = office.page(f"/dashboard/emails/{email_id}")

    assert "sent bounced main" in text_of(listed)
    told = text_of(reply)
    assert "Bounced: it was sent, but not delivered" in told
    assert f"not delivered to {ADA}: 5.1.1 550 no" in told
    assert "bounced" in told.partition("Timeline")[2]
    assert EVIL not in reply.text


def test_a_refusal_is_told_with_the_words_of_the_server(office: Office) -> None:
    office.play(Rule(Stage.RCPT, f"550 5.1.1 no such user {EVIL}"))
    email_id = office.email()
    office.deliver()

    reply = office.page(f"/dashboard/emails/{email_id}")

    told = text_of(reply)
    assert "Refused: the receiving server says that it cannot take mail for this address" in told
    assert f"The server said: 550 5.1.1 no such user {EVIL}" in told
    assert f"550 5.1.1 no such user {EVIL}" in told.partition("Timeline")[2]
    assert EVIL not in reply.text


def test_a_full_limit_is_told_with_when_there_is_room(office: Office) -> None:
    slow = office.account(name="slow", hourly_limit=1, priority_reserve=0)
    first, second = (office.email(smtp_config_id=slow) for _ in range(2))
    office.deliver()

    assert "Sent: the mail server accepted it" in office.told(first)
    told = office.told(second)
    assert "Waiting: the limit of this hour is used up" in told
    assert "1 of 1 used" in told
    assert "Forecast: it goes at about 2026-01-05 10:00:0" in told


def test_a_paused_account_is_told_with_who_must_act(office: Office) -> None:
    email_id = office.email(smtp_config_id=1)
    office.client.post("/api/smtp-configs/1/pause")

    told = office.told(email_id)

    assert "Waiting: the account is paused" in told
    assert "somebody paused it" in told
    assert "It does not go until somebody changes that." in told
    assert "Then resume it." in told


def test_an_expired_email_is_told_with_its_end(office: Office) -> None:
    office.client.post("/api/smtp-configs/1/pause")
    email_id = office.email(expires_at="2026-01-05T10:00:00Z")
    office.clock.tick(2 * HOUR_S)
    office.application.maintenance.sweep()

    told = office.told(email_id)

    assert "Given up: its time was over" in told
    assert "It was to be sent before 2026-01-05 10:00:00 UTC" in told
    assert "It was never tried" in told


def test_a_scheduled_email_is_told_with_its_time(office: Office) -> None:
    told = office.told(office.email(send_at="2026-01-06T09:00:00Z"))

    assert "Scheduled: it is sent later" in told
    assert "Forecast: it goes at about 2026-01-06 09:00:00 UTC" in told


def test_an_email_that_is_retried_is_told_with_its_last_answer(office: Office) -> None:
    office.play(Rule(Stage.RCPT, "451 4.2.0 try later"))
    email_id = office.email()
    office.deliver()

    told = office.told(email_id)

    assert "It will be tried again" in told
    assert "the mail server asked to try again later. The server said: 451 4.2.0 try later" in told


def test_an_unknown_outcome_is_told_with_both_ways_on(office: Office) -> None:
    email_id = an_unknown(office)

    told = office.told(email_id)

    assert "Unknown: a mail server may have it" in told
    assert "It was sent… Send it again…" in told


def test_a_partial_email_says_who_did_not_get_it(office: Office) -> None:
    office.play(Rule(Stage.RCPT, "550 5.1.1 no such user", recipient="eve@example.org"))
    email_id = office.email(recipients=[ADA, "eve@example.org"])
    office.deliver()

    told = office.told(email_id)

    assert "Sent, but 1 of 2 recipients was not reached" in told
    assert "sent, 1 of 2 not reached" in told
    assert "eve@example.org: the receiving server says" in told
    assert "sent, 1 of 2 not reached" in text_of(office.page("/dashboard/emails"))


def test_a_refused_address_is_told_to_be_on_the_suppression_list(office: Office) -> None:
    email_id = failed(office)

    told = office.told(email_id)

    assert f"{ADA}: on the suppression list since 2026-01-05 09:00:00 UTC" in told
    assert "the address does not exist" in told
    path = f"/dashboard/emails/{email_id}"
    assert f'href="/dashboard/suppressions?address={ADA}"' in office.page(path).text


def test_a_refused_address_that_is_not_on_the_list_is_told_without_it(office: Office) -> None:
    email_id = refused(office)

    assert "suppression list" not in office.told(email_id)


def test_an_account_that_is_not_active_is_told(office: Office) -> None:
    email_id = office.email()
    office.client.put("/api/smtp-configs/1", json=a_config_body(active=False))

    assert "Waiting: the account is not active" in office.told(email_id)


def an_unknown(office: Office) -> int:
    office.play(Rule(Stage.DOT, Fault.ACCEPT_CLOSE))
    email_id = office.email(at_most_once=True)
    office.deliver()
    assert office.status(email_id) == "failed"
    return email_id


def test_every_reason_of_the_shipped_rules_has_words() -> None:
    assert {rule.reason for rule in RULES.rules} - REASONS.keys() == set()
    assert all(text[0].islower() for text in (*REASONS.values(), *WAITS_FOR.values()))


# -- the message -----------------------------------------------------------------------------------

HTML = """<p onclick="alert(1)">Hello</p><script>alert(1)</script>
<img src="https://evil.example/pixel.png"><a href="javascript:alert(1)">x</a>"""


def test_the_html_is_shown_in_a_frame_that_can_do_nothing(office: Office) -> None:
    email_id = office.email(html_content=HTML)

    page = office.page(f"/dashboard/emails/{email_id}").text
    frame = office.page(f"/dashboard/emails/{email_id}/html")

    assert re.search(r'<iframe sandbox [^>]+src="/dashboard/emails/1/html">', page)
    assert frame.headers["Content-Security-Policy"] == FRAME_CSP
    assert frame.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "Hello" in frame.text
    for harm in ("script", "onclick", "evil.example", "javascript"):
        assert harm not in frame.text


def test_text_headers_and_source_are_tabs(office: Office) -> None:
    email_id = office.email(subject=EVIL, text_content=f"plain {EVIL}")
    of_it = f"/dashboard/emails/{email_id}"

    text, headers, source = (office.page(f"{of_it}?tab={tab}") for tab in TABS)

    assert f"plain {EVIL}" in text_of(text)
    assert f"Subject {EVIL}" in text_of(headers)
    assert "Content-Type: multipart/alternative" in text_of(source)
    for reply in (text, headers, source, office.page(f"{of_it}?tab={EVIL}")):
        assert EVIL not in reply.text


TABS = ("text", "headers", "source")


def test_an_attachment_is_downloaded_under_its_own_name(office: Office) -> None:
    name = '<b>"Rechnung" Ü.pdf'
    file = {"filename": name, "content": b64encode(b"%PDF").decode(), "content_type": "text/html"}
    email_id = office.email(attachments=[file])
    page = office.page(f"/dashboard/emails/{email_id}")
    (path,) = re.findall(r'href="(/dashboard/emails/1/parts/\d+)"[^>]+Rechnung', page.text)

    part = office.page(path)

    assert part.data == b"%PDF"
    assert part.headers["Content-Type"] == "application/octet-stream"
    assert part.headers["Content-Disposition"].startswith('attachment; filename="<b>_Rechnung_ _')
    assert "<b>" not in page.text
    assert office.browser.get("/dashboard/emails/1/parts/99").status_code == 404
    assert office.browser.get("/dashboard/emails/1/parts/0").status_code == 404


def test_the_whole_message_is_downloaded_as_the_api_gives_it(office: Office) -> None:
    email_id = office.email()

    raw = office.page(f"/dashboard/emails/{email_id}/raw")

    assert raw.data == office.client.get(f"/api/emails/{email_id}/raw").data
    assert raw.headers["Content-Disposition"] == 'attachment; filename="email-1.eml"'


def test_of_an_old_email_only_what_became_of_it_is_left(office: Office) -> None:
    email_id = office.email()
    office.client.post(f"/api/emails/{email_id}/cancel")
    office.clock.tick(2 * DAY_S)
    office.application.maintenance.sweep()
    browser = a_browser(office.application)

    told = text_of(browser.get(f"/dashboard/emails/{email_id}"))

    assert "The message was removed 2026-01-07" in told
    assert "Cancelled: it was not sent" in told
    for document in ("html", "raw", "parts/1"):
        assert browser.get(f"/dashboard/emails/{email_id}/{document}").status_code == 410


def test_an_email_that_is_not_there_is_404(office: Office) -> None:
    for path in ("999", "999/html", "999/raw", "999/parts/1", "999/cancel"):
        assert office.browser.get(f"/dashboard/emails/{path}").status_code == 404
    assert office.browser.get("/dashboard/emails/99999999999999999999").status_code == 404


def test_a_poll_brings_the_state_without_the_message(office: Office) -> None:
    email_id = office.email(text_content="a long text")

    reply = office.browser.get(
        f"/dashboard/emails/{email_id}?tab=text", headers={"HX-Request": "true"}
    )

    assert 'id="state"' in reply.text
    assert "a long text" not in reply.text


# -- what can be done ------------------------------------------------------------------------------


def waiting(office: Office) -> int:
    return office.email(send_at="2026-01-06T09:00:00Z")


def failed(office: Office) -> int:
    """For an address that is on the suppression list from then on."""
    return refused(office, "550 5.1.1 no such user")


def refused(office: Office, reply: str = "550 5.7.1 not from you") -> int:
    office.play(Rule(Stage.RCPT, reply))
    email_id = office.email()
    office.deliver()
    return email_id


def sent(office: Office) -> int:
    email_id = office.email()
    office.deliver()
    return email_id


def suppressed(office: Office) -> int:
    office.client.post("/api/suppressions", json={"address": ADA})
    return office.email()


@pytest.mark.parametrize(
    ("make", "possible"),
    [
        (waiting, {"reschedule", "cancel"}),
        (failed, {"retry"}),
        (an_unknown, {"sent", "resend"}),
        (sent, set()),
        (suppressed, set()),
    ],
    ids=["waiting", "failed", "unknown", "sent", "suppressed"],
)
def test_only_what_is_possible_is_offered(
    make: Callable[[Office], int], possible: set[str]
) -> None:
    office = an_office()
    email_id = make(office)

    page = office.page(f"/dashboard/emails/{email_id}").text

    assert set(re.findall(rf"/dashboard/emails/{email_id}/(\w+)\">[^<]+…", page)) == possible
    for change in ("retry", "sent", "resend", "reschedule", "cancel"):
        form = office.browser.get(f"/dashboard/emails/{email_id}/{change}")
        assert (form.status_code, "<button" in form.text.partition("<main")[2]) == (
            (200, True) if change in possible else (409, False)
        )
        if change not in possible:
            before = office.status(email_id)
            assert office.change(email_id, change).status_code == 409
            assert office.status(email_id) == before


def test_an_email_is_cancelled(office: Office) -> None:
    email_id = waiting(office)

    reply = office.change(email_id, "cancel")

    assert (reply.status_code, office.status(email_id)) == (303, "cancelled")
    assert "The email is cancelled." in text_of(office.page(reply.headers["Location"]))


def test_an_email_is_sent_at_another_time(office: Office) -> None:
    email_id = waiting(office)

    assert office.change(email_id, "reschedule", send_at="2026-01-07T10:30").status_code == 303
    shown = office.client.get(f"/api/emails/{email_id}").json
    assert shown["send_at"] == "2026-01-07T10:30:00.000000"

    assert office.change(email_id, "reschedule", send_at="").status_code == 400
    assert office.change(email_id, "reschedule", now="yes").status_code == 303
    assert office.status(email_id) == "queued"


@pytest.mark.parametrize("send_at", ["tomorrow", "2026-13-01T00:00", "2027-01-01T00:00", EVIL])
def test_a_time_that_is_none_is_refused_and_kept_in_the_field(office: Office, send_at: str) -> None:
    email_id = waiting(office)

    reply = office.change(email_id, "reschedule", send_at=send_at)

    assert reply.status_code == 400
    assert 'role="alert"' in reply.text
    assert EVIL not in reply.text
    assert send_at == EVIL or f'value="{send_at}"' in reply.text


def test_a_failed_email_is_retried_through_another_account(office: Office) -> None:
    email_id = refused(office)
    other = office.account(name="other", email_address="other@example.com")
    office.play()

    assert office.change(email_id, "retry", account=str(other)).status_code == 303
    assert office.status(email_id) == "retry"
    office.deliver()

    assert "Attempt 2 through other accepted" in text_of(
        office.page(f"/dashboard/emails/{email_id}")
    )


def test_a_retry_for_a_suppressed_address_is_refused_with_the_way_out(office: Office) -> None:
    email_id = refused(office)
    office.client.post("/api/suppressions", json={"address": ADA, "reason": "manual"})
    since = office.client.get("/api/suppressions").json
    office.play()
    office.clock.tick(60)
    office.browser = a_browser(office.application)

    asked = office.browser.get(f"/dashboard/emails/{email_id}/retry")

    assert asked.status_code == 409
    assert f"every recipient of email {email_id} is on the suppression list" in text_of(asked)
    assert f'href="/dashboard/suppressions?address={ADA}"' in asked.text
    assert office.client.post(f"/api/emails/{email_id}/retry").status_code == 409
    assert office.status(email_id) == "failed"
    assert office.client.get("/api/suppressions").json == since
    office.client.delete(f"/api/suppressions/{ADA}")
    assert office.change(email_id, "retry").status_code == 303
    office.deliver()
    assert office.status(email_id) == "sent"


def test_a_retry_names_those_who_get_nothing_beside_the_others(office: Office) -> None:
    office.play(Rule(Stage.RCPT, "550 5.7.1 not from you"))
    email_id = office.email(recipients=[ADA, "eve@example.org"])
    office.deliver()
    office.client.post("/api/suppressions", json={"address": ADA, "reason": "manual"})

    told = text_of(office.page(f"/dashboard/emails/{email_id}/retry"))

    assert f"This recipient is on the suppression list now. Nothing is sent to: {ADA}" in told
    assert "eve@example.org" not in told


def test_a_retry_of_what_nobody_suppressed_has_no_warning(office: Office) -> None:
    told = text_of(office.page(f"/dashboard/emails/{refused(office)}/retry"))
    assert "suppression list" not in told


def test_a_retry_through_an_account_that_is_not_there_is_refused(office: Office) -> None:
    email_id = failed(office)

    assert office.change(email_id, "retry", account="99").status_code == 404
    assert office.change(email_id, "retry", account=EVIL).status_code == 400
    assert office.status(email_id) == "failed"


@pytest.mark.parametrize(("change", "status"), [("sent", "sent"), ("resend", "retry")])
def test_an_unknown_outcome_is_resolved(office: Office, change: str, status: str) -> None:
    email_id = an_unknown(office)

    assert office.change(email_id, change).status_code == 303
    assert office.status(email_id) == status


def test_why_a_retry_is_impossible_is_told(office: Office) -> None:
    email_id = failed(office)
    office.clock.tick(31 * DAY_S)
    office.application.maintenance.sweep()
    office.browser = a_browser(office.application)

    told = office.told(email_id)

    assert "Retry is not possible: the message of email 1 was removed" in told


# -- the list --------------------------------------------------------------------------------------


def subjects(reply: TestResponse) -> list[str]:
    return re.findall(r'/dashboard/emails/\d+(?:\?back=[^"]*)?">([^<]+)</a>', reply.text)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Third", "Second", "First"]),
        ("recipient=EVE@example.org", ["Second"]),
        ("subject=fir", ["First"]),
        ("tag=order", ["Third"]),
        ("status=scheduled", ["Third"]),
        ("account=2", ["Second"]),
        ("since=2026-01-05T09:30", ["Third", "Second"]),
        ("until=2026-01-05T09:30", ["First"]),
        ("since=2026-01-05T09:30&status=queued", ["Second"]),
        ("recipient=nobody@example.org", []),
    ],
)
def test_emails_are_searched_for_by_what_stands_in_the_address(
    query: str, found: list[str]
) -> None:
    office = an_office()
    office.account(name="other", email_address="other@example.com")
    office.email(subject="First")
    office.clock.tick(HOUR_S)
    office.email(subject="Second", recipients=["eve@example.org"], smtp_config_id=2)
    office.email(subject="Third", tags=["order"], send_at="2026-01-06T09:00:00Z")

    reply = office.page(f"/dashboard/emails?{query}")

    assert subjects(reply) == found
    assert bool(found) != ("No email was found" in reply.text)


@pytest.mark.parametrize(
    "query",
    [
        "recipient=ada", "recipient=a@b@c.org", "status=lost", "account=x", "account=0",
        "since=yesterday", "until=2026-99-01T00:00", "subject=%00", "tag=1%0a1",
        "account=99999999999999999999999",
    ],
)  # fmt: skip
def test_what_cannot_be_searched_for_is_marked_and_kept(office: Office, query: str) -> None:
    office.email(subject="First")

    reply = office.browser.get(f"/dashboard/emails?{query}")

    assert (reply.status_code, subjects(reply)) == (400, [])
    assert 'aria-invalid="true"' in reply.text


def test_the_list_is_read_page_by_page(office: Office) -> None:
    for number in range(52):
        office.email(subject=f"No. {number}", tags=["many"])

    first = office.page("/dashboard/emails?tag=many")
    (older,) = re.findall(r'href="([^"]+)" rel="next"', first.text)
    second = office.page(older.replace("&amp;", "&"))

    assert subjects(first) == [f"No. {number}" for number in range(51, 1, -1)]
    assert subjects(second) == ["No. 1", "No. 0"]
    assert 'rel="next"' not in second.text
    assert "tag=many" in older


def test_the_way_back_leads_to_the_search(office: Office) -> None:
    email_id = office.email(subject="Hello & <b>", tags=["many"])
    searched = office.page("/dashboard/emails?tag=many&status=queued")
    (link,) = re.findall(rf'href="(/dashboard/emails/{email_id}[^"]*)"', searched.text)

    page = office.page(unescape(link))
    change = office.page(
        re.findall(rf'href="(/dashboard/emails/{email_id}/cancel[^"]*)"', page.text)[0]
    )
    done = office.browser.post(
        unescape(re.findall(r'<form method="post" action="([^"]*cancel[^"]*)"', change.text)[0])
    )

    assert back_of(page) == "/dashboard/emails?tag=many&status=queued"
    assert back_of(office.page(done.headers["Location"])) == back_of(page)


def test_without_a_search_the_way_back_leads_to_all_emails(office: Office) -> None:
    email_id = office.email()
    listed = office.page("/dashboard/emails")

    assert f'href="/dashboard/emails/{email_id}"' in listed.text
    assert back_of(office.page(f"/dashboard/emails/{email_id}")) == "/dashboard/emails"


@pytest.mark.parametrize(
    ("back", "leads_to"),
    [
        ("https://evil.example", "/dashboard/emails"),
        ("//evil.example/", "/dashboard/emails"),
        ("javascript:alert(1)", "/dashboard/emails"),
        ("_external=1&_scheme=javascript&_anchor=x&endpoint=y", "/dashboard/emails"),
        ("tag=a&next=https://evil.example", "/dashboard/emails?tag=a"),
        ('tag="><script>alert(1)</script>', None),
        ("tag=" + "x" * 5000, "/dashboard/emails"),
        ("&".join(f"tag={n}" for n in range(99)), "/dashboard/emails"),
    ],
)
def test_the_way_back_leads_nowhere_else(office: Office, back: str, leads_to: str | None) -> None:
    email_id = office.email()

    reply = office.browser.get(f"/dashboard/emails/{email_id}", query_string={"back": back})

    assert reply.status_code == 200
    assert back_of(reply).startswith("/dashboard/emails")
    assert leads_to in (None, back_of(reply))
    assert "<script>alert" not in reply.text


def back_of(reply: TestResponse) -> str:
    (found,) = re.findall(r'<p class="back"><a href="([^"]*)">', reply.text)
    return unescape(found)


def test_waiting_rows_say_why_they_wait(office: Office) -> None:
    office.account(name="small", email_address="small@example.com", hourly_limit=1)
    for _ in range(2):
        office.email(subject="limited", smtp_config_id=2)
    office.deliver()
    office.email(subject="later", send_at="2026-01-06T09:00:00Z", smtp_config_id=1)
    office.client.post("/api/smtp-configs/1/pause", json={})
    office.email(subject="held", smtp_config_id=1)

    text = text_of(office.page("/dashboard/emails"))

    assert "The account is paused: somebody paused it" in text
    assert "Its time has not come yet, until 2026-01-06 09:00:00 UTC" in text
    assert "The limit of this hour is used up" in text


def test_the_emails_that_wait_for_an_account_are_a_list(office: Office) -> None:
    office.account(name="other", email_address="other@example.com")
    office.email(subject="Sent", smtp_config_id=1)
    office.deliver()
    office.email(subject="First", smtp_config_id=1)
    office.email(subject="Second", smtp_config_id=2, send_at="2026-01-06T09:00:00Z")
    office.email(subject="Any")

    assert subjects(office.page("/dashboard/emails?queue=1")) == ["First"]
    assert subjects(office.page("/dashboard/emails?queue=2")) == ["Second"]
    assert subjects(office.page("/dashboard/emails?queue=0")) == ["Any"]
    assert office.browser.get("/dashboard/emails?queue=x").status_code == 400


def test_the_conditions_are_told_in_words_and_local_times(office: Office) -> None:
    email_id = office.email(send_at="2026-01-06T09:00:00Z", smtp_config_id=1)
    office.client.post("/api/smtp-configs/1/pause", json={})

    page = office.page(f"/dashboard/emails/{email_id}")
    table = text_of(page).partition("Why it waits")[2].partition("Timeline")[0]

    assert "T09:00:00Z" not in table
    assert "by_hand" not in table
    assert "the account is not paused no somebody paused it" in table
    assert '<td data-label="Until"><time datetime="2026-01-06T09:00:00Z">' in page.text


def test_fields_of_times_say_their_zone(office: Office) -> None:
    email_id = office.email()
    pages = ["/dashboard/emails", f"/dashboard/emails/{email_id}/reschedule"]
    for page in map(office.page, pages):
        fields = re.findall(r'<label for="([^"]+)">[^<]*\(<span data-zone>UTC</span>\)', page.text)
        assert fields == re.findall(r'<input id="([^"]+)"[^>]*data-utc', page.text) != []


def test_a_cursor_that_was_made_up_is_refused(office: Office) -> None:
    assert office.browser.get("/dashboard/emails?cursor=AAAA").status_code == 400


def test_nothing_that_somebody_sent_is_markup(office: Office) -> None:
    email_id = office.email(
        subject=EVIL,
        tags=[EVIL],
        metadata={"key": EVIL},
        recipients=[{"address": ADA, "name": EVIL}],
        html_content=EVIL,
    )

    for path in (
        "/dashboard/emails",
        f"/dashboard/emails?subject={EVIL}&tag={EVIL}&recipient={EVIL}",
        f"/dashboard/emails/{email_id}",
        f"/dashboard/emails/{email_id}?tab=source",
        f"/dashboard/emails/{email_id}/cancel",
    ):
        reply = office.browser.get(path)
        assert "&lt;img src=x onerror" in reply.text
        assert EVIL not in reply.text


# -- who may see what ------------------------------------------------------------------------------


def test_an_administrator_of_one_account_sees_its_emails_only(office: Office) -> None:
    other = office.account(name="other", email_address="other@example.com")
    hidden = office.email(subject="Hidden", smtp_config_id=1)
    shown = office.email(subject="Shown", smtp_config_id=other)
    limited = a_browser(office.application, accounts=frozenset({other}))

    listed = limited.get("/dashboard/emails")

    assert subjects(listed) == ["Shown"]
    assert '<option value="1">' not in listed.text
    assert limited.get(f"/dashboard/emails/{shown}").status_code == 200
    for path in ("", "/html", "/raw", "/parts/1", "/cancel", "/retry"):
        assert limited.get(f"/dashboard/emails/{hidden}{path}").status_code == 404
    assert limited.post(f"/dashboard/emails/{hidden}/cancel").status_code == 404
    assert office.status(hidden) == "queued"


def test_who_is_not_logged_in_sees_nothing(office: Office) -> None:
    office.email()
    a_key(office.application, "admin")
    stranger = Browser(office.application)

    for path in ("/dashboard/emails", "/dashboard/emails/1", "/dashboard/emails/1/raw"):
        assert stranger.get(path).status_code == 303


def test_every_page_of_emails_keeps_the_strict_policy(office: Office) -> None:
    office.email()

    for path in ("", "/1", "/1/cancel", "?status=sent"):
        reply = office.page(f"/dashboard/emails{path}")
        assert "unsafe" not in reply.headers["Content-Security-Policy"]
        assert " style=" not in reply.text
        assert not re.search(r"<script(?![^>]* src=)", reply.text)


def test_the_timeline_has_everything_in_the_order_of_time(office: Office) -> None:
    office.play(Rule(Stage.RCPT, "451 4.2.0 try later", times=1))
    email_id = office.email()
    office.deliver()
    office.clock.tick(timedelta(hours=1).total_seconds())
    office.deliver()

    told = text_of(office.page(f"/dashboard/emails/{email_id}")).partition(" Timeline ")[2]

    steps = [
        "Accepted by the service",
        "Attempt 1 through main deferred",
        "451 4.2.0 try later",
        "Attempt 2 through main accepted",
        "The email sent",
    ]
    places = [told.index(step) for step in steps]
    assert places == sorted(places)
