"""The suppression list as CSV: what is written is read again, and errors name their lines."""

from collections.abc import Sequence

import attrs
import pytest

from application.suppressions import Entry
from domain.address import Address
from domain.errors import InvalidInput
from domain.suppression import EVERYTHING, Suppression, SuppressionReason
from entrypoints.suppression_csv import HEADER, LONGEST_LINE, MOST_ERRORS, read, written
from tests.builders import NOW, at

ADA = Suppression(
    address="ada@example.org",
    scope="topic:news",
    reason=SuppressionReason.UNSUBSCRIBE,
    email_id=7,
    created_at=NOW,
    expires_at=at(60),
)


def read_text(text: str) -> Sequence[Entry]:
    return read(text.splitlines(keepends=True), now=NOW)


def errors(text: str) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as caught:
        read_text(text)
    return [(error.field, error.message) for error in caught.value.errors]


@pytest.mark.parametrize(
    "address",
    [
        *("ada@example.org", "=1+1@example.org", "+a@example.org", "-a@example.org"),
        *("'a@example.org", "'=a@example.org", "ünï@xn--bcher-kva.example"),
    ],
)
def test_what_is_written_is_read_again_and_no_cell_is_a_formula(address):
    whole = attrs.evolve(ADA, address=address)

    text = HEADER + written([whole])

    assert not any(cell.startswith(tuple("=+-@")) for cell in text.splitlines()[1].split(","))
    [entry] = read_text(text)
    assert entry.suppression(now=NOW) == whole


def test_a_list_of_addresses_is_read_as_entries_by_hand_for_all_mail():
    found = read_text("\ufeffada@example.org\r\n\r\ngrace@example.org")

    assert found == [
        Entry(address=Address.parse(f"{name}@example.org"), scope=EVERYTHING)
        for name in ("ada", "grace")
    ]


def test_columns_may_stand_in_any_order_and_be_left_out_or_empty():
    [entry] = read_text("reason,address,expires_at\nhard_bounce,ada@example.org,\n")

    assert (entry.reason, entry.scope, entry.expires_at) == ("hard_bounce", "*", None)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("nobody,*,manual,", "address: "),
        ("ada@example.org,all,manual,", "scope: "),
        ("ada@example.org,*,spam,", "reason: "),
        ("ada@example.org,*,manual,soon", "expires_at: "),
        ("ada@example.org,*,manual,2999-01-01T00:00:00", "expires_at: "),
        ("ada@example.org,*,manual,2001-01-01T00:00:00Z", "expires_at: "),
        ("ada@example.org,*,complaint,2999-01-01T00:00:00Z", "expires_at: "),
        ("ada@example.org,*", "has 2 cells, not 4"),
    ],
)
def test_each_wrong_line_is_told_by_its_number(line, told):
    text = f'address,scope,reason,expires_at\n"grace@example.org",*,manual,\n{line}\n\n{line}\n'

    found = errors(text)

    assert [where for where, _ in found] == ["line 3", "line 5"]
    assert found[0][1].startswith(told)


def test_a_header_without_an_address_or_with_an_unknown_column_is_told():
    assert errors("scope,reason\n*,manual\n")[0][0] == "line 1"
    assert errors("address,because\nada@example.org,so\n")[0][0] == "line 1"
    assert errors("address,address\nada@example.org,so\n")[0][0] == "line 1"


def test_a_line_that_is_too_long_is_told_and_what_follows_is_not_read():
    long = "x" * (LONGEST_LINE + 1)

    assert errors(f"ada@example.org\n{long}\n{long}\n") == [
        ("line 2", f"must have at most {LONGEST_LINE} characters")
    ]


def test_an_open_quotation_mark_is_told():
    assert errors('address\n"ada@example.org\n')[0][0] == "line 2"


def test_so_many_errors_are_told_and_no_more():
    assert len(errors("nobody\n" * 100)) == MOST_ERRORS


def test_a_file_with_too_many_entries_is_refused():
    with pytest.raises(InvalidInput, match="line 3: there are more than 2 entries"):
        read(["ada@example.org\n"] * 3, now=NOW, most=2)
