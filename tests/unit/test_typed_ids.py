"""Ids that somebody typed: what no database can hold is refused, however long it is."""

from datetime import UTC, datetime

import pytest

from domain.errors import InvalidInput
from entrypoints import suppression_csv
from entrypoints.ids import LARGEST_ID, id_of


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", 12),
        (str(LARGEST_ID), LARGEST_ID),
        (str(LARGEST_ID + 1), None),
        ("0" * 19 + "1" + "9" * 30, None),
        ("9" * 5000, None),
        ("0", None),
        ("-1", None),
        ("²", None),
        ("١", None),
        ("", None),
    ],
)
def test_an_id_that_was_typed(text: str, number: int | None) -> None:
    assert id_of(text) == number


def test_an_email_id_in_a_file_of_suppressions() -> None:
    file = ["address,email_id\r\n", f"ada@example.org,{'0' * 19}1{'9' * 30}\r\n"]

    with pytest.raises(InvalidInput, match="email_id: must be the id of an email"):
        suppression_csv.read(file, now=datetime(2026, 11, 30, tzinfo=UTC))
