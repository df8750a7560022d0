"""What goes over the wire: the commands, their grouping, the body with its dots."""

import base64
import socket
import statistics
import threading
import time

import attrs
import pytest

from adapters.fakes.sender import Fault, Rule, Script
from adapters.smtp_sender.wire import Wire
from domain.dialogue.extensions import dot_stuffed
from domain.outcome.handoff import Problem, Reply, Stage
from tests.builders import an_envelope
from tests.contract.sender_suite import ADA, BOB, EVE, MESSAGE, PASSWORD
from tests.integration.smtp_sending import a_line

PLAIN = Script(extensions=())


class TestTheBody:
    @pytest.mark.parametrize(
        ("octets", "wire"),
        [
            (b"", b""),
            (b".", b"..\r\n"),
            (b"a", b"a\r\n"),
            (b"a\r\n", b"a\r\n"),
            (b".\r\n", b"..\r\n"),
            (b".a\r\n", b"..a\r\n"),
            (b"a\r\n.\r\nb\r\n", b"a\r\n..\r\nb\r\n"),
            (b"a\r\n..\r\n", b"a\r\n...\r\n"),
            (b"a\r\n.\r\n.\r\n", b"a\r\n..\r\n..\r\n"),
            (b"a.b\r\n", b"a.b\r\n"),
            (b"\r\n\r\n.", b"\r\n\r\n..\r\n"),
        ],
    )
    def test_doubles_every_dot_that_begins_a_line(self, octets: bytes, wire: bytes) -> None:
        assert dot_stuffed(octets) == wire

    def test_is_not_copied_if_it_has_no_such_dot(self) -> None:
        octets = b"a.b\r\n" * 1000
        assert dot_stuffed(octets) is octets

    def test_cannot_begin_another_transaction(self) -> None:
        octets = b"a\r\n.\r\nMAIL FROM:<eve@example.org>\r\n"
        with a_line() as line:
            line.send(octets=octets)
            assert [taken.octets for taken in line.server.accepted] == [octets]
            assert len(line.heard(b"MAIL")) == 1

    def test_without_a_last_line_end_is_given_one(self) -> None:
        with a_line() as line:
            line.send(octets=b"a\r\n\r\nb")
            assert line.server.accepted[0].octets == b"a\r\n\r\nb\r\n"

    def test_may_be_empty(self) -> None:
        with a_line() as line:
            assert line.send(octets=b"").accepted
            assert line.server.accepted[0].octets == b""


class TestTheCommands:
    def test_are_these_and_no_others(self) -> None:
        with a_line(script=PLAIN) as line:
            line.send(envelope=an_envelope(str(ADA), str(BOB)))
            password = base64.b64encode(f"\0user\0{PASSWORD}".encode())
            assert line.server.commands == [
                b"EHLO client.example.com",
                b"AUTH PLAIN " + password,
                b"MAIL FROM:<sender@example.com>",
                b"RCPT TO:<ada@example.org>",
                b"RCPT TO:<bob@example.org>",
                b"DATA",
            ]

    @pytest.mark.parametrize(
        ("extension", "parameter"),
        [("SIZE 1000", f"SIZE={len(MESSAGE)}"), ("8BITMIME", ""), ("SMTPUTF8", "")],
    )
    def test_name_what_the_server_offers_and_the_message_needs(
        self, extension: str, parameter: str
    ) -> None:
        with a_line(script=Script(extensions=(extension,))) as line:
            line.send()
            assert line.server.accepted[0].parameters == parameter

    def test_announce_a_body_of_8_bits(self) -> None:
        with a_line(script=Script(extensions=("8BITMIME",))) as line:
            line.send(octets="Subject: ü\r\n\r\n".encode())
            assert line.server.accepted[0].parameters == "BODY=8BITMIME"

    def test_announce_addresses_beyond_ascii(self) -> None:
        with a_line() as line:
            line.send(envelope=an_envelope("jürgen@example.org"))
            assert line.server.accepted[0].parameters.endswith(" SMTPUTF8")
            assert line.server.accepted[0].recipients == ("jürgen@example.org",)

    @pytest.mark.parametrize("size", ["9" * 5000, "-1", "many", "\u0661\u0662"])
    def test_are_not_held_up_by_a_size_that_is_no_number(self, size: str) -> None:
        with a_line(script=Script(extensions=(f"SIZE {size}",), mechanisms=("PLAIN",))) as line:
            assert line.send().accepted

    def test_keep_every_address_as_it_is(self) -> None:
        odd = "o'brien+a=b{c}|d~!#$%&*/?^_`@example.org"
        with a_line() as line:
            line.send(envelope=an_envelope(odd))
            assert line.server.accepted[0].recipients == (odd,)


