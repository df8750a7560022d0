"""Replies are read strictly, within a deadline and in little memory."""

import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from adapters.fakes.sender import Fault, Rule, Script
from domain.dialogue.replies import MAX_BYTES, Malformed, ReplyParser, ServerReply
from domain.outcome.handoff import Problem, Reply, Stage
from tests.contract.sender_suite import LARGE, an_account_at
from tests.integration.smtp_sending import Line, a_line, a_sender, short_timeouts
from tests.smtp_server import SmtpServer


def parsed(octets: bytes) -> ServerReply | None:
    parser = ReplyParser()
    parser.feed(octets)
    return parser.next()


def _given(parser: ReplyParser, octets: bytes) -> list[ServerReply | str]:
    """What it gives out for some more octets: at most one reply, or what is wrong."""
    parser.feed(octets)
    try:
        reply = parser.next()
    except Malformed as error:
        return [str(error)]
    return [] if reply is None else [reply]


class TestTheParser:
    def test_reads_one_line(self) -> None:
        assert parsed(b"250 ok\r\n") == ServerReply(250, ("ok",))

    def test_reads_a_code_alone(self) -> None:
        assert parsed(b"250\r\n") == ServerReply(250, ("",))

    def test_reads_many_lines(self) -> None:
        assert parsed(b"250-a\r\n250-\r\n250 b\r\n") == ServerReply(250, ("a", "", "b"))

    def test_waits_for_the_last_line(self) -> None:
        assert parsed(b"250-a\r\n250 b") is None

    def test_reads_a_reply_that_comes_byte_by_byte(self) -> None:
        parser = ReplyParser()
        for octet in b"250-a\r\n250 b\r":
            parser.feed(bytes((octet,)))
            assert parser.next() is None
        parser.feed(b"\n")
        assert parser.next() == ServerReply(250, ("a", "b"))

    def test_gives_replies_out_one_by_one(self) -> None:
        parser = ReplyParser()
        parser.feed(b"250 a\r\n550 b\r\n")
        assert [parser.next(), parser.next()] == [
            ServerReply(250, ("a",)),
            ServerReply(550, ("b",)),
        ]
        assert parser.next() is None
        assert parser.empty

    @pytest.mark.parametrize(
        "octets",
        [
            b"250 a\r\n250 b\r\n250 c\r\n354 go\r\n",
            b"250 a\r\n250 b\r\n354 go",
            b"250 a\r\n250-b\r\n250 c\r\n354 go\r\n",
            b"250 a\r\n250 b\r\nnonsense\r\n354 go\r\n",
            b"250 a\r\n\r\n250 b\r\n",
            b"250 a\r\n250 b\r\n354 " + b"x" * 500 + b"\r\n",
        ],
    )
    def test_what_comes_together_is_what_would_come_byte_by_byte(self, octets: bytes) -> None:
        together, apart = ReplyParser(), ReplyParser()
        together.feed(octets)
        expected = [reply for octet in octets for reply in _given(apart, bytes((octet,)))]

        given = [reply for _ in octets for reply in _given(together, b"")]

        assert given == expected
        assert together.empty == apart.empty

    @pytest.mark.parametrize(
        "octets",
        [
            b"250-no\r\n550 yes\r\n",
            b"550-no\r\n250 yes\r\n",
            b"199 no\r\n",
            b"600 no\r\n",
            b"25 no\r\n",
            b"2500 no\r\n",
            b"-1 no\r\n",
            b" 250 no\r\n",
            b"250\tno\r\n",
            b"HTTP/1.1 400 Bad Request\r\n",
            b"\r\n",
            b"250 a\n250 b\r\n",
            b"250 a\rb\r\n",
            b"\xb2\xb5\xb0 ok\r\n",
            b"250-ok\r\n\r\n250 ok\r\n",
        ],
    )
    def test_refuses_what_is_not_one_reply(self, octets: bytes) -> None:
        with pytest.raises(Malformed):
            parsed(octets)

    def test_takes_a_hundred_lines_and_not_one_more(self) -> None:
        assert parsed(b"250-x\r\n" * 99 + b"250 x\r\n") is not None
        with pytest.raises(Malformed):
            parsed(b"250-x\r\n" * 100 + b"250 x\r\n")

    def test_takes_64_kb_and_no_more(self) -> None:
        assert parsed(b"250 " + b"x" * (MAX_BYTES - 6) + b"\r\n") is not None
        with pytest.raises(Malformed):
            parsed(b"250 " + b"x" * (MAX_BYTES - 5) + b"\r\n")

    def test_refuses_an_endless_line_before_it_ends(self) -> None:
        with pytest.raises(Malformed):
            parsed(b"250 " + b"x" * MAX_BYTES)

    def test_lines_count_together(self) -> None:
        with pytest.raises(Malformed):
            parsed((b"250-" + b"x" * 996 + b"\r\n") * 66)


