"""Log lines of real processes: how they leave, whatever becomes of the process."""

import subprocess
import sys

from tests.running import ROOT

FORKING = """
import logging, os, sys, time
from entrypoints.runtime.logs import GatheredLines
log = logging.Logger("x", "INFO")
log.addHandler(GatheredLines(sys.stderr))
log.info("parent")
while log.handlers[0]._lines:
    time.sleep(0.01)
child = os.fork()
if child == 0:
    log.info("child")
    while log.handlers[0]._lines:
        time.sleep(0.01)
    os._exit(0)
os.waitpid(child, 0)
"""
LEAVING = """
import logging, sys
from entrypoints.runtime.logs import GatheredLines
log = logging.Logger("x", "INFO")
log.addHandler(GatheredLines(sys.stderr))
log.info("last words")
"""


def said(script: str) -> list[str]:
    # Python warns of a fork beside threads since 3.12
    quiet = "-Wignore:This process:DeprecationWarning"
    done = subprocess.run(
        [sys.executable, quiet, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


def test_after_a_fork_the_childs_lines_are_written_too():
    assert said(FORKING) == ["parent", "child"]


def test_a_process_writes_every_line_before_it_ends():
    assert said(LEAVING) == ["last words"]