class TestPipelining:
    def test_takes_two_round_trips_for_a_message(self) -> None:
        with a_line() as line:
            line.send()
            before = line.server.writes
            line.send(envelope=an_envelope(str(ADA), str(BOB), str(EVE)))
            assert line.server.writes - before == 2

    def test_saves_four_of_six_for_three_recipients(self) -> None:
        with a_line(script=PLAIN) as line:
            line.send()
            before = line.server.writes
            line.send(envelope=an_envelope(str(ADA), str(BOB), str(EVE)))
            assert line.server.writes - before == 6

    def test_is_not_used_unless_it_is_offered(self) -> None:
        with a_line(script=PLAIN) as line:
            line.send(envelope=an_envelope(str(ADA), str(BOB)))
            assert not line.server.bad_wire

    def test_carries_more_recipients_than_fit_into_one_group(self) -> None:
        names = [f"r{number}@example.org" for number in range(350)]
        refused = Rule(Stage.RCPT, "550 5.1.1 unknown", recipient=names[170])
        with a_line(refused) as line:
            handoff = line.send(envelope=an_envelope(*names))
            assert handoff.accepted
            assert line.server.accepted[0].recipients == (*names[:170], *names[171:])
        assert [str(answer.address) for answer in handoff.recipients] == names

    def test_keeps_the_session_after_every_recipient_was_refused(self) -> None:
        with a_line(Rule(Stage.RCPT, "550 5.1.1 unknown", times=2)) as line:
            line.send(envelope=an_envelope(str(ADA), str(BOB)))
            assert line.send().accepted
            assert line.server.connections == 1

    def test_keeps_the_session_after_mail_was_refused(self) -> None:
        with a_line(Rule(Stage.MAIL, "451 4.3.0 later", times=1)) as line:
            handoff = line.send(envelope=an_envelope(str(ADA), str(BOB)))
            assert handoff.recipients == ()
            assert line.send().accepted
            assert line.server.connections == 1

    def test_ends_an_empty_message_that_nobody_gets_with_a_lone_dot(self) -> None:
        rules = (
            Rule(Stage.RCPT, "550 5.1.1 unknown", times=1),
            Rule(Stage.DATA, "354 all the same", times=1),
        )
        with a_line(*rules) as line:
            line.send()
            assert line.send().accepted
            assert line.server.connections == 1

    def test_drops_a_server_that_accepts_an_empty_message_for_nobody(self) -> None:
        rules = (
            Rule(Stage.RCPT, "550 5.1.1 unknown", times=1),
            Rule(Stage.DATA, "354 all the same", times=1),
            Rule(Stage.DOT, "250 taken", times=1),
        )
        with a_line(*rules) as line:
            handoff = line.send()
            assert (handoff.stage, handoff.usable) == (Stage.RCPT, False)
            assert handoff.reply == Reply.of(550, "5.1.1 unknown")
            assert line.send().accepted
            assert line.server.connections == 2

    def test_a_refused_mail_stands_even_if_data_is_taken(self) -> None:
        rules = (Rule(Stage.MAIL, "550 5.7.1 no"), Rule(Stage.DATA, "354 all the same"))
        with a_line(*rules) as line:
            handoff = line.send()
            assert (handoff.stage, handoff.reply) == (Stage.MAIL, Reply.of(550, "5.7.1 no"))
            assert not line.server.accepted

    def test_no_dot_follows_a_refusal_if_a_recipient_was_taken_after_it(self) -> None:
        with a_line(Rule(Stage.MAIL, "554 5.0.0 stale\n250 2.1.0 sender ok")) as line:
            handoff = line.send()
            line.server.wait_until(open_connections=0)
            assert not line.server.accepted
            assert line.heard(b"DATA")
        assert (handoff.stage, handoff.usable) == (Stage.MAIL, False)

    def test_a_refusal_stands_when_the_rest_of_the_replies_never_comes(self) -> None:
        rules = (Rule(Stage.RCPT, "550 5.1.1 unknown"), Rule(Stage.DATA, Fault.CLOSE))
        with a_line(*rules) as line:
            handoff = line.send()
        assert (handoff.stage, handoff.usable) == (Stage.RCPT, False)
        assert handoff.reply == Reply.of(550, "5.1.1 unknown")

    def test_a_loss_in_the_middle_keeps_what_was_answered(self) -> None:
        with a_line(Rule(Stage.RCPT, Fault.RST, recipient=str(BOB))) as line:
            handoff = line.send(envelope=an_envelope(str(ADA), str(BOB)))
        assert (handoff.stage, handoff.problem) == (Stage.RCPT, Problem.CLOSED)
        assert [answer.address for answer in handoff.recipients] == [ADA]


