"""The commands about API keys, the secret they hang on, and who did what.

They work on the database itself and need no key: whoever may read it is its owner.
"""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import click

from application.api_keys import KeyWish
from domain.access import ApiKey, AuditEntry, Scope, key_name, prefix_of
from entrypoints.cli.service import opened, read_settings
from entrypoints.cli.tables import table, time_text

_UNITS: Final = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_LIFETIME: Final = re.compile(r"([1-9][0-9]{0,3})([hdw])")
LARGEST: Final = 2**63 - 1  # what a database can hold


def _lifetime(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> timedelta | None:
    if value is None:
        return None
    found = _LIFETIME.fullmatch(value)
    if found is None:
        raise click.BadParameter("must be hours, days or weeks such as 12h, 90d or 4w")
    return int(found[1]) * _UNITS[found[2]]


@click.group()
def keys() -> None:
    """Create, list and revoke API keys; change the SECRET_KEY."""


@keys.command()
@click.option("--name", required=True, help="A name for the key.")
@click.option(
    "--scope",
    "scopes",
    required=True,
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="send: submit email. read: look it up. admin: everything. May be repeated.",
)
@click.option(
    "--account",
    "accounts",
    multiple=True,
    type=click.IntRange(1, LARGEST),
    help="Limit it to this SMTP configuration. May be repeated.",
)
@click.option("--expires", callback=_lifetime, help="Such as 12h, 90d or 4w.  [never]")
@click.option(
    "--daily-recipients",
    type=click.IntRange(1, LARGEST),
    help="Recipients it may name in 24 hours.  [KEY_DAILY_RECIPIENTS]",
)
@click.option(
    "--from",
    "from_",
    type=click.Choice(["own", "rewrite"]),
    default="own",
    help="Email by SMTP with another From: refused, or sent as the account.  [own: refused]",
)
def create(
    name: str,
    scopes: Sequence[str],
    accounts: Sequence[int],
    expires: timedelta | None,
    daily_recipients: int | None,
    from_: str,
) -> None:
    """Create a key. It is shown only once, alone on the standard output."""
    try:
        key_name(name)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--name") from None
    wish = KeyWish(
        name=name,
        scopes=frozenset(map(Scope, scopes)),
        accounts=frozenset(accounts) or None,
        lifetime=expires,
        daily_recipients=daily_recipients,
        rewrites_from=from_ == "rewrite",
    )
    settings = read_settings()
    with opened(settings) as service:
        was_open = service.application.access.is_open()
        key, token = service.application.api_keys.create(wish)
    click.echo(token)
    # whoever calls it in another folder has made a database there, which no service uses
    click.echo(
        f"The key {key.prefix} ({_scopes(key)}) is shown only now: keep it like a password.\n"
        f"It is valid where the database of the service is {settings.database_place}\n"
        "Send it with each call: X-API-Key: <key>, or Authorization: Bearer <key>",
        err=True,
    )
    if was_open:
        click.echo("There was no key before: from now on every call needs one.", err=True)


@keys.command("list")
def list_keys() -> None:
    """List all keys, the oldest first."""
    with opened(read_settings()) as service:
        found = service.application.api_keys.all()
        now = service.now()
    if not found:
        click.echo("There is no API key yet: create one with email-service keys create")
        return
    head = ("PREFIX", "NAME", "SCOPES", "ACCOUNTS", "FROM", "RECIPIENTS/DAY", "CREATED", "STATE")
    click.echo(table([head, *(_key_row(key, now=now) for key in found)]))


@keys.command()
@click.argument("prefix")
def revoke(prefix: str) -> None:
    """Revoke the key with this PREFIX, at once and for good."""
    with opened(read_settings()) as service:
        key = service.application.api_keys.revoke(prefix_of(prefix) or prefix)
    click.echo(f"The key {key.prefix} ({key.name}) is revoked.")


@keys.command("rotate-secret")
@click.pass_context
def rotate_secret(context: click.Context) -> None:
    """Encrypt with SECRET_KEY what SECRET_KEY_PREVIOUS encrypted.

    Set both first and restart the service. When this command succeeds, remove
    SECRET_KEY_PREVIOUS.
    """
    with opened(read_settings()) as service:
        rotation = service.application.api_keys.rotate_secret()
    click.echo(f"{rotation.resealed} SMTP passwords are sealed with SECRET_KEY.")
    for account in rotation.unreadable:
        click.echo(
            f"The password of SMTP configuration {account.id} ({account.name}) opens with neither "
            "key: "
            "enter it again."
        )
    if rotation.resealed_dkim:
        click.echo(f"{rotation.resealed_dkim} DKIM keys are sealed with SECRET_KEY.")
    for dkim_key in rotation.unreadable_dkim:
        click.echo(
            f"The DKIM key {dkim_key.selector} ({dkim_key.algorithm}) of SMTP configuration "
            f"{dkim_key.account_id} opens with neither key: make new ones."
        )
    if rotation.resealed_hooks:
        click.echo(f"{rotation.resealed_hooks} keys of event hooks are sealed with SECRET_KEY.")
    for hook in rotation.unreadable_hooks:
        click.echo(
            f"The key of event hook {hook.id} ({hook.kind}) of SMTP configuration "
            f"{hook.account_id} opens with neither key: delete the hook and make a new one."
        )
    if rotation.resealed_oauth:
        click.echo(
            f"The OAuth secrets of {rotation.resealed_oauth} SMTP configurations are sealed with "
            "SECRET_KEY."
        )
    for account_id in rotation.unreadable_oauth:
        click.echo(
            f"The OAuth secrets of SMTP configuration {account_id} open with neither key: send its "
            "auth again and authorize it."
        )
    if rotation.resealed_webhooks:
        click.echo(
            f"The secrets of {rotation.resealed_webhooks} webhooks are sealed with SECRET_KEY."
        )
    for webhook_id in rotation.unreadable_webhooks:
        click.echo(
            f"The secret of webhook {webhook_id} opens with neither key: rotate it "
            f"(POST /api/webhooks/{webhook_id}/rotate)."
        )
    for name in rotation.secrets:
        click.echo(f"The service's secret {name} is sealed with SECRET_KEY.")
    for name in rotation.unreadable_secrets:
        click.echo(
            f"The service's secret {name} opens with neither key: set SECRET_KEY_PREVIOUS to the "
            "key that sealed it. Without it the links in sent email do not work."
        )
    for key in rotation.waiting:
        click.echo(
            f"The API key {key.prefix} ({key.name}) still needs SECRET_KEY_PREVIOUS, until it is "
            "next used."
        )
    left = (
        *rotation.unreadable,
        *rotation.unreadable_dkim,
        *rotation.unreadable_hooks,
        *rotation.unreadable_oauth,
        *rotation.unreadable_webhooks,
        *rotation.unreadable_secrets,
    )
    context.exit(1 if left else 0)


@click.command()
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many."
)
def audit(limit: int) -> None:
    """List who changed what and when, the newest first."""
    with opened(read_settings()) as service:
        entries = service.application.api_keys.audit(limit=limit)
    head = ("WHEN", "WHO", "WHAT", "WHICH", "DETAIL")
    click.echo(table([head, *map(_audit_row, entries)]))


def _key_row(key: ApiKey, *, now: datetime) -> tuple[str, ...]:
    return (
        key.prefix,
        key.name,
        _scopes(key),
        _joined(map(str, sorted(key.accounts or ()))) or "all",
        "rewrite" if key.rewrites_from else "own",
        str(key.daily_recipients or "default"),
        time_text(key.created_at),
        _state(key, now=now),
    )


def _state(key: ApiKey, *, now: datetime) -> str:
    if key.revoked_at is not None:
        return f"revoked {time_text(key.revoked_at)}"
    if key.expires_at is None:
        return "usable"
    return f"{'usable until' if key.usable(now) else 'expired'} {time_text(key.expires_at)}"


def _audit_row(entry: AuditEntry) -> tuple[str, ...]:
    detail = " ".join(f"{name}={_quoted(value)}" for name, value in entry.detail.items())
    return (time_text(entry.at), entry.actor, entry.action, entry.subject, detail)


def _quoted(value: object) -> str:
    text = str(value)
    return text if re.fullmatch(r"[\w.,@:-]+", text) else json.dumps(text)


def _scopes(key: ApiKey) -> str:
    return _joined(sorted(scope.value for scope in key.scopes))


def _joined(words: Iterable[str]) -> str:
    return ",".join(words)
