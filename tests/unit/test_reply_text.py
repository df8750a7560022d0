"""Reading a reply's text: names blanked, statuses found, waits understood."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.outcome.handoff import Reply
from domain.outcome.reply_text import LONGEST_WISH, SHORTEST_WISH, blanked, read, reply_of, wish


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<relay@example.org>: no", "_ADDRESS_: no"),
        ('<"relay denied"@example.org>: no', "_ADDRESS_: no"),
        ("relay@example.org is unknown", "_ADDRESS_ is unknown"),
        ("mx.relay.example.org says no", "_HOST_ says no"),
        ("Client host [192.0.2.1] rejected", "Client host [_IP_] rejected"),
        ("from 2001:db8::25 no", "from _IP_ no"),
        ("[IPv6:2001:db8::25] no", "[_IP_] no"),
        ("<unknown[192.0.2.1]>: no", "_NAME_: no"),
        ("[relay01] no", "_NAME_ no"),
        ("see https://relay.example.org/blocked?x=1 now", "see _URL_ now"),
        ("see https://example.org/?ip=192.0.2.1 now", "see _URL_ _IP_ now"),
        ("see aka.ms/relay now", "see _URL_ now"),
        ('Ratelimit "user" exceeded', "Ratelimit _NAME_ exceeded"),
        ("no. q13si12345678pjt - gsmtp", "no. _ID_ - gsmtp"),
        ("rejected.Please wait", "rejected.Please wait"),
        ("STOREDRV.Submission.Exception:Quota", "STOREDRV.Submission.Exception:Quota"),
        ("wait 00:05:00", "wait 00:05:00"),
        ("5.1.1  no\tsuch", "5.1.1 no such"),
        ("can\N{RIGHT SINGLE QUOTATION MARK}t", "can't"),
        ("[BL21] no", "[BL21] no"),
    ],
)
def test_names_are_blanked_and_words_stay(text, left):
    assert blanked(text) == left


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("550 5.1.1 no", "5.1.1"),
        ("550 sorry (#5.1.1)", "5.1.1"),
        ("550 #5.7.1 no", "5.7.1"),
        ("550 cuda_nsu 5.1.1 no", "5.1.1"),
        ("550 5.1.1: no", "5.1.1"),
        ("550 4.1.1 no", None),
        ("550 host 192.0.2.1 no", None),
        ("550 version 5.1.1.2 no", None),
        ("550 <x@example.org>: host said after a long while at last and finally: 5.1.1", None),
    ],
)
def test_the_status_is_found_where_servers_put_it(line, status):
    assert read(reply_of(line)).status == status


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("550-5.4.5 Daily\n550 5.4.5 limit", "5.4.5 Daily 5.4.5 limit"),
        ("550-5.4.5 Daily\r\n550 5.4.5 limit", "5.4.5 Daily 5.4.5 limit"),
        (r"550-5.4.5 Daily\n550 5.4.5 limit", "5.4.5 Daily 5.4.5 limit"),
        ("550 Daily\nlimit", "Daily limit"),
        ("550", ""),
        (" 550 no ", "no"),
    ],
)
def test_a_copied_reply_may_have_several_lines(line, text):
    assert (reply_of(line).code, reply_of(line).text) == (550, text)


@pytest.mark.parametrize("line", ["", "no", "55 no", "650 no", "5500 no", "x550 no"])
def test_what_is_no_reply_is_refused(line):
    with pytest.raises(ValueError, match="does not begin with a code"):
        reply_of(line)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("try again in 300 seconds", 300),
        ("try again after 5 minutes", 300),
        ("Please retry in 2 hours", 7200),
        ("wait 10 min. before", 600),
        ("please wait another 23 minutes", 23 * 60),
        ("come back in 1 day", 86400),
        ("Greylisted for 5 minutes", 300),
        ("greylisted for 00:05:00", 300),
        ("try again in 01:00:30", 3630),
        ("resend in 20m", 1200),
        ("retry=300", 300),
        ("retry-after: 120", 120),
        ("try again in one hour", 3600),
        ("try again in an hour", 3600),
        ("retry in a minute", 60),
        ("wait 1 hour and 30 minutes", 5400),
        ("try again in 1h 30m", 5400),
        ("wait 300 milliseconds", 10),
        ("try again in 45000 ms", 45),
        ("try again in 1 second", 10),
        ("try again in 99 days", 86400),
        ("erneut in 10 Minuten", 600),
    ],
)
def test_the_wait_that_a_server_asks_for(text, seconds):
    assert wish(Reply.of(450, text)) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        "try again later",
        "try again in 300",
        "try again in 5 messages",
        "try again after 14:30",
        "limit is 30 messages per 5 minutes",
        "retry 3 of 5 failed",
        "wait for the administrator",
        "in 5 minutes from now somebody looks",
        "",
    ],
)
def test_what_is_no_wait(text):
    assert wish(Reply.of(450, text)) is None


def test_a_wait_in_the_emails_own_words_is_none():
    reply = Reply.of(450, "4.7.1 'Try again in 5 minutes' is unwanted")

    assert wish(reply, echoes=["Try again in 5 minutes"]) is None


@given(st.integers(200, 599), st.text(max_size=200), st.lists(st.text(max_size=20), max_size=2))
def test_any_text_can_be_read(code, text, echoes):
    reply = Reply.of(code, text)
    read(reply, echoes=echoes)
    asked = wish(reply, echoes=echoes)

    assert asked is None or SHORTEST_WISH <= asked <= LONGEST_WISH
