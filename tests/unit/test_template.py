"""The rules of templates: names, locales and variables."""

import pytest

from domain.errors import InvalidInput
from domain.message.template import (
    Value,
    Variable,
    VariableType,
    check_locale,
    check_name,
    complete,
    fallbacks,
)


@pytest.mark.parametrize("name", ["a", "welcome", "0-day_mail", "a" * 64])
def test_a_name_is_lower_case_with_digits_and_dashes(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", "-a", "_a", "A", "a b", "ä", "a/b", "a" * 65, "a\n"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_name(name)


@pytest.mark.parametrize("locale", ["de", "de-AT", "zh-Hant-TW", "es-419", "gsw"])
def test_a_locale_is_a_language_tag(locale: str) -> None:
    check_locale(locale)


@pytest.mark.parametrize("locale", ["", "DE", "de_AT", "de-at", "german", "de-AT-"])
def test_other_locales_are_refused(locale: str) -> None:
    with pytest.raises(InvalidInput):
        check_locale(locale)


def test_a_locale_falls_back_to_its_language_and_then_to_the_default() -> None:
    assert fallbacks("de-AT") == ("de-AT", "de", "")
    assert fallbacks("zh-Hant-TW") == ("zh-Hant-TW", "zh-Hant", "zh", "")
    assert fallbacks(None) == ("",)


NAME = Variable(name="name")
COUNT = Variable(name="count", type=VariableType.NUMBER, required=False, default=1)
NOTE = Variable(name="note", required=False)


def test_defaults_stand_in_for_what_is_not_given() -> None:
    assert complete((NAME, COUNT, NOTE), {"name": "Ada"}) == {"name": "Ada", "count": 1}


def test_without_declarations_everything_is_taken() -> None:
    assert complete((), {"a": [1]}) == {"a": [1]}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "variables/name"),
        ({"name": None}, "variables/name"),
        ({"name": 1}, "variables/name"),
        ({"name": "a", "count": "1"}, "variables/count"),
        ({"name": "a", "count": True}, "variables/count"),
        ({"name": "a", "other/one": 1}, "variables/other/one"),
    ],
)
def test_a_wrong_variable_is_named(given: dict[str, Value], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        complete((NAME, COUNT, NOTE), given)
    assert [error.field for error in refused.value.errors] == [field]
    assert refused.value.code == "template_error"


def nested(depth: int) -> Value:
    value: Value = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [nested(11), "x" * 70_000, ["x"] * 70_000, {"x" * 70_000: 1}, 10**200_000],
    ids=["deep", "long", "many", "named", "huge"],
)
def test_values_are_bounded_in_depth_and_size(value: Value) -> None:
    with pytest.raises(InvalidInput) as refused:
        complete((), {"value": value})
    assert refused.value.code == "template_error"
