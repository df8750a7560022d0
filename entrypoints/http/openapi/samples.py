"""A call as programs write it: with curl, and in Python, Node.js and PHP without any package."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

BASE: Final = "http://127.0.0.1:5000"  # where the service is, in every sample
CURL: Final = "curl"
_INDENT: Final = "    "
_PYTHON: Final = """\
import json
import os
import urllib.request

request = urllib.request.Request(
    {url},
    data=json.dumps({body}).encode(),
    headers={{
        "Content-Type": "application/json",
        "X-API-Key": os.environ["API_KEY"],
    }},
)
with urllib.request.urlopen(request, timeout=30) as answer:
    print(json.load(answer))
"""
_NODE: Final = """\
const answer = await fetch({url}, {{
  method: "POST",
  headers: {{
    "Content-Type": "application/json",
    "X-API-Key": process.env.API_KEY,
  }},
  body: JSON.stringify({body}),
}});
console.log(await answer.json());
"""
_PHP: Final = """\
<?php
$body = {body};
$answer = file_get_contents({url}, false, stream_context_create(["http" => [
    "method" => "POST",
    "header" => ["Content-Type: application/json", "X-API-Key: " . getenv("API_KEY")],
    "content" => json_encode($body),
]]));
echo $answer, "\\n";
"""


def samples(path: str, examples: Mapping[str, Any]) -> Sequence[dict[str, str]]:
    """Each of the *examples* as the body of a POST: ``lang``, ``label`` and ``source``.

    The key is in the variable API_KEY of the environment.
    """
    return [
        {"lang": lang, "label": f"{label}: {name}", "source": source}
        for name, body in examples.items()
        for lang, label, source in _of(BASE + path, body)
    ]


def _of(url: str, body: Any) -> Iterator[tuple[str, str, str]]:
    in_json = json.dumps(body, indent=2, ensure_ascii=False)
    words = (
        f"curl -s {url}",
        '-H "X-API-Key: $API_KEY"',
        "-H 'Content-Type: application/json'",
        f"-d {shlex.quote(in_json)}",
    )
    yield "Shell", CURL, " \\\n  ".join(words)
    python = _literal(body, _INDENT, **_IN_PYTHON)
    yield "Python", "Python", _PYTHON.format(url=_quoted(url), body=python)
    node = in_json.replace("\n", "\n  ")
    yield "JavaScript", "Node.js", _NODE.format(url=_quoted(url), body=node)
    yield "PHP", "PHP", _PHP.format(url=_php_text(url), body=_literal(body, "", **_IN_PHP))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _php_text(text: str) -> str:
    # within double quotes PHP would put a variable in the place of $name
    return _quoted(text).replace("$", "\\$").replace("\\/", "/")


_IN_PYTHON: Final[dict[str, Any]] = {
    "brackets": ("{", "}"),
    "between": ": ",
    "text": _quoted,
    "words": {True: "True", False: "False", None: "None"},
}
_IN_PHP: Final[dict[str, Any]] = {
    "brackets": ("[", "]"),
    "between": " => ",
    "text": _php_text,
    "words": {True: "true", False: "false", None: "null"},
}


def _literal(value: Any, indent: str, **language: Any) -> str:
    """*value*, which JSON can hold, as a program writes it; its further lines begin with *indent*.

    No example holds an empty object, which PHP cannot tell from an empty list.
    """
    if value is None or isinstance(value, bool):
        word: str = language["words"][value]
        return word
    if isinstance(value, str):
        text: str = language["text"](value)
        return text
    if not isinstance(value, dict | list):
        return str(value)
    inner = indent + _INDENT
    if isinstance(value, dict):
        start, end = language["brackets"]
        items = [
            language["text"](name) + language["between"] + _literal(part, inner, **language)
            for name, part in value.items()
        ]
    else:
        start, end = "[", "]"
        items = [_literal(part, inner, **language) for part in value]
    lines = "".join(f"\n{inner}{item}," for item in items)
    return f"{start}{lines}\n{indent}{end}" if items else start + end
