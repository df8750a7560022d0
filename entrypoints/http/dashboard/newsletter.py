"""A newsletter: a template, sent to the people of a CSV file, in three pages.

Nothing is kept between them but in the browser: each page has the file in a field, compressed. So
a step that is repeated, after the service or the browser has died, sends nobody a second copy: the
key of each call is made of the file and its rows, as that of ``email-service send-csv`` is.
"""

import io
import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

import attrs
from flask import Blueprint, Response

from application import Application
from application.intake.idempotency import IdempotencyKey
from application.templates import Preview
from domain.address import Address
from domain.email.forecast import Forecast
from domain.errors import (
    Conflict,
    EmailServiceError,
    FieldError,
    InvalidInput,
    NotFound,
    TooMany,
    Unavailable,
)
from domain.intake import digest
from domain.mailing.batches import rows_of_call
from domain.message.template import Template, Value
from entrypoints.http.dashboard.forms import field, told, typed, utc, whole_number, without_blanks
from entrypoints.http.dashboard.page import caller_of_page, page
from entrypoints.http.dashboard.templates import document
from entrypoints.http.emails.schemas import TemplatedBatch
from entrypoints.http.emails.templated import templated_drafts
from entrypoints.http.requests import the_request
from entrypoints.http.validation import parse
from entrypoints.mailing_plan import Batch, Plan, Wishes, read_plan

LARGEST_FILE: Final = 5 * 1024 * 1024  # octets; send-csv takes more
CALLS: Final = 4  # of one step: each has up to 500 emails
_TEMPLATES: Final = 500  # in the list to choose from
_LONGEST_NAME: Final = 200
_TRIES: Final = 5  # of a call, for rows that only the service refuses


@attrs.frozen(kw_only=True)
class _Mailing:
    """What is to be sent, as the fields of the form say."""

    octets: bytes = attrs.field(repr=False)
    kept: str = attrs.field(repr=False)
    template: Template
    common: Mapping[str, object]
    address_column: str | None
    name_column: str | None

    @property
    def choice(self) -> Mapping[str, object]:
        """The template as a call names it."""
        choice = {"name": self.template.name, "version": self.template.version}
        return {**choice, "locale": self.template.locale} if self.template.locale else choice


@attrs.define(kw_only=True)
class _Done:
    """How far it has come: the next row, and what became of those before."""

    next_row: int = 1
    accepted: int = 0
    refused: list[tuple[int, str]] = attrs.field(factory=list)
    forecast: Any = None
    over: bool = False


