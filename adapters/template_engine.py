"""Templates by minijinja, MJML by mrml, style sheets by css-inline.

The three are compiled code that holds the interpreter's lock: what they are given is bounded by
`domain.message.template_source` first, steps and output by fuel. MJML becomes HTML once, when a
template is saved; style sheets are copied to the elements after the rendering, because before it
the parser would move ``{% for %}`` out of tables.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import css_inline
import minijinja
import mrml

from domain.errors import FieldError, InvalidInput
from domain.message.html_to_text import text_from_html
from domain.message.template import Rendered, SourceKind, TemplateSource, Value
from domain.message.template_source import MAX_DEPTH, check_source, depth

# Steps and characters of output: a table of 1,000 rows takes 10,000; 12 MB end it at the latest.
FUEL: Final = 50_000
MAX_RENDERED: Final = 1_000_000  # characters
MAX_MATCHES: Final = 500_000  # selectors times elements: 14 million of them take a second


class MinijinjaTemplates:
    """Checks and renders templates; see `application.ports.message.TemplateEngine`."""

    def __init__(self) -> None:
        self._html = _environment(escaped=True)
        self._text = _environment(escaped=False)
        self._inliner = css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)

    def check(self, source: TemplateSource) -> None:
        """Nothing, or InvalidInput with the code ``template_error`` that points to the field."""
        self._check_text(source.subject, "subject")
        if source.text is not None:
            self._check_text(source.text, "text")
        check_source(source.body, field=source.kind.value, html=source.kind is SourceKind.HTML)
        html = self._html_of(source)
        if source.kind is SourceKind.MJML:
            check_source(html, field="mjml", html=True)
        self._compile(self._html, html, source.kind.value)

    def _check_text(self, text: str, field: str) -> None:
        check_source(text, field=field, html=False)
        self._compile(self._text, text, field)

    @staticmethod
    def _compile(environment: minijinja.Environment, text: str, field: str) -> None:
        try:
            environment.undeclared_variables_in_str(text)
        except minijinja.TemplateError as error:
            raise _refused(error, field) from None

    def render(self, source: TemplateSource, variables: Mapping[str, Value]) -> Rendered:
        """What *source* comes to with *variables*. InvalidInput ``template_error`` if it fails."""
        body = source.kind.value
        html = self._rendered(self._html, self._html_of(source), variables, body)
        if depth(html) > MAX_DEPTH:
            raise _error(body, f"more than {MAX_DEPTH} elements within one another")
        html = self._with_inline_styles(html, body)
        text = (
            text_from_html(html)
            if source.text is None
            else self._rendered(self._text, source.text, variables, "text")
        )
        subject = self._rendered(self._text, source.subject, variables, "subject")
        return Rendered(subject=subject, html=html, text=text)

    def _with_inline_styles(self, html: str, field: str) -> str:
        selectors = sum(style.count("{") + style.count(",") for style in _styles(html))
        if not selectors:
            return html
        if selectors * html.count("<") > MAX_MATCHES:
            raise _error(field, "too many rules of style for so many elements")
        inlined: str = self._inliner.inline(html)
        return inlined

    @staticmethod
    def _rendered(
        environment: minijinja.Environment,
        source: str,
        variables: Mapping[str, Value],
        field: str,
    ) -> str:
        try:
            rendered: str = environment.render_str(source, **variables)
        except minijinja.TemplateError as error:
            raise _refused(error, field) from None
        except _IsNull:
            raise _error(field, "a variable that is null has no text") from None
        if len(rendered) > MAX_RENDERED:
            raise _error(field, f"more than {MAX_RENDERED} characters come of it")
        return rendered

    @staticmethod
    def _html_of(source: TemplateSource) -> str:
        return _html_from_mjml(source.body) if source.kind is SourceKind.MJML else source.body


def _styles(html: str) -> Iterator[str]:
    """The style sheets within *html*."""
    lower, at = html.lower(), 0
    while (start := lower.find("<style", at)) >= 0:
        end = lower.find("</style", start)
        at = len(html) if end < 0 else end
        yield html[start:at]


def _environment(*, escaped: bool) -> minijinja.Environment:
    environment = minijinja.Environment(
        undefined_behavior="strict",
        # methods of Python's strings ignore the fuel: '{:>1000000000}'.format(1) takes 1.9 GB
        pycompat=False,
        fuel=FUEL,
        debug=False,
        auto_escape_callback=lambda _name: escaped,
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
        raise _error("mjml", f"more than {MAX_DEPTH} elements within one another")
    try:
        html: str = mrml.to_html(source).content
    except OSError as error:
        raise _error("mjml", str(error)) from None
    return html


def _refused(error: minijinja.TemplateError, field: str) -> InvalidInput:
    message = (error.message or "").splitlines()[:1]
    line = "" if error.line is None else f"line {error.line}: "
    return _error(field, f"{line}{error.kind}: {message[0] if message else ''}")


def _error(field: str, message: str) -> InvalidInput:
    return InvalidInput(FieldError(field, message), code="template_error")
