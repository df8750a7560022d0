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
OAUTH = {
    "type": "oauth",
    "provider": "microsoft",
    "flow": "client_credentials",
    "tenant": "contoso.example",
    "client_id": "11111111",
    "client_secret": "secret",
}
MOST_QUERY = 2_000
SOON = "2026-01-31T09:30:00+01:00"
FAR = "2099-01-31T09:30:00+01:00"


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Mend what no JSON schema can say; a call that means to be wrong stays as it is."""
    if isinstance(case.body, dict) and case.body.get("mode") == "each":
        case.body["mode"] = "all"  # with each, what is wrong is answered one by one, and with 201
    for name, value in (case.headers or {}).items():
        if isinstance(value, int):  # the id of an answer, taken for that of a request
            case.headers[name] = str(value)
    if case.meta is None:
        return
    if case.meta.generation.mode.is_negative:
        if len(str(case.query)) > MOST_QUERY:
            case.query = {"limit": "x"}  # the server refuses such heads before it looks at them
        if case.path == "/api/attachments" and case.media_type != FORM:
            case.body = b""  # any octets are a file: none at all is what can be wrong
        return
    if "cursor" in (case.query or {}):
        case.query["cursor"] = cursor_after(7)  # only the service makes them
    if case.path.endswith("/replay") and isinstance(case.body, dict):
        case.body = {"event_id": "evt_1"}  # one event or a range
    if isinstance(case.body, dict) and "url" in case.body:
        case.body["url"] = "https://example.org/hook"  # which ones may be called is told in words
    for name in ("since", "until"):
        if name in (case.query or {}):
            case.query[name] = SOON  # of a day that exists
    if "recipient" in (case.query or {}):
        case.query["recipient"] = case.query["recipient"].replace("=?", "=")
    # schemathesis writes a body of any type of multipart, such as multipart/mixed, as a form
    is_form = (case.media_type or "").startswith("multipart/")
    if case.path == "/api/attachments" and not is_form:
        case.body = "file"  # what a media type makes of a generated one may be empty
    if is_form:
        case.body = EMAIL_FORM if case.path == "/api/emails" else {"file": "file"}
    elif case.path.endswith("/hooks") and case.body:
        case.body = {"kind": "ses"}  # what each provider needs is told in words
    elif isinstance(case.body, dict):
        if case.method == "PUT" and "/smtp-configs/" in case.path:
            case.body.pop("auth", None)  # whether it fits the stored username is told in words
        if case.method == "PUT" and "/templates/" in case.path:
            case.body.pop("name", None)  # that it is the one of the path is told in words
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
    if isinstance(body.get("inbox"), dict):  # a server that may be connected to, and its password
        body["inbox"] = {"host": "127.0.0.1", "password": "secret"}
    body.pop("calendar", None)  # a language of its own
    if "send_at" in body:
        body["send_at"] = SOON  # 30 days ahead is the most
    if "scopes" in body:
        body["name"] = "web"  # of characters that can be printed
    if "expires_at" in body:
        body["expires_at"] = FAR  # in the future, and after send_at
    body.pop("region", None)  # of a provider that has some
    if "provider" in body:
        body["provider"] = "gmail"  # one of those that are known
    if "email_address" in body and "name" in body:  # a new SMTP configuration has a server
        body.setdefault("smtp_host", "127.0.0.1")
    if "smtp_host" in body:
        body["smtp_host"] = "127.0.0.1"  # a name or an address, and nobody else's
    if body.get("use_tls") and body.get("use_ssl"):
        body["use_ssl"] = False  # they exclude each other
    if "username" in body or "password" in body:
        body["username"], body["password"] = "me", "secret"  # both or none
    if "transport" in body:
        body["transport"] = "smtp"  # the other one needs OAuth, and fits few fields
    body.pop("auth_mechanism", None)  # it must fit the way that the account logs in
    if "auth" in body or "password" in body:  # which fields go together is told in words
        _keep_to_logins(body)


def _keep_to_logins(body: dict[str, Any]) -> None:
    if body.get("auth", {}).get("type") != "oauth":
        body["auth"] = {"type": "password"}
        return
    body["auth"] = dict(OAUTH)
    body["username"] = "me"
    body.pop("password", None)
