"""Replies: what stands in In-Reply-To and References."""

from email import message_from_bytes, policy

import pytest

from domain.errors import InvalidInput
from domain.message.compose import header_names
from domain.message.threads import (
    LONGEST_ID,
    MOST_REFERENCES,
    message_id,
    thread_after,
    thread_lines,
)
from tests.unit.test_message import MESSAGE_ID, UNSAFE_IN_HEADERS, composed, content, pointers


def ids(number: int) -> tuple[str, ...]:
    return tuple(f"<{n:030}@mail.example.org>" for n in range(number))


def references(octets: bytes) -> list[str]:
    return str(message_from_bytes(octets, policy=policy.default)["References"]).split()


@pytest.mark.parametrize("text", ["<1a2b@example.com>", "1a2b@example.com"])
def test_a_message_id_has_its_angle_brackets_whoever_wrote_it(text: str) -> None:
    assert message_id(text) == "<1a2b@example.com>"


@pytest.mark.parametrize(
    "text",
    [
        *("", "<>", "1a2b", "<1a2b>", "<@>", "<a@>", "<@b>", "<a b@c>", "<a@b", "a@b>", "<<a@b>>"),
        *("<a@b> <c@d>", "<a@b>,<c@d>", " <a@b>", "<a@b> ", "<a@b>\r\nBcc: e@e.e", "<ü@b>", "17"),
        *("<=?utf-8?q?x=0D=0ABcc=3A_e=40e.e?=@b>", "<a@b@c>", "<a@b>\n", f"<{'a' * 500}@b>"),
    ],
    ids=ascii,
)
def test_what_is_no_message_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Message-ID"):
        message_id(text)


@pytest.mark.parametrize("unsafe", [*UNSAFE_IN_HEADERS, " "], ids=ascii)
def test_a_reference_with_an_unsafe_character_never_gets_out(unsafe: str) -> None:
    assert pointers(content(references=(f"<a{unsafe}b@c>",))) == ["in_reply_to"]
    with pytest.raises(InvalidInput):
        composed(content(references=("<a@b>", f"<a@b{unsafe}")))


def test_a_reply_answers_the_last_message_and_refers_to_all() -> None:
    said = content(references=ids(3))
    octets = composed(said)
    message = message_from_bytes(octets, policy=policy.default)

    assert message["In-Reply-To"] == ids(3)[-1]
    assert references(octets) == list(ids(3))
    assert message.keys() == list(header_names(said))


def test_references_are_folded_between_ids() -> None:
    lines = thread_lines(ids(MOST_REFERENCES)).split("\r\n")

    assert max(map(len, lines)) <= 78
    assert [line for line in lines if line and not line.startswith((" <", "In-", "Ref"))] == []


def test_the_longest_id_stays_on_one_line() -> None:
    longest = f"<{'a' * (LONGEST_ID - 4)}@b>"
    assert references(composed(content(references=(longest, longest)))) == [longest] * 2


def test_a_reply_to_a_reply_continues_its_thread() -> None:
    octets = composed(content(references=ids(7)))

    assert thread_after(octets, MESSAGE_ID) == (*ids(7), MESSAGE_ID)


def test_a_reply_to_the_first_message_begins_a_thread() -> None:
    octets = composed(content(text="References: <evil@example.net>\r\n"))

    assert thread_after(octets, MESSAGE_ID) == (MESSAGE_ID,)


def test_a_long_thread_keeps_its_first_message_and_its_last_ones() -> None:
    octets = composed(content(references=ids(MOST_REFERENCES)))
    thread = thread_after(octets, MESSAGE_ID)

    assert len(thread) == MOST_REFERENCES
    assert (thread[0], thread[1], thread[-1]) == (ids(1)[0], ids(3)[2], MESSAGE_ID)
