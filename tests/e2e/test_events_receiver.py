"""The program in docs/using/events.md tells of an SMTP configuration that is paused."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.running import ROOT, free_port, running, wait_until

WITHIN_S = 5.0
MOST_LINES = 20


def the_program() -> str:
    page = (ROOT / "docs" / "using" / "events.md").read_text("utf-8")
    [program] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    return str(program)


def test_the_documented_program_tells_of_a_paused_configuration_within_five_seconds(
    tmp_path: Path,
) -> None:
    program = the_program()
    assert len(program.splitlines()) <= MOST_LINES
    told = tmp_path / "told"
    with running(tmp_path) as service, told.open("wb") as output:
        service.with_key("admin")
        service.account(free_port(), name="newsletter")
        receiver = subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, "URL": service.url, "API_KEY": str(service.key)},
            stdout=output,
        )
        try:
            assert service.post("/api/smtp-configs/1/pause")[0] == 200
            wait_until(lambda: b"newsletter" in told.read_bytes(), patience=WITHIN_S)
        finally:
            receiver.kill()
            receiver.wait()

    assert told.read_text("utf-8") == "account.paused newsletter by_hand\n"
