"""What large requests leave in the memory of a service that runs."""

import os
import sys
from base64 import b64encode
from pathlib import Path

import pytest

from tests.applications import an_email_body
from tests.running import Running, free_port, running

LARGE = 12 * 1024 * 1024
MOST_KIB = 64 * 1024  # glibc by itself would keep 128 MB


def private_kib(service: Running) -> int:
    """The memory of the process that it shares with nobody."""
    status = Path(f"/proc/{service.process.pid}/status").read_text("ascii")
    [line] = [line for line in status.splitlines() if line.startswith("RssAnon:")]
    return int(line.split()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and glibc is Linux's")
def test_emails_with_large_files_leave_no_memory_behind(tmp_path: Path) -> None:
    file = {"filename": "a.bin", "content": b64encode(os.urandom(LARGE)).decode()}
    body = an_email_body(attachments=[file])
    with running(tmp_path, DISPATCHER="none") as service:
        service.account(free_port())
        assert service.post("/api/emails", body)[0] == 201
        once = private_kib(service)
        for _ in range(4):
            assert service.post("/api/emails", body)[0] == 201

        assert private_kib(service) - once < MOST_KIB
