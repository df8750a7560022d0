"""Which column is for what, and what becomes of each row."""

from typing import Any

import pytest

from domain.errors import InvalidInput
from domain.mailing.batches import Run, rows_of_call
from domain.mailing.columns import Columns, match
from domain.mailing.rows import Entry, Judge, LeftOut, Why, value_of
from domain.mailing.table import Row
from domain.message.template import Value, Variable, VariableType
from entrypoints.mailboxes import mailbox

NAME = Variable(name="name")
TRIAL = Variable(name="trial", required=False)
PLAN = Variable(name="plan", default="free")


def judge(
    header: str, *rows: str, declared: tuple[Variable, ...] = (NAME,), **options: Any
) -> list[Entry | LeftOut]:
    common: dict[str, Value] = options.pop("common", {})
    columns = match(header.split(","), declared, given=common.keys(), **options)
    judging = Judge(columns, declared, common=common, parse=mailbox)
    return [judging.judge(Row(n, tuple(row.split(",")))) for n, row in enumerate(rows, 2)]


def one(header: str, row: str, **options: Any) -> Entry:
    [found] = judge(header, row, **options)
    assert isinstance(found, Entry), found
    return found


def reason(header: str, row: str, **options: Any) -> str:
    [found] = judge(header, row, **options)
    assert isinstance(found, LeftOut), found
    assert found.why is Why.INVALID
    return found.reason


# -- columns ----


@pytest.mark.parametrize("name", ["email", "E-Mail", "Email Address", "E-Mail-Adresse", "to"])
def test_a_column_of_a_usual_name_has_the_addresses(name: str) -> None:
    assert match(["name", name], [NAME]).address == 1


def test_the_likeliest_column_has_the_addresses_unless_another_one_is_named() -> None:
    header = ["address", "email", "name"]

    assert match(header, [NAME]).address == 1
    assert match(header, [NAME], address="address").address == 0


def test_a_column_is_the_variable_of_its_name_or_of_one_alike() -> None:
    declared = [Variable(name="first_name"), Variable(name="CITY")]

    found = match(["First Name", "email", "city", "phone"], declared)

    assert [(place, one.name) for place, one in found.variables] == [(0, "first_name"), (2, "CITY")]
    assert found.unused == ("phone",)


def test_the_address_may_be_a_variable_too() -> None:
    found = match(["email"], [Variable(name="email")])

    assert (found.address, [place for place, _ in found.variables]) == (0, [0])


def test_each_column_is_a_variable_of_a_template_that_declares_none() -> None:
    found: Columns = match(["email", "First name", "1st", ""], [])

    assert [one.name for _, one in found.variables] == ["email", "First_name"]
    assert found.unused == ("1st",)


