"""The SMTP session without sockets: what each command is answered, and what ends a message."""

from base64 import b64encode
from time import thread_time

import pytest

from entrypoints.smtp import reply
from entrypoints.smtp.commands import LONGEST_LINE, LONGEST_SECRET
from entrypoints.smtp.conversation import SessionPolicy
from entrypoints.smtp.reply import Reply
from entrypoints.smtp.session import TURN, LoginAsked, MessageCame, Session, State, TlsAsked

POLICY = SessionPolicy(
    name="mail.test", most_octets=2000, most_recipients=3, tls=True, login_in_clear=True
)
STRICT = SessionPolicy(name="mail.test", most_octets=2000, most_recipients=3, tls=True)
PLAIN = b64encode(b"\0anybody\0the key").decode()
ENVELOPE = b"MAIL FROM:<me@example.com>\r\nRCPT TO:<ada@example.org>\r\n"
QUEUED = Reply(250, "2.0.0", "Ok: queued as 17")


class Client:
    """Talks to a session: `say` gives the codes of what it answers, `asked` is its question."""

    def __init__(self, policy=POLICY, *, secure=False):
        self.session = Session(policy, secure=secure)
        if secure:
            self.session.secured()
        self.asked = None
        self.heard = self.session.take()

    def say(self, *lines, end=b"\r\n"):
        octets = b"".join(
            line + end if isinstance(line, bytes) else f"{line}\r\n".encode() for line in lines
        )
        return self.send(octets)

    def send(self, octets):
        self.session.receive(octets)
        self.asked = self.session.advance()
        self.heard = self.session.take()
        return codes(self.heard)

    def answer(self, answer, **changes):
        if isinstance(self.asked, LoginAsked):
            self.session.logged_in(answer, **changes)
        else:
            self.session.answered(answer)
        self.asked = self.session.advance()
        self.heard = self.session.take()
        return codes(self.heard)


def codes(octets):
    """The codes of replies; of one with more lines once."""
    return [int(line[:3]) for line in octets.split(b"\r\n") if line and line[3:4] != b"-"]


def a_client(policy=POLICY, **changes):
    """One that has logged in."""
    client = Client(policy, **changes)
    client.say("EHLO me", f"AUTH PLAIN {PLAIN}")
    assert client.answer(reply.LOGGED_IN) == [235]
    return client


def a_client_in_data():
    client = a_client()
    assert client.send(ENVELOPE + b"DATA\r\n") == [250, 250, 354]
    return client


def offered(client):
    client.say("EHLO me")
    return [line[4:].decode() for line in client.heard.split(b"\r\n")[1:-1]]


# -- the beginning ---------------------------------------------------------------------------------


def test_the_greeting_names_the_server():
    assert Client().heard == b"220 mail.test ESMTP\r\n"


def test_ehlo_offers_what_is_there():
    assert offered(Client()) == [
        "PIPELINING", "SIZE 2000", "8BITMIME", "SMTPUTF8", "STARTTLS", "AUTH PLAIN LOGIN",
        "ENHANCEDSTATUSCODES",
    ]  # fmt: skip


def test_auth_is_offered_and_taken_inside_of_tls_only():
    client = Client(STRICT)
    secure = Client(STRICT, secure=True)

    assert [one for one in offered(client) if one.startswith(("AUTH", "START"))] == ["STARTTLS"]
    assert client.say(f"AUTH PLAIN {PLAIN}", "MAIL FROM:<a@b.example>") == [530, 530]
    assert b"STARTTLS" in client.heard
    assert [one for one in offered(secure) if one.startswith(("AUTH", "START"))] == [
        "AUTH PLAIN LOGIN"
    ]


@pytest.mark.parametrize("line", ["EHLO", "HELO ", "DATA x", "STARTTLS x"])
def test_a_wrong_argument_is_told(line):
    assert a_client().say(line) == [501]


