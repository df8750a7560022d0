"""What the API shows of emails, made from what the use cases answer."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from application.queries import EmailView
from domain.bounce.bounce import Bounce, BounceType
from domain.email.attempt import Attempt
from domain.email.detail import AttachedFile, TemplateUsed
from domain.email.forecast import Expected
from domain.email.gates import Gate, next_attempt_at, waiting_reason
from domain.email.lifecycle import Email
from domain.email.listing import EmailSummary
from domain.email.recipient import Recipient, RecipientField, rejected
from domain.email.status import Status
from domain.errors import EmailServiceError, InvalidInput
from domain.mailbox import Mailbox
from domain.outcome.handoff import Reply
from entrypoints.http.emails.part_schemas import AttachmentReply
from entrypoints.http.emails.schemas import (
    AttemptReply,
    BatchError,
    BatchResult,
    EmailForecast,
    EmailReply,
    EmailRow,
    ExplainReply,
    GateReply,
    MailboxReply,
    RecipientReply,
    TemplateUsedReply,
)
from entrypoints.http.fields import pointer_of
from entrypoints.http.forecasts import limit_name
from entrypoints.http.schemas import FieldProblem
from entrypoints.http.times import shown, shown_if_any


def email_row(email: EmailSummary, write_time: Callable[[datetime], str]) -> EmailRow:
    """An email in a list; *write_time* is asked for once for all of them."""
    return EmailRow(
        id=email.id,
        subject=email.subject,
        status=email.status.value,
        priority=email.priority,
        retry_count=email.retry_count,
        created_at=write_time(email.created_at),
        recipients=[str(address) for address in email.recipients],
        reason_code=email.reason_code,
        tags=list(email.tags),
    )


def email_reply(view: EmailView) -> EmailReply:
    """An email with everything that is known about it."""
    email, account, names = view.email, view.account, dict(view.detail.names)
    scheduled = email.status is Status.SCHEDULED
    return EmailReply(
        id=email.id,
        subject=email.subject,
        sender=str(account.address) if account else None,
        sender_name=account.display_name if account else None,
        shown_sender=_sender_reply(view),
        recipients=_addresses(email, RecipientField.TO),
        cc=_addresses(email, RecipientField.CC),
        bcc=_addresses(email, RecipientField.BCC),
        reply_to=[_mailbox_reply(one) for one in view.detail.reply_to],
        in_reply_to=view.detail.in_reply_to,
        attachments=[_attachment_reply(file) for file in view.detail.attachments],
        status=email.status.value,
        priority=email.priority,
        retry_count=email.retry_count,
        smtp_config=_account_name(view),
        created_at=shown(email.created_at),
        updated_at=shown(email.updated_at),
        sent_at=shown_if_any(email.sent_at),
        send_at=shown(email.eligible_at) if scheduled else None,
        expires_at=shown(email.expires_at),
        error_message=email.error_message,
        reason_code=email.reason_code,
        waiting_reason=waiting_reason(view.gates),
        next_attempt_at=shown_if_any(next_attempt_at(view.gates, now=view.now)),
        message_id=email.message_id,
        provider_message_id=view.provider_message_id,
        template=_template_used(view.detail.template),
        at_most_once=email.at_most_once,
        topic=view.detail.topic,
        tags=list(view.labels.tags),
        metadata=dict(view.labels.metadata),
        partial=email.partial,
        possibly_delivered=email.possibly_delivered,
        rejected_recipients=[str(recipient.address) for recipient in rejected(email.recipients)],
        recipient_status=[
            _recipient_reply(recipient, names.get(position, ""), _of(view.bounces, position))
            for position, recipient in enumerate(email.recipients)
        ],
        attempts=[_attempt_reply(attempt) for attempt in view.attempts],
        content_purged_at=shown_if_any(view.content_purged_at),
    )


def explain_reply(view: EmailView) -> ExplainReply:
    """Why an email has not been sent yet."""
    return ExplainReply(
        id=view.email.id,
        status=view.email.status.value,
        waiting_reason=waiting_reason(view.gates),
        next_attempt_at=shown_if_any(next_attempt_at(view.gates, now=view.now)),
        gates=[_gate_reply(gate) for gate in view.gates],
        forecast=_forecast_reply(view.expected),
        content_purged_at=shown_if_any(view.content_purged_at),
    )


def _forecast_reply(expected: Expected | None) -> EmailForecast | None:
    if expected is None:
        return None
    return EmailForecast(
        goes_at=shown_if_any(expected.at), limited_by=limit_name(expected.limited_by)
    )


def batch_result(outcome: int | EmailServiceError) -> BatchResult:
    """What became of one email of a batch."""
    if isinstance(outcome, int):
        return BatchResult(email_id=outcome, error=None)
    wrong = outcome.errors if isinstance(outcome, InvalidInput) else ()
    return BatchResult(
        email_id=None,
        error=BatchError(
            code=outcome.code,
            detail="; ".join(f"{pointer_of(one) or '/'}: {one.message}" for one in wrong)
            or str(outcome),
            errors=[FieldProblem(pointer=pointer_of(one), message=one.message) for one in wrong],
        ),
    )


def _attachment_reply(file: AttachedFile) -> AttachmentReply:
    return AttachmentReply(
        filename=file.filename,
        content_type=file.content_type,
        size=file.size,
        content_id=file.content_id,
    )


def _template_used(used: TemplateUsed | None) -> TemplateUsedReply | None:
    if used is None:
        return None
    return TemplateUsedReply(name=used.name, version=used.version, locale=used.locale or None)


def _addresses(email: Email, field: RecipientField) -> list[str]:
    return [str(recipient.address) for recipient in email.recipients if recipient.field is field]


def _account_name(view: EmailView) -> str | None:
    """That of its account; of one that was deleted, as the last attempt knew it."""
    if view.account is not None:
        return view.account.name
    return view.attempts[-1].account_name if view.attempts else None


def _sender_reply(view: EmailView) -> MailboxReply | None:
    """The From of its own, or that of its account."""
    account, sender = view.account, view.detail.sender
    if sender is None and account is not None:
        sender = Mailbox(account.address, account.display_name)
    return None if sender is None else _mailbox_reply(sender)


def _mailbox_reply(mailbox: Mailbox) -> MailboxReply:
    return MailboxReply(address=str(mailbox.address), name=mailbox.name)


def _of(bounces: Sequence[Bounce], position: int) -> Mapping[BounceType, Bounce]:
    return {one.type: one for one in bounces if one.position == position}


def _recipient_reply(
    recipient: Recipient, name: str, bounces: Mapping[BounceType, Bounce]
) -> RecipientReply:
    code, enhanced, text = _reply_parts(recipient.reply)
    bounce = bounces.get(BounceType.BOUNCED)
    complaint = bounces.get(BounceType.COMPLAINED)
    return RecipientReply(
        address=str(recipient.address),
        name=name,
        kind=recipient.field.value,
        status=recipient.status.value,
        reason=recipient.reason,
        code=code,
        enhanced_code=enhanced,
        text=text,
        bounced_at=shown(bounce.at) if bounce else None,
        bounce_status=bounce.status if bounce else None,
        bounce_text=bounce.text if bounce else None,
        complained_at=shown(complaint.at) if complaint else None,
    )


def _attempt_reply(attempt: Attempt) -> AttemptReply:
    code, enhanced, _ = _reply_parts(attempt.reply)
    duration = attempt.duration
    return AttemptReply(
        attempt=attempt.attempt_no,
        account=attempt.account_name,
        started_at=shown(attempt.started_at),
        ended_at=shown_if_any(attempt.ended_at),
        stage=attempt.stage.value if attempt.stage else None,
        code=code,
        enhanced_code=enhanced,
        text=attempt.text,
        result=attempt.result.value if attempt.result else None,
        reason=attempt.reason,
        provider_message_id=attempt.provider_message_id,
        duration_ms=None if duration is None else round(duration.total_seconds() * 1000, 3),
    )


def _reply_parts(server: Reply | None) -> tuple[int | None, str | None, str | None]:
    return (server.code, server.enhanced, server.text) if server else (None, None, None)


def _gate_reply(gate: Gate) -> GateReply:
    return GateReply(
        name=gate.name, open=gate.open, detail=gate.detail, until=shown_if_any(gate.until)
    )
