"""What the calls under /api/erasures take and answer."""

from typing import Annotated, Literal

from pydantic import Field

from entrypoints.http.schemas import EmailAddress, Instant, ReplyModel, RequestModel


class ErasureRequest(RequestModel):
    """Whom to erase."""

    address: Annotated[EmailAddress, Field(examples=["ada@example.org"])]


class ErasureRow(ReplyModel):
    """An erasure, and how far it has come."""

    id: int
    status: Annotated[
        Literal["running", "done"],
        Field(description="done: the address is found nowhere any more."),
    ]
    pseudonym: Annotated[str, Field(description="What stands in the place of the address.")]
    step: Annotated[str, Field(description="What is done now.")]
    emails_erased: int
    emails_waiting: Annotated[
        int,
        Field(
            description="Emails that name the person and have not ended or are not looked at yet:"
            " what is being sent, or waits for others too."
        ),
    ]
    requested_at: Instant
    done_at: Instant | None
