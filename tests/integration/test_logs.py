"""Log lines of real processes: how they leave, whatever becomes of the process."""

import subprocess
import sys

import pytest

from tests.running import ROOT

SCRIPT = """
import logging, os, signal, sys
from entrypoints.runtime.logs import RedactedLines
log = logging.Logger("x", "INFO")
log.addHandler(RedactedLines(sys.stderr))
log.info("last words")
"""
CLOSED = """
sys.stderr.close()
log.info("to nobody")
print("alive")
"""


def run(script: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("end", ["", "os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_line_is_written_before_whatever_ends_its_process(end):
    assert run(SCRIPT + end).stderr == "last words\n"


def test_a_closed_stderr_does_not_end_the_process():
    done = run(SCRIPT + CLOSED)

    assert (done.returncode, done.stdout) == (0, "alive\n")