def test_a_reply_dripped_byte_by_byte_does_not_outlast_the_deadline() -> None:
    with a_line(Rule(Stage.MAIL, Fault.DRIP), timeouts=short_timeouts(mail=0.3)) as line:
        started = time.monotonic()
        handoff = line.send()
        seconds = time.monotonic() - started
    assert handoff.problem is Problem.TIMEOUT
    assert 0.3 <= seconds < 3


def test_t_srv_an_endless_reply_takes_little_memory() -> None:
    with a_line(Rule(Stage.EHLO, Fault.ENDLESS)) as line:
        tracemalloc.start()
        handoff = line.send()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert handoff.problem is Problem.PROTOCOL
    assert peak < 2_000_000


def test_t_srv_a_banner_of_20_mb_takes_little_memory(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.smtp_server", "--log", str(tmp_path / "log")]
    command += ["--rules", '[{"stage": "banner", "answer": "huge"}]']
    sender = a_sender()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as server:
        try:
            assert server.stdout is not None
            account = an_account_at("127.0.0.1", int(server.stdout.readline()))
            tracemalloc.start()
            handoff = sender.probe(account)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        finally:
            server.kill()
    assert (handoff.stage, handoff.problem) == (Stage.BANNER, Problem.PROTOCOL)
    assert peak < 2_000_000


def test_t_srv_control_characters_of_a_reply_do_not_reach_anybody() -> None:
    with a_line(Rule(Stage.MAIL, "550 \x1b[2Jgone\x07 <b>")) as line:
        handoff = line.send()
    assert handoff.reply == Reply(550, "\ufffd[2Jgone\ufffd <b>")


def test_t_srv_a_long_reply_is_kept_up_to_a_kilobyte() -> None:
    with a_line(Rule(Stage.MAIL, "550 " + "x" * 5000)) as line:
        handoff = line.send()
    assert handoff.reply is not None
    assert len(handoff.reply.text) == 1024


def test_a_552_in_the_middle_of_the_body_is_not_lost() -> None:
    with a_line(Rule(Stage.BODY, "552 5.3.4 too big")) as line:
        handoff = line.send(octets=LARGE)
    assert handoff.stage is Stage.BODY
    assert handoff.reply == Reply.of(552, "5.3.4 too big")


def test_a_server_that_closes_before_a_small_body_is_read_is_noticed_before_the_dot() -> None:
    def before_dot() -> bool:
        line.server.drop_connections()
        line.server.wait_until(open_connections=0)
        return True

    with a_line() as line:
        handoff = line.send(before_dot=before_dot)
    assert (handoff.stage, handoff.problem) == (Stage.BODY, Problem.CLOSED)
    assert not handoff.unknown


def test_a_large_message_arrives_whole() -> None:
    octets = b"Subject: Large\r\n\r\n" + b"x" * 70 + b"\r\n..\r\n" * 500_000
    with a_line(script=Script(extensions=("PIPELINING",))) as line:
        assert line.send(octets=octets).accepted
        assert line.server.accepted[0].octets == octets


def test_a_slow_body_is_given_time_by_its_size() -> None:
    timeouts = short_timeouts(body=0.1, body_rate=1000)
    assert timeouts.for_body(10) == 0.1
    assert timeouts.for_body(5000) == 5.0


def test_the_deadline_of_a_body_is_for_all_of_it() -> None:
    with a_line(Rule(Stage.BODY, Fault.HANG), timeouts=short_timeouts(body=0.2)) as line:
        started = time.monotonic()
        handoff = line.send(octets=LARGE)
    assert (handoff.stage, handoff.problem) == (Stage.BODY, Problem.TIMEOUT)
    assert time.monotonic() - started < 5


def test_a_421_between_two_commands_is_read_as_what_it_is() -> None:
    script = Script(
        (Rule(Stage.AUTH, "235 2.7.0 welcome\n421 4.3.2 going"),), extensions=("PIPELINING",)
    )
    with a_line(script=script) as line:
        handoff = line.send()
    assert (handoff.stage, handoff.reply) == (Stage.MAIL, Reply.of(421, "4.3.2 going"))


def test_a_server_that_was_taken_down_refuses_the_connection() -> None:
    server = SmtpServer()
    server.close()
    line = Line(a_sender(), server, an_account_at(server.host, server.port))
    handoff = line.send()
    assert (handoff.stage, handoff.problem) == (Stage.CONNECT, Problem.REFUSED)
    assert handoff.detail == f"connect to 127.0.0.1:{server.port}: connection refused"