class NewsletterPages:
    """The form, the look before it, and the sending."""

    def __init__(self, application: Application) -> None:
        self._templates = application.templates
        self._account_queries = application.account_queries
        self._suppressions = application.suppressions
        self._submission = application.submission
        self._rehearsal = application.rehearsal
        self._admission = application.admission
        self._messages = application.messages
        self._unsubscribe = application.unsubscribe

    def add_to(self, routes: Blueprint) -> None:
        """Route them."""
        both = ["GET", "POST"]
        routes.add_url_rule("/newsletter", "newsletter", self.newsletter, methods=both)
        path = "/newsletter/preview"
        routes.add_url_rule(path, "newsletter_preview", self.preview, methods=["POST"])
        routes.add_url_rule("/newsletter/send", "newsletter_send", self.send, methods=["POST"])

    def newsletter(self) -> Response:
        """The form; with a file: how many rows there are of each kind, and the first three."""
        if the_request().method == "GET":
            return self._form()
        try:
            mailing = self._mailing()
            with self._plan(mailing, looked_up=True) as plan:
                previews = self._previews(mailing, plan)
                forecast = self._rehearse(mailing, plan)
                return page(
                    "newsletter_look.html",
                    place="dashboard.newsletter",
                    plan=plan,
                    previews=list(zip(plan.first, previews, strict=True)),
                    variables=[json.dumps(dict(entry.variables)) for entry in plan.first],
                    forecast=forecast,
                    mailing=mailing,
                    fields=_hidden(mailing),
                    more_left_out=plan.counts.invalid + plan.counts.duplicate - len(plan.left_out),
                )
        except (InvalidInput, NotFound, Conflict) as error:
            return self._form(told(error), status=400)

    def preview(self) -> Response:
        """The document of a frame: the email that a row becomes. What it needs is sent in a form,
        so that nothing of a person stands in an address.
        """
        try:
            template, variables = self._template(), _variables()
            preview = self._templates.preview(
                template.name,
                variables,
                locale=template.locale,
                version=template.version,
                caller=caller_of_page(),
            )
        except InvalidInput as error:
            return document(None, told(error), "")
        html = self._messages.harmless(preview.rendered.html)
        return document(preview, (), html, bare=True)

    def send(self) -> Response:
        """A few calls; then a page that goes on by itself, or by its button, or the report."""
        try:
            mailing = self._mailing()
            done = _done()
            with self._plan(mailing) as plan:
                most = rows_of_call(_size(self._previews(mailing, plan)))
                problem = self._step(mailing, plan, done, most=most)
                entries = plan.counts.entries
        except (InvalidInput, NotFound, Conflict) as error:
            return self._form(told(error), status=400)
        return page(
            "newsletter_sent.html",
            status=200 if problem is None else 503,
            place="dashboard.newsletter",
            problem=None if problem is None else told(problem),
            done=done,
            through=done.accepted + len(done.refused),
            entries=entries,
            fields={
                **_hidden(mailing),
                "next_row": done.next_row,
                "accepted": done.accepted,
                "refused": json.dumps(done.refused),
            },
            mailing=mailing,
        )

    # -- reading --------------------------------------------------------------------------------

    def _form(self, problems: Sequence[str] = (), *, status: int = 200) -> Response:
        caller = caller_of_page()
        listed = self._templates.page(limit=_TEMPLATES, caller=caller).templates
        return page(
            "newsletter.html",
            status=status,
            place="dashboard.newsletter",
            templates=[one for one in listed if one.published_version is not None],
            accounts=self._account_queries.accounts(caller=caller),
            problems=problems,
            typed=typed(),
            kept=_kept(),
            topics=self._unsubscribe.can_be_offered,
        )

    def _mailing(self) -> _Mailing:
        """What the form has. InvalidInput, NotFound."""
        octets, kept = _file()
        fields = {
            "from": field("from"),
            "smtp_config_id": whole_number(field("smtp_config_id")),
            "send_at": utc(field("send_at")),
            "tags": field("tag").split() or "",
            "topic": field("topic"),
        }
        common = without_blanks(**fields)
        return _Mailing(
            octets=octets,
            kept=kept,
            template=self._template(),
            common=common,
            address_column=field("address_column") or None,
            name_column=field("name_column") or None,
        )

    def _template(self) -> Template:
        """The published version of what was chosen; the same one until the end."""
        name, _, locale = field("template").partition(" ")
        version = field("version")
        caller = caller_of_page()
        if version.isascii() and version.isdigit() and len(version) < 10:
            found = self._templates.show(name, locale=locale, version=int(version), caller=caller)
            if found.published_at is not None:
                return found
        listed = self._templates.page(limit=_TEMPLATES, caller=caller).templates
        for one in listed:
            if (one.name, one.locale) == (name, locale) and one.published_version is not None:
                return self._templates.show(
                    name, locale=locale, version=one.published_version, caller=caller
                )
        raise InvalidInput(FieldError("template", "choose one that is published"))

    def _plan(self, mailing: _Mailing, *, looked_up: bool = False) -> AbstractContextManager[Plan]:
        wishes = Wishes(
            template=mailing.template.name,
            declared=tuple(mailing.template.source.variables),
            address_column=mailing.address_column,
            name_column=mailing.name_column,
        )
        unwanted = (lambda keys: self._unwanted(mailing, keys)) if looked_up else None
        return read_plan(io.BytesIO(mailing.octets), wishes, unwanted=unwanted)

    def _unwanted(self, mailing: _Mailing, keys: Sequence[str]) -> Collection[str]:
        addresses = {Address.parse(key): key for key in keys}
        topic, account_id = mailing.common.get("topic"), mailing.common.get("smtp_config_id")
        found = self._suppressions.unwanted_among(
            list(addresses),
            topic=topic if isinstance(topic, str) else None,
            account_id=account_id if isinstance(account_id, int) else None,
            caller=caller_of_page(),
        )
        return [addresses[one] for one in found]

    def _previews(self, mailing: _Mailing, plan: Plan) -> Sequence[Preview]:
        """What the first rows come to. InvalidInput."""
        template = mailing.template
        return [
            self._templates.preview(
                template.name,
                entry.variables,
                locale=template.locale,
                version=template.version,
                caller=caller_of_page(),
            )
            for entry in plan.first
        ]

    def _rehearse(self, mailing: _Mailing, plan: Plan) -> Forecast:
        """When all of them go. InvalidInput: why the first rows, and so all, would be refused."""
        if not plan.first:
            return Forecast()
        number = plan.counts.entries - plan.counts.suppressed
        to = [{"recipient": one.recipient, "variables": dict(one.variables)} for one in plan.first]
        drafts = templated_drafts(parse(TemplatedBatch, _body(mailing, to)), ())
        try:
            self._rehearsal.validate(drafts, caller=caller_of_page())
            return self._rehearsal.forecast(drafts, number=number, caller=caller_of_page())
        except InvalidInput as error:
            raise InvalidInput(*{one.message: one for one in error.errors}.values()) from None

    # -- sending --------------------------------------------------------------------------------

    def _step(
        self, mailing: _Mailing, plan: Plan, done: _Done, *, most: int
    ) -> EmailServiceError | None:
        """Some of the calls that are left; why it cannot go on now, if that is so."""
        made = 0
        for batch in plan.batches(most):
            if batch.last < done.next_row:
                continue
            if made == CALLS:
                return None
            try:
                self._call(mailing, plan, batch, done)
            except (TooMany, Unavailable, Conflict) as error:
                return error
            done.next_row = batch.last + 1
            made += 1
        done.over = True
        return None

    def _call(self, mailing: _Mailing, plan: Plan, whole: Batch, done: _Done) -> None:
        """The emails of one call, but for rows that the service refuses. InvalidInput, …"""
        self._admission.check()
        caller = caller_of_page()
        key, batch = plan.run.key(whole.first, whole.last), whole
        refused: dict[int, str] = {}
        for _ in range(_TRIES):
            if not batch.rows:
                break
            body = _body(mailing, [json.loads(entry) for entry in batch.entries])
            known_by = IdempotencyKey(key=key, scope=caller.idempotency_scope, digest=digest(body))
            try:
                accepted = self._submission.submit(
                    templated_drafts(parse(TemplatedBatch, body), ()),
                    idempotency=known_by,
                    caller=caller,
                    with_forecast=True,
                )
            except InvalidInput as error:
                wrong = {
                    batch.rows[one.index]: one.message
                    for one in error.errors
                    if one.index is not None
                }
                if not wrong:
                    raise
                refused |= wrong
                batch = batch.without(wrong)
                continue
            done.accepted += len(accepted.ids)
            done.forecast = accepted.forecast
            break
        done.refused += sorted(refused.items())


