"""The SMTP listener over sockets: logging in, what becomes of a message, what is refused."""

import threading
import time
from email import message_from_bytes, policy

import attrs
import pytest

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from adapters.fakes.sender import FakeSender
from application import ServicePolicy
from application.access import AccessPolicy
from domain.access import DAY, token_of
from domain.errors import StoreUnavailable
from domain.message.raw_blobs import LARGEST_TOGETHER
from tests.applications import (
    a_client,
    a_client_with_config,
    a_config_body,
    a_key,
    an_application,
    deliver,
    delivery_rules,
    rules_of_intake,
)
from tests.smtp_intake import MESSAGE, PATIENCE_S, Talk, listening, talking, with_account

WRONG = token_of("ffffffff", bytes(32))


def shown(application, email_id=1):
    """An email as the owner of this machine sees it, by the API."""
    return a_client(application).get(f"/api/emails/{email_id}", headers=admin(application)).json


def admin(application):
    return {"X-API-Key": a_key(application, "admin")}


def count(application):
    page = a_client(application).get("/api/emails", headers=admin(application)).json
    return len(page)


def submitted(application, octets=MESSAGE, *recipients, key=None, **changes):
    """The last reply to one message."""
    key = key or with_account(application)
    with listening(application, **changes) as listener, talking(listener.ports[0], key) as talk:
        return talk.submit(octets, *recipients)


# -- a message comes in ----------------------------------------------------------------------------


def test_a_message_is_handed_off_as_it_came_to_its_envelope():
    sender = FakeSender()
    application = an_application(sender=sender)
    octets = MESSAGE.replace(b"Hello.", b"Hello.\r\n.\r\n..\r\nMAIL FROM:<x@y.example>")
    answer = submitted(application, octets, "grace@example.org", "ada@example.org")
    deliver(application)
    [taken] = sender.accepted

    assert answer == "250 2.0.0 Ok: queued as 1"
    assert str(taken.envelope.sender) == "shop@example.com"
    assert list(map(str, taken.envelope.recipients)) == ["grace@example.org", "ada@example.org"]
    head, _, body = taken.octets.partition(b"\r\n\r\n")
    assert body == octets.partition(b"\r\n\r\n")[2]
    assert b"From: Shop <shop@example.com>\r\n" in head
    assert head.endswith(b"To: ada@example.org\r\nSubject: Hi")


def test_who_is_in_no_header_gets_a_blind_copy():
    sender = FakeSender()
    application = an_application(sender=sender)
    octets = (
        b"From: shop@example.com\r\nTo: =?utf-8?q?A?= <Ada@example.org>, x@example.org\r\n"
        b"Cc: carl@example.org\r\nBcc: bcc@example.org\r\nReturn-Path: <x@y.example>\r\n\r\nHi\r\n"
    )
    submitted(application, octets, "ada@example.org", "carl@example.org", "bcc@example.org")
    email = shown(application)
    deliver(application)
    [taken] = sender.accepted

    assert email["recipients"] == ["ada@example.org"]
    assert (email["cc"], email["bcc"]) == (["carl@example.org"], ["bcc@example.org"])
    assert b"bcc" not in taken.octets.lower()
    assert b"return-path" not in taken.octets.lower()


def test_8_bit_text_and_long_lines_are_encoded_and_read_the_same():
    sender = FakeSender()
    application = an_application(sender=sender)
    head = "From: Jürgen <shop@example.com>\r\nTo: Ä <ada@example.org>\r\nSubject: Grüße\r\n"
    text = "Grüße aus Bath.\r\n" + "x" * 5000 + "\r\n"
    answer = submitted(application, f"{head}\r\n{text}".encode())
    email = shown(application)
    deliver(application)
    [taken] = sender.accepted
    message = message_from_bytes(taken.octets, policy=policy.default)

    assert answer.startswith("250")
    assert taken.octets.isascii()
    assert (message["From"], message["To"]) == ("Jürgen <shop@example.com>", "Ä <ada@example.org>")
    assert (message["Subject"], email["subject"]) == ("Grüße", "Grüße")
    assert message.get_payload(decode=True).decode() == text


