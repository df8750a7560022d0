"""Templates as files, to be kept under git.

FOLDER/welcome/template.json    {"subject": "…", "variables": {"name": {"sample": "Ada"}}}
FOLDER/welcome/body.html        or body.mjml
FOLDER/welcome/text.txt         if it has a text of its own
FOLDER/welcome/de-AT/…          the same files for a locale
"""

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

import attrs

from domain.errors import FieldError, InvalidInput
from domain.message.template import (
    LOCALE,
    NAME,
    SourceKind,
    Template,
    TemplateSource,
    Variable,
)
from entrypoints.os_errors import reason_of

FIELDS: Final = "template.json"
TEXT: Final = "text.txt"
_KINDS: Final = (SourceKind.HTML, SourceKind.MJML)
_IN_FILES: Final = ("html", "mjml", "text", "locale")
_PLAIN: Final = Variable(name="")


@attrs.frozen
class TemplateFiles:
    """One template for one locale, "" being the default one, and the folder that it stands in."""

    name: str
    locale: str
    path: Path

    def read(self) -> TemplateSource:
        """What the files say. InvalidInput names the folder."""
        try:
            # here: no other command needs what answers HTTP
            from entrypoints.http.email_templates.replies import source_of
            from entrypoints.http.email_templates.schemas import TemplateChanges
            from entrypoints.http.validation import parse

            return source_of(parse(TemplateChanges, self._fields()))
        except (InvalidInput, OSError, ValueError) as error:
            message = f"{self.path}: {reason_of(error)}"
            raise InvalidInput(FieldError("", message), code="template_error") from None

    def _fields(self) -> dict[str, Any]:
        fields = json.loads((self.path / FIELDS).read_text("utf-8"))
        if not isinstance(fields, dict):
            raise ValueError(f"{FIELDS} must have an object")
        for name in _IN_FILES:
            if name in fields:
                raise ValueError(f"{FIELDS} must not have {name}: it stands in a file of its own")
        for kind in _KINDS:
            if (body := self._body(kind)).exists():
                fields[kind.value] = _read(body)
        if (text := self.path / TEXT).exists():
            fields["text"] = _read(text)
        return fields

    def write(self, source: TemplateSource) -> None:
        """Make the files say this; files of its other kind are removed."""
        self.path.mkdir(parents=True, exist_ok=True)
        fields: dict[str, Any] = {"subject": source.subject}
        if source.variables:
            fields["variables"] = {one.name: _written(one) for one in source.variables}
        _write(self.path / FIELDS, json.dumps(fields, indent=2, ensure_ascii=False) + "\n")
        for kind in _KINDS:
            if kind is source.kind:
                _write(self._body(kind), source.body)
            else:
                self._body(kind).unlink(missing_ok=True)
        if source.text is None:
            (self.path / TEXT).unlink(missing_ok=True)
        else:
            _write(self.path / TEXT, source.text)

    def _body(self, kind: SourceKind) -> Path:
        return self.path / f"body.{kind.value}"


def files_of(folder: Path, template: Template) -> TemplateFiles:
    """Where *template* stands."""
    path = folder / template.name
    return TemplateFiles(template.name, template.locale, path / template.locale)


def found_in(folder: Path, *, names: Collection[str] = ()) -> Iterator[TemplateFiles]:
    """All templates in *folder*, or those with these names, in the order of their names.

    InvalidInput for a name that is not there, or a folder that cannot be that of a template.
    """
    for name in sorted(names) or sorted(_folders(folder)):
        if not NAME.fullmatch(name) or not (folder / name).is_dir():
            message = f"{folder / name} is no folder of a template"
            raise InvalidInput(FieldError("", message), code="template_error")
        if (folder / name / FIELDS).exists():
            yield TemplateFiles(name, "", folder / name)
        for locale in sorted(_folders(folder / name)):
            if not LOCALE.fullmatch(locale):
                message = f"{folder / name / locale} is not named for a locale"
                raise InvalidInput(FieldError("", message), code="template_error")
            yield TemplateFiles(name, locale, folder / name / locale)


def _folders(folder: Path) -> Iterator[str]:
    if not folder.is_dir():
        raise InvalidInput(FieldError("", f"{folder} is no folder"), code="template_error")
    for one in folder.iterdir():
        if one.is_dir() and not one.name.startswith("."):
            yield one.name


def _written(variable: Variable) -> dict[str, Any]:
    """What differs from a variable of which nothing is said."""
    return attrs.asdict(
        variable,
        recurse=False,
        filter=lambda field, value: field.name != "name" and value != getattr(_PLAIN, field.name),
    )


def _read(path: Path) -> str:
    """With its line ends as they are."""
    return path.read_bytes().decode("utf-8")


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8"))
