"""What CI installs: only what is missing, and without starting a service. Programs are made up."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.running import ROOT

LIST = "# a comment\nnginx-light\n\npostfix  # with its reason\nthere-already\n"
DPKG = (
    'case "$3" in there-already) printf installed;; postfix) printf config-files;; *) exit 1;; esac'
)
APT = 'echo "$*" >> "$LOG"; sh "$POLICY_RC_D"; echo "policy $?" >> "$LOG"'


class Machine:
    """A folder .ci, and programs in front of the machine's own."""

    def __init__(self, folder: Path) -> None:
        self.ci = folder / ".ci"
        self.path = folder / "path"
        self.log = folder / "log"
        self.policy = folder / "policy-rc.d"
        self.ci.mkdir()
        self.path.mkdir()
        shutil.copy(ROOT / ".ci/install-packages", self.ci)
        (self.ci / "packages.txt").write_text(LIST)
        self.program("id", "echo 0")
        self.program("dpkg-query", DPKG)
        self.program("apt-get", APT)

    def program(self, name: str, script: str) -> None:
        (self.path / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.path / name).chmod(0o755)

    def install(self) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self.ci / "install-packages"],
            env={
                "PATH": f"{self.path}:{os.environ['PATH']}",
                "POLICY_RC_D": str(self.policy),
                "LOG": str(self.log),
            },
            capture_output=True,
            text=True,
            timeout=30,
        )

    def asked(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_what_is_missing_is_installed_after_one_update_and_no_service_is_started(machine):
    done = machine.install()

    assert done.returncode == 0, done.stderr
    update, first, install, second = machine.asked()
    assert update.endswith(" update")
    assert install.endswith(" install --yes --no-install-recommends nginx-light postfix")
    assert first == second == "policy 101"
    assert not machine.policy.exists()


def test_the_policy_that_was_there_is_put_back_also_when_the_installation_fails(machine):
    machine.policy.write_text("exit 0\n")
    machine.program("apt-get", "exit 100")

    done = machine.install()

    assert done.returncode == 100
    assert machine.policy.read_text() == "exit 0\n"


def test_where_nothing_is_missing_apt_is_not_asked(machine):
    (machine.ci / "packages.txt").write_text("there-already\n")

    assert machine.install().returncode == 0
    assert machine.asked() == []


def test_without_root_it_says_what_is_missing_and_goes_on(machine):
    machine.program("id", "echo 1000")

    done = machine.install()

    assert done.returncode == 0
    assert done.stderr.endswith(": nginx-light postfix\n")
    assert machine.asked() == []


def test_every_line_of_the_list_is_one_name_or_a_comment():
    lines = (ROOT / ".ci/packages.txt").read_text().splitlines()
    names = [line.split("#")[0].split() for line in lines]

    assert all(len(words) <= 1 for words in names)


def test_ci_installs_them_before_anything_else():
    run = (ROOT / ".ci/run").read_text()
    assert 0 < run.index(".ci/install-packages") < run.index("make check")
