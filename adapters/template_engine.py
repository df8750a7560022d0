"""Templates by minijinja, MJML by mrml, style sheets by css-inline.

The three are compiled code that holds the interpreter's lock: what they are given is bounded by
`domain.message.template_source` first, steps and output by fuel. MJML becomes HTML once, when a
template is saved; style sheets are copied to the elements after the rendering, because before it
the parser would move ``{% for %}`` out of tables.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import css_inline
import minijinja
import mrml

from domain.errors import FieldError, InvalidInput
from domain.message.html_to_text import text_from_html
from domain.message.template import Rendered, SourceKind, TemplateSource, Value
from domain.message.template_source import MAX_DEPTH, MAX_SOURCE, check_source, depth
from domain.message.text_skeleton import TextSkeleton, skeleton_of

# Steps and characters of output: a table of 1,000 rows takes 10,000; 12 MB end it at the latest.
FUEL: Final = 50_000
MAX_RENDERED: Final = 1_000_000  # characters
MAX_MATCHES: Final = 500_000  # selectors times elements: 14 million of them take a second

# The declarations that `domain.message.html_to_text` looks at; "\\" writes any of them otherwise.
_HIDES: Final = re.compile(r"display|visibility|max-height|overflow|white-space|\\", re.I)
_VALUES: Final = "values"  # the template of what the other one prints
_SECOND: Final = 2
# Only fonts that <mj-font> names are loaded: the default would fetch Ubuntu from Google.
_MJML: Final = mrml.RenderOptions(fonts={})
_MOST_NAMED: Final = 10
_FUNCTIONS: Final = frozenset({"dict", "namespace", "range"})  # of the engine
_ESCAPED: Final = frozenset(SourceKind)  # subjects and texts are no HTML


class MinijinjaTemplates:
    """Checks and compiles templates; see `application.ports.message.TemplateEngine`."""

    def __init__(self) -> None:
        self._inliner = css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)

    def check(self, source: TemplateSource) -> None:
        """Nothing, or InvalidInput with the code ``template_error`` that points to the field."""
        check_source(source.subject, field="subject", html=False)
        if source.text is not None:
            check_source(source.text, field="text", html=False)
        kind = source.kind
        if len(source.body) <= MAX_SOURCE and depth(source.body) > MAX_DEPTH:
            raise _too_deep(kind.value)  # before a scanner goes through all of it
        check_source(source.body, field=kind.value, html=kind is SourceKind.HTML)
        if kind is SourceKind.MJML:
            check_source(_html_of(source), field="mjml", html=True)
        self.compile(source)

    def compile(self, source: TemplateSource) -> "CompiledTemplate":
        """The template, for any number of renderings by one thread at a time."""
        return CompiledTemplate(source, self._inliner)


class CompiledTemplate:
    """A template whose parts are compiled: for one call, since none is used by two threads."""

    def __init__(self, source: TemplateSource, inliner: css_inline.CSSInliner) -> None:
        self._field = source.kind.value
        self._has_text = source.text is not None
        self._inliner = inliner
        self._environment = _environment()
        self._sources: dict[str, str] = {}
        html = _html_of(source)
        # what an expression prints is escaped: it opens no element, only statements repeat some
        self._deepens = "{%" in html
        if depth(html) > MAX_DEPTH:
            raise _too_deep(self._field)
        self._add(self._field, html)
        self._add("subject", source.subject)
        self._renderings = 0
        self._skeleton: TextSkeleton | None = None
        if source.text is not None:
            self._add("text", source.text)

    def _add(self, field: str, text: str) -> None:
        self._sources[field] = text
        try:
            self._environment.add_template(field, text)
        except minijinja.TemplateError as error:
            raise _refused(error, field) from None

    def render(self, variables: Mapping[str, Value]) -> Rendered:
        """What it comes to with *variables*. InvalidInput ``template_error`` if it fails."""
        html = self._rendered(self._field, variables)
        if self._deepens and depth(html) > MAX_DEPTH:
            raise _too_deep(self._field)
        styles = list(_styles(html))
        inlined = self._with_inline_styles(html, styles)
        if self._has_text:
            text = self._rendered("text", variables)
        else:
            text = self._filled(variables) or _text_of(html, inlined, styles)
        return Rendered(subject=self._rendered("subject", variables), html=inlined, text=text)

    def _filled(self, variables: Mapping[str, Value]) -> str | None:
        """The text, if it can be told without looking at the rendered HTML.

        To prepare that costs as much as one text does: it is for those who render many.
        """
        self._renderings += 1
        if self._renderings == _SECOND:
            self._prepare_text()
        if self._skeleton is None:
            return None
        return self._skeleton.filled(self._rendered(_VALUES, variables).split("\0"))

    def _prepare_text(self) -> None:
        html = self._sources[self._field]
        if any(map(_HIDES.search, _styles(html))):
            return
        self._skeleton = skeleton_of(html)
        if self._skeleton is not None:
            self._add(_VALUES, "\0".join(self._skeleton.expressions))

    def _failed(
        self, error: minijinja.TemplateError, field: str, variables: Mapping[str, Value]
    ) -> InvalidInput:
        """The engine does not name what is undefined: tell which variables were not given."""
        refused = _refused(error, field)
        if error.kind != "UndefinedError":
            return refused
        used = self._environment.undeclared_variables_in_str(self._sources[field])
        missing = ", ".join(sorted(used - variables.keys() - _FUNCTIONS)[:_MOST_NAMED])
        message = refused.errors[0].message
        return _error(field, f"{message}: {missing}" if missing else message)

    def _with_inline_styles(self, html: str, styles: Sequence[str]) -> str:
        selectors = sum(style.count("{") + style.count(",") for style in styles)
        if not selectors:
            return html
        if selectors * html.count("<") > MAX_MATCHES:
            raise _error(self._field, "too many rules of style for so many elements")
        inlined: str = self._inliner.inline(html)
        return inlined

    def _rendered(self, field: str, variables: Mapping[str, Value]) -> str:
        try:
            rendered: str = self._environment.render_template(field, **variables)
        except minijinja.TemplateError as error:
            raise self._failed(error, field, variables) from None
        except _IsNull:
            raise _error(field, "a variable that is null has no text") from None
        if len(rendered) > MAX_RENDERED:
            raise _error(field, f"more than {MAX_RENDERED} characters come of it")
        return rendered


def _text_of(html: str, inlined: str, styles: Sequence[str]) -> str:
    """Style sheets that cannot hide anything change nothing but the time that it takes."""
    return text_from_html(inlined if any(map(_HIDES.search, styles)) else html)


def _too_deep(field: str) -> InvalidInput:
    return _error(field, f"more than {MAX_DEPTH} elements within one another")


def _html_of(source: TemplateSource) -> str:
    return _html_from_mjml(source.body) if source.kind is SourceKind.MJML else source.body


def _styles(html: str) -> Iterator[str]:
    """The style sheets within *html*."""
    lower, at = html.lower(), 0
    while (start := lower.find("<style", at)) >= 0:
        end = lower.find("</style", start)
        at = len(html) if end < 0 else end
        yield html[start:at]


def _environment() -> minijinja.Environment:
    environment = minijinja.Environment(
        undefined_behavior="strict",
        # methods of Python's strings ignore the fuel: '{:>1000000000}'.format(1) takes 1.9 GB
        pycompat=False,
        fuel=FUEL,
        debug=False,
        auto_escape_callback=lambda name: name in _ESCAPED,
        finalizer=_refuse_null,
        keep_trailing_newline=True,
    )
    environment.remove_global("debug")  # it prints every variable
    environment.remove_filter("safe")
    return environment


class _IsNull(Exception):
    """A variable without a value was to be printed."""


def _refuse_null(value: Any) -> Any:
    if value is None:
        raise _IsNull
    return value


@lru_cache(maxsize=64)
def _html_from_mjml(source: str) -> str:
    if depth(source) > MAX_DEPTH:
        raise _too_deep("mjml")
    try:
        html: str = mrml.to_html(source, render_options=_MJML).content
    except OSError as error:
        raise _error("mjml", str(error)) from None
    return html


def _refused(error: minijinja.TemplateError, field: str) -> InvalidInput:
    message = (error.message or "").splitlines()[:1]
    # of MJML it would be a line of the HTML that was made of it
    known = error.line is not None and field != SourceKind.MJML
    line = f"line {error.line}: " if known else ""
    # its end repeats the place
    text = re.sub(r" \(in [^()]*\)$", "", message[0]) if message else ""
    return _error(field, f"{line}{error.kind}: {text}")


def _error(field: str, message: str) -> InvalidInput:
    return InvalidInput(FieldError(field, message), code="template_error")