def test_without_a_key_nothing_is_taken():
    client = Client()

    assert client.say("EHLO me", "MAIL FROM:<a@b.example>", "RCPT TO:<a@b.example>", "DATA") == [
        250, 530, 503, 503,
    ]  # fmt: skip


def test_commands_out_of_order_are_refused():
    client = a_client()

    assert client.say("RCPT TO:<a@b.example>", "DATA") == [503, 503]
    assert client.say("MAIL FROM:<a@b.example>", "DATA", "MAIL FROM:<a@b.example>") == [
        250, 554, 503,
    ]  # fmt: skip
    assert client.say("RSET", "RCPT TO:<a@b.example>") == [250, 503]


def test_auth_needs_ehlo_and_comes_once():
    client = Client()

    assert client.say(f"AUTH PLAIN {PLAIN}") == [503]
    assert a_client().say(f"AUTH PLAIN {PLAIN}", "STARTTLS") == [503, 503]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("NOOP", 250), ("noop x", 250), ("VRFY ada", 252), ("QUIT", 221), ("EXPN x", 502),
        ("BDAT 5 LAST", 502), ("HELP", 502), ("", 502), ("GET / HTTP/1.1", 502), ("XCLIENT a", 502),
    ],
)  # fmt: skip
def test_other_commands(line, code):
    assert Client().say(line) == [code]


def test_after_quit_nothing_is_listened_to():
    client = Client()

    assert client.say("QUIT", "EHLO me") == [221]
    assert client.session.state is State.OVER


# -- logging in ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        [f"AUTH PLAIN {PLAIN}"],
        ["auth plain", PLAIN],
        ["AUTH LOGIN", "YW55Ym9keQ==", "dGhlIGtleQ=="],
        ["AUTH LOGIN YW55Ym9keQ==", "dGhlIGtleQ=="],
        ["AUTH LOGIN =", "dGhlIGtleQ=="],
    ],
)
def test_the_password_is_the_key(lines):
    client = Client()
    client.say("EHLO me")
    for line in lines:
        client.say(line)

    assert client.asked == LoginAsked("the key")
    assert client.answer(reply.LOGGED_IN) == [235]
    assert not [one for one in offered(client) if one.startswith("AUTH")]


def test_a_key_is_in_no_repr():
    assert "secret" not in repr(LoginAsked("secret"))


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["AUTH PLAIN !!!"], 501),
        (["AUTH PLAIN AGFi"], 501),
        (["AUTH PLAIN /w=="], 501),
        (["AUTH PLAIN", "*"], 501),
        (["AUTH LOGIN", "YQ==", "*"], 501),
        (["AUTH CRAM-MD5"], 504),
        (["AUTH"], 504),
    ],
)
def test_what_is_no_login_is_refused(lines, code):
    client = Client()
    client.say("EHLO me")

    assert [client.say(line) for line in lines][-1] == [code]
    assert client.say("NOOP") == [250]


def test_a_refused_key_may_be_followed_by_another_one():
    client = Client()
    client.say("EHLO me", f"AUTH PLAIN {PLAIN}")

    assert client.answer(Reply(535, "5.7.8", "no")) == [535]
    client.say(f"AUTH PLAIN {PLAIN}")
    assert client.answer(reply.LOGGED_IN) == [235]


def test_a_key_that_may_not_send_is_told_so_at_mail():
    client = Client()
    client.say("EHLO me", f"AUTH PLAIN {PLAIN}")
    client.answer(reply.LOGGED_IN, refusal=Reply(550, "5.7.1", "the scope send is missing"))

    assert client.say("MAIL FROM:<me@example.com>") == [550]


# -- TLS -------------------------------------------------------------------------------------------


