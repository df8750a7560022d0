"""Tags and metadata, whichever way an email came in."""

import pytest

from domain.email.labels import NO_LABELS, Labels, labels


@pytest.mark.parametrize(
    ("wrong", "fields"),
    [
        (labels([f"{n}" for n in range(11)], {}), ["tags"]),
        (labels(["a", "", "x" * 65, "a\nb"], {}), ["tags/1", "tags/2", "tags/3"]),
        (labels([], {f"{n}": "" for n in range(21)}), ["metadata"]),
        (labels([], {"": "v"}), ["metadata/"]),
        (labels([], {"k": "x" * 501, "l": "\0"}), ["metadata/k", "metadata/l"]),
        (labels([], {"x" * 41: "v"}), ["metadata/" + "x" * 41]),
    ],
)
def test_every_wrong_label_is_named(wrong: Labels, fields: list[str]) -> None:
    assert [error.field for error in wrong.errors()] == fields


def test_labels_within_their_bounds_are_right() -> None:
    longest = labels(
        [f"{n}".ljust(64, "x") for n in range(10)],
        {f"{n}".ljust(40, "x"): "x" * 500 for n in range(20)},
    )

    assert list(longest.errors()) == list(NO_LABELS.errors()) == []


def test_only_labels_that_are_there_count() -> None:
    assert not NO_LABELS
    assert labels(["a"], {})
    assert labels([], {"k": ""})
