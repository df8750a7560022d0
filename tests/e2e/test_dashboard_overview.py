"""The first page: what needs somebody, what happened by the hour, what goes out next."""

import re
from datetime import timedelta
from html import unescape

import pytest

from domain.account.limits import Limits
from domain.email.status import Status
from domain.throughput import HOUR, Hour
from entrypoints.http.dashboard import words
from entrypoints.http.dashboard.plot import plot_of
from tests.accounts_in_trouble import HANDLER, SCRIPT, Troubled, a_quiet_service, a_troubled_service
from tests.builders import NOW
from tests.dashboard import Browser, a_browser, text_of


@pytest.fixture(scope="module")
def service() -> Troubled:
    return a_troubled_service()


@pytest.fixture(scope="module")
def browser(service: Troubled) -> Browser:
    return a_browser(service.application)


def needs(browser: Browser) -> list[str]:
    """What stands in each entry, in one line."""
    found = re.findall(r'<li class="need [a-z]+">(.*?)</li>', browser.get("/dashboard").text, re.S)
    return [" ".join(unescape(re.sub(r"<[^>]+>", "", one)).split()) for one in found]


@pytest.mark.parametrize(
    ("trouble", "advice"),
    [
        ("auth_failed sends nothing: the server refuses", "type the password in again"),
        ("needs_consent sends nothing: nobody has authorized it", "Authorize it"),
        ("by_hand sends nothing: a person has paused it", "Resume it"),
        ("unreachable sends nothing: its server cannot be reached", "run the doctor"),
        ("inactive is switched off and 2 emails wait", "make it active"),
        ("The provider of learned refused mail after 480 in a day", "limit for a day to 480"),
        ("The inbox of inbox cannot be read", "Check its server and password"),
        (
            "4 emails failed in the last 24 hours: the recipient does not exist",
            "Correct or remove the addresses",
        ),
        ("80 emails wait, and the queue grows", "raise its limits"),
        ("Webhook 1 is disabled: no call has succeeded", "Mend its receiver"),
        ("An alert about queue growing could not be sent", "Keep a second account"),
        ("quota sends nothing: the provider's sending limit", "it goes on by itself at 2026-01-05"),
    ],
)
def test_each_trouble_is_told_with_what_to_do(browser: Browser, trouble: str, advice: str) -> None:
    (found,) = [need for need in needs(browser) if trouble in need]
    assert advice in found


def test_each_trouble_leads_to_the_page_where_it_is_mended(
    browser: Browser, service: Troubled
) -> None:
    page = browser.get("/dashboard").text
    for matter in ("auth_failed", "needs_consent", "learned", "inbox"):
        assert f'href="/dashboard/accounts/{service.ids[matter]}"' in page
    assert 'href="/dashboard/emails?status=failed"' in page
    assert 'href="/dashboard/webhooks/1"' in page


def test_what_a_person_has_switched_off_is_no_trouble(browser: Browser) -> None:
    assert not [need for need in needs(browser) if "Webhook 2" in need]


def test_names_and_replies_of_strangers_are_text(browser: Browser) -> None:
    page = browser.get("/dashboard").text
    assert SCRIPT not in page
    assert HANDLER not in page
    assert any(SCRIPT in need for need in needs(browser))


def test_nothing_needs_anybody_where_all_is_well() -> None:
    service = a_quiet_service()
    service.add("main")
    page = text_of(a_browser(service.application).get("/dashboard"))
    assert "Nothing needs you" in page
    assert "Nothing waits and nothing is scheduled" in page


def test_a_new_service_is_told_to_add_an_account() -> None:
    browser = a_browser(a_quiet_service().application)
    assert "Add an account" in needs(browser)[0]
    assert "There is no account yet" in text_of(browser.get("/dashboard/accounts"))


def test_a_stranger_reads_what_goes_out_tonight(browser: Browser) -> None:
    text = text_of(browser.get("/dashboard"))
    tonight = text[text.index("What goes out tonight") : text.index("By the hour")]
    assert "80 emails wait in all; 5 of them are scheduled for the next 12 hours" in tonight
    assert re.search(r"open 75 5 75 2026-01-05 15:00:00 UTC", tonight)
    assert "auth_failed 3 0 0 not before a person acts a pause of the account" in tonight


def test_a_row_of_tonight_says_how_many_go_and_leads_to_its_emails() -> None:
    service = a_quiet_service()
    account_id = service.add("small", limits=Limits(daily=None, hourly=2))
    service.wait(40, account_id)
    service.wait(3)
    browser = a_browser(service.application)

    page = browser.get("/dashboard")

    assert re.search(r"small 40 0 2\d 2026", text_of(page))
    assert "Goes by then" in text_of(page)
    for queue, number in ((account_id, 40), (0, 3)):
        (href,) = re.findall(rf'href="(/dashboard/emails\?queue={queue})"', page.text)
        assert browser.get(href).text.count('<th scope="row">') == number


