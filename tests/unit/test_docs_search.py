"""The search of the documentation ranks what it finds, and colours change no text."""

import re
from html import unescape

import pytest

from entrypoints.http.docs.guides import sections_of
from entrypoints.http.docs.highlight import highlight
from entrypoints.http.docs.search import MOST_RESULTS, Entry, EntryKind, search
from entrypoints.http.openapi.literals import node_value, php_value, python_value
from entrypoints.http.openapi.samples import LANGUAGES, Language, SampleCall

CALL = SampleCall(
    method="PUT",
    url="http://127.0.0.1:5000/api/emails/1?to='a'&b=$c",
    body={"text": 'it\'s "$x" <b>\\n', "none": None, "some": [1, 2.5, True], "empty": {}},
)


def entry(title: str, kind: EntryKind = EntryKind.FIELD, **fields: str) -> Entry:
    return Entry(kind=kind, title=title, page="emails", **fields)


def titles(query: str, *entries: Entry) -> list[str]:
    return [found.title for found in search(entries, query)]


def test_the_same_title_comes_before_a_longer_one_and_that_before_a_text() -> None:
    entries = (
        entry("other", text="about retry"),
        entry("when to retry"),
        entry("retry_count"),
        entry("retry"),
    )
    assert titles("Retry", *entries) == ["retry", "retry_count", "when to retry", "other"]


def test_of_equal_matches_pages_come_before_calls_and_these_before_fields() -> None:
    kinds = [EntryKind.FIELD, EntryKind.HEADING, EntryKind.CODE, EntryKind.CALL, EntryKind.PAGE]
    found = search([entry("x", kind) for kind in kinds], "x")
    assert [one.kind for one in found] == sorted(kinds)


def test_every_word_must_be_there() -> None:
    assert titles("send raw", entry("Send a raw message"), entry("Send an email")) == [
        "Send a raw message"
    ]


def test_other_names_count_like_the_title() -> None:
    named = Entry(kind=EntryKind.PAGE, title="Idempotency", page="x", names=("Idempotency-Key",))
    assert titles("idempotency-key", entry("Idempotency-Key header"), named)[0] == "Idempotency"


def test_no_query_finds_nothing_and_no_query_finds_everything() -> None:
    assert titles("  ", entry("x")) == []
    assert len(titles("x", *[entry("x")] * 100)) == MOST_RESULTS


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.id)
def test_colours_leave_the_text_of_a_sample_as_it_is(language: Language) -> None:
    source = language.write(CALL)
    text = re.sub(r"</?span[^>]*>", "", highlight(source, language.id))
    assert "<span" in highlight(source, language.id)
    assert unescape(text) == source
    assert "<b>" not in text


def test_the_values_of_json_are_written_as_each_language_has_them() -> None:
    value = {"a": None, "b": [True, 1], "c": "$x"}
    assert python_value(value, "").split() == [
        "{",
        '"a":',
        "None,",
        '"b":',
        "[",
        "True,",
        "1,",
        "],",
        '"c":',
        '"$x",',
        "}",
    ]
    assert php_value(value, "").split() == [
        "[",
        '"a"',
        "=>",
        "null,",
        '"b"',
        "=>",
        "[",
        "true,",
        "1,",
        "],",
        '"c"',
        "=>",
        '"\\$x",',
        "]",
    ]
    assert node_value({"a": None}, "  ") == '{\n    "a": null\n  }'
    assert (python_value({}, ""), php_value({}, ""), php_value([], "")) == (
        "{}",
        "new stdClass()",
        "[]",
    )


def test_a_section_has_its_heading_and_what_follows_but_no_sample() -> None:
    html = (
        '<p>before</p><h2 id="a"><a href="#a">One &amp; two</a></h2><p>text</p><pre>code</pre>'
        '<h2 id="b">Three</h2><p>more</p>'
    )
    [first, second] = sections_of(html)
    assert (first.id, first.title, first.text) == ("a", "One & two", "text")
    assert (second.id, second.title, second.text) == ("b", "Three", "more")
