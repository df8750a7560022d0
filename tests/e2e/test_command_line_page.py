"""The commands of docs/using/command-line.md, typed as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import entrypoints.client.config as config
from entrypoints.cli.send import End
from entrypoints.client.failures import Exit
from tests.running import ROOT, free_port, running, wait_until

PAGE = (ROOT / "docs/using/command-line.md").read_text("utf-8")


def test_every_command_of_the_page_sends_what_it_says(tmp_path: Path) -> None:
    commands = "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
    [printed] = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    [python] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "invoice.pdf").write_bytes(b"%PDF")
    (tmp_path / "logo.png").write_bytes(b"\x89PNG")
    (tmp_path / "program.py").write_text(python)
    port = free_port()
    with running(tmp_path, SANDBOX=1, SANDBOX_PORT=port) as service:
        service.account(port)
        program = f"set -e\n{commands}\n{sys.executable} program.py\n"
        done = subprocess.run(
            ["bash", "-c", program.replace("127.0.0.1:5000", f"127.0.0.1:{service.port}")],
            cwd=tmp_path,
            env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        wait_until(lambda: len(service.get("/sandbox/messages.json")[1]) >= 6)
        subjects = [one["subject"] for one in service.get("/sandbox/messages.json")[1]]

    accepted = "".join(f"Accepted as email {number}\n" for number in (1, 2, 3))
    assert done.stdout == accepted + printed
    assert sorted(subjects) == ["Free disk", "Grüße", "Hello", "Hi", "Welcome", "Your invoice"]


def test_the_page_has_every_exit_code_and_every_name() -> None:
    send, sendmail = (
        re.findall(r"^\| (\d+) \|", table, re.MULTILINE)
        for table in PAGE.split("| exit code |")[1:]
    )
    names = re.findall(r"^\| `(EMAIL_SERVICE_\w+)`", PAGE, re.MULTILINE)

    assert [int(code) for code in send] == [int(end) for end in End]
    assert [int(code) for code in sendmail] == [int(code) for code in Exit]
    assert tuple(names) == config.NAMES
