"""Whatever is sent to an event hook, it is read in a bounded time or refused."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.hook.mailgun import digest_of_event, read_mailgun, signature_of
from domain.hook.postmark import read_postmark
from domain.hook.reading import read_object
from domain.hook.sendgrid import read_sendgrid
from domain.hook.sns import read_ses, read_sns
from tests.hook_calls import mailgun_call, postmark_call, sendgrid_event, ses_bounce, sns_call
from tests.shipped_rules import RULES

quickly = settings(derandomize=True, deadline=None, max_examples=200)
LONGEST_S = 10.0  # on a busy machine; alone it takes a few

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


def _mailgun(octets: bytes) -> object:
    call = read_object(octets)
    signature_of(call).is_of("key")
    digest_of_event(call)
    return read_mailgun(call, rules=RULES)


def _ses(octets: bytes) -> object:
    message = read_sns(octets)
    assert message.may_trust_certificate in (True, False)
    assert message.may_subscribe in (True, False)
    return read_ses(message, rules=RULES)


READERS: dict[str, tuple[Callable[[bytes], object], Any]] = {
    "ses": (_ses, sns_call(ses_bounce("id", "ada@example.org"))),
    "sendgrid": (lambda octets: read_sendgrid(octets, rules=RULES), [sendgrid_event()]),
    "mailgun": (_mailgun, mailgun_call()),
    "postmark": (lambda octets: read_postmark(octets, rules=RULES), postmark_call()),
}


def read(kind: str, octets: bytes) -> None:
    try:
        READERS[kind][0](octets)
    except InvalidInput:
        return


def changed(document: Any, data: st.DataObject) -> Any:
    """*document* with another value somewhere in it."""
    if isinstance(document, dict) and document and data.draw(st.integers(0, 5)):
        name = data.draw(st.sampled_from(sorted(document)))
        return {**document, name: changed(document[name], data)}
    if isinstance(document, list) and document and data.draw(st.integers(0, 5)):
        return [changed(document[0], data), *document[1:]]
    return data.draw(values)


@pytest.mark.parametrize("kind", READERS)
@given(octets=st.binary(max_size=200))
@quickly
def test_any_octets_are_read_or_refused(kind: str, octets: bytes) -> None:
    read(kind, octets)


@pytest.mark.parametrize("kind", READERS)
@given(data=st.data())
@quickly
def test_a_call_with_anything_anywhere_is_read_or_refused(kind: str, data: st.DataObject) -> None:
    document = changed(READERS[kind][1], data)
    read(kind, json.dumps(document).encode())


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    "octets",
    [
        b"[" * 262_144,
        b'{"a":' * 50_000,
        b'{"a":' * 500 + b"1" + b"}" * 500,
        b'["' + b"a" * 262_000 + b'"]',
        b"[" + b"1," * 130_000 + b"1]",
        b'"' + b"\\u0000" * 40_000 + b'"',
        b"{" + b",".join(b'"%d":1' % n for n in range(30_000)) + b"}",
    ],
)
def test_hostile_json_takes_a_bounded_time(kind: str, octets: bytes) -> None:
    began = time.monotonic()
    read(kind, octets)
    assert time.monotonic() - began < LONGEST_S


@pytest.mark.parametrize(
    ("kind", "long"),
    [
        ("sendgrid", lambda text: [sendgrid_event(reason=text, status="")]),
        ("mailgun", lambda text: mailgun_call(**{"delivery-status": {"message": text}})),
        ("postmark", lambda text: postmark_call(Details=text, Content=text)),
        (
            "ses",
            lambda text: sns_call({**ses_bounce("id", "ada@example.org"), "x": text}),
        ),
    ],
)
@pytest.mark.parametrize(
    "text", ["a" * 200_000, "<" * 200_000, "no such " * 25_000, "5.1." * 50_000]
)
def test_long_texts_take_a_bounded_time(kind: str, long: Callable[[str], Any], text: str) -> None:
    began = time.monotonic()
    read(kind, json.dumps(long(text)).encode())
    assert time.monotonic() - began < LONGEST_S


def test_ten_thousand_events_of_different_words_take_a_bounded_time() -> None:
    events = [
        {"event": "bounce", "email": f"a{n}@b.cd", "sg_event_id": str(n), "reason": f"550 w{n} no"}
        for n in range(10_000)
    ]
    octets = json.dumps(events, separators=(",", ":")).encode()
    assert len(octets) <= 1024 * 1024
    began = time.monotonic()
    assert len(read_sendgrid(octets, rules=RULES)) == 10_000
    print(f"10,000 events in {time.monotonic() - began:.2f} s")
    assert time.monotonic() - began < 60
