"""The lock files: what they pin, and what a pinned package needs that they do not pin.

The pins are installed without being resolved, so a requirement that no pin satisfies would be found
by `pip check` on the machine of whoever installs them, if at all.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, requires
from typing import Final

import attrs
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.running import ROOT

PYTHONS: Final = ("3.11.0", "3.11.2", "3.11.3", "3.12.0", "3.13.0", "3.14.0")
SYSTEMS: Final[Mapping[str, Mapping[str, str]]] = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
    "darwin": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"},
    "win32": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
}
# What each set is made of: the project itself with these extras, or the build tools.
EXTRAS: Final = {"run": (), "image": ("gunicorn", "postgres", "celery"), "dev": ("dev",)}

Environment = Mapping[str, str]


@attrs.frozen
class Pin:
    """One line of a lock file."""

    name: str
    version: str
    marker: Marker | None = None

    def holds(self, environment: Environment) -> bool:
        """Whether it is installed there."""
        return self.marker is None or self.marker.evaluate(dict(environment))


class Unknown(Exception):
    """The requirements of a package cannot be read here."""


def environment(python: str, system: str) -> Environment:
    """What markers ask, for CPython of that version on that system."""
    return {
        "implementation_name": "cpython",
        "implementation_version": python,
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_version": "",
        "python_full_version": python,
        "python_version": python.rpartition(".")[0],
        "extra": "",
        **SYSTEMS[system],
    }


def pinned(text: str) -> Sequence[Pin]:
    """The pins of a lock file. AssertionError if one has no hash, or for any other line."""
    line = r"^(\S+)==(\S+)(?: ; (.*?))? \\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+"
    found = re.findall(line, text, re.MULTILINE)
    left = re.sub(r"^\s*#.*\n", "", re.sub(line, "", text, flags=re.MULTILINE), flags=re.MULTILINE)
    assert left.strip() == "", f"neither a pin with its hash nor a comment: {left.strip()[:200]}"
    return [
        Pin(canonicalize_name(name), version, Marker(marker) if marker else None)
        for name, version, marker in found
    ]


def lock(name: str) -> Sequence[Pin]:
    """The pins of requirements/*name*.txt."""
    return pinned((ROOT / f"requirements/{name}.txt").read_text("utf-8"))


def roots(name: str) -> Sequence[Requirement]:
    """What the set of that name is for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    if name == "build":
        return [Requirement(text) for text in project["build-system"]["requires"]]
    wanted = [*project["project"]["dependencies"]]
    for extra in EXTRAS[name]:
        wanted += project["project"]["optional-dependencies"][extra]
    return [Requirement(text) for text in wanted]


def installed_requirements(package: str) -> Sequence[Requirement]:
    """The requirements in an installed package's metadata. Unknown if it is not installed."""
    try:
        return [Requirement(text) for text in requires(package) or ()]
    except PackageNotFoundError:
        raise Unknown(package) from None


def holes(
    wanted: Iterable[Requirement],
    pins: Sequence[Pin],
    environment: Environment,
    *,
    requirements_of: Callable[[str], Sequence[Requirement]],
) -> Sequence[str]:
    """Every requirement that is met on the way from *wanted* and that the pins do not satisfy.

    A pin that nothing needs is one too. Unknown where a package's requirements cannot be read.
    """
    here: dict[str, Pin] = {}
    found = []
    for pin in pins:
        if pin.holds(environment):
            if pin.name in here:
                found.append(f"{pin.name} is pinned twice")
            here[pin.name] = pin
    left = [("the project", needed) for needed in wanted if _applies(needed, environment, "")]
    seen: set[tuple[str, str]] = set()
    while left:
        source, requirement = left.pop()
        pin = here.get(canonicalize_name(requirement.name))
        if pin is None or not requirement.specifier.contains(pin.version, prereleases=True):
            has = "nothing" if pin is None else pin.version
            found.append(f"{source} needs {requirement}, and {has} is pinned")
            continue
        for extra in {"", *requirement.extras}:
            if (pin.name, extra) not in seen:
                seen.add((pin.name, extra))
                left += [
                    (f"{pin.name} {pin.version}", needed)
                    for needed in requirements_of(pin.name)
                    if _applies(needed, environment, extra)
                ]
    found += [f"nothing needs {name}" for name in sorted(set(here) - {name for name, _ in seen})]
    return found


def _applies(needed: Requirement, environment: Environment, extra: str) -> bool:
    return needed.marker is None or needed.marker.evaluate({**environment, "extra": extra})