def _body(mailing: _Mailing, to: Sequence[object]) -> dict[str, object]:
    """The call of POST /api/emails/batch that says the same."""
    return {"template": mailing.choice, "common": mailing.common, "to": list(to)}


def _file() -> tuple[bytes, str]:
    """The octets of the file, new or from the page before, and what the next page keeps."""
    upload = the_request().files.get("file")
    if upload is not None and upload.filename:
        upload.stream.seek(0)  # a form that is shown again reads it once more
        octets = upload.stream.read(LARGEST_FILE + 1)
        if len(octets) > LARGEST_FILE:
            raise _wrong_file("has more than 5 MB: send it with email-service send-csv")
        if not octets:
            raise _wrong_file("is empty: choose a CSV file with addresses")
        return octets, b64encode(zlib.compress(octets)).decode("ascii")
    kept = field("kept")
    try:
        unpacking = zlib.decompressobj()
        octets = unpacking.decompress(b64decode(kept, validate=True), LARGEST_FILE + 1)
    except (ValueError, zlib.error):
        octets = b""
    if not octets or len(octets) > LARGEST_FILE:
        raise _wrong_file("choose a CSV file with addresses")
    return octets, kept


def _wrong_file(message: str) -> InvalidInput:
    return InvalidInput(FieldError("file", message))


def _hidden(mailing: _Mailing) -> Mapping[str, object]:
    """What the next page must know of this one."""
    names = ("template", "topic", "send_at", "smtp_config_id", "tag", "from")
    kept = {name: field(name) for name in (*names, "address_column", "name_column")}
    return {
        **kept,
        "version": mailing.template.version,
        "kept": mailing.kept,
        "kept_name": _file_name(),
    }


def _kept() -> Mapping[str, str]:
    """The file that a form with an error keeps, if there is one that can be read."""
    try:
        _, kept = _file()
    except InvalidInput:
        return {}
    return {"kept": kept, "kept_name": _file_name()}


def _file_name() -> str:
    """What the person calls the file; it is only shown."""
    upload = the_request().files.get("file")
    name = upload.filename if upload is not None and upload.filename else field("kept_name")
    return name[:_LONGEST_NAME] or "the file"


def _variables() -> Mapping[str, Value]:
    """The values of one row, as the page before has them. InvalidInput."""
    try:
        found = json.loads(field("variables") or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InvalidInput(FieldError("variables", "must be an object"))
    return found


def _done() -> _Done:
    """How far it had come on the page before. What a browser says here is only shown."""
    refused = []
    try:
        for row, reason in json.loads(field("refused") or "[]"):
            refused.append((int(row), str(reason)))
    except (TypeError, ValueError, OverflowError, RecursionError):  # Infinity, and what is deep
        refused.clear()
    numbers = [whole_number(field(name)) for name in ("next_row", "accepted")]
    next_row, accepted = (one if isinstance(one, int) else 0 for one in numbers)
    return _Done(next_row=next_row, accepted=accepted, refused=refused)


def _size(previews: Sequence[Preview]) -> int:
    """Characters of the largest of them, as send-csv counts them."""
    return max((len(one.rendered.html) + len(one.rendered.text) for one in previews), default=1)
