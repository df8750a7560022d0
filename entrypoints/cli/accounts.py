"""The commands about accounts, which the API calls SMTP configurations.

They work on the database itself and need no key: whoever may read it is its owner. No password is
ever an argument: other users of the machine see those, and the shell keeps them.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

import click

from application.account_import import Action, Difference, Planned
from application.account_queries import AccountView
from domain.account.account import Security
from domain.account.inbox import Inbox
from domain.account.limits import Window
from domain.account.oauth import OAuthClient
from domain.account.oauth_credentials import Credentials
from domain.address import Address
from domain.email.gates import AccountUse, holdup
from domain.errors import EmailServiceError, InvalidInput
from entrypoints.addresses import email_address
from entrypoints.cli.account_walk import Walk, by_catalogue, by_look_up
from entrypoints.cli.accounts_file import Entry, UnreadableFile, read_accounts, told
from entrypoints.cli.authorize import authorize, authorize_here
from entrypoints.cli.keys import LARGEST
from entrypoints.cli.report_hints import hints
from entrypoints.cli.service import opened, read_settings
from entrypoints.cli.stages import tell_stages
from entrypoints.cli.tables import table, time_text

ID: Final = click.IntRange(1, LARGEST)
# a field of an account -> the word of the API, which is that of the file too
_WORDS: Final = {
    "address": "email_address",
    "host": "smtp_host",
    "port": "smtp_port",
    "daily": "daily_limit",
    "hourly": "hourly_limit",
    "minute": "minute_limit",
    "unit": "limit_unit",
    "oauth": "auth",
    "allowed_octets": "max_message_bytes",
    "inbox.poll": "inbox.poll_seconds",
}
_SECURITY: Final = {
    Security.STARTTLS: "use_tls",
    Security.TLS: "use_ssl",
    Security.PLAIN: "neither use_tls nor use_ssl",
}


def _address(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> Address | None:
    if value is None:
        return None
    try:
        return email_address(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.group()
def accounts() -> None:
    """List, verify, pause, import, add and authorize SMTP configurations."""


accounts.add_command(authorize)


@accounts.command("list")
def list_accounts() -> None:
    """List all SMTP configurations."""
    with opened(read_settings()) as service:
        found = service.application.account_queries.accounts()
    if not found:
        click.echo("There is no SMTP configuration yet: add one with email-service accounts add")
        return
    head = ("ID", "NAME", "ADDRESS", "SERVER", "STATE", "SENT/HOUR", "SENT/DAY", "WHY")
    click.echo(table([head, *map(_row, found)]))


@accounts.command()
@click.argument("account_id", metavar="N", type=ID)
def show(account_id: int) -> None:
    """Show the SMTP configuration N: settings, limits, why it waits."""
    with opened(read_settings()) as service:
        view = service.application.account_queries.account(account_id)
    lines = list(_lines(view))
    width = max(len(word) for word, _ in lines)
    for word, value in lines:
        click.echo(f"{word.ljust(width)}  {value}".rstrip())


@accounts.command()
@click.argument("account_id", metavar="N", type=ID)
def pause(account_id: int) -> None:
    """Pause the SMTP configuration N: nothing is sent, its email waits."""
    with opened(read_settings()) as service:
        account = service.application.account_service.pause(account_id)
    click.echo(f"The SMTP configuration {account.id} ({account.name}) is paused.")


@accounts.command()
@click.argument("account_id", metavar="N", type=ID)
def resume(account_id: int) -> None:
    """Resume the SMTP configuration N: end any pause, forget its failures."""
    with opened(read_settings()) as service:
        account = service.application.account_service.resume(account_id)
    click.echo(f"The SMTP configuration {account.id} ({account.name}) is resumed.")


@accounts.command()
@click.argument("account_id", metavar="N", type=ID)
@click.option(
    "--recipient",
    callback=_address,
    metavar="ADDRESS",
    help="Name this recipient; nothing is sent to it.  [its own address]",
)
@click.pass_context
def verify(context: click.Context, account_id: int, recipient: Address | None) -> None:
    """Connect, log in and name sender and recipient by the SMTP configuration N; send nothing.

    The exit code is 1 if it would not work, and the output says what to do.
    """
    with opened(read_settings()) as service:
        verification = service.application.account_service.verify(account_id, recipient=recipient)
    tell_stages(verification)
    context.exit(1 if verification.failed else 0)


@accounts.command()
@click.option("--address", callback=_address, metavar="ADDRESS", help="Ask for it no more.")
@click.option("--verify/--no-verify", default=True, help="Try it out before it is stored.")
@click.option(
    "--lookup/--no-lookup",
    default=True,
    help="Ask the DNS and the web about a domain that is not known here.",
)
@click.option("--oauth", is_flag=True, help="Log in by OAuth where a password works too.")
@click.pass_context
def add(
    context: click.Context, address: Address | None, verify: bool, lookup: bool, oauth: bool
) -> None:
    """Add an SMTP configuration, from an email address on: asks, tries it out, stores it.

    It tells which limits it starts with and where they are from. It needs a terminal; without one
    use email-service accounts import, or the API.
    """
    if not sys.stdin.isatty():
        raise click.UsageError(
            "it asks questions and needs a terminal: use email-service accounts import, or the API"
        )
    with opened(read_settings()) as service:
        application = service.application
        find = by_look_up(application) if lookup else by_catalogue(application)
        walk = Walk(application, find=find, verifies=verify, oauth=oauth)
        account_id = walk.run(address)
        if account_id is None:
            click.echo("Nothing was stored.")
            context.exit(1)
        here = f"email-service accounts show {account_id}"
        click.echo(f"It is SMTP configuration {account_id}: {here}")
        account = application.account_queries.account(account_id).account
        for line in hints(account_id, walk.provider, account.address, oauth=walk.to_authorize):
            click.echo(line)
        if not walk.to_authorize:
            return
        if not click.confirm("Authorize it now?", default=True):
            click.echo(f"Its mail waits until: email-service accounts authorize {account_id}")
            return
        authorize_here(application.authorizations, account_id)
        if verify:
            verification = application.account_service.verify(account_id)
            tell_stages(verification)
            context.exit(1 if verification.failed else 0)


@accounts.command("import")
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show what would be done, and write nothing.")
@click.pass_context
def import_accounts(context: click.Context, path: Path, dry_run: bool) -> None:
    """Create or change the SMTP configurations of the TOML file FILE, by their names.

    What the file does not say stays as it is; nothing is deleted. If anything in the file is wrong,
    all of it is told and nothing is written. A password is named by password_env or password_file.
    """
    with opened(read_settings()) as service:
        try:
            entries = read_accounts(
                path, providers=service.application.providers, environ=os.environ
            )
        except UnreadableFile as error:
            raise click.UsageError(str(error)) from error
        use_case = service.application.account_import
        wishes = [entry.fields for entry in entries if entry.fields is not None]
        planned = iter(use_case.plan(wishes))
        plans = [None if entry.fields is None else next(planned) for entry in entries]
        if faults := list(_faults(entries, plans)):
            click.echo("\n".join(faults), err=True)
            wrong = sum(
                1 for entry, plan in zip(entries, plans, strict=True) if _wrong(entry, plan)
            )
            words = "account is" if len(entries) == 1 else "accounts are"
            click.echo(f"{wrong} of {len(entries)} {words} wrong: nothing was written.", err=True)
            context.exit(2)
        plan = [one for one in plans if one is not None]
        for one in plan:
            click.echo(_plan_line(one))
        if dry_run:
            click.echo(f"{_counted(plan, dry_run=True)} Nothing was written.")
            return
        came_out = use_case.write(plan)
    failed = [(entry, one) for entry, one in zip(entries, came_out, strict=True) if one.error]
    for entry, one in failed:
        click.echo(f"{entry.place}: {one.error}", err=True)
    click.echo(_counted([one for one in came_out if not one.error]))
    if failed:
        click.echo(f"{len(failed)} could not be written.", err=True)
    context.exit(1 if failed else 0)


def _row(view: AccountView) -> tuple[str, ...]:
    account = view.account
    return (
        str(account.id),
        account.name,
        str(account.address),
        f"{account.host}:{account.port}",
        account.state(view.now).value,
        _of(view.sent[Window.HOUR], account.limits.hourly),
        _of(view.sent[Window.DAY], account.limits.daily),
        _why(view),
    )


def _of(sent: int, limit: int | None) -> str:
    return str(sent) if limit is None else f"{sent} of {limit}"


def _why(view: AccountView) -> str:
    found = holdup(view.account, AccountUse(used=view.used, room_at=view.room_at), now=view.now)
    if found is None:
        return ""
    until = f" until {time_text(found.until)}" if found.until else ""
    return f"{found.reason}{until}"


def _lines(view: AccountView) -> Iterator[tuple[str, str]]:
    account, limits = view.account, view.account.limits
    yield "id", str(account.id)
    yield "name", account.name
    yield "email_address", str(account.address)
    yield "display_name", account.display_name
    yield "aliases", ", ".join(map(str, account.aliases))
    yield "server", f"{account.host}:{account.port} ({_SECURITY[account.security]})"
    yield "username", account.username
    if account.oauth is None:
        yield "password", "stored" if account.sealed_password is not None else "none"
    else:
        yield from _oauth_lines(account.oauth, view.credentials)
    yield "auth_mechanism", account.auth_mechanism.value if account.auth_mechanism else "any"
    yield "state", account.state(view.now).value
    yield "why it waits", _why(view)
    if account.health.pause is not None:
        yield "pause_text", account.health.pause.text
    yield "daily_limit", f"{_limit(limits.daily)}, {view.used[Window.DAY]} used"
    yield "hourly_limit", f"{_limit(limits.hourly)}, {view.used[Window.HOUR]} used"
    yield "minute_limit", f"{_limit(limits.minute)}, {view.used[Window.MINUTE]} used"
    yield "limit_unit", limits.unit.value
    yield "max_connections", str(limits.max_connections)
    yield "priority_reserve", f"{limits.priority_reserve} %"
    yield "on_unknown", account.on_unknown.value if account.on_unknown else "as the setting says"
    yield "announce_next", "yes" if account.announce_next else "no"
    yield "ses_headers", "yes" if account.ses_headers else "no"
    largest = account.max_octets
    yield "max_message_bytes", "unknown" if largest is None else f"{largest:,}"
    if view.inbox is not None:
        yield from _inbox_lines(view.inbox)
    yield "last_sent", time_text(account.last_sent_at) if account.last_sent_at else "never"
    yield "last_reply", account.health.last_reply
    yield "created_at", time_text(account.created_at)
    yield "updated_at", time_text(account.updated_at)


def _inbox_lines(inbox: Inbox) -> Iterator[tuple[str, str]]:
    yield "inbox", f"{inbox.folder} of {inbox.username} at {inbox.host}:{inbox.port}"
    yield "inbox read", time_text(inbox.read_at) if inbox.read_at else "never"
    if inbox.last_error:
        yield "inbox error", inbox.last_error


def _oauth_lines(client: OAuthClient, stored: Credentials | None) -> Iterator[tuple[str, str]]:
    yield "auth", _value(client)
    may_ask = stored is not None and stored.may_ask(client)
    yield "authorized", "yes" if may_ask else "no"
    if stored is not None and stored.expires_at is not None:
        yield "token ends", time_text(stored.expires_at)
    if stored is not None and stored.last_error:
        yield "last_error", stored.last_error


def _limit(limit: int | None) -> str:
    return "none" if limit is None else str(limit)


def _wrong(entry: Entry, plan: Planned | None) -> bool:
    return bool(entry.errors) or (plan is not None and plan.error is not None)


def _faults(entries: Sequence[Entry], plans: Sequence[Planned | None]) -> Iterator[str]:
    """Everything that is wrong with any of them."""
    for entry, plan in zip(entries, plans, strict=True):
        errors = list(entry.errors)
        if plan is not None and plan.error is not None:
            errors += _said(plan.error)
        yield from (f"{entry.place}: {error}" for error in errors)


def _said(error: EmailServiceError) -> Iterator[str]:
    if isinstance(error, InvalidInput):
        yield from told(error)
    else:
        yield str(error)


def _plan_line(planned: Planned) -> str:
    account = planned.candidate
    assert account is not None, "what is not wrong has a candidate"
    what = planned.action.value.ljust(6)
    if planned.action is Action.CREATE:
        return f"{what}  {planned.name}  {account.address} by {account.host}:{account.port}"
    changes = [
        *map(_change, planned.differences),
        *(["password"] if planned.new_password else []),
        *(["secret"] if planned.new_secret else []),
        *(["inbox.password"] if planned.new_inbox_password else []),
    ]
    return f"{what}  {planned.name}  {', '.join(changes)}".rstrip()


def _change(difference: Difference) -> str:
    word = _WORDS.get(difference.field, difference.field)
    return f"{word} {_value(difference.before)} -> {_value(difference.after)}"


def _value(value: object) -> str:
    if isinstance(value, Security):
        return _SECURITY[value]
    if isinstance(value, OAuthClient):
        return f"{value.provider} {value.flow} {value.client_id}"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    if value is None:
        return "none"
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}"
    return str(value) or '""'


def _counted(plan: Sequence[Planned], *, dry_run: bool = False) -> str:
    counts = {action: sum(1 for one in plan if one.action is action) for action in Action}
    create, change = ("to create", "to change") if dry_run else ("created", "changed")
    return (
        f"{counts[Action.CREATE]} {create}, {counts[Action.CHANGE]} {change}, "
        f"{counts[Action.KEEP]} as before."
    )