def test_what_came_behind_starttls_in_clear_is_dropped():
    client = Client(STRICT)
    client.send(b"EHLO me\r\nSTARTTLS\r\nEHLO injected\r\nAUTH PLAIN x\r\n")

    assert (client.asked, codes(client.heard)) == (TlsAsked(), [250, 220])
    client.session.receive(b"EHLO injected too\r\n")
    client.session.begin_tls()
    client.session.secured()
    assert (client.session.advance(), client.session.take()) == (None, b"")
    assert client.say(f"AUTH PLAIN {PLAIN}") == [503], "EHLO comes anew"
    assert offered(client)[-2:] == ["AUTH PLAIN LOGIN", "ENHANCEDSTATUSCODES"]


def test_what_came_with_the_end_of_the_handshake_is_answered():
    client = Client(STRICT)
    client.say("EHLO me", "STARTTLS")
    client.session.begin_tls()
    client.session.receive(b"EHLO me\r\n")
    assert (client.session.advance(), client.session.take()) == (None, b"")
    client.session.secured()

    assert client.send(b"") == [250]


def test_tls_comes_once_and_only_where_there_is_a_certificate():
    no_tls = SessionPolicy(name="x", most_octets=9, most_recipients=1, login_in_clear=True)

    assert Client(no_tls).say("STARTTLS") == [502]
    assert Client(STRICT, secure=True).say("STARTTLS") == [502]


# -- the envelope ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "MAIL FROM:<me@example.com>",
        "mail from:<me@example.com>",
        "MAIL FROM: <me@example.com> SIZE=2000 BODY=8BITMIME SMTPUTF8 AUTH=<>",
        "MAIL FROM:<whatever> body=7bit",
    ],
)
def test_senders_that_are_taken(line):
    assert a_client().say(line) == [250]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("MAIL FROM:<>", 550),
        ("MAIL FROM:me@example.com", 501),
        ("MAIL TO:<me@example.com>", 501),
        ("MAIL", 501),
        ("MAIL FROM:<a@b.example> SIZE=2001", 552),
        ("MAIL FROM:<a@b.example> SIZE=9999999999999999999999999", 552),
        ("MAIL FROM:<a@b.example> SIZE=-1", 555),
        ("MAIL FROM:<a@b.example> SIZE", 555),
        ("MAIL FROM:<a@b.example> SIZE=1 SIZE=1", 555),
        ("MAIL FROM:<a@b.example> BODY=BINARYMIME", 555),
        ("MAIL FROM:<a@b.example> RET=FULL", 555),
        ("MAIL FROM:<a@b.example> ENVID=1", 555),
        ("MAIL FROM:<a@b.example> a=b=c", 555),
        ("MAIL FROM:<a@b.example>X", 501),
        ("MAIL FROM:<a@b.example> <c@d.example>", 555),
    ],
)
def test_senders_that_are_refused(line, code):
    assert a_client().say(line) == [code]


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("<ada@example.org>", 250),
        (" <ada@example.org>", 250),
        ("<ada@bücher.example>", 553),
        ("<ü@example.org>", 553),
        ("<>", 501),
        ("<postmaster>", 501),
        ("ada@example.org", 501),
        ("<@a.example:b@c.example>", 501),
        ("<a@b.example,c@d.example>", 501),
        ("<a b@c.example>", 501),
        ("<alice@x.org)bob@evil.com>", 501),
        ("<a@[169.254.169.254]>", 501),
        ("<a@b>", 501),
        ('<"a b"@c.example>', 501),
        ("<ada@example.org> NOTIFY=NEVER", 555),
        ("<ada@example.org> ORCPT=rfc822;a@b.example", 555),
        (f"<{'a' * 65}@example.org>", 501),
    ],
)
def test_recipients(address, code):
    client = a_client()
    client.say("MAIL FROM:<me@example.com>")

    assert client.say(f"RCPT TO:{address}") == [code]


def test_an_international_address_needs_smtputf8():
    client = a_client()

    assert client.say("MAIL FROM:<me@example.com> SMTPUTF8", "RCPT TO:<ü@bücher.example>") == [
        250, 250,
    ]  # fmt: skip


