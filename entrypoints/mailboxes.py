"""Mail addresses with a name, as people write them: ``Ada Lovelace <ada@example.org>``.

This is a small part of RFC 5322, 3.4: one address behind a phrase or a quoted string. Comments,
groups and lists are refused, for readers disagree about what they name. A name is literal text:
an encoded word in it stays as it is written. What stands between the angle brackets is parsed as
any other address.
"""

from typing import Final

from domain.address import Address
from domain.mailbox import LONGEST_NAME, Mailbox
from domain.message.phrase import QUOTED, written_name
from entrypoints.addresses import LONGEST_ADDRESS, email_address

# each character of a quoted name may have a backslash before it
LONGEST_MAILBOX: Final = 2 * LONGEST_NAME + len('"" <>') + LONGEST_ADDRESS


def mailbox(text: object) -> Address | Mailbox:
    """The address that *text* is, as a Mailbox if it has a name. ValueError with what is wrong."""
    if not isinstance(text, str) or "<" not in text or text[0] == "<":
        return email_address(text)  # which takes no angle brackets without a name either
    if len(text) > LONGEST_MAILBOX:
        raise ValueError(f"must have at most {LONGEST_MAILBOX} characters")
    if text[0] == " " or text[-1] == " ":
        raise ValueError("must not have blanks before or after it")
    if text[-1] != ">":
        raise ValueError("must end with the address in angle brackets, if it has a name")
    written, _, address = text[:-1].rpartition("<")
    if "@" in address and "<" in QUOTED.sub("", written):
        raise ValueError("must be one address: write each as an item of the list")
    name = written_name(written.rstrip(" "))
    found = email_address(address)
    return Mailbox(found, name) if name else found
