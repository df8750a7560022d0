"""Regular expressions mean the same in every Python that we support.

Before 3.11.5 (Debian 12 has 3.11.2) a possessive group whose body fails in its middle keeps what
that body had taken (CPython's issue 106052), and groups inside it may be wrong (101955). A body
that cannot fail once it has taken a character is safe.
"""

import importlib
import pkgutil
import re
from re import _constants as op
from re import _parser

import pytest

PACKAGES = ("domain", "application", "adapters", "entrypoints")
CHARACTER = {op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN}
ASSERTIONS = {op.ASSERT, op.ASSERT_NOT, op.AT}
REPEATS = {op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT}


def compiled_patterns():
    found = {}
    for package in map(importlib.import_module, PACKAGES):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.endswith("__main__"):
                continue
            for name, value in vars(importlib.import_module(module.name)).items():
                for pattern in patterns_in(value):
                    found.setdefault(pattern, f"{module.name}.{name}")
    return found


def patterns_in(value, depth=3):
    if isinstance(value, re.Pattern):
        yield value
    elif depth and isinstance(value, (tuple, list, set, frozenset, dict)):
        for each in [*value, *(value.values() if isinstance(value, dict) else ())]:
            yield from patterns_in(each, depth - 1)


def unsafe_groups(pattern):
    flags = pattern.flags if isinstance(pattern.pattern, str) else pattern.flags & ~re.UNICODE
    return [body for body in possessive(_parser.parse(pattern.pattern, flags)) if not safe(body)]


def possessive(sequence):
    """The bodies of all possessive repeats, wherever they stand."""
    for kind, value in sequence:
        if kind is op.POSSESSIVE_REPEAT:
            yield value[2]
        for inner in inside(kind, value):
            yield from possessive(inner)


def inside(kind, value):
    if kind in REPEATS:
        return [value[2]]
    if kind is op.SUBPATTERN:
        return [value[3]]
    if kind is op.BRANCH:
        return value[1]
    if kind in {op.ASSERT, op.ASSERT_NOT}:
        return [value[1]]
    return []


def safe(body):
    """Whether it takes a character first and cannot fail afterwards, and sets no group."""
    items = [item for item in body if item[0] not in ASSERTIONS]
    if not items or (len(items) < len(body) and body[0][0] not in ASSERTIONS):
        return False
    (kind, value), *others = items
    if kind is op.BRANCH:
        first = all(map(safe, value[1]))
    elif kind is op.SUBPATTERN:
        first = value[0] is None and safe(value[3])
    else:
        first = kind in CHARACTER or (kind in REPEATS and safe(value[2]) and value[0] <= 1)
    return first and all(may_be_empty(*other) for other in others)


def may_be_empty(kind, value):
    if kind is op.SUBPATTERN:
        return value[0] is None and all(may_be_empty(*item) for item in value[3])
    return kind in REPEATS and value[0] == 0 and safe(value[2])


def test_no_possessive_group_can_fail_after_it_took_a_character():
    patterns = compiled_patterns()

    assert len(patterns) > 100
    assert {where: p.pattern for p, where in patterns.items() if unsafe_groups(p)} == {}


@pytest.mark.parametrize(
    ("pattern", "is_safe"),
    [
        (r"[^a]++b?+", True),
        (r"(?:[^<]++|(?!</style)<)*+", True),
        (r"""(?:[^>=]++|=\s*+(?:"[^"]*+"?+|'[^']*+'?+)?+)*+>""", True),
        (r'(?:[^"\\]++|\\.?+)*+', True),
        (r"(?:[ \t]++[a-z]++)*+", False),
        (r"(?:[^<]++|<(?!/style))*+", False),
        (r'(?:[^"]|"[^"]*+")*+', False),
        (r"(?:(a)|b)*+", False),
        (r"(?:ab)?+", False),
        (r"x(?:y(?:ab)++)?", False),
        (r"(?:a{3})*+", False),
    ],
)
def test_the_check_knows_such_groups(pattern, is_safe):
    assert (not unsafe_groups(re.compile(pattern))) is is_safe