def test_the_axes_of_the_plot_have_values_and_hours(browser: Browser) -> None:
    day, week = browser.get("/dashboard").text, browser.get("/dashboard?range=7d").text

    assert re.findall(r'data-shown="hour">(\d\d:\d\d)</time>', day) == [
        "10:00", "14:00", "18:00", "22:00", "02:00", "06:00",
    ]  # fmt: skip
    assert len(re.findall(r'data-shown="day">\w{3} \d\d</time>', week)) == 7
    for page in (day, week):
        values = re.findall(r'<p class="values[^>]*>(.*?)</p>', page)[0]
        assert re.findall(r"<span>(\d+)</span>", values)[-1] == "0"
        assert "Emails in each hour" in page
        assert "(<span data-zone>UTC</span>), from <time" in page


def test_figures_say_that_they_count_emails(browser: Browser) -> None:
    text = text_of(browser.get("/dashboard"))
    for heading in ("Emails waiting", "Emails sent", "Emails failed", "Emails accepted"):
        assert heading in text
    assert "An email counts when it ends" in text


def test_what_the_limits_let_go_later_is_told_with_the_limit_that_holds_it_up() -> None:
    service = a_quiet_service()
    service.add("small", limits=Limits(daily=100, hourly=10))
    service.wait(25, service.ids["small"])
    text = text_of(a_browser(service.application).get("/dashboard"))
    assert re.search(r"small 25 0 25 2026-01-05 11:00:0\d UTC the limit for an hour", text)


def test_mail_for_any_account_and_many_queues_are_told_in_sums() -> None:
    service = a_quiet_service()
    for n in range(12):
        service.wait(n + 1, service.add(f"a{n}"))
    service.wait(40)
    text = text_of(a_browser(service.application).get("/dashboard"))
    assert "118 emails wait in all" in text
    assert "Any account 40 0" in text
    assert "6 emails wait for 3 more accounts" in text


def test_the_figures_and_the_plot_count_what_happened() -> None:
    service = a_quiet_service()
    service.add("main")
    service.fail(3, "message_refused")
    browser = a_browser(service.application)

    text = text_of(browser.get("/dashboard"))

    assert "Emails failed 3" in text
    assert "0 sent 3 failed 0 accepted" in text
    assert "2026-01-05 08:00:00 UTC 0 0 3" in text
    week = browser.get("/dashboard?range=7d").text
    assert week.count('<rect class="hour"') == 7 * 24
    assert browser.get("/dashboard?range=%3Cscript%3E").text.count('<rect class="hour"') == 24


def test_what_is_asked_for_freshness_has_the_live_part_and_no_forecast(browser: Browser) -> None:
    polled = browser.get("/dashboard", headers={"HX-Request": "true"}).text
    assert 'id="now"' in polled
    assert "What goes out tonight" not in polled


def test_a_page_that_has_not_changed_is_answered_without_a_body(browser: Browser) -> None:
    asked = {"HX-Request": "true"}
    tag = browser.get("/dashboard", headers=asked).headers["ETag"]
    reply = browser.get("/dashboard", headers={**asked, "If-None-Match": tag})
    assert reply.status_code == 304


def test_a_limited_key_is_told_of_its_own_accounts_alone(service: Troubled) -> None:
    own = service.ids["auth_failed"]
    browser = a_browser(service.application, accounts=frozenset({own}))

    text = text_of(browser.get("/dashboard"))

    assert "auth_failed sends nothing" in text
    assert "figures of all of them are not shown" in text
    assert "3 emails wait in all" in text
    for other in ("needs_consent", "Webhook", "alert", "grows", "failed:", "quota", "Any account"):
        assert other not in text


@pytest.mark.parametrize(
    ("tallest", "most"), [(0, 1), (1, 1), (3, 5), (11, 20), (101, 200), (999_999, 1_000_000)]
)
def test_the_plot_ends_at_a_round_number(tallest: int, most: int) -> None:
    assert plot_of([Hour(begins=NOW, sent=tallest)]).most == most


def test_the_bars_of_a_plot_stand_on_each_other_and_stay_inside() -> None:
    hours = [
        Hour(begins=NOW + n * HOUR, sent=sent, failed=failed, accepted=0)
        for n, (sent, failed) in enumerate([(0, 0), (6, 4), (1, 0), (0, 10)])
    ]
    plot = plot_of(hours)
    assert plot.width == 40
    for hour, bar in zip(hours, plot.bars, strict=True):
        assert bar.sent_y + bar.sent_height == pytest.approx(100)
        assert bar.failed_y + bar.failed_height == pytest.approx(bar.sent_y)
        assert bar.failed_y >= 0
        assert bool(bar.sent_height) == bool(hour.sent)


def test_an_email_that_is_scheduled_for_later_than_tonight_is_not_counted() -> None:
    service = a_quiet_service()
    service.add("main")
    for hours in (11, 13):
        due = service.clock.now() + timedelta(hours=hours)
        service.wait(1, service.ids["main"], status=Status.SCHEDULED, eligible_at=due)
    assert "main 2 1" in text_of(a_browser(service.application).get("/dashboard"))


def test_one_email_waits_and_two_wait() -> None:
    assert words.emails_wait(1) == "1 email waits"
    assert words.emails_wait(2) == "2 emails wait"
