"""The commands about templates that are kept as files.

They work on the database itself and need no key: whoever may read it is its owner.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from application.templates import Templates
from domain.errors import Conflict, FieldError, InvalidInput, NotFound
from domain.message.template import Template, TemplateSource
from entrypoints.cli.service import opened, read_settings
from entrypoints.cli.template_folder import TemplateFiles, files_of, found_in

F = TypeVar("F", bound=Callable[..., Any])
_PAGE: Final = 100


def _in_folder(command: F) -> F:
    return click.option(
        "--folder",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("templates"),
        show_default=True,
        help="Where the files are: a folder for each template.",
    )(command)


@click.group()
def templates() -> None:
    """Keep templates as files: push, pull, preview."""


@templates.command()
@click.argument("names", nargs=-1)
@_in_folder
@click.option("--publish", is_flag=True, help="Publish what is pushed.")
def push(names: Sequence[str], folder: Path, publish: bool) -> None:
    """Save the templates with these NAMES, or all in the folder, as drafts.

    One that is as it was stays as it is. Every file is checked before anything is saved.
    """
    with opened(read_settings()) as service:
        use_cases = service.application.templates
        found = [(one, one.read()) for one in found_in(folder, names=names)]
        for files, source in found:
            with _told_of(files):
                use_cases.check(source)
        for files, source in found:
            saved = _saved(use_cases, files, source)
            if publish:
                saved = use_cases.publish(saved.name, locale=saved.locale)
            click.echo(_told(saved))


@templates.command()
@click.argument("names", nargs=-1)
@_in_folder
def pull(names: Sequence[str], folder: Path) -> None:
    """Write the newest versions of the templates with these NAMES, or of all, into the folder."""
    with opened(read_settings()) as service:
        pulled = set()
        for name, locale in _all(service.application.templates):
            if names and name not in names:
                continue
            template = service.application.templates.show(name, locale=locale)
            files_of(folder, template).write(template.source)
            pulled.add(name)
            click.echo(_told(template))
        missing = sorted(set(names) - pulled)
        if missing:
            raise NotFound(f"there is no template {missing[0]}")


@templates.command()
@click.argument("name")
@_in_folder
@click.option("--locale", default="", help="Such as de-AT.  [the one for everybody else]")
@click.option(
    "--variables",
    type=click.File(encoding="utf-8"),
    help="A file with a JSON object; - is the standard input.  [samples]",
)
@click.option("--html", is_flag=True, help="Show the HTML and nothing else.")
def preview(name: str, folder: Path, locale: str, variables: Any, html: bool) -> None:
    """Show what the files of the template NAME come to; nothing is saved or sent."""
    with opened(read_settings()) as service:
        files = _one(folder, name, locale)
        with _told_of(files):
            shown = service.application.templates.preview_of(
                name, files.read(), _values(variables), locale=locale
            )
    if html:
        click.echo(shown.rendered.html)
        return
    click.echo(f"Subject: {shown.rendered.subject}\nSize: {shown.size} octets of HTML")
    for warning in shown.warnings:
        click.echo(f"Warning: {warning}", err=True)
    click.echo(f"\n{shown.rendered.text}")


def _saved(templates: Templates, files: TemplateFiles, source: TemplateSource) -> Template:
    try:
        return templates.create(files.name, source, locale=files.locale)
    except Conflict:
        return templates.change(files.name, source, locale=files.locale)


def _all(templates: Templates) -> Iterator[tuple[str, str]]:
    after: int | None = 0
    while after is not None:
        page = templates.page(after=after, limit=_PAGE)
        yield from ((one.name, one.locale) for one in page.templates)
        after = page.next_after


def _one(folder: Path, name: str, locale: str) -> TemplateFiles:
    for files in found_in(folder, names=(name,)):
        if files.locale == locale:
            return files
    raise NotFound(f"there are no files of {name}{f' for {locale}' if locale else ''} in {folder}")


def _values(file: Any) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        values = json.load(file)
    except ValueError as error:
        raise click.BadParameter(f"is no JSON: {error}", param_hint="--variables") from None
    if not isinstance(values, dict):
        raise click.BadParameter("must have an object", param_hint="--variables")
    return values


@contextmanager
def _told_of(files: TemplateFiles) -> Iterator[None]:
    """Say in which folder a template is wrong."""
    try:
        yield
    except InvalidInput as error:
        message = str(error)
        if not message.startswith(str(files.path)):
            message = f"{files.path}: {message}"
        raise InvalidInput(FieldError("", message), code=error.code) from None


def _told(template: Template) -> str:
    state = "draft" if template.published_at is None else "published"
    locale = f" ({template.locale})" if template.locale else ""
    return f"{template.name}{locale}: version {template.version}, {state}"
