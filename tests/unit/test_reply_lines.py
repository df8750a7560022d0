"""The text of a reply of several lines."""

import pytest

from domain.dialogue.replies import ServerReply


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (
            ("5.1.1 The email account", "5.1.1 does not exist"),
            "5.1.1 The email account does not exist",
        ),
        (("5.1.1 one", "5.1.1 two", "5.1.1 three"), "5.1.1 one two three"),
        (("5.1.1 one", "5.1.1"), "5.1.1 one "),
        (("5.1.1 one", "two 5.1.1 three"), "5.1.1 one two 5.1.1 three"),
        (("5.1.1 one", "5.7.1 two"), "5.1.1 one 5.7.1 two"),
        (("5.1.1 one", "5.1.10 two"), "5.1.1 one 5.1.10 two"),
        (("one", "5.1.1 two"), "one 5.1.1 two"),
        (("5.1.1 one", "5.1.1 5.1.1 two"), "5.1.1 one 5.1.1 two"),
    ],
)
def test_an_enhanced_status_that_every_line_repeats_is_shown_once(lines, text):
    reply = ServerReply(550, lines).as_reply()
    assert reply.text == text.strip()
    assert reply.enhanced == ("5.1.1" if lines[0].startswith("5.1.1") else None)