@pytest.mark.parametrize(
    ("header", "declared", "options", "words"),
    [
        ("who,name", [NAME], {}, "no column is called email"),
        ("ada", [], {}, "the only column is called 'ada'"),
        ("email", [NAME], {"address": "mail"}, "there is no column 'mail' among email"),
        ("email", [NAME], {}, "the template needs name: there is no such column"),
        ("email", [NAME, TRIAL, Variable(name="x")], {}, "the template needs name, x"),
        ("email,first name,first-name", [Variable(name="first_name")], {}, "several columns"),
        ("email,name", [NAME], {"given": ["shop"]}, "shop is no variable of the template"),
    ],
)
def test_what_does_not_fit_the_template_is_refused(
    header: str, declared: list[Variable], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        match(header.split(","), declared, **options)


def test_a_variable_may_lack_a_column_if_it_has_a_value_otherwise() -> None:
    assert match(["email"], [TRIAL, PLAN]).variables == ()
    assert match(["email"], [NAME], given=["name"]).variables == ()


# -- rows ----


def test_a_row_is_an_entry_with_the_variables_of_its_columns() -> None:
    entry = one("email,name,phone", "Ada@Example.org,Ada,1")

    assert (entry.row, entry.recipient, entry.key) == (2, "Ada@Example.org", "ada@example.org")
    assert entry.variables == {"name": "Ada"}


def test_a_column_may_have_the_name_beside_the_address() -> None:
    entry = one("email,name", 'ada@example.org,Ada "King" \\ L', name="name")

    assert entry.recipient == '"Ada \\"King\\" \\\\ L" <ada@example.org>'
    assert entry.key == "ada@example.org"


def test_an_empty_cell_is_no_value() -> None:
    assert reason("email,name", "ada@example.org,") == "name: is required"
    assert one("email,plan", "ada@example.org,", declared=(PLAN,)).variables == {}
    shared = one("email,name", "ada@example.org,", common={"name": "friend"})
    assert shared.variables == {}


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("42", VariableType.NUMBER, 42),
        ("-9.5", VariableType.NUMBER, -9.5),
        ("Yes", VariableType.BOOLEAN, True),
        ("0", VariableType.BOOLEAN, False),
        ('["a", 1]', VariableType.LIST, ["a", 1]),
        ('{"a": 1}', VariableType.OBJECT, {"a": 1}),
        ("42", VariableType.STRING, "42"),
    ],
)
def test_a_cell_becomes_what_the_variable_must_be(
    text: str, kind: VariableType, value: Value
) -> None:
    found = value_of(text, kind)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1,5", VariableType.NUMBER),
        ("nan", VariableType.NUMBER),
        ("9" * 19, VariableType.NUMBER),
        ("maybe", VariableType.BOOLEAN),
        ("{}", VariableType.LIST),
        ("[NaN]", VariableType.LIST),
        ("[" * 100_000, VariableType.LIST),
    ],
)
def test_a_cell_that_is_something_else_is_refused(text: str, kind: VariableType) -> None:
    with pytest.raises(ValueError, match=r"must be "):
        value_of(text, kind)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("nobody,Ada", "the address must have an @, as in ada@example.com"),
        (",Ada", "the address must not be empty"),
        ("ada@example.org", "it has 1 cells, not 2"),
        ("ada@example.org,Ada,x", "it has 3 cells, not 2"),
        (f"ada@example.org,{'x' * 70_000}", "variables: has more than 65536 characters in all"),
    ],
)
def test_a_row_that_cannot_be_sent_is_invalid(row: str, words: str) -> None:
    assert reason("email,name", row) == words


def test_an_address_counts_where_it_stands_first() -> None:
    first, again, other = judge(
        "email,name", "ada@example.org,A", "Ada@EXAMPLE.org,B", "ada+1@example.org,C"
    )

    assert isinstance(first, Entry)
    assert isinstance(other, Entry)
    assert again == LeftOut(
        row=3,
        address="Ada@EXAMPLE.org",
        why=Why.DUPLICATE,
        reason="the address stands in row 2 already",
    )


def test_an_invalid_row_does_not_stand_before_a_valid_one_of_its_address() -> None:
    invalid, valid = judge("email,name", "ada@example.org,", "ada@example.org,Ada")

    assert isinstance(invalid, LeftOut)
    assert isinstance(valid, Entry)


def test_duplicates_are_found_among_many_addresses() -> None:
    rows = [f"u{n}@example.org,x" for n in range(10_000)] * 2

    found = judge("email,name", *rows)

    assert [isinstance(each, Entry) for each in found] == [True] * 10_000 + [False] * 10_000


# -- calls ----


def test_a_key_differs_by_file_template_name_and_rows() -> None:
    run = Run(file="ab", template="welcome")
    keys = {
        run.key(2, 501),
        run.key(502, 1001),
        run.key(2, 500),
        Run(file="ac", template="welcome").key(2, 501),
        Run(file="ab", template="offers").key(2, 501),
        Run(file="ab", template="welcome", name="again").key(2, 501),
    }

    assert len(keys) == 6
    assert run.key(2, 501) == Run(file="ab", template="welcome").key(2, 501)


def test_large_emails_come_in_smaller_calls() -> None:
    assert [rows_of_call(size) for size in (0, 2_000, 100_000, 10**9)] == [500, 500, 157, 1]
