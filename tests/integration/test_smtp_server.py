"""The scripted server as a process: it writes down what it took before anybody hears of it."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from domain.outcome.handoff import Handoff, Parcel, Problem, Stage
from tests.builders import an_envelope
from tests.contract.sender_suite import Permission, an_account_at
from tests.integration.smtp_sending import a_sender, short_timeouts

MESSAGE = b"Subject: Number 7\r\nX-Test-Id: t7\r\n\r\nHello.\r\n"


class Process:
    """The server, its log, and a sender."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        assert process.stdout is not None
        self._process = process
        self._log = log
        self._sender = a_sender(timeouts=short_timeouts(dot=0.3))
        self._account = an_account_at("127.0.0.1", int(process.stdout.readline()))

    def send(self) -> Handoff:
        with self._sender.converse(self._account) as conversation:
            parcel = Parcel(an_envelope(), MESSAGE)
            return conversation.send(parcel, before_dot=Permission())

    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def play(self, *rules: dict[str, str]) -> None:
        """New rules, and the first message under them."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(rules) + "\n")
        self._process.stdin.flush()

    def close(self) -> None:
        self._sender.close()
        self._process.kill()


@contextmanager
def a_process(tmp_path: Path, *options: str) -> Iterator[Process]:
    log = tmp_path / "accepted.jsonl"
    command = [sys.executable, "-m", "tests.smtp_server", "--log", str(log), *options]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        server = Process(process, log)
        try:
            yield server
        finally:
            server.close()


def test_every_accepted_message_is_a_line_of_the_log(tmp_path: Path) -> None:
    with a_process(tmp_path) as server:
        assert server.send().accepted
        [line] = server.logged()
    assert (line["subject"], line["test_id"]) == ("Number 7", "t7")
    assert line["rcpt"] == ["ada@example.org"]
    assert line["bad"] == []


def test_a_message_is_logged_even_if_no_callback_is_given(tmp_path: Path) -> None:
    rules = '[{"stage": "dot", "answer": "accept_hang"}]'
    with a_process(tmp_path, "--rules", rules) as server:
        handoff = server.send()
        assert (handoff.stage, handoff.problem) == (Stage.DOT, Problem.TIMEOUT)
        assert len(server.logged()) == 1


def test_a_line_of_standard_input_replaces_the_rules(tmp_path: Path) -> None:
    with a_process(tmp_path) as server:
        assert server.send().accepted
        server.play({"stage": "mail", "answer": "451 4.3.0 later"})
        deadline = time.monotonic() + 10
        while server.send().accepted:
            assert time.monotonic() < deadline, "the new rules are not played"
