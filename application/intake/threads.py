"""What an email answers: one of ours, or any other message."""

from application.email_changes import seen_by
from application.intake.draft import Draft
from application.ports.store import StoreReader, Transaction
from domain.access import Caller
from domain.errors import FieldError, InvalidInput, NotFound
from domain.message.threads import thread_after


def references_of(draft: Draft, store: StoreReader, caller: Caller) -> tuple[str, ...]:
    """The Message-IDs of its thread, the one that it answers last; none if it answers nothing.

    InvalidInput if it answers an email that is not there, or that *caller* may not see.
    """
    answered = draft.in_reply_to
    if answered is None:
        return ()
    if isinstance(answered, str):
        return (answered,)
    return store.read_latest(lambda tx: _thread(tx, answered, caller))


def _thread(tx: Transaction, email_id: int, caller: Caller) -> tuple[str, ...]:
    try:
        email = seen_by(caller, tx.emails.get(email_id))
    except NotFound:
        raise InvalidInput(FieldError("in_reply_to", f"there is no email {email_id}")) from None
    return thread_after(_octets(tx, email_id), email.message_id)


def _octets(tx: Transaction, email_id: int) -> bytes:
    """Its message; if that was removed it counts as one that answers nothing."""
    try:
        return tx.emails.octets(email_id)
    except NotFound:
        return b""