def test_many_messages_go_over_one_connection_and_over_many():
    application = an_application()
    key = with_account(application)
    with listening(application) as listener:

        def send(number):
            with talking(listener.ports[0], key) as talk:
                for _ in range(5):
                    answers.append(talk.submit(MESSAGE, f"r{number}@example.org"))

        answers: list[str] = []
        threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(int(answer.rpartition(" ")[2]) for answer in answers) == list(range(1, 41))
    assert count(application) == 40


def test_an_email_has_the_tags_and_the_topic_of_its_headers_and_does_not_send_them():
    sender = FakeSender()
    rules = ServicePolicy(delivery=delivery_rules(), public_url="https://mail.example.com")
    application = an_application(sender=sender, rules=rules)
    octets = b"X-Tag: invoice, =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX-TAG: third\r\n"
    submitted(application, octets + b"X-Topic: news\r\n" + MESSAGE)
    email = shown(application)
    deliver(application)
    [taken] = sender.accepted

    assert email["tags"] == ["invoice", "Grüße", "third"]
    assert email["topic"] == "news"
    assert b"\r\nList-Unsubscribe: <https://mail.example.com/u/" in taken.octets
    assert b"x-tag" not in taken.octets.lower()
    assert b"x-topic" not in taken.octets.lower()


def test_a_template_may_write_the_email_in_the_place_of_the_message():
    sender = FakeSender()
    application = an_application(sender=sender)
    client = a_client_with_config(application)
    template = {
        "name": "welcome",
        "subject": "Hello {{ name }}",
        "html": "<p>{{ name }}, {{ n }}</p>",
    }
    assert client.post("/api/templates", json=template).status_code == 201
    assert client.post("/api/templates/welcome/publish", json={}).status_code == 200
    key = a_key(application, "send")
    octets = (
        b"X-Template: welcome\r\nX-Template-Variables: "
        b'{"name": "=?utf-8?q?J=C3=BCrgen?=",\r\n "n": 7}\r\nReply-To: help@example.net\r\n'
    )
    answer = submitted(application, octets + MESSAGE, "ada@example.org", "b@b.example", key=key)
    assert answer.startswith("250"), answer
    email = shown(application)
    deliver(application)
    [taken] = sender.accepted
    message = message_from_bytes(taken.octets, policy=policy.default)

    assert (email["subject"], email["bcc"]) == ("Hello Jürgen", ["b@b.example"])
    assert (message["To"], message["Reply-To"]) == ("ada@example.org", "help@example.net")
    assert "Jürgen, 7" in message.get_body(("html",)).get_content()
    assert b"Hello.\r\n" not in taken.octets


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (b"X-Topic: News!\r\n", "small letters"),
        (b"X-Topic: a\r\nX-Topic: b\r\n", "more than once"),
        (b"X-Topic: news\r\nList-Unsubscribe: <https://x.example>\r\n", "written by the service"),
        (b"X-Tag: " + b"x" * 65 + b"\r\n", "at most 64 characters"),
        (b"X-Template: nothing\r\n", "template"),
        (b"X-Template: a\r\nX-Template-Version: new\r\n", "whole number"),
        (b"X-Template: a\r\nX-Template-Variables: [1]\r\n", "JSON object"),
        (b'X-Template: a\r\nX-Template-Variables: {"a": NaN}\r\n', "JSON object"),
        (b"X-Template-Variables: {}\r\n", "only with X-Template"),
        (b"Idempotency-Key: two words\r\n", "visible ASCII"),
        (b"Idempotency-Key: a\r\nResend-Idempotency-Key: b\r\n", "must be one"),
    ],
)
def test_an_order_that_cannot_be_followed_is_refused(header, says):
    rules = ServicePolicy(delivery=delivery_rules(), public_url="https://mail.example.com")
    application = an_application(rules=rules)
    answer = submitted(application, header + MESSAGE)

    assert answer.startswith("554 5.6.0 ")
    assert says in answer
    assert count(application) == 0


# -- sent again after a lost 250 -------------------------------------------------------------------

IDENT = b"Message-ID: <1@example.com>\r\n"
KEYED = b"Idempotency-Key: order-7\r\n"


