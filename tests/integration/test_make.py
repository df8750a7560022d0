"""`make run` and `make setup`: the real Makefile and pip, invented packages.

One environment is made from nothing and copied for each test: to make one takes seconds.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from copy import copy
from pathlib import Path

import pytest

from tests.running import ROOT

BACKEND = """
import zipfile

def build_editable(directory, config_settings=None, metadata_directory=None):
    name = "tiny_service-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{directory}/{name}", "w") as wheel:
        wheel.writestr("tiny_service.pth", ".")
        info = "tiny_service-1.0.dist-info"
        about = "Metadata-Version: 2.1\\nName: tiny-service\\nVersion: 1.0\\n"
        wheel.writestr(f"{info}/METADATA", about)
        about = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr(f"{info}/WHEEL", about)
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""


class Project:
    """A folder with this project's Makefile, and invented packages."""

    first: "subprocess.CompletedProcess[str]"  # the `make run` that made the environment

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.wheels = folder / "wheels"
        self.path = folder / "path"
        for made in (self.folder / "requirements", self.wheels, self.path):
            made.mkdir(parents=True)
        shutil.copy(ROOT / "Makefile", self.folder)
        shutil.copy(ROOT / "requirements/install", self.folder / "requirements")
        (self.folder / "backend.py").write_text(BACKEND)
        self.write(
            "pyproject.toml",
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        )
        self.web, self.tests = self.wheel("web", "1.0"), self.wheel("tests", "1.0", "web")
        self.write("requirements/build.txt", self.wheel("builder", "1.0"))
        self.write("requirements/run.txt", self.web)
        self.write("requirements/dev.txt", self.web + self.tests)

    def wheel(self, name: str, version: str, needs: str = "") -> str:
        """Make a package of that name, prefixed; the line that pins it."""
        info = f"tiny_{name}-{version}.dist-info"
        file = self.wheels / f"tiny_{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(file, "w") as wheel:
            needed = f"Requires-Dist: tiny-{needs}\n" if needs else ""
            about = f"Metadata-Version: 2.1\nName: tiny-{name}\nVersion: {version}\n{needed}"
            wheel.writestr(f"{info}/METADATA", about)
            about = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            wheel.writestr(f"{info}/WHEEL", about)
            wheel.writestr(f"{info}/RECORD", "")
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        return f"tiny-{name}=={version} \\\n    --hash=sha256:{digest}\n"

    def write(self, name: str, text: str) -> None:
        """Write a file and make it newer than what was made of it before."""
        path = self.folder / name
        path.write_text(text)
        stamps = [p.stat().st_mtime for p in self.folder.glob(".venv/.set-*")]
        later = max([path.stat().st_mtime, *stamps]) + 1
        os.utime(path, (later, later))

    def command(self, name: str, script: str) -> None:
        """Put a program in front of the machine's."""
        (self.path / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.path / name).chmod(0o755)

    def copy(self, folder: Path) -> "Project":
        """The same project, environment and packages in another folder."""
        shutil.copytree(self.folder.parent, folder, symlinks=True, dirs_exist_ok=True)
        other = copy(self)
        other.folder, other.wheels, other.path = (
            folder / each.name for each in (self.folder, self.wheels, self.path)
        )
        return other

    def forget_that_it_is_complete(self) -> None:
        """As it is while its first packages are installed."""
        (self.folder / RUN).unlink()

    def make(self, target: str, *, activated: bool = False) -> "subprocess.CompletedProcess[str]":
        kept = ("HOME", "LANG", "TMPDIR")
        environ = {name: os.environ[name] for name in kept if name in os.environ}
        path = f"{self.path}:/usr/bin:/bin"
        return subprocess.run(
            ["make", target] if activated else ["make", target, f"PYTHON={sys.executable}"],
            cwd=self.folder,
            env=environ
            | {
                "PATH": f"{self.folder}/.venv/bin:{path}" if activated else path,
                "PIP_CONFIG_FILE": os.devnull,
                "PIP_NO_INDEX": "1",
                "PIP_FIND_LINKS": str(self.wheels),
                "PIP_NO_CACHE_DIR": "1",
            },
            capture_output=True,
            text=True,
            timeout=120,
        )

    def installed(self) -> set[str]:
        """Our packages that stand in the environment."""
        found = self.folder.glob(".venv/lib/python*/site-packages/tiny_*.dist-info")
        return {path.name.removeprefix("tiny_").removesuffix(".dist-info") for path in found}