def test_recipients_beyond_the_most_are_put_off_and_the_others_get_it():
    client = a_client()
    lines = [f"RCPT TO:<r{number}@example.org>" for number in range(15)]

    assert client.say("MAIL FROM:<me@example.com>", *lines) == [250, *[250] * 3, *[452] * 12]
    assert client.say("DATA", "Hi", ".") == [354]
    assert len(client.asked.recipients) == 3


def test_commands_in_one_packet_are_answered_in_order():
    client = a_client()
    codes_of_packet = client.say(
        "MAIL FROM:<me@example.com>", "RCPT TO:<ada@example.org>", "RCPT TO:<bad>", "DATA"
    )

    assert codes_of_packet == [250, 250, 501, 354]


def test_commands_may_come_octet_by_octet():
    client = a_client()
    answers = [client.send(bytes([octet])) for octet in ENVELOPE + b"DATA\r\nHi\r\n.\r\n"]

    assert [one for one in answers if one] == [[250], [250], [354]]
    assert client.asked.octets == b"Hi\r\n"


def test_a_packet_of_very_many_commands_is_answered_in_turns():
    client = Client()
    answers = client.say(*["NOOP"] * (TURN + 5))

    assert (answers, client.session.more) == ([250] * TURN, True)
    assert client.send(b"") == [250] * 5
    assert not client.session.more


# -- lines -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line", [b"NOOP\nNOOP", b"NOOP\rNOOP", b"NOOP\0", b"NOOP \xff", b"NOOP\n", b"\nNOOP"]
)
def test_a_command_ends_in_crlf_and_nothing_else(line):
    assert Client().say(line) == [500]


def test_a_line_that_is_too_long_is_read_and_forgotten():
    client = Client()
    for _ in range(100):
        client.send(b"x" * 1000)
        assert client.session.held <= LONGEST_LINE + 1000

    assert client.send(b"\r\nNOOP\r\n") == [500, 250]
    assert client.say(b"NOOP " + b"x" * LONGEST_LINE) == [500]


def test_a_long_line_may_end_between_cr_and_lf():
    client = Client()
    client.send(b"x" * (LONGEST_LINE + 1) + b"\r")

    assert client.send(b"\nNOOP\r\n") == [500, 250]


def test_a_line_of_auth_may_be_longer():
    client = Client()
    client.say("EHLO me")
    long = b64encode(b"\0me\0" + b"k" * 8000)
    assert client.say(b"AUTH PLAIN " + long) == []
    assert client.asked is not None
    client.answer(Reply(535, "5.7.8", "no"))

    client.say(b"AUTH PLAIN")
    assert client.say(b"x" * (LONGEST_SECRET + 1)) == [500]


def test_ten_errors_end_the_session():
    client = Client()
    answers = client.say(*["BAD"] * 12)

    assert answers == [502] * 10 + [421]
    assert client.session.state is State.OVER


def test_a_message_that_is_accepted_forgives_the_errors_before_it():
    client = a_client()
    client.say(*["BAD"] * 9)
    client.send(ENVELOPE + b"DATA\r\nHi\r\n.\r\n")
    assert client.answer(QUEUED) == [250]

    assert client.say(*["BAD"] * 9) == [502] * 9


def test_no_reply_has_what_a_client_wrote_as_a_line():
    answer = Reply(550, "5.7.1", "a\r\n250 b ü\0" + "x" * 999)

    assert answer.line().count(b"\n") == 1
    assert (answer.line().isascii(), len(answer.line()) < 512) == (True, True)


# -- the message -----------------------------------------------------------------------------------


def test_a_message_comes_with_its_recipients():
    client = a_client()
    client.say("MAIL FROM:<x@example.com>", "RCPT TO:<a@b.example>", "RCPT TO:<c@d.example>")
    client.say("DATA", "Subject: Hi", "", "..", "...x", ".")

    assert isinstance(client.asked, MessageCame)
    assert list(map(str, client.asked.recipients)) == ["a@b.example", "c@d.example"]
    assert client.asked.octets == b"Subject: Hi\r\n\r\n.\r\n..x\r\n"
    assert client.answer(QUEUED) == [250]
    assert client.heard == b"250 2.0.0 Ok: queued as 17\r\n"
    assert client.say("RCPT TO:<a@b.example>") == [503], "the envelope is used up"