def _answer_each_time(listening: socket.socket, replies: list[bytes], *, times: int) -> None:
    """Every reply in a write of its own, as a server does that knows nothing of TCP_NODELAY."""
    connected, _ = listening.accept()
    with connected:
        for _ in range(times):
            connected.recv(1024)
            for reply in replies:
                connected.sendall(reply)


def test_replies_written_one_by_one_do_not_wait_for_the_kernel_to_acknowledge_them() -> None:
    rounds, replies = 50, [b"250 sender\r\n", b"250 recipient\r\n", b"354 go on\r\n"]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(
            target=_answer_each_time, args=(listening, replies), kwargs={"times": rounds}
        )
        server.start()
        with socket.create_connection(listening.getsockname()) as connected:
            connected.setblocking(False)
            wire = Wire(connected, monotonic=time.monotonic)
            took = []
            for _ in range(rounds):
                began = time.monotonic()
                wire.write(b"MAIL\r\nRCPT\r\nDATA\r\n", 10)
                codes = [wire.read(10).code for _ in replies]
                took.append(time.monotonic() - began)
                assert codes == [250, 250, 354]
        server.join()

    assert statistics.median(took) < 0.02, took  # the kernel waits for 40 ms


class TestAuth:
    def test_is_tried_once_even_if_more_mechanisms_are_offered(self) -> None:
        script = Script(password="another", mechanisms=("CRAM-MD5", "LOGIN", "PLAIN"))
        with a_line(script=script) as line:
            handoff = line.send()
            assert len(line.heard(b"AUTH")) == 1
        assert handoff.stage is Stage.AUTH

    @pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
    def test_never_repeats_a_password_that_the_server_repeats(self, mechanism: str) -> None:
        encoded = base64.b64encode(PASSWORD.encode()).decode()
        both = base64.b64encode(f"\0user\0{PASSWORD}".encode()).decode()
        rule = Rule(Stage.AUTH, f"535 bad: {PASSWORD} {encoded} {both}")
        with a_line(script=Script((rule,), mechanisms=(mechanism,))) as line:
            handoff = line.send()
        assert handoff.reply == Reply.of(535, "")

    def test_understands_the_old_way_to_offer_it(self) -> None:
        rule = Rule(Stage.EHLO, "250-loopback\n250 AUTH=LOGIN PLAIN")
        with a_line(rule) as line:
            assert line.send().accepted

    def test_does_not_happen_on_a_plain_connection_to_another_machine(self) -> None:
        # 0.0.0.0 leads to this machine, but is no loopback address
        with a_line() as line:
            handoff = line.send(account=attrs.evolve(line.account, host="0.0.0.0"))
            assert not line.heard(b"AUTH")
        assert (handoff.stage, handoff.problem) == (Stage.AUTH, Problem.BLOCKED)
