"""What the contract tells in words: generated calls that mean to be right keep to it."""

from base64 import b64encode
from typing import Any

import schemathesis

from entrypoints.http.cursors import cursor_after

ADDRESSES = ("recipients", "cc", "bcc", "reply_to")
FILE = {"filename": "a.txt", "content": "QUJD"}
EMAIL_FORM = {
    "email": {"subject": "a", "recipients": ["ada@example.org"], "text_content": "b"},
}
RAW = b64encode(b"From: me@example.com\n\nHi\n").decode()
FORM = "multipart/form-data"
SOURCES = {"subject", "html", "text"}
TEMPLATE = "welcome"
SOON = "2026-01-31T09:30:00+01:00"
FAR = "2099-01-31T09:30:00+01:00"


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Mend what no JSON schema can say; a call that means to be wrong stays as it is."""
    if isinstance(case.body, dict) and case.body.get("mode") == "each":
        case.body["mode"] = "all"  # with each, what is wrong is answered one by one, and with 201
    if case.meta is None or case.meta.generation.mode.is_negative:
        if case.path == "/api/attachments" and case.media_type != FORM:
            case.body = b""  # any octets are a file: none at all is what can be wrong
        return
    if "cursor" in (case.query or {}):
        case.query["cursor"] = cursor_after(7)  # only the service makes them
    for name in ("since", "until"):
        if name in (case.query or {}):
            case.query[name] = SOON  # of a day that exists
    if "recipient" in (case.query or {}):
        case.query["recipient"] = case.query["recipient"].replace("=?", "=")
    if case.media_type == FORM:
        case.body = EMAIL_FORM if case.path == "/api/emails" else {"file": "file"}
    elif isinstance(case.body, dict):
        case.body = _mended(case.body)


def _mended(body: dict[str, Any]) -> dict[str, Any]:
    mended = {name: _literally(value) for name, value in body.items()}
    for many in ("emails", "to"):
        if isinstance(mended.get(many), list):
            mended[many] = [_mended(email) for email in mended[many]]
    for one in mended["to"] if isinstance(mended.get("to"), list) else ():
        if "recipient" in one:
            one["recipient"] = _an_address(one["recipient"])
    if isinstance(mended.get("common"), dict):
        mended["common"] = _mended(mended["common"])
    _keep_to_words(mended)
    _keep_to_templates(mended)
    return mended


def _keep_to_templates(body: dict[str, Any]) -> None:
    if "template" in body:
        body["template"] = {"name": TEMPLATE}  # the one that is published
    if "mjml" in body:
        body["mjml"] = "<mjml><mj-body></mj-body></mjml>"
    if "html" in body or "mjml" in body:
        for field in SOURCES & body.keys():  # no schema knows the syntax
            body[field] = body[field].replace("{", "(").replace("\0", "0")
    if "variables" in body:
        body["variables"] = {}  # which there are is the template's to say


def _literally(value: Any) -> Any:
    """JSON Schema takes 3.0 for an integer; the service does not."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _an_address(item: Any) -> Any:
    if isinstance(item, str):  # what stands before and between the angle brackets is told in words
        return "Ada Lovelace <ada@example.org>"
    return {**item, "address": item["address"].replace("=?", "=")}


def _keep_to_words(body: dict[str, Any]) -> None:
    for field in ADDRESSES:
        if field in body:  # some readers would decode =? to something else
            body[field] = list(map(_an_address, body[field]))
    body.pop("domain", None)  # that of the SMTP configuration's address, or one above it
    if "topic" in body and "recipients" in body:  # such an email has exactly one recipient
        body["recipients"] = body["recipients"][:1]
        body.pop("cc", None)
        body.pop("bcc", None)
    if "recipient" in body:
        one = body["recipient"]  # with a name only where an object may have it
        body["recipient"] = one.replace("=?", "=") if isinstance(one, str) else _an_address(one)
    if "raw" in body:
        body["raw"] = RAW  # a message, from an address of the service
    if "in_reply_to" in body:
        body["in_reply_to"] = "<1a2b@example.org>"
    body.pop("from", None)  # what no SMTP configuration has is refused
    if "aliases" in body:
        body["aliases"] = [address.replace("=?", "=") for address in body["aliases"]]
    if "headers" in body:
        body["headers"] = {"X-Tag": "a", "Importance": "low"}  # few names may be set
    if "recipients" in body and not (body["recipients"] or body.get("cc") or body.get("bcc")):
        body["recipients"] = ["ada@example.org"]  # somebody must be named
    if "email_address" in body:
        body["email_address"] = body["email_address"].replace("=?", "=")
    if "attachments" in body:  # names, types and ids of what is shown have rules of their own
        body["attachments"] = [dict(FILE) for _ in body["attachments"]]
    if "html_content" in body:  # an image that is shown must be there
        body["html_content"] = body["html_content"].replace("cid:", "")
    body.pop("calendar", None)  # a language of its own
    if "send_at" in body:
        body["send_at"] = SOON  # 30 days ahead is the most
    if "expires_at" in body:
        body["expires_at"] = FAR  # in the future, and after send_at
    if "smtp_host" in body:
        body["smtp_host"] = "127.0.0.1"  # a name or an address, and nobody else's
    if body.get("use_tls") and body.get("use_ssl"):
        body["use_ssl"] = False  # they exclude each other
    if "username" in body or "password" in body:
        body["username"], body["password"] = "me", "secret"  # both or none
