"""What an email waits for, in the words of its page and of the list."""

from typing import Final

from markupsafe import Markup

from domain.email.gates import IN_LINE, Gate
from entrypoints.http.dashboard.words import on_pages, reason, sentence, time, waits_for

_NOT_SAID_AGAIN: Final = frozenset({"scheduled", "retry_delay"})  # their detail is their time


def gate_detail(gate: Gate) -> str:
    """What is known of it beyond its time. Of a pause it begins with the code of the reason."""
    if gate.name in _NOT_SAID_AGAIN:
        return ""
    if gate.name != "account_paused" or not gate.detail:
        return on_pages(gate.detail)
    code, _, said = gate.detail.partition(": ")
    return f"{reason(code)}: {said}" if said else reason(code)


def gate_line(gate: Gate, *, through: str = "") -> str:
    """A closed gate as a sentence; *through* says at which account."""
    detail = gate_detail(gate)
    text = f"{sentence(waits_for(gate.name))}{through}{detail and f' ({detail})'}"
    if gate.until is None:
        return f"{text}."
    return Markup("{}, until {}.").format(text, time(gate.until))


def short_reason(gate: Gate) -> str:
    """The same in a few words, for a row of a list: without what a server said."""
    if gate.name == IN_LINE:
        return waits_for(IN_LINE)
    text = waits_for(gate.name)
    if gate.name == "account_paused" and gate.detail:
        text = f"{text}: {reason(gate.detail.partition(': ')[0])}"
    return text if gate.until is None else Markup("{}, until {}").format(text, time(gate.until))
