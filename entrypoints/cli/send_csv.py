"""``email-service send-csv``: a template, sent to the people of a CSV file.

It asks the service by HTTP, as ``send`` does, with an API key of the scopes ``send`` and ``read``.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final, NoReturn

import click

from domain.errors import InvalidInput
from domain.mailing.batches import rows_of_call
from domain.message.template import Value
from entrypoints.cli.mailing.calls import MailingCalls, TemplateFound
from entrypoints.cli.mailing.progress import Progress
from entrypoints.cli.mailing.report import Report, report
from entrypoints.cli.mailing.sending import InDoubt, Sending
from entrypoints.cli.mailing.terms import Options, check_terms, terms_of, values_of
from entrypoints.cli.mailing.words import counted, previewed
from entrypoints.cli.send import End, end_of, pairs
from entrypoints.client.calls import Service
from entrypoints.client.config import Config, read_config
from entrypoints.client.failures import Failure, Refused, Unanswered, WrongMessage, WrongUsage
from entrypoints.mailing_plan import Plan, Wishes, read_plan
from entrypoints.os_errors import reason_of

_PREFIX: Final = len("es_01234567")  # of an API key: the part that is no secret
_DELIMITERS: Final = {"tab": "\t", "comma": ",", "semicolon": ";"}


def _delimiter(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    found = _DELIMITERS.get(value, value) if value else None
    if found is not None and (len(found) != 1 or found in '"\r\n'):
        raise click.BadParameter("must be one character, or tab")
    return found


def _encoding(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    try:
        if value is not None:
            "".encode(value)
    except LookupError:
        raise click.BadParameter(f"there is no encoding {value!r}") from None
    return value


@click.command("send-csv")
@click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False))
@click.option("--template", required=True, help="The name of the template that writes each email.")
@click.option("--template-version", type=int, help="A version of it.  [the published one]")
@click.option("--locale", default="", help="A language of it, such as de-AT.")
@click.option("--topic", help="What recipients may unsubscribe from.")
@click.option("--from", "sender", help="The From line; without it that of the SMTP configuration.")
@click.option("--reply-to", multiple=True, help="Where answers go.")
@click.option(
    "--smtp-config", "--account", "account_id", type=int, help="The id of an SMTP configuration."
)
@click.option("--priority", type=click.IntRange(1, 5), help="1 is the most urgent.")
@click.option("--send-at", help="When, such as 2026-01-31T09:30:00+01:00.")
@click.option("--expires-at", help="When it is too late to send it.")
@click.option("--tag", "tags", multiple=True, help="A label to find the emails by.")
@click.option("--variable", "variables", multiple=True, callback=pairs, help="NAME=VALUE for all.")
@click.option("--email-column", help="The column with the addresses.  [email]")
@click.option("--name-column", help="The column with the names that recipients see in To.")
@click.option("--delimiter", callback=_delimiter, help="What is between cells.  [found out]")
@click.option(
    "--encoding", callback=_encoding, help="Of the file.  [UTF-8, or UTF-16 if it looks like it]"
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Count and preview, and send nothing.")
@click.option("--run", default="", help="A name, to send the same file and template once more.")
@click.option(
    "--report", "report_path", type=click.Path(dir_okay=False), help="A CSV file to write."
)
@click.option("--progress", "progress_path", type=click.Path(dir_okay=False, path_type=Path),
              help="Where to keep how far it has come.  [beside FILE]")  # fmt: skip
@click.option("--in-doubt", type=click.Choice([one.value for one in InDoubt]),
              help="What to do about rows that may have been accepted or not.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the report as a JSON object.")
@click.pass_context
def send_csv(context: click.Context, /, path: str, **options: Any) -> None:
    """Send a template to the people of the CSV file FILE: one email for each row.

    The columns are the variables of the template; the column email has the address. It counts rows
    that are invalid, twice or suppressed, shows the first three emails, and asks. If it is
    stopped, the same command goes on where it was: nobody gets an email twice.

    Exit code 0: everything was accepted; 1: rows were left out as invalid, or the service refuses
    them; 2: the arguments, the file or the configuration cannot be used; 75: the service cannot
    take more now, call again later.
    """
    mailing = _Mailing(context, path, Options(**options))
    try:
        mailing.run()
    except InvalidInput as error:
        mailing.fail(WrongMessage(f"{path}: {error}"))
    except Failure as error:
        mailing.fail(error)


class _Mailing:
    """The steps of one command."""

    def __init__(self, context: click.Context, path: str, options: Options) -> None:
        self._context = context
        self._path = path
        self._options = options
        self._hint = ""

    def fail(self, failure: Failure) -> NoReturn:
        """Say why it ends here, and how to go on."""
        told = [f"Error: {failure}"]
        if isinstance(failure, Refused):
            told += [f"  {pointer}: {message}" for pointer, message in failure.errors]
        click.echo("\n".join(told), err=True)
        if self._hint:
            click.echo(self._hint, err=True)
        self._context.exit(int(end_of(failure)))

    def run(self) -> None:
        """Read, count, show, ask, send, report. Failure, InvalidInput."""
        options = self._options
        config = read_config(os.environ)
        if not (options.yes or options.dry_run or sys.stdin.isatty()):
            raise WrongUsage("it asks before it sends and needs a terminal: say --yes or --dry-run")
        with ExitStack() as stack:
            progress = None
            if not options.dry_run:
                progress = stack.enter_context(closing(Progress(self._progress_path(config))))
            begun = None if progress is None or progress.is_fresh else progress.terms
            service = Service(config)
            template = self._template(service, begun)
            values = values_of(options.variables or {}, template.variables)
            calls = MailingCalls(
                service,
                common=options.common(values),
                topic=options.topic,
                account_id=options.account_id,
            )
            plan = stack.enter_context(self._read(calls, template, values))
            click.echo("\n".join(counted(self._path, plan, template)), err=True)
            if not plan.first:
                raise WrongMessage(f"{self._path}: there is no row to send")
            terms = terms_of(options, plan.run, template, where=_where(config), values=values)
            if progress is None or begun is None:
                most = self._preview(calls, plan, template, values)
                if progress is None:
                    return
                self._ask(plan)
                progress.start({**terms, "rows_of_call": most})
            else:
                check_terms(begun, terms, progress)
                most = begun["rows_of_call"]
                self._tell_resumed(plan, progress)
            self._send(calls, progress, plan, template, most, key=config.key[:_PREFIX])

    def _template(self, service: Service, begun: Mapping[str, Any] | None) -> TemplateFound:
        """The version that the mailing was begun with, or the one to begin with."""
        options = self._options
        locale, version = options.locale, options.template_version
        if begun is not None and version is None:
            locale, version = begun["locale"], begun["version"]
        calls = MailingCalls(service, common={})
        template = calls.template(options.template, locale=locale, version=version)
        if template.has_link and options.topic is None:
            raise WrongUsage(
                f"the template {template.name} shows unsubscribe_url: say by --topic from what"
            )
        return template

    @contextmanager
    def _read(
        self, calls: MailingCalls, template: TemplateFound, values: Mapping[str, Value]
    ) -> Iterator[Plan]:
        options = self._options
        wishes = Wishes(
            template=options.template,
            run=options.run,
            declared=template.variables,
            common=values,
            address_column=options.email_column,
            name_column=options.name_column,
            delimiter=options.delimiter,
            encoding=options.encoding,
        )
        with ExitStack() as stack:
            try:
                file: BinaryIO = stack.enter_context(open(self._path, "rb"))
                with _progress_bar(os.fstat(file.fileno()).st_size, "Reading") as progress:
                    reading = read_plan(file, wishes, unwanted=calls.unwanted, progress=progress)
                    plan = stack.enter_context(reading)
            except OSError as error:
                raise WrongMessage(f"{self._path} cannot be read: {reason_of(error)}") from None
            yield plan

    def _preview(
        self,
        calls: MailingCalls,
        plan: Plan,
        template: TemplateFound,
        values: Mapping[str, Value],
    ) -> int:
        """Show the first emails; how many rows a call may have."""
        largest = 0
        for entry in plan.first:
            try:
                shown = calls.preview(template, {**values, **entry.variables})
            except Refused as error:
                if error.status != 400:
                    raise
                told = "; ".join(message for _, message in error.errors) or str(error)
                raise WrongMessage(f"row {entry.row} cannot be written: {told}") from None
            largest = max(largest, len(shown["html"]) + len(shown["text"]))
            click.echo("\n".join(["", *previewed(entry, shown)]), err=True)
        return rows_of_call(largest)

    def _ask(self, plan: Plan) -> None:
        click.echo(err=True)
        question = f"Send {plan.counts.entries:,} emails?"
        if not self._options.yes and not click.confirm(question, err=True):
            click.echo("Nothing was sent.", err=True)
            self._context.exit(int(End.REFUSED))

    def _tell_resumed(self, plan: Plan, progress: Progress) -> None:
        found = report(plan, progress, None)
        done = found.accepted + found.suppressed
        told = f"It was begun before: {done:,} of {plan.counts.entries:,} emails were accepted."
        how = (
            "It goes on behind them."
            if found.not_sent
            else "To send it all once more, give it a name by --run."
        )
        click.echo(f"\n{told} {how}", err=True)

    def _send(
        self,
        calls: MailingCalls,
        progress: Progress,
        plan: Plan,
        template: TemplateFound,
        most: int,
        *,
        key: str,
    ) -> None:
        doubt = None if self._options.in_doubt is None else InDoubt(self._options.in_doubt)
        sending = Sending(calls, progress, plan, template, key=key, in_doubt=doubt)
        try:
            with _progress_bar(plan.counts.entries, "Sending") as done:
                sending.run(most, done=done)
        except (Failure, KeyboardInterrupt) as error:
            self._hint = self._stopped(plan, progress, error)
            if isinstance(error, Failure):
                raise
            click.echo(f"\n{self._hint}", err=True)
            raise click.Abort from None
        found = self._report(plan, progress)
        click.echo(json.dumps(found.told()) if self._options.as_json else "\n".join(found.words()))
        self._context.exit(int(End.REFUSED if found.invalid else End.WELL))

    def _stopped(self, plan: Plan, progress: Progress, error: BaseException) -> str:
        """How far it came, and how to go on."""
        found = self._report(plan, progress)
        done = found.accepted + found.suppressed
        told = f"{done:,} of {plan.counts.entries:,} emails were accepted."
        after_s = error.retry_after_s if isinstance(error, Unanswered) else None
        when = f" in {_duration(after_s)}" if after_s else ""
        return f"{told} The same command goes on behind them{when}: {progress.path} knows how far."

    def _report(self, plan: Plan, progress: Progress) -> Report:
        path = self._options.report_path
        if path is None:
            return report(plan, progress, None)
        try:
            with open(path, "w", encoding="utf-8", newline="") as file:
                return report(plan, progress, file)
        except OSError as error:
            click.echo(f"Error: {path} cannot be written: {reason_of(error)}", err=True)
            return report(plan, progress, None)

    def _progress_path(self, config: Config) -> Path:
        options = self._options
        if options.progress_path is not None:
            return options.progress_path
        told = sha256(
            json.dumps([_where(config), options.template, options.run]).encode()
        ).hexdigest()
        return Path(f"{self._path}.{options.template}-{told[:8]}.progress")


def _where(config: Config) -> str:
    return f"{config.scheme}://{config.host}:{config.port}{config.path}"


@contextmanager
def _progress_bar(length: int, label: str) -> Iterator[Callable[[int], object]]:
    """Shown on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=length, label=label, file=sys.stderr) as bar:
        yield bar.update


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    minutes = -(-seconds // 60)
    return f"{minutes:.0f} minutes" if minutes < 120 else f"{-(-minutes // 60):.0f} hours"
