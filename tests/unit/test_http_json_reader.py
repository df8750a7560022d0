"""A request body means one thing, or is refused."""

import json

import pytest

from domain.errors import InvalidInput
from entrypoints.http.json_reader import MAX_DEPTH, MAX_NAMES, MAX_VALUES, parse_object


def nested(depth: int) -> bytes:
    """An object with lists in it, *depth* deep in all."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def with_names(number: int) -> bytes:
    """An object with so many names."""
    return json.dumps({f"n{n}": n for n in range(number)}).encode()


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b'"s"',
        b"1",
        b"true",
        b"{bad",
        b'{"a":1} x',
        b'{"a":1}{"b":2}',
        b'{"a":1,}',
        b"{'a':1}",
        b'{"a":"\n"}',
        b'{"a":"\x00"}',
        b'{"a":01}',
        b'{"a":\xa01}',
        '{"a":"ü"}'.encode("latin-1"),
        '{"a":"x"}'.encode("utf-16"),
        '{"a":"x"}'.encode("utf-16-le"),
        '{"a":"x"}'.encode("utf-32"),
        b'\xef\xbb\xbf\xef\xbb\xbf{"a":1}',
        b'{\xef\xbb\xbf"a":1}',
        b"\xef\xbb\xbf",
        b'\xff\xfe{"a":1}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":NaN}',
        b'{"a":[Infinity]}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":-1e999}',
        b'{"a":1,"a":2}',
        b'{"a":1,"\\u0061":2}',
        b'{"o":{"a":1,"a":1}}',
        b'{"a":9223372036854775808}',
        b'{"a":-9223372036854775809}',
        b'{"a":' + b"9" * 1001 + b"}",
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00\\ud800"}',
        b'{"\\uDFFF":1}',
        b"[" * 5000,
        b'{"a":' * 5000,
        b'{"' + b"n" * 201 + b'":1}',
        nested(MAX_DEPTH + 1),
        nested(5000),
        with_names(MAX_NAMES + 1),
        b'{"a":[' + b"1," * (MAX_VALUES + 1) + b"1]}",
        b'{"a":[' + b"[]," * MAX_VALUES + b"[]]}",
        b'{"a":' + b"[]" * 2_000_000,
    ],
    ids=lambda octets: repr(octets[:24]),
)
def test_what_is_not_one_clear_object_is_refused(octets):
    with pytest.raises(InvalidInput) as refused:
        parse_object(octets)
    assert refused.value.code == "invalid_json"
    assert [error.field for error in refused.value.errors] == [""]


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        (b"{}", {}),
        (b' {"a" : [1, -2.5, true, null, "x"]}\n', {"a": [1, -2.5, True, None, "x"]}),
        (b'{"a":9223372036854775807}', {"a": 2**63 - 1}),
        (b'{"a":-9223372036854775808}', {"a": -(2**63)}),
        (b'{"a":"\\ud83d\\ude00"}', {"a": "\N{GRINNING FACE}"}),
        ('{"a":"\N{GRINNING FACE}"}'.encode(), {"a": "\N{GRINNING FACE}"}),
        (b'{"a":"\\\\ud800"}', {"a": "\\ud800"}),
        (b'{"a":"\\u0000"}', {"a": "\0"}),
    ],
)
def test_an_object_is_read_as_it_stands(octets, value):
    assert parse_object(octets) == value


def test_signs_inside_of_strings_count_for_nothing():
    text = '\\ " [{:,' * (MAX_VALUES + 1)
    assert parse_object(json.dumps({"html": text}).encode()) == {"html": text}


def test_what_is_as_large_as_allowed_is_read():
    assert parse_object(nested(MAX_DEPTH))
    assert len(parse_object(with_names(MAX_NAMES))) == MAX_NAMES


def test_a_byte_order_mark_before_the_object_is_skipped():
    assert parse_object(b'\xef\xbb\xbf{"a":1}') == parse_object(b'{"a":1}') == {"a": 1}
