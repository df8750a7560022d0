"""A TOML file with accounts, as ``email-service accounts import`` reads it.

    [[account]]
    name = "shop"
    email_address = "shop@gmail.com"
    provider = "gmail"
    password_env = "SHOP_PASSWORD"      # or password_file = "/run/secrets/shop"

The fields are those of POST /api/smtp-configs but for what is secret, which never stands in the
file: of a table [account.auth] client_secret and service_account are named in the same way,
and of [account.inbox] its password.
TOML has no null: "none" is no limit, and no inbox.
"""

import json
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from application.account_writer import AccountFields
from domain.account.provider import Providers
from domain.errors import InvalidInput
from entrypoints.os_errors import reason_of

NONE: Final = "none"
MAY_BE_NONE: Final = frozenset(
    {
        "daily_limit",
        "hourly_limit",
        "minute_limit",
        "max_message_bytes",
        "auth_mechanism",
        "on_unknown",
        "inbox",
    }
)
LARGEST_FILE: Final = 16 * 1024 * 1024
_LARGEST_SECRET: Final = 64 * 1024
_TABLE: Final = "account"
_HEADER: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[\[\s*account\s*\]\]")
# what is secret -> the fields that name a variable of the environment, and a file
_OF_ACCOUNT: Final = {"password": ("password_env", "password_file")}
_OF_INBOX: Final = {"password": ("password_env", "password_file")}
_OF_AUTH: Final = {
    "client_secret": ("client_secret_env", "client_secret_file"),
    "service_account": ("service_account_env", "service_account_file"),
}


@attrs.frozen(kw_only=True)
class Entry:
    """One account of a file: what is to be written, or what is wrong with it."""

    place: str  # the file, the line and the name, for a person
    fields: AccountFields | None = attrs.field(default=None, repr=False)
    errors: tuple[str, ...] = ()


class UnreadableFile(Exception):
    """The file has no accounts that could be looked at one by one."""


def read_accounts(
    path: Path, *, providers: Providers, environ: Mapping[str, str]
) -> Sequence[Entry]:
    """Every account of the file, in its order. UnreadableFile."""
    try:
        with path.open("rb") as file:
            octets = file.read(LARGEST_FILE + 1)
        if len(octets) > LARGEST_FILE:
            raise UnreadableFile(f"{path} is larger than 16 MiB")
        parsed = tomllib.loads(octets.decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{path}: {reason_of(error)}") from None
    except RecursionError:
        raise UnreadableFile(f"{path}: a value in it is nested too deeply") from None
    rows = parsed.get(_TABLE)
    if set(parsed) != {_TABLE} or not isinstance(rows, list):
        raise UnreadableFile(f"{path} must have [[account]] tables and nothing else")
    lines = [n for n, line in enumerate(octets.splitlines(), start=1) if _HEADER.match(line)]
    if len(lines) != len(rows):  # written in another form: the name has to do
        lines = []
    return [
        _entry(
            row,
            place=_place(path, row, lines[at] if lines else None),
            providers=providers,
            environ=environ,
        )
        for at, row in enumerate(rows)
    ]


def _place(path: Path, row: object, line: int | None) -> str:
    name = row.get("name") if isinstance(row, dict) else None
    where = f"{path.name}:{line}" if line is not None else path.name
    return f"{where} {name}" if isinstance(name, str) and name.isprintable() else where


def _entry(row: object, *, place: str, providers: Providers, environ: Mapping[str, str]) -> Entry:
    if not isinstance(row, dict):
        return Entry(place=place, errors=("must be a table",))
    # here: no other command needs what answers HTTP
    from entrypoints.http.smtp_configs.fields import new_account

    body, errors = _with_secrets(row, _OF_ACCOUNT, environ=environ)
    body = {name: _or_none(name, value) for name, value in body.items()}
    if isinstance(auth := body.get("auth"), dict):
        body["auth"], more = _with_secrets(auth, _OF_AUTH, environ=environ, prefix="auth.")
        errors += more
    if isinstance(inbox := body.get("inbox"), dict):
        body["inbox"], more = _with_secrets(inbox, _OF_INBOX, environ=environ, prefix="inbox.")
        errors += more
    try:
        fields = new_account(body, providers)
    except InvalidInput as error:
        errors += told(error)
    else:
        if not errors:
            return Entry(place=place, fields=fields)
    return Entry(place=place, errors=tuple(errors))


def told(error: InvalidInput) -> Iterator[str]:
    """What is wrong, with the names of the fields as the file has them."""
    from entrypoints.http.fields import pointer_of

    for one in error.errors:
        field = pointer_of(one).removeprefix("/").replace("/", ".")
        yield f"{field}: {one.message}" if field else one.message


def _or_none(name: str, value: Any) -> Any:
    return None if name in MAY_BE_NONE and value == NONE else value


def _with_secrets(
    row: Mapping[str, Any],
    secrets: Mapping[str, tuple[str, str]],
    *,
    environ: Mapping[str, str],
    prefix: str = "",
) -> tuple[dict[str, Any], list[str]]:
    """The row with the *secrets* that it names the places of, and what is wrong with those."""
    body, errors = dict(row), []
    for name, (variable, file) in secrets.items():
        if name in body:
            del body[name]
            errors.append(f"{prefix}{name}: must not stand in the file: name {variable} or {file}")
        places = {kind: body.pop(kind) for kind in (variable, file) if kind in body}
        try:
            if len(places) > 1:
                raise ValueError(f"{file}: name either this or {variable}")
            for kind, place in places.items():
                secret = _secret(kind, place, environ=environ, in_file=kind == file)
                body[name] = _json(secret) if name == "service_account" else secret
        except ValueError as error:
            wrong = isinstance(error, json.JSONDecodeError)
            errors.append(f"{prefix}{f'{name}: is no JSON' if wrong else error}")
            body[name] = "-"  # so that nothing else is told of it
    return body, errors


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise json.JSONDecodeError("nested too deeply", "", 0) from None


def _secret(kind: str, place: object, *, environ: Mapping[str, str], in_file: bool) -> str:
    """The secret that stands at *place*. ValueError."""
    if not isinstance(place, str) or not place:
        raise ValueError(f"{kind}: must be a string")
    if not in_file:
        if not environ.get(place):
            raise ValueError(f"{kind}: the variable {place} is not set, or empty")
        return environ[place]
    try:
        text = _content(Path(place))
    except (OSError, ValueError) as error:
        why = reason_of(error)
        raise ValueError(f"{kind}: {place} cannot be read ({why})") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise ValueError(f"{kind}: {place} is empty")
    return text


def _content(path: Path) -> str:
    """The text of a small file. OSError, ValueError."""
    if not stat.S_ISREG(path.stat().st_mode):  # a named pipe without a writer is read for ever
        raise ValueError("it is no regular file")
    with path.open("rb") as file:
        octets = file.read(_LARGEST_SECRET + 1)
    if len(octets) > _LARGEST_SECRET:
        raise ValueError("it is larger than 64 KiB")
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is no UTF-8") from None
