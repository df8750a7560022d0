"""A call as programs write it: with curl, and in Python, Node.js and PHP without any package."""

import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from entrypoints.http.openapi.literals import node_value, php_text, php_value, python_value, quoted

BASE: Final = "http://127.0.0.1:5000"  # where the service is, in every sample
CURL: Final = "curl"
FILE_TYPE: Final = "application/pdf"  # of a file that is sent as it is
_INDENT: Final = "    "


@attrs.frozen(kw_only=True)
class SampleCall:
    """A call that a program makes. *body* is what JSON can hold, *file* the name of a file.

    *keyed*: it needs an API key, which is in the variable API_KEY of the environment. *json*: the
    answer is JSON. *headers* are those beside the key and the type.
    """

    method: str
    url: str
    keyed: bool = True
    body: Any = None
    file: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    json: bool = True

    @property
    def sent(self) -> Sequence[tuple[str, str]]:
        """Its headers without the key."""
        kind = self.content_type
        return [*([("Content-Type", kind)] if kind else []), *self.headers]

    @property
    def content_type(self) -> str | None:
        """Of what it sends; None if that is nothing."""
        if self.body is not None:
            return "application/json"
        return FILE_TYPE if self.file else None

    @property
    def implied(self) -> str:
        """The method of a program that names none."""
        return "GET" if self.content_type is None else "POST"


@attrs.frozen(kw_only=True)
class Language:
    """A language that samples are written in. *lang* is its name in ``x-codeSamples``."""

    id: str
    label: str
    lang: str
    write: Callable[[SampleCall], str]


def samples(path: str, examples: Mapping[str, Any]) -> Sequence[dict[str, str]]:
    """Each of the *examples* as the body of a POST: ``lang``, ``label`` and ``source``."""
    return [
        {
            "lang": language.lang,
            "label": f"{language.label}: {name}",
            "source": language.write(call),
        }
        for name, body in examples.items()
        for call in (SampleCall(method="POST", url=BASE + path, body=body),)
        for language in LANGUAGES
    ]


# -- curl -----


def _curl(call: SampleCall) -> str:
    return " \\\n  ".join(_words(call))


def _words(call: SampleCall) -> Iterator[str]:
    method = "" if call.method == call.implied else f" -X {call.method}"
    yield f"curl -s{method} {shlex.quote(call.url)}"
    if call.keyed:
        yield '-H "X-API-Key: $API_KEY"'
    for name, value in call.sent:
        yield f"-H {shlex.quote(f'{name}: {value}')}"
    if call.body is not None:
        yield f"-d {shlex.quote(json.dumps(call.body, indent=2, ensure_ascii=False))}"
    if call.file:
        yield f"--data-binary @{shlex.quote(call.file)}"


# -- Python -----


def _python(call: SampleCall) -> str:
    asked = f"urllib.request.urlopen({{}}, timeout=30) as answer:\n{_INDENT}{_python_shown(call)}\n"
    arguments = list(_python_arguments(call))
    head = "\n".join(_python_imports(call)) + "\n\n"
    if not arguments:
        return f"{head}with {asked.format(quoted(call.url))}"
    lines = "".join(f"{_INDENT}{one},\n" for one in (quoted(call.url), *arguments))
    return f"{head}request = urllib.request.Request(\n{lines})\nwith {asked.format('request')}"


def _python_imports(call: SampleCall) -> Iterator[str]:
    if call.json or call.body is not None:
        yield "import json"
    if call.keyed:
        yield "import os"
    yield "import urllib.request"
    if call.file:
        yield "from pathlib import Path"


def _python_arguments(call: SampleCall) -> Iterator[str]:
    if call.body is not None:
        yield f"data=json.dumps({python_value(call.body, _INDENT)}).encode()"
    if call.file:
        yield f"data=Path({quoted(call.file)}).read_bytes()"
    headers = [f"{quoted(name)}: {quoted(value)}" for name, value in call.sent]
    if call.keyed:
        headers.append('"X-API-Key": os.environ["API_KEY"]')
    if headers:
        inner = _INDENT * 2
        yield "headers={\n" + "".join(f"{inner}{one},\n" for one in headers) + _INDENT + "}"
    if call.method != call.implied:
        yield f"method={quoted(call.method)}"


def _python_shown(call: SampleCall) -> str:
    return "print(json.load(answer))" if call.json else "print(answer.read().decode())"


# -- Node.js -----


def _node(call: SampleCall) -> str:
    options = list(_node_options(call))
    given = ", {\n" + "".join(f"  {one},\n" for one in options) + "}" if options else ""
    read = 'import { readFileSync } from "node:fs";\n\n' if call.file else ""
    shown = "json" if call.json else "text"
    return (
        f"{read}const answer = await fetch({quoted(call.url)}{given});\n"
        f"console.log(await answer.{shown}());\n"
    )


def _node_options(call: SampleCall) -> Iterator[str]:
    if call.method != "GET":
        yield f"method: {quoted(call.method)}"
    headers = [f"{quoted(name)}: {quoted(value)}" for name, value in call.sent]
    if call.keyed:
        headers.append('"X-API-Key": process.env.API_KEY')
    if headers:
        yield "headers: {\n" + "".join(f"    {one},\n" for one in headers) + "  }"
    if call.body is not None:
        yield f"body: JSON.stringify({node_value(call.body, '  ')})"
    if call.file:
        yield f"body: readFileSync({quoted(call.file)})"


# -- PHP -----


def _php(call: SampleCall) -> str:
    options = list(_php_options(call))
    body = "" if call.body is None else f"$body = {php_value(call.body, '')};\n"
    given = ""
    if options:
        lines = "".join(f"{_INDENT}{one},\n" for one in options)
        given = f', false, stream_context_create(["http" => [\n{lines}]])'
    asked = f"$answer = file_get_contents({php_text(call.url)}{given});"
    return f'<?php\n{body}{asked}\necho $answer, "\\n";\n'


def _php_options(call: SampleCall) -> Iterator[str]:
    if call.method != "GET":
        yield f'"method" => {php_text(call.method)}'
    headers = [php_text(f"{name}: {value}") for name, value in call.sent]
    if call.keyed:
        headers.append('"X-API-Key: " . getenv("API_KEY")')
    if headers:
        yield f'"header" => [{", ".join(headers)}]'
    if call.body is not None:
        yield '"content" => json_encode($body)'
    if call.file:
        yield f'"content" => file_get_contents({php_text(call.file)})'


LANGUAGES: Final = (
    Language(id="curl", label=CURL, lang="Shell", write=_curl),
    Language(id="python", label="Python", lang="Python", write=_python),
    Language(id="node", label="Node.js", lang="JavaScript", write=_node),
    Language(id="php", label="PHP", lang="PHP", write=_php),
)
