"""Addresses with names: what is taken, as what, and what is not."""

import time

import pytest

from domain.mailbox import LONGEST_NAME, Mailbox
from entrypoints.mailboxes import LONGEST_MAILBOX, mailbox
from tests.builders import an_address
from tests.machine import is_within

ADA = an_address("ada@example.org")


@pytest.mark.parametrize("text", ["ada@example.org", '"" <ada@example.org>'])
def test_an_address_without_a_name_is_an_address(text):
    assert mailbox(text) == ADA


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ada Lovelace <ada@example.org>", "Ada Lovelace"),
        ("Ada<ada@example.org>", "Ada"),
        ('"Lovelace, Ada" <ada@example.org>', "Lovelace, Ada"),
        (r'"Ada \"the \\ first\"" <ada@example.org>', r'Ada "the \ first"'),
        ('"<evil@example.net>" <ada@example.org>', "<evil@example.net>"),
        ('"evil@example.net, " <ada@example.org>', "evil@example.net, "),
        ("J. R. O'Neil <ada@example.org>", "J. R. O'Neil"),
        ("山田 太郎 <ada@example.org>", "山田 太郎"),
        ("=?utf-8?q?Evil?= <ada@example.org>", "=?utf-8?q?Evil?="),
        ("a  b <ada@example.org>", "a  b"),
        ("x" * LONGEST_NAME + " <ada@example.org>", "x" * LONGEST_NAME),
    ],
)
def test_a_name_stands_before_the_address(text, name):
    assert mailbox(text) == Mailbox(ADA, name)


@pytest.mark.parametrize(
    "text",
    [
        "Ada <ada@example.org>, Bob <bob@example.org>",
        "Ada <ada@example.org>, bob@example.org",
        "ada@example.org, Bob <bob@example.org>",
        "<ada@example.org>",
        "<ada@example.org> <bob@example.org>",
        "ada@example.org <bob@example.org>",
        "Team: Ada <ada@example.org>;",
        "Team: <ada@example.org>",
        "Lovelace, Ada <ada@example.org>",
        "Ada (home) <ada@example.org>",
        "Ada <ada@example.org> (home)",
        "Ada <ada@example.org (home)>",
        "Ada <@relay.example,@b.example:ada@example.org>",
        "Ada << ada@example.org>>",
        "Ada <<ada@example.org>>",
        "Ada < ada@example.org >",
        "Ada <Bob <ada@example.org>",
        "Ada <>",
        "Ada <",
        "<",
        "Ada <ada@example.org",
        "Ada <ada@example.org>\r\nBcc: evil@example.net",
        "Ada\r\nBcc: evil@example.net <ada@example.org>",
        '"Ada\r\nBcc: evil@example.net" <ada@example.org>',
        '"Ada\n" <ada@example.org>',
        "Ada\0 <ada@example.org>",
        "Ada\u202e <ada@example.org>",
        "Ada <ada@example.org\r\n>",
        "Ada <ada@example.org> NOTIFY=NEVER",
        " Ada <ada@example.org>",
        "Ada <ada@example.org> ",
        '"Ada <ada@example.org>',
        'Ada" <ada@example.org>',
        '"Ada\\" <ada@example.org>',
        '"Ada" Lovelace <ada@example.org>',
        '"Ada" "Lovelace" <ada@example.org>',
        '"Ada""Lovelace" <ada@example.org>',
        "Ada <mailto:ada@example.org>",
        "Ada <Bob>",
        "Ada <=?utf-8?q?a?=@example.org>",
        "x" * (LONGEST_NAME + 1) + " <ada@example.org>",
        "Ada <" + "x" * LONGEST_MAILBOX + "@example.org>",
    ],
    ids=ascii,
)
def test_what_could_name_anybody_else_is_refused(text):
    with pytest.raises(ValueError, match=r"\Amust "):
        mailbox(text)


@pytest.mark.parametrize("value", [None, 1, True, ["ada@example.org"], b"Ada <ada@example.org>"])
def test_what_is_no_text_is_refused(value):
    with pytest.raises(ValueError, match="string"):
        mailbox(value)


def test_two_addresses_in_one_string_are_told_to_be_two_items():
    with pytest.raises(ValueError, match="write each as an item"):
        mailbox("Ada <ada@example.org>, Bob <bob@example.org>")


def test_no_text_takes_long_to_judge():
    start = time.thread_time()
    for text in ('"' + "\\" * 600 + "<a@b.c>", '"' * 600 + "<a@b.c>", "<" * 600 + ">"):
        with pytest.raises(ValueError, match=r"\Amust "):
            mailbox(text)
    assert is_within(time.thread_time() - start, 0.1)
