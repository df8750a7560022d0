"""The plain way, for the ratio: for each email a message object and a connection of its own."""

import os
import smtplib
import subprocess
import sys
import time
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Final

from tests.benchmarks.figures import Benchmark, Figure, Reached, Scene
from tests.benchmarks.filling import TEN_KB_HTML, TEN_KB_TEXT
from tests.benchmarks.sink import sink
from tests.running import ROOT


def plain(scene: Scene) -> Reached:
    """One thread, nothing durable."""
    number = scene.size(2000, 20)
    return {"smtplib, EmailMessage, a connection each": number / seconds_for(number)}


def seconds_for(number: int, *, file_octets: int = 0) -> float:
    """How long so many emails take, each with a file of so many octets if there are any."""
    with sink() as target:
        told = (target.port, number, file_octets)
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.plain", *map(str, told)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    return float(done.stdout)


def _send_all(port: int, number: int, file_octets: int) -> float:
    file = os.urandom(file_octets)
    started = time.monotonic()
    for n in range(number):
        message = _message(n)
        if file:
            message.add_attachment(
                file, maintype="application", subtype="pdf", filename="invoice.pdf"
            )
        with smtplib.SMTP("127.0.0.1", port) as server:
            server.send_message(message)
    return time.monotonic() - started


def _message(number: int) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = f"Hello {number}"
    message["From"] = "Sender <me@example.com>"
    message["To"] = "ada@example.org"
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain="example.com")
    message.set_content(TEN_KB_TEXT)
    message.add_alternative(TEN_KB_HTML, subtype="html")
    return message


BENCHMARKS: Final = (
    Benchmark(
        name="plain",
        about="2,000 emails, one after the other, on the same sink",
        figures=(Figure(name="smtplib, EmailMessage, a connection each", unit="/s"),),
        run=plain,
    ),
)

if __name__ == "__main__":
    print(_send_all(*map(int, sys.argv[1:])))
