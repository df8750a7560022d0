"""``email-service doctor``: what stands between an account's mail and the inbox."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from application import Application
from application.doctor import Diagnosis
from domain.doctor.finding import Finding, Group, Status, worst
from domain.doctor.message import MOST_OCTETS
from entrypoints.cli.service import opened, read_settings

_EXIT_CODES: Final = {Status.OK: 0, Status.WARN: 0, Status.FAIL: 1, Status.UNKNOWN: 2}
_MARKS: Final = {
    Status.OK: "ok     ",
    Status.WARN: "warn   ",
    Status.FAIL: "FAIL   ",
    Status.UNKNOWN: "unknown",
}
_WIDTH: Final = 17


@click.command()
@click.argument("account", required=False)
@click.option(
    "--message",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A message that was sent through the account: it tells who signs it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each account.")
@click.pass_context
def doctor(
    context: click.Context, account: str | None, message: Path | None, *, as_json: bool
) -> None:
    """Examine ACCOUNT, its id or name, and the DNS of its domain; without one all of them.

    Sends nothing. Exit code 0: all is well, or only warned about; 1: something fails; 2: something
    is unknown, and nothing fails.
    """
    octets = None if message is None else _read(message)
    statuses: list[Status] = []
    with opened(read_settings()) as service:
        application = service.application
        for account_id in _chosen(application, account):
            diagnosis = _examined(application, account_id, octets)
            statuses.append(diagnosis.status)
            click.echo(_as_json(diagnosis) if as_json else "\n".join(_in_words(diagnosis)))
    if not statuses:
        raise click.ClickException(
            "there is no SMTP configuration yet: add one with email-service accounts add"
        )
    context.exit(max((_EXIT_CODES[status] for status in statuses), key=_severity))


def _severity(exit_code: int) -> int:
    """A failure of one account counts more than what is unknown of another."""
    return {0: 0, 2: 1, 1: 2}[exit_code]


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_OCTETS)


def _chosen(application: Application, account: str | None) -> Sequence[int]:
    """The ids of the accounts that are meant. UsageError if there is no such account."""
    views = application.account_queries.accounts()
    if account is None:
        return [view.account.id for view in views]
    named = [view.account.id for view in views if view.account.name == account]
    if not named and account.isascii() and account.isdigit():
        named = [view.account.id for view in views if str(view.account.id) == account.lstrip("0")]
    if not named:
        raise click.UsageError(f"there is no SMTP configuration {account!r}")
    return named


def _examined(application: Application, account_id: int, message: bytes | None) -> Diagnosis:
    # here: it needs the web framework, which a process that only delivers does not
    from entrypoints.advice import advice

    return application.doctor.examine(account_id, advise=advice, message=message)


def _as_json(diagnosis: Diagnosis) -> str:
    from entrypoints.http.smtp_configs.doctor import doctor_reply

    return json.dumps(doctor_reply(diagnosis).model_dump(), ensure_ascii=False)


def _in_words(diagnosis: Diagnosis) -> Iterator[str]:
    account = diagnosis.account
    yield f"{account.name} ({account.id}): {account.host}, sends for {diagnosis.domain}"
    for group in Group:
        findings = [finding for finding in diagnosis.findings if finding.group is group]
        if findings:
            yield f"\n  {group}"
            for finding in findings:
                yield from _lines(finding)
    yield f"\n  {_verdict(diagnosis.findings)}\n"


def _lines(finding: Finding) -> Iterator[str]:
    yield f"    {_MARKS[finding.status]}  {finding.code:<{_WIDTH}} {finding.found}"
    if finding.status is not Status.OK:
        indent = " " * (14 + _WIDTH)
        yield f"{indent}expected: {finding.expected}"
        if finding.fix:
            yield f"{indent}mend:     {finding.fix}"
        yield f"{indent}source:   {finding.source}"


def _verdict(findings: Sequence[Finding]) -> str:
    counts = {status: sum(finding.status is status for finding in findings) for status in Status}
    told = ", ".join(f"{number} {status}" for status, number in counts.items() if number)
    return f"{worst(findings)}: {told}"