RUN, SETUP = ".venv/.set-run", "setup"
SMALL = {"builder-1.0", "web-1.0", "service-1.0"}
WHOLE = {*SMALL, "tests-1.0"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """One without an environment."""
    return Project(tmp_path)


def test_who_has_an_old_python_alone_is_told_which_and_how_to_name_another(
    project: Project,
) -> None:
    for name in ("python3", *(f"python3.{minor}" for minor in range(11, 15))):
        project.command(name, 'test "$1" = --version && echo Python 3.9.2')
    done = project.make("run", activated=True)

    assert done.returncode != 0
    assert "Python 3.11 or newer is needed, and python3 is Python 3.9.2." in done.stderr
    assert "make run PYTHON=/path/to/python3.12" in done.stderr


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One in which `make run` has made the environment, from nothing."""
    project = Project(tmp_path_factory.mktemp("first"))
    project.first = project.make(RUN)
    return project


@pytest.fixture
def made(first_run: Project, tmp_path: Path) -> Project:
    """A copy of the one with an environment."""
    return first_run.copy(tmp_path)


def test_run_installs_what_running_needs_and_setup_adds_the_rest(made):
    project = made
    assert project.first.returncode == 0, project.first.stderr
    assert project.installed() == SMALL

    whole = project.make(SETUP)
    assert whole.returncode == 0, whole.stderr
    assert project.installed() == WHOLE

    again = project.make(RUN)
    assert (again.returncode, project.installed()) == (0, WHOLE)
    assert "Bringing" not in again.stdout


def test_each_step_is_a_line_with_its_time(made):
    lines = made.first.stdout.splitlines()

    assert re.fullmatch(r"Setting up \.venv with Python 3\.\d+\.\d+\S* and pip:", lines[0])
    assert [re.sub(r" +\d+ s$", "", line) for line in lines[1:5]] == [
        "  a new environment",
        "  2 packages for running",
        "  this project",
        "  checking that they fit together",
    ]
    assert all(re.search(r" \d+ s$", line) for line in lines[1:5])


def test_a_lock_that_changed_is_installed_and_the_development_packages_stay(made):
    made.make(SETUP)
    made.write("requirements/run.txt", made.wheel("web", "2.0"))

    done = made.make(RUN)

    assert done.returncode == 0, done.stderr
    assert made.installed() == {"builder-1.0", "web-2.0", "service-1.0", "tests-1.0"}


def test_run_continues_and_reports_development_packages_that_no_longer_fit(made):
    made.write("requirements/dev.txt", made.web + made.wheel("tests", "1.0", "web<2"))
    made.make(SETUP)
    made.write("requirements/run.txt", made.wheel("web", "2.0"))

    done = made.make(RUN)

    assert done.returncode == 0, done.stderr
    assert "development packages are out of date: make setup" in done.stdout
    assert not (made.folder / ".venv/.set-dev").exists()


def test_a_change_of_the_project_installs_the_set_that_is_asked_for_and_no_other(made):
    made.write("pyproject.toml", (made.folder / "pyproject.toml").read_text())

    done = made.make(RUN)

    assert "2 packages for running" in done.stdout
    assert made.installed() == SMALL


@pytest.mark.parametrize("left", ["no pip", "a Python that is gone", "stopped at a package"])
def test_an_incomplete_environment_is_replaced(request, left):
    project = request.getfixturevalue("made" if left == "stopped at a package" else "project")
    venv = project.folder / ".venv"
    if left == "stopped at a package":
        (venv / ".set-run").unlink()
        (venv / ".unfinished").touch()
        [broken] = venv.glob("lib/python*/site-packages/tiny_web-1.0.dist-info")
        (broken / "RECORD").unlink()  # pip would take it for installed, and could not remove it
    elif left == "no pip":
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    else:
        (venv / "bin").mkdir(parents=True)
        (venv / "bin/python").symlink_to("/nowhere/python3")
        (venv / ".set-run").touch()

    done = project.make(RUN)

    assert done.returncode == 0, done.stderr
    assert "it is made anew" in done.stdout
    assert project.installed() == SMALL
    assert list(venv.glob("lib/python*/site-packages/tiny_web-1.0.dist-info/RECORD"))


def python_of(venv: Path) -> list[str]:
    """Where its Python is, and which one."""
    return re.findall("^(?:home|version) = .*", (venv / "pyvenv.cfg").read_text(), re.MULTILINE)


def test_an_activated_environment_can_be_replaced_with_the_same_python(made):
    venv = made.folder / ".venv"
    before = python_of(venv)
    (venv / ".set-run").unlink()
    (venv / ".unfinished").touch()

    done = made.make(RUN, activated=True)

    assert done.returncode == 0, done.stderr
    assert "it is made anew" in done.stdout
    assert python_of(venv) == before


def test_a_package_with_another_hash_is_not_installed_and_the_next_call_mends_it(made):
    web = made.wheel("web", "2.0")
    made.forget_that_it_is_complete()
    made.write("requirements/run.txt", re.sub("[0-9a-f]{64}", "0" * 64, web))
    refused = made.make(RUN)
    assert refused.returncode != 0
    assert "web-2.0" not in made.installed()
    assert "HASHES" in refused.stderr.upper()

    made.write("requirements/run.txt", web)

    assert made.make(RUN).returncode == 0
    assert made.installed() == {"builder-1.0", "web-2.0", "service-1.0"}


def test_a_lock_that_lacks_a_package_is_reported(made):
    made.forget_that_it_is_complete()
    made.write("requirements/run.txt", made.wheel("web", "2.0", "words"))

    done = made.make(RUN)

    assert done.returncode != 0
    assert "tiny-words" in done.stderr
    assert not (made.folder / RUN).exists()


def test_uv_installs_where_it_is_on_the_path(made):
    made.forget_that_it_is_complete()
    made.command(
        "uv",
        'echo "$*" >> uv.log; own=$5; [ "$2" = check ] && exit 0; shift 5\n'
        'exec "$own" -m pip --quiet install "$@"',
    )

    done = made.make(RUN)

    assert done.returncode == 0, done.stderr
    assert " with uv:" in done.stdout
    calls = (made.folder / "uv.log").read_text().splitlines()
    assert [line.split()[:2] for line in calls] == [
        ["pip", "install"],
        ["pip", "install"],
        ["pip", "check"],
    ]
    assert "--no-deps --require-hashes" in calls[0]
    assert "--no-deps --no-build-isolation" in calls[1]
    assert made.installed() == SMALL


def test_pip_takes_over_where_uv_cannot(made):
    made.forget_that_it_is_complete()
    made.command("uv", '[ "$2" = check ]')

    done = made.make(RUN)

    assert done.returncode == 0, done.stderr
    assert "trying pip" in done.stdout
    assert made.installed() == SMALL


@pytest.mark.parametrize("target", ["lock", "audit"])
def test_the_lock_can_be_made_anew_where_it_does_not_fit_the_project(project, target):
    done = subprocess.run(
        ["make", "--dry-run", target], cwd=project.folder, capture_output=True, text=True
    )

    assert "requirements/tools.txt" in done.stdout
    assert "requirements/install" not in done.stdout
    assert ".venv" not in done.stdout


@pytest.mark.parametrize(
    ("python", "command"),
    [
        ("exit 1", "sudo apt-get install python3 python3-venv"),
        (
            'case "$*" in *ensurepip*) exit 1;; *%d*) echo 3.11;; esac',
            "sudo apt-get install python3.11-venv",
        ),
    ],
)
def test_a_missing_program_is_named_with_the_command_that_installs_it(project, python, command):
    for version in ("3", "3.11", "3.12", "3.13", "3.14"):
        project.command(f"python{version}", python)
    project.command("python", python)

    done = subprocess.run(
        ["make", RUN],
        cwd=project.folder,
        env={"PATH": f"{project.path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode != 0
    assert command in done.stderr
    assert not (project.folder / ".venv").exists()
