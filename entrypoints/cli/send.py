"""``email-service send``: one email by options, or as JSON on standard input.

It asks the service by HTTP, as any other client does: neither settings nor a database are needed.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, Final, NoReturn, TextIO

import click

from entrypoints.client.bodies import Body, File, FormBody, JsonBody
from entrypoints.client.calls import Service
from entrypoints.client.config import read_config
from entrypoints.client.failures import (
    Failure,
    Refused,
    Unanswered,
    WrongConfiguration,
    WrongMessage,
    WrongUsage,
)
from entrypoints.client.waiting import ENDED, wait_for_end
from entrypoints.os_errors import reason_of

WAIT_S: Final = 60.0
_EMAILS: Final = "/api/emails"


class End(IntEnum):
    """The exit codes of ``send``."""

    WELL = 0
    REFUSED = 1  # not accepted, or in the end not sent to everybody
    UNUSABLE = 2  # the arguments, the input or the configuration
    OPEN = 3  # accepted; what became of it is not known yet
    LATER = 75  # not accepted for now, as sendmail's EX_TEMPFAIL


_FILE: Final = click.Path(exists=True, dir_okay=False, readable=True)


def pairs(context: click.Context, parameter: click.Parameter, values: Sequence[str]) -> Any:
    """``NAME=VALUE`` options as an object; None without one."""
    found = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not (equals and name):
            raise click.BadParameter(f"{value!r} is not NAME=VALUE")
        found[name] = text
    return found or None


@click.command()
@click.option("--to", "recipients", multiple=True, help="A recipient: ada@example.org, Ada <…>.")
@click.option("--cc", multiple=True, help="A recipient in Cc.")
@click.option("--bcc", multiple=True, help="A recipient that the others do not see.")
@click.option("--from", "from_", help="The From line; without it that of the SMTP configuration.")
@click.option("--reply-to", multiple=True, help="Where answers go.")
@click.option("--subject", help="The subject.")
@click.option("--text", "text_content", help="The text. Without any content: standard input.")
@click.option("--html", "html_content", help="The HTML.")
@click.option("--text-file", type=click.File(encoding="utf-8"), help="A file with the text.")
@click.option("--html-file", type=click.File(encoding="utf-8"), help="A file with the HTML.")
@click.option("--template", help="The name of a template that writes the email.")
@click.option("--variable", "variables", multiple=True, callback=pairs, help="NAME=VALUE for it.")
@click.option("--header", "headers", multiple=True, callback=pairs, help="NAME=VALUE, such as X-….")
@click.option("--tag", "tags", multiple=True, help="A label to find it by.")
@click.option("--metadata", multiple=True, callback=pairs, help="NAME=VALUE to find it by.")
@click.option("--priority", type=click.IntRange(1, 5), help="1 is the most urgent.")
@click.option("--smtp-config", "smtp_config_id", type=int, help="The id of an SMTP configuration.")
@click.option("--send-at", help="When, such as 2026-01-31T09:30:00+01:00.")
@click.option("--attach", multiple=True, type=_FILE, help="A file to attach.")
@click.option("--inline", multiple=True, metavar="CID=FILE", help="An image that the HTML shows.")
@click.option("--idempotency-key", help="The same for the same email, if you call again.")
@click.option("--wait", is_flag=True, help="Wait until it was sent, or has failed.")
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 86_400),
    default=WAIT_S,
    show_default=True,
    help="How many seconds --wait waits.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, also of an error.")
@click.pass_context
def send(
    context: click.Context,
    /,
    *,
    attach: Sequence[str],
    inline: Sequence[str],
    idempotency_key: str | None,
    wait: bool,
    timeout: float,
    as_json: bool,
    text_file: TextIO | None,
    html_file: TextIO | None,
    from_: str | None,
    **fields: Any,
) -> None:
    """Send one email through the service at EMAIL_SERVICE_URL.

    Its fields are options, or those of POST /api/emails as JSON on standard input. Files go with
    both.

    Exit code 0: accepted, or with --wait sent; 1: refused, or not sent to everybody; 2: the
    arguments or the configuration cannot be used; 3: accepted, but --wait has not seen its end; 75:
    the service cannot take it now.
    """
    teller = _Teller(context, as_json=as_json)
    files = [*map(File, attach), *_inline(inline)]
    given = {
        name: value for name, value in ({"from": from_} | fields).items() if value not in (None, ())
    }
    given |= _contents(text_file, html_file)
    try:
        service = Service(read_config(os.environ))
        body = _body(_asked(given), files)
        email_id = _submitted(service, body, idempotency_key or f"send-{os.urandom(16).hex()}")
    except Failure as failure:
        teller.fail(failure)
    if wait:
        _wait(teller, service, email_id, timeout)
    teller.tell({"email_id": email_id}, f"Accepted as email {email_id}")


class _Teller:
    """Prints what became of it, for people or for programs."""

    def __init__(self, context: click.Context, *, as_json: bool) -> None:
        self._context = context
        self._as_json = as_json

    def tell(self, fields: Mapping[str, Any], words: str) -> None:
        click.echo(json.dumps(fields, ensure_ascii=False) if self._as_json else words)

    def end(self, fields: Mapping[str, Any], words: str, end: End) -> NoReturn:
        self.tell(fields, words)
        self._context.exit(int(end))

    def fail(self, failure: Failure) -> NoReturn:
        end = end_of(failure)
        if self._as_json:
            self.end(failure.told(), "", end)
        click.echo(f"Error: {failure}", err=True)
        self._context.exit(int(end))


def end_of(failure: Failure) -> End:
    """The exit code for it."""
    if isinstance(failure, Unanswered):
        return End.LATER
    if isinstance(failure, Refused) and failure.status in (401, 403):
        return End.UNUSABLE  # the key
    if isinstance(failure, WrongConfiguration | WrongMessage | WrongUsage):
        return End.UNUSABLE
    return End.REFUSED


def _inline(values: Sequence[str]) -> list[File]:
    files = []
    for value in values:
        content_id, equals, path = value.partition("=")
        if not (equals and content_id and os.path.isfile(path)):
            raise click.BadParameter(f"{value!r} is not CID=FILE", param_hint="--inline")
        files.append(File(path, content_id))
    return files


def _contents(text: TextIO | None, html: TextIO | None) -> dict[str, str]:
    try:
        files = {"text_content": text, "html_content": html}
        return {name: file.read() for name, file in files.items() if file is not None}
    except UnicodeDecodeError as error:
        raise click.UsageError(f"the file with the content is not UTF-8: {error}") from None


def _asked(given: dict[str, Any]) -> Mapping[str, Any]:
    """The fields of the call: *given*, with the text from standard input, or all from there."""
    if given and {"text_content", "html_content", "template"} & given.keys():
        return _fields(given)
    if sys.stdin.isatty():
        lacks = "--text, --html or --template" if given else "--to, or JSON on standard input"
        raise click.UsageError(f"give {lacks}: see --help")
    octets = sys.stdin.buffer.read()
    try:
        text = octets.decode("utf-8-sig")
        found: object = {**given, "text_content": text} if given else json.loads(text)
    except ValueError as error:
        what = "UTF-8" if isinstance(error, UnicodeDecodeError) else "JSON"
        raise WrongMessage(f"standard input is not {what}: {error}") from None
    if not isinstance(found, dict):
        raise WrongMessage("standard input is no JSON object with the fields of an email")
    return _fields(found) if given else found


def _fields(given: dict[str, Any]) -> Mapping[str, Any]:
    """*given* as the call has it: a template is an object there."""
    variables = given.pop("variables", None)
    if "template" in given:
        given["template"] = {"name": given["template"]}
        given["variables"] = variables or {}
    elif variables:
        raise click.UsageError("--variable is for --template")
    given.setdefault("recipients", [])
    return given


def _body(fields: Mapping[str, Any], files: Sequence[File]) -> Body:
    try:
        return FormBody(fields, files) if files else JsonBody(fields)
    except OSError as error:
        raise WrongMessage(f"{error.filename} cannot be read: {reason_of(error)}") from None


def _submitted(service: Service, body: Body, idempotency_key: str) -> int:
    email_id = service.post(_EMAILS, body, idempotency_key=idempotency_key).get("email_id")
    if not isinstance(email_id, int):
        raise WrongConfiguration(
            "the service does not tell the id of the email: is it another one?"
        )
    return email_id


def _wait(teller: _Teller, service: Service, email_id: int, seconds: float) -> NoReturn:
    """Tell what became of the email, and end."""
    accepted = f"Accepted as email {email_id}"
    try:
        email = wait_for_end(service, email_id, seconds=seconds)
    except Failure as failure:
        # a key that only sends may not read
        told = {"email_id": email_id, "status": None, **(failure.told())}
        words = f"{accepted}, but its status cannot be read: {failure}"
        teller.end(told, words, End.OPEN)
    if email is None or email.get("status") not in ENDED:
        status = None if email is None else email.get("status")
        words = f"{accepted}, but it has not ended within {seconds:g} s: {status or 'not seen'}"
        teller.end({"email_id": email_id, "status": status}, words, End.OPEN)
    teller.end({"email_id": email_id, **email}, _ended(email_id, email), _end_of_email(email))


def _end_of_email(email: Mapping[str, Any]) -> End:
    return End.WELL if email["status"] == "sent" and not email.get("partial") else End.REFUSED


def _ended(email_id: int, email: Mapping[str, Any]) -> str:
    words = f"Email {email_id}: {email['status']}"
    if email["status"] != "sent":
        reason = email.get("error_message") or email.get("reason_code")
        return f"{words}: {reason}" if reason else words
    if not email.get("partial"):
        return words
    missed = [
        f"{one['address']} ({one['status']})"
        for one in email.get("recipient_status", [])
        if one["status"] != "accepted"
    ]
    return f"{words}, but not to {', '.join(missed)}"
