"""What a mailing is sent with, all of which must be the same when it goes on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from domain.mailing.batches import Run
from domain.mailing.rows import value_of
from domain.message.template import Value, Variable, VariableType
from entrypoints.cli.mailing.calls import TemplateFound
from entrypoints.cli.mailing.progress import Progress
from entrypoints.client.failures import WrongUsage


@attrs.frozen(kw_only=True)
class Options:
    """Those of the command."""

    template: str
    template_version: int | None
    locale: str
    topic: str | None
    sender: str | None
    reply_to: Sequence[str]
    account_id: int | None
    priority: int | None
    send_at: str | None
    expires_at: str | None
    tags: Sequence[str]
    variables: Mapping[str, str] | None
    email_column: str | None
    name_column: str | None
    delimiter: str | None
    encoding: str | None
    yes: bool
    dry_run: bool
    run: str
    report_path: str | None
    progress_path: Path | None
    in_doubt: str | None
    as_json: bool

    def common(self, values: Mapping[str, Value]) -> Mapping[str, Any]:
        """The fields that all emails share, as the API calls them."""
        fields = {
            "from": self.sender,
            "reply_to": list(self.reply_to),
            "smtp_config_id": self.account_id,
            "priority": self.priority,
            "send_at": self.send_at,
            "expires_at": self.expires_at,
            "tags": list(self.tags),
            "topic": self.topic,
            "variables": dict(values),
        }
        return {name: value for name, value in fields.items() if value not in (None, [], {})}


def values_of(given: Mapping[str, str], declared: Sequence[Variable]) -> Mapping[str, Value]:
    """The values of --variable, as their types are. WrongUsage."""
    types = {variable.name: variable.type for variable in declared}
    values: dict[str, Value] = {}
    for name, text in given.items():
        try:
            values[name] = value_of(text, types.get(name, VariableType.STRING))
        except ValueError as error:
            raise WrongUsage(f"--variable {name}: {error}") from None
    return values


def terms_of(
    options: Options,
    run: Run,
    template: TemplateFound,
    *,
    where: str,
    values: Mapping[str, Value],
) -> Mapping[str, Any]:
    """All that must be the same when the mailing goes on."""
    return {
        "service": where,
        "file": run.file,
        "template": run.template,
        "version": template.version,
        "locale": template.locale,
        "run": run.name,
        "columns": [options.email_column, options.name_column],
        "reading": [options.delimiter, options.encoding],
        "common": options.common(values),
    }


def check_terms(begun: Mapping[str, Any], terms: Mapping[str, Any], progress: Progress) -> None:
    """WrongUsage if what was begun is not what is to be sent now."""
    names = ("service", "file", "template", "version", "locale", "run", "columns", "reading")
    other = [name for name in names if begun.get(name) != terms[name]]
    was, now = begun.get("common", {}), terms["common"]
    other += sorted(name for name in {*was, *now} if was.get(name) != now.get(name))
    if not other:
        return
    accepted = sum(map(len, progress.accepted.values()))
    what = "the file has changed" if other == ["file"] else f"{', '.join(other)} are not the same"
    raise WrongUsage(
        f"{accepted:,} emails of this mailing were accepted before, and {what} since. Finish it"
        " with what it was begun with, or name a new mailing by --run: that one goes to everybody"
        f" in the file, also to who has got an email already. {progress.path} knows how far it came"
    )
