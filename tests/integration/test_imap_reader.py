"""The reader of inboxes at servers that say less than most do, over a plain connection."""

import re
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Final

import pytest

from adapters.imap_reader import ImapReader
from adapters.name_resolver import NameResolver
from application.ports.inbox import MailboxFailed, MailboxLogin
from domain.account.inbox import Inbox

LOGIN: Final = MailboxLogin(secret="secret")
# Courier-IMAP 5.0 on a folder with three messages
COURIER: Final = {
    "CAPABILITY": ("CAPABILITY IMAP4rev1 UIDPLUS CHILDREN NAMESPACE SORT QUOTA IDLE",),
    "EXAMINE": (
        "FLAGS (\\Draft \\Answered \\Flagged \\Deleted \\Seen \\Recent)",
        "OK [PERMANENTFLAGS ()] No permanent flags permitted",
        "3 EXISTS",
        "3 RECENT",
        "OK [UIDVALIDITY 796052184] Ok",
        'OK [MYRIGHTS "acdilrsw"] ACL',
    ),
    "STATUS": ('STATUS "INBOX" (UIDNEXT 4)',),
    "LOGOUT": ("BYE Courier-IMAP server shutting down",),
}


@contextmanager
def saying(
    answers: Mapping[str, Sequence[str]], *, refused: str = ""
) -> Iterator[tuple[Inbox, list[str]]]:
    """An inbox at a server that says these lines to a command, and OK, or NO to the one that is
    *refused*; and what it was asked.
    """
    asked: list[str] = []

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"* OK ready\r\n")
            for line in self.rfile:
                tag, command, *_ = line.decode().split()
                asked.append(re.sub(r"^\S+ ", "", line.decode().strip()))
                lines = [f"* {each}\r\n" for each in answers.get(command, ())]
                lines.append(f"{tag} {'NO' if command == refused else 'OK'} said of {command}\r\n")
                self.wfile.write("".join(lines).encode())

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield (
            Inbox(account_id=1, host="127.0.0.1", port=server.server_address[1], username="me"),
            asked,
        )
        server.shutdown()


def a_reader() -> ImapReader:
    resolver = NameResolver(allow=lambda _: True)
    return ImapReader(resolver=resolver, ssl_context=ssl.create_default_context)


def test_the_next_uid_is_asked_for_where_a_server_does_not_name_it() -> None:
    with saying(COURIER) as (inbox, asked), a_reader().open(inbox, LOGIN) as mailbox:
        assert (mailbox.uidvalidity, mailbox.uidnext) == (796052184, 4)

    assert asked[-2:] == ['STATUS "INBOX" (UIDNEXT)', "LOGOUT"]


def test_the_next_uid_is_not_asked_for_where_it_was_named() -> None:
    named = (*COURIER["EXAMINE"], "OK [UIDNEXT 9] next")
    with (
        saying({**COURIER, "EXAMINE": named}) as (inbox, asked),
        a_reader().open(inbox, LOGIN) as mailbox,
    ):
        assert mailbox.uidnext == 9

    assert not [line for line in asked if line.startswith("STATUS")]


@pytest.mark.parametrize(
    ("told", "refused"),
    [('STATUS "INBOX" ()', ""), ('STATUS "INBOX" (UIDNEXT 0x4)', ""), ("0 RECENT", "STATUS")],
)
def test_a_mailbox_whose_next_uid_nobody_tells_is_not_read(told: str, refused: str) -> None:
    with (
        saying({**COURIER, "STATUS": (told,)}, refused=refused) as (inbox, _),
        pytest.raises(MailboxFailed, match=r"names no UIDNEXT|says said of STATUS"),
        a_reader().open(inbox, LOGIN),
    ):
        pass


def test_a_refused_login_is_told_in_the_words_of_the_server() -> None:
    with (
        saying(COURIER, refused="LOGIN") as (inbox, _),
        pytest.raises(MailboxFailed, match=r"^the server refused the login: said of LOGIN$"),
        a_reader().open(inbox, LOGIN),
    ):
        pass


def test_a_mailbox_without_uidvalidity_is_not_read() -> None:
    without = [line for line in COURIER["EXAMINE"] if "UIDVALIDITY" not in line]
    with (
        saying({**COURIER, "EXAMINE": without}) as (inbox, _),
        pytest.raises(MailboxFailed, match="names no UIDVALIDITY"),
        a_reader().open(inbox, LOGIN),
    ):
        pass
