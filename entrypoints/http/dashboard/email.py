"""One email: what became of it and why, its message, and what can be done with it."""

from collections.abc import Sequence
from typing import Final

from flask import Blueprint, Response

from application import Application
from application.email_changes import Change
from application.queries import EmailView
from domain.address import Address
from domain.email.recipient import RecipientStatus, not_reached
from domain.errors import ContentPurged, Forbidden, NotFound
from domain.message.letter import Letter
from domain.suppression import Suppression
from entrypoints.explaining import CONDITIONS
from entrypoints.http.dashboard.gate_words import gate_detail
from entrypoints.http.dashboard.page import POLL, caller_of_page, page
from entrypoints.http.dashboard.story import BOUNCES, RECIPIENTS, bounces_by_position, story_of
from entrypoints.http.dashboard.timeline import timeline
from entrypoints.http.dashboard.way_back import carried, list_address
from entrypoints.http.dashboard.words import on_pages, reason
from entrypoints.http.message_parts import (
    MOST_SOURCE,
    frame,
    message_file,
    part_file,
    source_of,
)
from entrypoints.http.requests import the_request

MOST_EVENTS: Final = 100
TABS: Final = {"html": "HTML", "text": "Text", "headers": "Headers", "source": "Source"}
_MOST_LOOKED_UP: Final = 5  # recipients whose entries of the suppression list are shown
_PRIVATE: Final = "private, no-store"


class OneEmailPages:
    """The page of an email, with the documents that stand in it or are downloaded."""

    def __init__(self, application: Application) -> None:
        self._queries = application.queries
        self._account_queries = application.account_queries
        self._events = application.event_feed
        self._changes = application.email_changes
        self._messages = application.messages
        self._suppressions = application.suppressions

    def add_to(self, routes: Blueprint) -> None:
        """Route them."""
        of_one = "/emails/<id:email_id>"
        routes.add_url_rule(of_one, "email", self.email)
        routes.add_url_rule(f"{of_one}/html", "email_html", self.html)
        routes.add_url_rule(f"{of_one}/raw", "email_raw", self.raw)
        routes.add_url_rule(f"{of_one}/parts/<int:number>", "email_part", self.part)

    def email(self, email_id: int) -> Response:
        """The page. Who asks for freshness only gets it without the message, which stays as it is.

        404 also for an email that this caller may not see.
        """
        asked, caller = the_request(), caller_of_page()
        view = self._queries.email(email_id, with_forecast=True, caller=caller)
        events = self._events.page(email_id=email_id, limit=MOST_EVENTS, caller=caller).events
        possible = self._changes.possible(email_id, caller=caller)
        polled = POLL in asked.headers
        letter = None if polled else self._letter(email_id)
        tab = _tab(asked.args.get("tab"), letter)
        return page(
            "email.html",
            place="dashboard.emails",
            view=view,
            story=story_of(view),
            entries=timeline(view, events),
            listed=self._entries(view),
            not_reached=not_reached(view.email.recipients),
            gate_detail=gate_detail,
            back=carried(),
            list_address=list_address(carried()),
            recipient_words=RECIPIENTS,
            bounce_words=BOUNCES,
            bounces=bounces_by_position(view),
            possible=possible,
            changes=CHANGES,
            reason=reason,
            conditions={name: on_pages(text) for name, text in CONDITIONS.items()},
            accounts=self._account_queries.account_names(caller=caller),
            polled=polled,
            letter=letter,
            tab=tab,
            tabs=_tabs(letter),
            source=self._source(email_id) if tab == "source" else None,
        )

    def html(self, email_id: int) -> Response:
        """The message's HTML, for the frame; 410 if it was removed."""
        reply = frame(self._messages.html(email_id, caller=caller_of_page()))
        reply.headers["Cache-Control"] = _PRIVATE
        return reply

    def raw(self, email_id: int) -> Response:
        """The message as a file; 410 if it was removed."""
        pieces = self._queries.message(email_id, caller=caller_of_page())
        reply = message_file(pieces, f"email-{email_id}")
        reply.headers["Cache-Control"] = _PRIVATE
        return reply

    def part(self, email_id: int, number: int) -> Response:
        """One part as a file; 404, and 410 if the message was removed."""
        found = self._messages.part(email_id, number, caller=caller_of_page())
        reply = part_file(found.about, found.octets)
        reply.headers["Cache-Control"] = _PRIVATE
        return reply

    def _letter(self, email_id: int) -> Letter | None:
        try:
            return self._messages.letter(email_id, caller=caller_of_page())
        except ContentPurged:
            return None

    def _source(self, email_id: int) -> str:
        octets = self._messages.octets(email_id, caller=caller_of_page())
        left = len(octets) - MOST_SOURCE
        return source_of(octets) + (f"\n… and {left} more octets" if left > 0 else "")

    def _entries(self, view: EmailView) -> Sequence[tuple[Address, Sequence[Suppression]]]:
        """The first recipients who did not get it, or of whom a report came back, with what this
        caller may see of them on the suppression list now. Who was suppressed is told of in any
        case.
        """
        reported = bounces_by_position(view)
        missed = [
            one
            for position, one in enumerate(view.email.recipients)
            if one.status is not RecipientStatus.ACCEPTED or position in reported
        ]
        looked_up = [(one, self._entries_of(one.address)) for one in missed[:_MOST_LOOKED_UP]]
        return [
            (one.address, entries)
            for one, entries in looked_up
            if entries or one.status is RecipientStatus.SUPPRESSED
        ]

    def _entries_of(self, address: Address) -> Sequence[Suppression]:
        try:
            return self._suppressions.of(address, caller=caller_of_page())
        except (NotFound, Forbidden):
            return ()


# What a change is called, in the order of the buttons.
CHANGES: Final = {
    Change.RETRY: "Retry",
    Change.RESOLVE_AS_SENT: "It was sent",
    Change.RESEND: "Send it again",
    Change.RESCHEDULE: "Send at another time",
    Change.CANCEL: "Cancel it",
}


def _tabs(letter: Letter | None) -> dict[str, str]:
    """Those that this message has."""
    if letter is None:
        return {}
    missing = {"html": letter.html is None, "text": letter.text is None}
    return {tab: label for tab, label in TABS.items() if not missing.get(tab)}


def _tab(asked: str | None, letter: Letter | None) -> str | None:
    tabs = _tabs(letter)
    return asked if asked in tabs else next(iter(tabs), None)