@pytest.mark.parametrize(
    ("first", "second", "emails"),
    [
        (IDENT, IDENT, 1),
        (b"", b"", 2),  # cron sends the same every hour
        (IDENT, IDENT + b"X-Other: 1\r\n", 2),
        (KEYED, KEYED, 1),
        (KEYED, KEYED + b"Date: Mon, 05 Jan 2026 09:00:00 +0000\r\n" + IDENT, 1),
        (KEYED, b"Resend-" + KEYED, 1),
        (KEYED, KEYED.replace(b"7", b"8"), 2),
    ],
)
def test_a_message_that_is_sent_again_is_the_same_email(first, second, emails):
    application = an_application()
    key = with_account(application)
    with listening(application) as listener, talking(listener.ports[0], key) as talk:
        answers = [talk.submit(head + MESSAGE) for head in (first, second)]

    assert [answer.rpartition(" ")[2] for answer in answers] == ["1", str(emails)]
    assert count(application) == emails


def test_another_envelope_is_another_email_and_so_is_another_keys():
    application = an_application()
    keys = [with_account(application), a_key(application, "send")]
    with listening(application) as listener:
        for key in keys:
            with talking(listener.ports[0], key) as talk:
                talk.submit(IDENT + MESSAGE, "ada@example.org")
                talk.submit(IDENT + MESSAGE, "ada@example.org", "bob@example.org")

    assert count(application) == 4


def test_an_idempotency_key_for_another_email_is_refused():
    application = an_application()
    key = with_account(application)
    with listening(application) as listener, talking(listener.ports[0], key) as talk:
        talk.submit(KEYED + MESSAGE)
        answer = talk.submit(KEYED + MESSAGE, "bob@example.org")

    assert answer.startswith("554 5.6.0 this idempotency key came with another body")


# -- what is refused -------------------------------------------------------------------------------


def test_from_must_be_an_account_of_the_key_and_the_reply_names_those():
    application = an_application()
    with_account(application)
    other = a_config_body(name="b", email_address="b@b.example", aliases=["*@c.example"])
    a_client(application).post("/api/smtp-configs", json=other, headers=admin(application))
    key = a_key(application, "send", accounts=frozenset({2}))
    with listening(application) as listener, talking(listener.ports[0], key) as talk:
        refused = talk.submit(MESSAGE)
        allowed = talk.submit(MESSAGE.replace(b"shop@example.com", b"any@c.example"))

    assert refused == "550 5.7.1 From must be an address of this API key: b@b.example, *@c.example"
    assert allowed.startswith("250")


@pytest.mark.parametrize("reply_to", [b"", b"Reply-To: help@example.net\r\n"])
def test_a_key_may_have_another_from_rewritten_to_its_account(reply_to):
    sender = FakeSender()
    application = an_application(sender=sender)
    key = with_account(application, rewrites_from=True)
    octets = reply_to + MESSAGE.replace(b"Shop <shop@example.com>", b"Eve <eve@example.net>")
    answer = submitted(application, octets, key=key)
    deliver(application)
    [taken] = sender.accepted

    assert answer.startswith("250")
    assert taken.octets.startswith(b"From: Example Shop <shop@example.com>\r\n")
    assert taken.octets.lower().count(b"\r\nfrom:") == 0
    assert (reply_to or b"Reply-To: Eve <eve@example.net>\r\n") in taken.octets
    assert taken.octets.lower().count(b"reply-to:") == 1


