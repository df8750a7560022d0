"""What became of an email, for a person who knows nothing of it: the answer, then the reasons."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs
from markupsafe import Markup

from application.queries import EmailView
from domain.bounce.bounce import Bounce, BounceType
from domain.email.gates import IN_LINE, Gate
from domain.email.lifecycle import Email
from domain.email.recipient import (
    EXPIRED,
    OUTCOME_UNKNOWN,
    POISON,
    SUPPRESSED,
    Recipient,
    RecipientStatus,
    not_reached,
)
from domain.email.status import WAITING, Status
from entrypoints.http.dashboard import words
from entrypoints.http.dashboard.gate_words import gate_line
from entrypoints.http.dashboard.words import Word, reason, time, waits_for

RECIPIENTS: Final = {
    RecipientStatus.OPEN: Word("not yet", "wait"),
    RecipientStatus.ACCEPTED: Word("accepted", "good"),
    RecipientStatus.REJECTED: Word("not delivered", "bad"),
    RecipientStatus.UNKNOWN: Word("unknown", "bad"),
    RecipientStatus.SUPPRESSED: Word("suppressed", "off"),
}
BOUNCES: Final = {
    BounceType.BOUNCED: Word("bounced", "bad"),
    BounceType.COMPLAINED: Word("called it spam", "bad"),
    BounceType.DELAYED: Word("delayed", "wait"),
}
_WAITS_FOR_A_PERSON: Final = {
    "no_account": "Add an account, or activate one.",
    "account_inactive": "Activate the account, or retry the email through another one.",
    "account_paused": "Look at the account: it says what to do. Then resume it.",
}
_MOST_LINES: Final = 5


@attrs.frozen
class Story:
    """*headline* answers whether it went; *lines* say why, *advice* what can be done about it."""

    headline: str
    look: str
    lines: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()


def story_of(view: EmailView) -> Story:
    """The story of an email as it stands now."""
    status = view.email.status
    if status in WAITING:
        return _waiting(view)
    if status is Status.SENDING:
        return Story("It is being sent at this moment", "busy")
    if status is Status.CANCELLED:
        return Story("Cancelled: it was not sent", "off", (_when(view, "Cancelled"),))
    return _sent(view) if status is Status.SENT else _failed(view)


# -- sent ------------------------------------------------------------------------------------------


def _sent(view: EmailView) -> Story:
    email = view.email
    bounced = [one for one in view.bounces if one.type is BounceType.BOUNCED]
    complained = [one for one in view.bounces if one.type is BounceType.COMPLAINED]
    delayed = [one for one in view.bounces if one.type is BounceType.DELAYED]
    lines: list[str] = [_accepted(view)]
    if bounced:
        lines += _reported(bounced, email, "A report came back: not delivered to {}")
        advice = "Check the address with the recipient. A dead address is on the suppression list."
        return Story("Bounced: it was sent, but not delivered", "bad", tuple(lines), (advice,))
    lines += _reported(complained, email, "{} called it spam")
    lines += _reported(delayed, email, "A report came back: not delivered yet to {}")
    if email.partial:
        lines += _not_reached(email)
        of, missed = len(email.recipients), not_reached(email.recipients)
        headline = f"Sent, but {words.of_recipients(missed, of)} not reached"
        return Story(headline, "bad", tuple(lines), _if_suppressed(email))
    if complained:
        return Story("Sent, and a recipient called it spam", "bad", tuple(lines))
    headline = "Sent: the mail server accepted it"
    return Story(headline, "good", tuple(lines), tuple(_where_to_look(view)))


def _accepted(view: EmailView) -> str:
    through = f"Through {view.account.name}" if view.account else "Through an account"
    when = time(view.email.sent_at or view.email.updated_at)
    return Markup("{} a mail server accepted it at {}.").format(through, when)


def _where_to_look(view: EmailView) -> Iterator[str]:
    yield "If the recipient does not see it, ask them to look into their spam folder."
    name = view.provider_message_id
    if name is not None:
        yield f"The mail server calls it {name}: its operator can look it up by that."


def _reported(bounces: Sequence[Bounce], email: Email, text: str) -> Iterator[str]:
    for one in bounces[:_MOST_LINES]:
        whom = "a recipient"
        if one.position is not None:
            whom = str(email.recipients[one.position].address)
        said = " ".join(part for part in (one.status, one.text) if part)
        yield text.format(whom) + (f": {said}" if said else ".")


# -- failed ----------------------------------------------------------------------------------------


def _failed(view: EmailView) -> Story:
    email = view.email
    if email.reason_code == SUPPRESSED:
        lines = (*_not_reached(email), _when(view, "Decided"))
        headline = "Not sent: no recipient may get it"
        return Story(headline, "bad", lines, _if_suppressed(email))
    if email.reason_code == OUTCOME_UNKNOWN:
        return _unknown(view)
    lines = tuple(_not_reached(email))
    if email.reason_code == EXPIRED:
        until = Markup("It was to be sent before {}.").format(time(email.expires_at))
        tried = _tried(view) if view.attempts else "It was never tried: it waited all that time."
        said = email.error_message or ""
        return Story(
            "Given up: its time was over",
            "bad",
            (until, tried, f"At last: {said}" if said else ""),
            ("Retry it if it is still wanted.",),
        )
    if email.reason_code == POISON:
        advice = "Look into the service's log for this email before you retry it."
        return Story("Given up: the service died while it sent it", "bad", lines, (advice,))
    many = email.retry_count > 0
    headline = f"{'Given up' if many else 'Refused'}: {reason(email.reason_code)}"
    advice = "Correct what the server complains of, then retry it."
    return Story(headline, "bad", (_tried(view), *lines), (advice,))


def _unknown(view: EmailView) -> Story:
    return Story(
        "Unknown: a mail server may have it",
        "bad",
        (
            "The mail server had the whole message and did not say whether it accepted it.",
            _tried(view),
        ),
        (
            f"Look into the provider's log for the Message-ID {view.email.message_id}.",
            "Then say here that it was sent, or have it sent again: the recipient may then have"
            " it twice.",
        ),
    )


def _tried(view: EmailView) -> str:
    number = len(view.attempts)
    return f"It was tried {'once' if number == 1 else f'{number} times'}."


def _not_reached(email: Email) -> Iterator[str]:
    """Why each recipient did not get it."""
    left = [
        one
        for one in email.recipients
        if one.status not in (RecipientStatus.ACCEPTED, RecipientStatus.OPEN)
    ]
    for one in left[:_MOST_LINES]:
        yield f"{one.address}: {_why(one, email)}"
    if len(left) > _MOST_LINES:
        yield f"And {len(left) - _MOST_LINES} more, in the list of recipients below."


def _why(recipient: Recipient, email: Email) -> str:
    text = reason(recipient.reason or email.reason_code)
    said = recipient.reply is not None and not recipient.reply.positive
    return f"{text}. The server said: {recipient.reply}" if said else f"{text}."


def _if_suppressed(email: Email) -> tuple[str, ...]:
    if RecipientStatus.SUPPRESSED not in [one.status for one in email.recipients]:
        return ()
    return (
        "To send to the address again, remove it from the suppression list and submit the email"
        " again.",
    )


# -- waiting ---------------------------------------------------------------------------------------


def _waiting(view: EmailView) -> Story:
    email = view.email
    closed = [gate for gate in view.gates if not gate.open]
    first = closed[0].name if closed else IN_LINE
    if first == IN_LINE:
        headline = "Waiting: it is next"
    elif first == "scheduled":
        headline = "Scheduled: it is sent later"
    elif first == "retry_delay":
        headline = "It will be tried again"
    else:
        headline = f"Waiting: {waits_for(first)}"
    lines = [gate_line(gate, through=_at(gate, view)) for gate in closed[:_MOST_LINES]]
    if email.attempt_no and email.reason_code:
        said = f" The server said: {email.error_message}" if email.error_message else ""
        lines.append(f"The last attempt ended so: {reason(email.reason_code)}.{said}")
    lines += _forecast(view)
    lines.append(Markup("It is given up at {}.").format(time(email.expires_at)))
    advice = [_WAITS_FOR_A_PERSON[gate.name] for gate in closed if gate.name in _WAITS_FOR_A_PERSON]
    return Story(headline, "wait", tuple(lines), tuple(advice))


def _at(gate: Gate, view: EmailView) -> str:
    return f" at {view.account.name}" if view.account and gate.name.endswith("_limit") else ""


def _forecast(view: EmailView) -> Iterator[str]:
    expected = view.expected
    if expected is None:
        return
    if expected.at is None:
        yield "It does not go until somebody changes that."
        return
    why = f": {waits_for(expected.limited_by)}" if expected.limited_by else ""
    if expected.at <= view.now:
        yield f"Forecast: it goes now{why}."
    else:
        yield Markup("Forecast: it goes at about {}{}.").format(time(expected.at), why)


def _when(view: EmailView, what: str) -> str:
    return Markup("{} at {}.").format(what, time(view.email.updated_at))


def bounces_by_position(view: EmailView) -> Mapping[int, Sequence[Bounce]]:
    """What reports have told of each recipient."""
    found: dict[int, list[Bounce]] = {}
    for one in view.bounces:
        if one.position is not None:
            found.setdefault(one.position, []).append(one)
    return found
