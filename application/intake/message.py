"""The message of a draft: its images and files put in their places, then composed."""

from collections.abc import Collection
from datetime import datetime

import attrs

from application.intake.draft import Draft
from domain.email.detail import NOTHING, AttachedFile, Detail
from domain.message.attachment import MAX_ATTACHMENTS
from domain.message.compose import Content, compose, compose_parts
from domain.message.inline import extracted
from domain.message.skeleton import Skeleton


def composed(
    content: Content, *, message_id: str, token: str, date: datetime, denied: Collection[str]
) -> Skeleton:
    """The message of *content*. The same arguments give the same octets. InvalidInput."""
    boundary = f"=_{token}"
    if content.is_simple:
        return Skeleton(compose(content, message_id=message_id, date=date, boundary=boundary))
    return compose_parts(
        with_images_as_parts(content, token=token),
        message_id=message_id,
        date=date,
        boundary=boundary,
        denied=denied,
    )


def with_images_as_parts(content: Content, *, token: str) -> Content:
    """The images that the HTML carries in ``data:`` URIs become attachments."""
    if content.html is None:
        return content
    most = max(0, MAX_ATTACHMENTS - len(content.attachments))
    taken = extracted(content.html, token=token, most=most)
    if not taken.images:
        return content
    attachments = (*content.attachments, *taken.images)
    return attrs.evolve(content, html=taken.html, attachments=attachments)


def detail_of(draft: Draft) -> Detail:
    """What is kept of *draft* for people; NOTHING if there is nothing to say."""
    if not draft.attachments:
        return NOTHING
    return Detail(
        attachments=tuple(
            AttachedFile(
                filename=file.filename,
                content_type=file.content_type,
                size=file.size,
                content_id=file.content_id,
            )
            for file in draft.attachments
        )
    )