@pytest.mark.parametrize(
    ("octets", "reply"),
    [
        (b"Subject: Hi\r\n\r\nHi\r\n", "554 5.6.0"),
        (b"From: a@b.example, shop@example.com\r\n\r\nHi\r\n", "554 5.6.0"),
        (MESSAGE.replace(b"Hello", b"Hel\0lo"), "554 5.6.0"),
        (MESSAGE.replace(b"Subject: Hi", b"Subject : Hi"), "554 5.6.0"),
        (MESSAGE.replace(b"Subject: Hi", b"Subject: =?utf-8?q?x=0D=0ABcc=3A_e@e.com?="), "554"),
        (MESSAGE.replace(b"To: ", b"To: x@example.org\r\nTo: "), "554 5.6.0"),
        (MESSAGE.replace(b"Hi", b"Hi\r\n \r\nBcc: eve@example.org"), "554 5.6.0"),
        (b"", "554 5.6.0"),
        (MESSAGE + b"Content-Type: x\r\n\0" + b"x" * 1000, "554 5.6.0"),
        (MESSAGE + (b"x" * 70 + b"\r\n") * (LARGEST_TOGETHER // 72 + 1), "552 5.3.4"),
    ],
    ids=range(10),
)
def test_what_no_message_may_be_is_refused(octets, reply):
    application = an_application()

    assert submitted(application, octets).startswith(reply)
    assert count(application) == 0


BARE = [
    b"\n.\n",
    b"\r.\r",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r\n.\r",
    b"\r.\r\n",
    b"\n\n.\r\n",
    b"\r\n\r.\r\n",
]


@pytest.mark.parametrize("end", BARE)
def test_t_body_1_no_message_is_smuggled_in_another(end):
    application = an_application()
    key = with_account(application)
    evil = b"MAIL FROM:<e@example.com>\r\nRCPT TO:<e@example.org>\r\nDATA\r\n" + MESSAGE
    with listening(application) as listener, talking(listener.ports[0], key) as talk:
        talk.say("MAIL FROM:<a@example.com>")
        talk.say("RCPT TO:<ada@example.org>")
        talk.say("DATA")
        talk.send(MESSAGE + b"x" + end + evil + b".\r\n")

        assert talk.reply().startswith("550 5.6.11")
        assert talk.say("NOOP").startswith("250"), "one message, one reply"
    assert count(application) == 0


def test_a_message_beyond_its_size_is_refused_at_mail_and_while_it_comes():
    application = an_application()
    key = with_account(application)
    with (
        listening(application, message_bytes=5000) as listener,
        talking(listener.ports[0], key) as talk,
    ):
        assert talk.say("MAIL FROM:<a@example.com> SIZE=5001").startswith("552 5.3.4")
        assert talk.submit(MESSAGE + b"x" * 6000).startswith("552 5.3.4")
        assert talk.submit().startswith("250")


def test_messages_share_a_budget_of_memory():
    application = an_application()
    key = with_account(application)
    with (
        listening(application, messages_bytes=100_000) as listener,
        talking(listener.ports[0], key) as large,
        talking(listener.ports[0], key) as small,
    ):
        for talk in (large, small):
            talk.say("MAIL FROM:<a@example.com>")
            talk.say("RCPT TO:<ada@example.org>")
            talk.say("DATA")
        for octets in (MESSAGE + b"x" * 70_000, b"\r\n.\r\n"):
            large.send(octets)
            small.send(octets)
        answers = sorted(talk.reply()[:9] for talk in (large, small))

        assert answers == ["250 2.0.0", "452 4.3.1"]
        assert small.submit().startswith("250"), "the memory was given back"


def test_a_key_without_the_scope_send_is_told_so_at_mail():
    application = an_application()
    key = with_account(application, "read")
    with listening(application) as listener, talking(listener.ports[0], key) as talk:
        assert talk.say("MAIL FROM:<a@example.com>").startswith("550 5.7.1 this API key lacks")


def test_more_recipients_than_a_day_has_are_put_off():
    application = an_application()
    key = with_account(application, daily_recipients=2)
    with listening(application) as listener, talking(listener.ports[0], key) as talk:
        talk.submit(MESSAGE, "ada@example.org", "bob@example.org")

        assert talk.submit().startswith("451 4.7.1 this API key may name 2 recipients a day")


def test_a_full_queue_puts_off():
    application = an_application(
        rules=attrs.evolve(rules_of_intake(), max_queue_depth=1), clock=FakeClock()
    )
    key = with_account(application)
    with listening(application) as listener, talking(listener.ports[0], key) as talk:
        assert talk.submit().startswith("250")
        assert talk.submit().startswith("452 4.3.1")


class DownStore(MemoryStore):
    """A store that can be out of reach."""

    down = False

    def write(self, work):
        self._check()
        return super().write(work)

    def read_latest(self, work):
        self._check()
        return super().read_latest(work)

    def _check(self):
        if self.down:
            raise StoreUnavailable("the database cannot be reached")


def test_while_the_store_is_down_messages_and_logins_are_put_off():
    clock = FakeClock()
    store = DownStore(clock=clock)
    application = an_application(store=store, clock=clock)
    key = with_account(application)
    with listening(application) as listener, talking(listener.ports[0], key) as talk:
        store.down = True
        message = talk.submit()
        with talking(listener.ports[0]) as other:
            login = other.log_in(key)
        store.down = False

        assert message.startswith("451 4.3.0")
        assert login.startswith("454 4.7.0")
        assert talk.submit() == "250 2.0.0 Ok: queued as 1"


class BrokenStore(MemoryStore):
    """A store with a bug."""

    broken = False

    def write(self, work):
        if self.broken:
            raise RuntimeError("a bug")
        return super().write(work)


def test_a_bug_costs_no_message_and_no_session():
    clock = FakeClock()
    store = BrokenStore(clock=clock)
    application = an_application(store=store, clock=clock)
    key = with_account(application)
    with listening(application) as listener, talking(listener.ports[0], key) as talk:
        store.broken = True
        assert talk.submit() == "451 4.3.0 An internal error: try again"
        store.broken = False
        assert talk.submit().startswith("250")


# -- logging in ------------------------------------------------------------------------------------


def test_in_development_too_nothing_goes_without_a_key():
    application = an_application()
    with_account(application)
    with listening(application) as listener, talking(listener.ports[0]) as talk:
        assert talk.log_in("").startswith("535 5.7.8")
        assert talk.log_in(WRONG).startswith("535 5.7.8")
        assert talk.say("MAIL FROM:<a@example.com>").startswith("530 5.7.0")


def test_t_auth_6_after_many_wrong_keys_an_address_has_to_wait_but_not_with_a_good_one():
    rules = ServicePolicy(delivery=delivery_rules(), access=AccessPolicy(strikes=3))
    application = an_application(rules=rules, closed=True)
    key = a_key(application, "send")
    with listening(application) as listener:
        with talking(listener.ports[0]) as talk:
            answers = [talk.log_in(WRONG)[:9] for _ in range(4)]
            assert answers == ["535 5.7.8"] * 3 + ["421 4.7.0"]
            assert talk.reply() == "", "the connection is closed"
        with talking(listener.ports[0], key) as talk:
            assert talk.say("NOOP").startswith("250")


def test_a_key_has_so_many_sessions_and_gets_them_back():
    application = an_application()
    key, other = with_account(application), a_key(application, "send")
    with listening(application, sessions_of_key=2) as listener:
        port = listener.ports[0]
        with talking(port, key), talking(port, key), talking(port) as third:
            assert third.log_in(key).startswith("421 4.7.0 Too many connections")
            assert third.reply() == ""
            with talking(port, other):
                pass
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with talking(port) as again:
                if again.log_in(key).startswith("235"):
                    return
        pytest.fail("the sessions were not given back")


def test_a_key_that_is_revoked_or_expires_meanwhile_ends_its_sessions():
    clock = FakeClock()
    application = an_application(clock=clock)
    key, lasting = with_account(application, lifetime=DAY), a_key(application, "send")
    with (
        listening(application) as listener,
        talking(listener.ports[0], key) as talk,
        talking(listener.ports[0], lasting) as other,
    ):
        clock.tick(86_400)

        assert talk.submit() == "421 4.7.0 The API key is not valid any more"
        assert talk.reply() == ""
        assert other.submit().startswith("250")


# -- time and connections --------------------------------------------------------------------------


def until_closed(talk):
    """The replies that come until the server closes the connection."""
    return list(iter(talk.reply, ""))


@pytest.mark.parametrize("octets", [b"", b"EHLO me\r\n", b"EHLO"])
def test_who_does_not_log_in_in_time_is_turned_away(octets):
    with (
        listening(an_application(), login_s=0.3) as listener,
        talking(listener.ports[0]) as talk,
    ):
        talk.send(octets)
        assert until_closed(talk)[-1].startswith("421 4.4.2")


def test_who_says_nothing_for_too_long_is_turned_away_in_a_message_too():
    application = an_application()
    key = with_account(application)
    with listening(application, idle_s=1.0) as listener, talking(listener.ports[0], key) as talk:
        talk.send(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<ada@example.org>\r\nDATA\r\nFrom:")
        assert [reply[:3] for reply in until_closed(talk)] == ["250", "250", "354", "421"]


def test_more_connections_of_an_address_take_the_place_of_those_that_rest():
    with listening(an_application(), most_of_address=2) as listener:
        port = listener.ports[0]
        with talking(port) as first, talking(port) as second, talking(port) as third:
            assert first.reply().startswith("421 4.7.0")
            assert second.say("NOOP").startswith("250")
            assert third.say("NOOP").startswith("250")


def test_a_packet_of_everything_is_answered_in_order():
    application = an_application()
    key = with_account(application)
    with listening(application) as listener, talking(listener.ports[0], key) as talk:
        talk.send(
            b"MAIL FROM:<a@example.com>\r\nRCPT TO:<ada@example.org>\r\nRCPT TO:<bad>\r\nDATA\r\n"
        )
        assert [talk.reply()[:3] for _ in range(4)] == ["250", "250", "501", "354"]
        talk.send(MESSAGE + b".\r\nNOOP\r\nRSET\r\nQUIT\r\n")
        assert [talk.reply()[:3] for _ in range(4)] == ["250", "250", "250", "221"]
        assert talk.reply() == ""


def test_thousands_of_commands_in_one_packet_are_all_answered():
    application = an_application()
    key = with_account(application)
    with listening(application) as listener, talking(listener.ports[0], key) as talk:
        sender = threading.Thread(target=talk.send, args=(b"NOOP\r\n" * 20_000,))
        sender.start()
        assert {talk.reply() for _ in range(20_000)} == {"250 2.0.0 Ok"}
        sender.join()


# -- stopping --------------------------------------------------------------------------------------


def test_a_listener_that_stops_tells_everybody_and_takes_nothing_more():
    application = an_application()
    key = with_account(application)
    with listening(application) as listener:
        with talking(listener.ports[0], key) as idle, talking(listener.ports[0], key) as busy:
            busy.say("MAIL FROM:<a@example.com>")
            busy.say("RCPT TO:<ada@example.org>")
            busy.say("DATA")
            application.admission.drain()
            listener.drain()
            assert idle.reply().startswith("421 4.3.2")
            busy.send(MESSAGE + b".\r\n")
            assert busy.reply().startswith("421 4.3.2")
            assert (idle.reply(), busy.reply()) == ("", "")
        with Talk(listener.ports[0]) as late:
            assert late.reply().startswith("421 4.3.2"), "in the place of the greeting"
    assert count(application) == 0


class SlowStore(MemoryStore):
    """Each write waits until it may go on."""

    def __init__(self, **changes):
        super().__init__(**changes)
        self.go, self.begun = threading.Event(), threading.Event()
        self.go.set()

    def write(self, work):
        self.begun.set()
        assert self.go.wait(PATIENCE_S)
        return super().write(work)


def test_a_message_that_is_being_stored_gets_its_answer_before_the_end():
    clock = FakeClock()
    store = SlowStore(clock=clock)
    application = an_application(store=store, clock=clock)
    key = with_account(application)
    with listening(application) as listener, talking(listener.ports[0], key) as talk:
        talk.say("MAIL FROM:<a@example.com>")
        talk.say("RCPT TO:<ada@example.org>")
        talk.say("DATA")
        store.go.clear()
        store.begun.clear()
        talk.send(MESSAGE + b".\r\n")
        assert store.begun.wait(PATIENCE_S)
        listener.drain()
        closing = threading.Thread(target=listener.close)
        closing.start()
        store.go.set()

        assert talk.reply() == "250 2.0.0 Ok: queued as 1"
        assert talk.reply().startswith("421 4.3.2")
        closing.join()
