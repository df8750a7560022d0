"""Every case of the threat model whose subject exists has a test that is named after it."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
# Templates, webhooks and attachments are not there yet, nor are T-SSTI, T-HOOK and T-PATH.
CASES = (
    *("auth_1", "auth_2", "auth_3", "auth_4", "auth_5", "auth_6", "hdr_1", "hdr_2", "hdr_3"),
    *("hdr_4", "adr", "body_1", "body_2", "json_1", "json_2", "json_3", "json_4", "json_5"),
    *("size", "ct", "lim", "sql", "ssrf_1", "ssrf_2", "ssrf_3", "ssrf_4", "sec_1", "sec_2"),
    *("sec_3", "xss", "csrf", "redos", "tls", "stls", "srv", "dos_1", "dos_2", "abuse", "idem"),
    *("dep",),
)
NAMES = re.findall(
    r"^ *def (test_t_\w+)",
    "\n".join(path.read_text("utf-8") for path in sorted(TESTS.rglob("test_*.py"))),
    re.MULTILINE,
)


@pytest.mark.parametrize("case", CASES)
def test_a_case_has_a_test_of_its_name(case):
    assert [name for name in NAMES if name.startswith(f"test_t_{case}_")]


def test_no_test_is_named_after_a_case_that_is_not_there():
    known = tuple(f"test_t_{case}_" for case in CASES)
    assert [name for name in NAMES if not name.startswith(known)] == []
