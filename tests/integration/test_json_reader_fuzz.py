"""Whatever octets arrive, they are one clear object or a refusal: never a crash, never a 5xx."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InvalidInput
from entrypoints.http.json_reader import INTEGERS, LONGEST_NAME, outside_strings, parse_object
from tests.applications import a_client_with_config

quickly = settings(derandomize=True, deadline=None, max_examples=300)

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(INTEGERS.start, INTEGERS.stop - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)
objects = st.dictionaries(names, values, max_size=6)
fragments = st.sampled_from(
    [
        *[b"{", b"}", b"[", b"]", b":", b",", b'"', b"\\", b"\\u", b"\\ud800", b"\\u0000", b"\0"],
        *[b"NaN", b"-Infinity", b"1e999", b"9" * 30, b"9" * 5000, b"-0", b"0.1e-400", b"null"],
        *[b"\xef\xbb\xbf", b"\xff", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b'"a":1,"a":2', b" \r\n"],
        *[b"[" * 30, b'{"a":' * 30, b'"' + b"n" * (LONGEST_NAME + 1) + b'":', b"//", b"'"],
    ]
)
hostile = st.lists(fragments | st.binary(max_size=8), max_size=12).map(b"".join)


STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


@quickly
@given(objects, st.booleans())
def test_what_stands_outside_of_strings_is_what_a_grammar_finds(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert outside_strings(text) == STRING.sub("", text)


@quickly
@given(hostile)
def test_before_a_reader_gives_up_no_bracket_is_missed(octets):
    text = octets.decode("utf-8", "replace")
    try:
        json.loads(text)
        seen = len(text)
    except json.JSONDecodeError as error:
        seen = error.pos
    except (RecursionError, ValueError):
        return
    found = STRING.sub("", text[:seen])
    skeleton = outside_strings(text)
    for sign in "[{:,":
        # an unended string at the end of what was read may hold some of them
        assert skeleton.count(sign) >= found.partition('"')[0].count(sign)


def read(octets: bytes) -> object:
    """The object, or None for a refusal with a reason."""
    try:
        return parse_object(octets)
    except InvalidInput as error:
        refused = error
    assert refused.code == "invalid_json"
    assert [error.field for error in refused.errors] == [""]
    return None


def spoiled(octets: bytes, at: float, by: bytes) -> bytes:
    """*octets* with something in the middle that does not belong there."""
    place = int(at * len(octets))
    return octets[:place] + by + octets[place:]


@quickly
@given(st.binary(max_size=200) | hostile)
def test_any_octets_are_an_object_or_refused(octets):
    value = read(octets)
    assert value is None or isinstance(value, dict)


@quickly
@given(objects, st.booleans())
def test_an_object_within_the_limits_is_read_as_it_was_written(value, in_ascii):
    octets = json.dumps(value, ensure_ascii=in_ascii).encode()
    assert read(octets) == value


@quickly
@given(objects, st.floats(0, 1), fragments)
def test_what_is_read_from_spoiled_json_is_what_every_reader_reads(value, at, by):
    octets = spoiled(json.dumps(value).encode(), at, by)
    found = read(octets)
    assert found is None or found == json.loads(octets)


@pytest.fixture(scope="module")
def client():
    """Of a service with one SMTP configuration."""
    return a_client_with_config()


@quickly
@given(
    octets=hostile | objects.map(lambda value: json.dumps(value).encode()),
    content_type=st.sampled_from(["application/json"] * 4 + ["text/plain", "application/json; x"]),
    path=st.sampled_from(["/api/emails", "/api/smtp-configs", "/api/emails/1/resolve"]),
)
def test_any_body_is_answered_by_a_problem(client, octets, content_type, path):
    reply = client.post(path, data=octets, content_type=content_type)
    assert 400 <= reply.status_code < 500
    assert reply.content_type == "application/problem+json"
    assert reply.json["status"] == reply.status_code
