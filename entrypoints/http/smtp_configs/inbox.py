"""The mailbox that reports about an SMTP configuration's mail come to: the block ``inbox``."""

from datetime import timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field

from application.account_inbox import InboxWish
from domain.account.inbox import DEFAULT_POLL, TLS_PORT, Inbox
from entrypoints.addresses import server_name
from entrypoints.http.schemas import Absent, ReplyModel, RequestModel, Shown, Time
from entrypoints.http.times import shown_if_any

_SHORTEST_POLL_S: Final = 10
_LONGEST_POLL_S: Final = 86_400
_LINE: Final = Shown(pattern=r"^[^\u0000\r\n]*$")


def _line(text: str) -> str:
    if any(character in text for character in "\0\r\n"):
        raise ValueError("must not contain a line end or NUL")
    return text


def _folder(text: str) -> str:
    if not all(" " <= character <= "~" for character in text):
        raise ValueError("must be printable ASCII: a server writes other names in modified UTF-7")
    return text


def _stripped(text: object) -> object:
    return text.strip() if isinstance(text, str) else text


class InboxRequest(RequestModel):
    """Where delivery reports and complaints arrive. It is read over IMAP and never changed."""

    host: Annotated[
        str,
        Field(min_length=1, max_length=254, examples=["imap.example.com"]),
        AfterValidator(server_name),
        BeforeValidator(_stripped),
    ]
    port: Annotated[int, Field(ge=1, le=65_535, description="993 for TLS, 143 for STARTTLS.")] = (
        TLS_PORT
    )
    username: Annotated[
        Absent[Annotated[str, AfterValidator(_line), _LINE]],
        Field(
            min_length=1,
            max_length=320,
            description="If left out: that of the SMTP configuration, or its address.",
        ),
    ] = None
    password: Annotated[
        Absent[Annotated[str, AfterValidator(_line), _LINE]],
        Field(
            min_length=1,
            max_length=1_000,
            repr=False,
            description="Stored encrypted, never shown. If left out: the stored one, as long as"
            " host, port and username are the same, or else the token of auth.",
        ),
    ] = None
    folder: Annotated[
        str,
        Field(min_length=1, max_length=200),
        AfterValidator(_folder),
        Shown(pattern="^[ -~]+$"),
    ] = "INBOX"
    poll_seconds: Annotated[
        int,
        Field(ge=_SHORTEST_POLL_S, le=_LONGEST_POLL_S, description="How often to look."),
    ] = int(DEFAULT_POLL.total_seconds())


class InboxReply(ReplyModel):
    """The mailbox that is read for reports."""

    host: str
    port: int
    username: str
    password_set: Annotated[bool, Field(description="If not, it logs in with the token of auth.")]
    folder: str
    poll_seconds: int
    last_read_at: Annotated[
        Time | None, Field(description="When it was last read without trouble.")
    ]
    last_error: Annotated[
        str | None, Field(description="Why it could not be read since; null if it can be.")
    ]


def inbox_wish(wanted: InboxRequest) -> InboxWish:
    """The inbox as it is to be."""
    return InboxWish(
        host=wanted.host,
        port=wanted.port,
        username=wanted.username,
        password=wanted.password,
        folder=wanted.folder,
        poll=timedelta(seconds=wanted.poll_seconds),
    )


def inbox_reply(inbox: Inbox | None) -> InboxReply | None:
    """The inbox without its password."""
    if inbox is None:
        return None
    return InboxReply(
        host=inbox.host,
        port=inbox.port,
        username=inbox.username,
        password_set=inbox.sealed_password is not None,
        folder=inbox.folder,
        poll_seconds=int(inbox.poll.total_seconds()),
        last_read_at=shown_if_any(inbox.read_at),
        last_error=inbox.last_error or None,
    )
