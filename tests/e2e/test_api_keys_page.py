"""docs/using/api-keys.md, typed as it stands, and keys among several processes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.test_security import spellings
from tests.missing import missing
from tests.running import ROOT, Running, running

PAGE = (ROOT / "docs/using/api-keys.md").read_text("utf-8").partition("## Over the API")[2]
PROGRAMS = {  # what runs a file, its suffix, and the package that has it
    "sh": ("bash", "sh", "bash"),
    "python": (sys.executable, "py", "python3"),
    "js": ("node", "mjs", "nodejs"),
    "php": ("php", "php", "php-cli"),
}


def run(language: str, service: Running, **environ: str) -> str:
    """What the programs of a language print, one after the other."""
    command, suffix, package = PROGRAMS[language]
    if shutil.which(command) is None:
        missing(f"{command} is not installed: apt-get install {package}")
    told = ""
    for code in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL):
        program = service.folder / f"program.{suffix}"
        program.write_text(code.replace("127.0.0.1:5000", f"127.0.0.1:{service.port}"))
        done = subprocess.run(
            [command, str(program)],
            env={**os.environ, "API_KEY": str(service.key), **environ},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        told += done.stdout
    return told


@pytest.mark.parametrize("language", ["python", "js", "php"])
def test_each_program_of_the_page_prints_a_key_that_works(tmp_path: Path, language: str) -> None:
    with running(tmp_path) as service:
        service.with_key("admin")
        service.key = run(language, service).strip()

        assert service.get("/api/emails") == (200, [])
        assert service.get("/api/keys")[0] == 403


def test_the_commands_of_the_page_create_list_and_revoke_a_key(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        service.with_key("admin")
        _, old = service.post("/api/keys", {"name": "old", "scopes": ["send"]})
        told = run("sh", service, PREFIX=old["prefix"])
        _, keys = service.get("/api/keys")

    assert [(key["name"], key["usable"]) for key in keys] == [
        *(("test", True), ("old", False), ("web", True))
    ]
    assert (keys[2]["daily_recipients"], keys[2]["expires_at"]) == (
        *(500, "2099-01-31T00:00:00.000000Z"),
    )
    assert '"key": "es_' in told or '"key":"es_' in told
    assert "API key revoked successfully" in told


def test_a_key_works_and_stops_at_once_in_all_processes(tmp_path: Path) -> None:
    with running(tmp_path) as first, running(tmp_path) as second:
        first.with_key("admin")
        for _ in range(5):
            _, made = first.post("/api/keys", {"name": "web", "scopes": ["read"]})
            second.key = made["key"]
            assert second.get("/api/emails")[0] == 200
            assert first.call("DELETE", f"/api/keys/{made['prefix']}")[0] == 200
            assert second.get("/api/emails")[0] == 401


def test_t_sec_1_no_file_of_the_service_has_a_key_that_was_made_over_the_api(
    tmp_path: Path,
) -> None:
    with running(tmp_path, LOG_LEVEL="DEBUG") as service:
        service.with_key("admin")
        _, made = service.post("/api/keys", {"name": "planted", "scopes": ["admin"]})
        service.key = made["key"]
        assert service.get("/api/keys")[0] == 200
        assert service.call("DELETE", f"/api/keys/{made['key']}")[0] == 404
        assert service.call("DELETE", f"/api/keys/{made['prefix']}")[0] == 200
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        kept = {path.name: path.read_bytes() for path in files}
        service.stop()
        kept |= {f"{path.name} at the end": path.read_bytes() for path in files if path.exists()}

    assert any(b"planted" in octets for octets in kept.values())
    secret = made["key"].split("_", 2)[2]
    for one in spellings(secret):
        assert [name for name, octets in kept.items() if one.encode() in octets] == []
