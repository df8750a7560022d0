"""The message of a draft: its images and files put in their places, then composed."""

from collections.abc import Collection, Mapping
from datetime import datetime

import attrs

from application.intake.draft import Draft
from application.intake.files import FilesOfCall
from domain.email.detail import NOTHING, AttachedFile, Detail
from domain.errors import InvalidInput
from domain.message.attachment import MAX_ATTACHMENTS, Attachment, Blob
from domain.message.client_headers import RESERVED, ses_errors
from domain.message.compose import Content, compose, compose_parts
from domain.message.inline import extracted
from domain.message.raw import compose_raw
from domain.message.skeleton import Skeleton


@attrs.frozen
class Composed:
    """A message, what is kept of it for people, and the large parts that are to be stored first."""

    message: Skeleton
    detail: Detail = NOTHING
    large: Mapping[Blob, bytes] = attrs.field(factory=dict, repr=False)


def composed(
    draft: Draft,
    content: Content,
    *,
    message_id: str,
    token: str,
    date: datetime,
    denied: Collection[str],
    files: FilesOfCall,
    for_ses: bool = False,
) -> Composed:
    """The message of *draft*, whose *content* lacks its files. InvalidInput.

    *for_ses*: orders to Amazon SES may stand in it.
    """
    if content.headers and not for_ses:
        _refuse_orders(content)
    if draft.raw is not None:
        made = compose_raw(
            draft.raw,
            sender=content.sender,
            message_id=message_id,
            date=date,
            headers=content.headers,
            for_ses=for_ses,
        )
        return Composed(made.skeleton, large=made.large)
    boundary = f"=_{token}"
    if content.is_simple and not draft.attachments:
        octets = compose(content, message_id=message_id, date=date, boundary=boundary)
        return Composed(Skeleton(octets))
    given = files.attached(draft.attachments)
    content, images = _with_images_as_parts(content, token=token, given=len(given.attachments))
    taken = files.attached(images)
    message = compose_parts(
        attrs.evolve(content, attachments=given.attachments + taken.attachments),
        message_id=message_id,
        date=date,
        boundary=boundary,
        denied=denied,
    )
    return Composed(message, _detail_of(given.attachments), {**given.large, **taken.large})


def _refuse_orders(content: Content) -> None:
    """InvalidInput if a header is an order to Amazon SES."""
    errors = tuple(ses_errors(content.headers))
    if errors:
        raise InvalidInput(*errors, code=RESERVED)


def _with_images_as_parts(
    content: Content, *, token: str, given: int
) -> tuple[Content, tuple[Attachment, ...]]:
    """The images that the HTML carries in ``data:`` URIs become attachments beside those given."""
    if content.html is None:
        return content, ()
    taken = extracted(content.html, token=token, most=max(0, MAX_ATTACHMENTS - given))
    return attrs.evolve(content, html=taken.html), taken.images


def _detail_of(attachments: tuple[Attachment, ...]) -> Detail:
    """What is kept of the files for people."""
    if not attachments:
        return NOTHING
    return Detail(
        attachments=tuple(
            AttachedFile(
                filename=file.filename,
                content_type=file.content_type,
                size=file.size,
                content_id=file.content_id,
            )
            for file in attachments
        )
    )