def test_a_message_may_be_empty_and_begin_with_a_dot():
    client = a_client_in_data()
    client.send(b".\r\n")
    assert client.asked.octets == b""

    client = a_client_in_data()
    client.send(b"..\r\n.\r\n")
    assert client.asked.octets == b".\r\n"


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7])
def test_the_end_is_found_however_the_octets_are_cut(size):
    client = a_client_in_data()
    octets = b"Hi\r\n..\r\n.x\r\n\r\n.\r\nNOOP\r\n"
    for start in range(0, len(octets), size):
        client.session.receive(octets[start : start + size])
        client.asked = client.session.advance() or client.asked

    assert client.asked.octets == b"Hi\r\n.\r\nx\r\n\r\n"
    assert client.answer(QUEUED) == [250, 250]


BARE = [
    b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\r\r\n.\r\r\n",
    b"\n\n.\r\n", b"\r\n\r.\r\n", b"\n", b"\r", b"\n\r", b"\r\n.\n\r\n",
]  # fmt: skip


@pytest.mark.parametrize("end", BARE)
def test_nothing_but_crlf_dot_crlf_ends_a_message(end):
    client = a_client_in_data()
    smuggled = b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<x@example.org>\r\nDATA\r\nEvil\r\n"

    assert client.send(b"Hi" + end + smuggled) == []
    assert client.asked is None
    assert client.send(b".\r\n") == [550], "one message, refused as a whole"
    assert b"5.6.11" in client.heard
    assert client.say("NOOP") == [250]


def test_what_is_too_large_is_read_to_its_end_and_forgotten():
    client = a_client_in_data()
    for _ in range(50):
        assert client.send(b"x" * 998 + b"\r\n") == []
        assert client.session.held < 5000

    assert client.send(b".\r\nNOOP\r\n") == [552, 250]


@pytest.mark.parametrize(("size", "code"), [(2000, None), (2001, 552)])
def test_a_message_may_have_just_as_many_octets_as_are_offered(size, code):
    client = a_client_in_data()
    answers = client.send(b"x" * (size - 2) + b"\r\n.\r\n")

    assert answers == ([] if code is None else [code])
    assert (client.asked is None) == (code is not None)


def test_a_message_without_memory_for_it_is_put_off():
    client = a_client_in_data()
    client.send(b"x" * 900 + b"\r\n")
    client.session.forget_message()

    assert client.session.held < 10
    assert client.send(b"y\r\n.\r\n") == [452]


def test_whatever_the_session_was_doing_it_can_be_ended():
    client = a_client_in_data()
    client.send(b"half of it")
    client.session.end(reply.STOPPING)

    assert codes(client.session.take()) == [421]
    assert (client.send(b"\r\n.\r\n"), client.session.held < 10) == ([], True)


# -- hostile clients -------------------------------------------------------------------------------


def test_many_commands_in_one_packet_cost_no_more_each():
    session = Session(SessionPolicy(name="mx", most_octets=1000, most_recipients=1))
    session.receive(b"NOOP\r\n" * 100_000)

    began = thread_time()
    while session.held:
        session.advance()
        session.take()

    assert thread_time() - began < 5.0  # what is quadratic takes minutes


def test_what_was_answered_is_not_kept():
    session = Session(SessionPolicy(name="mx", most_octets=1000, most_recipients=1))
    session.receive(b"NOOP\r\n" * 50 + b"NO")
    session.advance()

    assert session.held == 2
    session.receive(b"OP\r\n")
    session.take()
    session.advance()
    assert session.take().startswith(b"250 ")
