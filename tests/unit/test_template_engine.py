"""Templates are rendered as they were written, and none can take the process with it."""

import json
import time
from contextlib import suppress
from functools import cache

import pytest

from adapters.template_engine import MinijinjaTemplates
from domain.errors import InvalidInput
from domain.message.template import Rendered, SourceKind, TemplateSource, Value

ENGINE = MinijinjaTemplates()


def html(body: str, *, subject: str = "Hello", text: str | None = None) -> TemplateSource:
    return TemplateSource(subject=subject, kind=SourceKind.HTML, body=body, text=text)


def mjml(body: str) -> TemplateSource:
    column = f"<mj-section><mj-column>{body}</mj-column></mj-section>"
    whole = f"<mjml><mj-body>{column}</mj-body></mjml>"
    return TemplateSource(subject="Hello", kind=SourceKind.MJML, body=whole)


def rendered(source: TemplateSource, **variables: Value) -> Rendered:
    ENGINE.check(source)
    return ENGINE.compile(source).render(variables)


def test_html_is_escaped_and_subject_and_text_are_not() -> None:
    source = html("<p>{{ name }}</p>", subject="For {{ name }}", text="Dear {{ name }}")
    assert rendered(source, name="A & <b>") == Rendered(
        subject="For A & <b>", html="<p>A &amp; &lt;b&gt;</p>", text="Dear A & <b>"
    )


def test_the_text_is_made_from_the_html_where_there_is_none() -> None:
    assert rendered(html("<p>Dear {{ name }}</p>"), name="Ada & Bob").text == "Dear Ada & Bob"


def test_styles_are_copied_to_the_elements_after_the_rendering() -> None:
    source = html(
        "<style>td { color: red }</style>"
        "<table>{% for row in rows %}<tr><td>{{ row }}</td></tr>{% endfor %}</table>"
    )
    result = rendered(source, rows=["1", "2"]).html
    assert result.count('<td style="color: red;">') == 2


@pytest.mark.parametrize("rule", ["display:none", "DISPLAY: none", "visibility:hidden"])
def test_what_a_style_sheet_hides_is_not_in_the_text(rule: str) -> None:
    source = html(f"<style>.a {{ {rule} }}</style><p class=a>hidden</p><p>{{{{ name }}}}</p>")
    assert rendered(source, name="Ada").text == "Ada"


def test_the_text_is_the_same_with_a_style_sheet_that_hides_nothing() -> None:
    body = "<h1>{{ name }}</h1><ul><li>a<li>b</ul><table><tr><td>1<td>2</table>"
    style = "<style>td { color: red; padding: 1px } h1 { margin: 0 }</style>"
    assert rendered(html(style + body), name="Ada").text == rendered(html(body), name="Ada").text


def test_media_queries_stay() -> None:
    source = html("<style>p{color:red} @media (max-width:9px){p{color:blue}}</style><p>x</p>")
    assert "@media (max-width:9px)" in rendered(source).html


def test_mjml_becomes_html_with_its_loops() -> None:
    source = mjml(
        "<mj-table>{% for row in rows %}<tr><td>{{ row }}</td></tr>{% endfor %}</mj-table>"
    )
    result = rendered(source, rows=["<1>", "2"]).html
    assert ">&lt;1&gt;</td>" in result
    assert "<mj-" not in result


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("Hi {{ name }}", "line 1: UndefinedError"),
        ("\n{{ name", "line 2: SyntaxError"),
        ("{{ null }}", "null"),
        ("{{ a|unknown }}", "UnknownFilter"),
        ("{{ a|safe }}", "UnknownFilter"),
        ("{{ debug() }}", "UnknownFunction"),
        ("{% include 'x' %}", "TemplateNotFound"),
    ],
)
def test_what_fails_is_told_with_its_place(body: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        rendered(html(body), null=None, a=1)
    assert refused.value.code == "template_error"
    assert refused.value.errors[0].field == "html"
    assert said in refused.value.errors[0].message


def test_what_was_not_given_is_named() -> None:
    with pytest.raises(InvalidInput) as refused:
        rendered(html("{% for i in range(2) %}{{ i }}{{ name }}{{ given }}{% endfor %}"), given=1)
    assert refused.value.errors[0].message == "line 1: UndefinedError: undefined value: name"


def test_a_compiled_template_is_rendered_with_the_values_of_each_time() -> None:
    compiled = ENGINE.compile(html("<p>{{ name }}</p>", subject="For {{ name }}"))
    names = ("Ada", "Grace & Co", "<Bob>", "", "Eve")
    found = [compiled.render({"name": name}) for name in names]
    assert [one.subject for one in found] == [f"For {name}" for name in names]
    assert [one.text for one in found] == list(names)


HOSTILE = {
    "nested loops": "{% for a in range(3000) %}{% for b in range(3000) %}x{% endfor %}{% endfor %}",
    "a long string": "{{ 'x' * 1000000000 }}",
    "a wide number": "{{ '%1000000000d'|format(1) }}",
    "a method of Python": "{{ '{:>1000000000}'.format(1) }}",
    "padding": "{{ 'a'|indent(1000000000) }}",
    "a batch": "{{ [1]|batch(1000000000, 1)|list }}",
    "a power": "{{ 10 ** 100000000 }}",
    "a large range": "{{ range(100000000)|list }}",
    "doubling": "{% set n = namespace(x='xxxxxxxx') %}{% for i in range(40) %}"
    "{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
    "recursion": "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
    "brackets": "{{ " + "[" * 30_000 + "]" * 30_000 + " }}",
    "a chain of joins": "{{ 1" + "~1" * 30_000 + " }}",
    "a chain of signs": "{{ " + "-" * 30_000 + "1 }}",
    "a chain of powers": "{{ 1" + "**1" * 30_000 + " }}",
    "a chain of words": "{{ " + "not " * 30_000 + "1 }}",
    "blocks within blocks": "{% if true %}" * 10_000 + "{% endif %}" * 10_000,
    "elements within elements": "<div>" * 10_000,
    "elements within elements, rendered": "{% for i in range(9000) %}<div>{% endfor %}",
    "elements with wrong ends": "{% for i in range(9000) %}<div></x>{% endfor %}",
    "many rules for many elements": "<style>" + "a b{color:red}" * 5000 + "</style>"
    "{% for i in range(4000) %}<a><b>x</b></a>{% endfor %}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_template_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        rendered(html(HOSTILE[name]))
    assert refused.value.code == "template_error"


def seconds_of(body: str, *, times: int = 1) -> float:
    """Processor time of a template that is saved and rendered so often."""
    started = time.process_time()
    with suppress(InvalidInput):
        ENGINE.check(html(body))
        compiled = ENGINE.compile(html(body))
        for _ in range(times):
            compiled.render({})
    return time.process_time() - started


@cache
def seconds_of_tables() -> float:
    """What ordinary templates may take."""
    table = "{% for i in range(10000) %}<td>{{ i }}</td>{% endfor %}"
    return min(seconds_of(table) for _ in range(3))


LARGE = {"brackets of tags": "<" * 250_000, "tags without an end": "<a " * 80_000}


@pytest.mark.parametrize("body", [*HOSTILE.values(), *LARGE.values()], ids=[*HOSTILE, *LARGE])
def test_a_hostile_template_takes_no_longer_than_some_tables(body: str) -> None:
    least = (seconds_of(body, times=2) for _ in range(3))
    assert any(seconds < 60 * seconds_of_tables() for seconds in least)


@pytest.mark.parametrize("body", ["<mj-wrapper>" * 10_000, "<mj-text>" + "<b>" * 10_000])
def test_hostile_mjml_is_refused(body: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        rendered(mjml(body))
    assert refused.value.errors[0].field == "mjml"


@pytest.mark.parametrize(
    "head",
    [
        '<link rel="stylesheet" href="file:///etc/hostname">',
        "<style>@import url('file:///etc/hostname');</style>",
        '<style>@import "http://127.0.0.1:9/x.css";</style>',
    ],
)
def test_nothing_is_loaded_from_elsewhere(head: str) -> None:
    assert "<p>x</p>" in rendered(html(f"<html><head>{head}</head><p>x</p></html>")).html


def test_a_template_prints_lists_and_numbers() -> None:
    values: dict[str, Value] = {"items": [1, 2.5, True, "a"], "pair": {"k": "v"}}
    source = html("{{ items|tojson }} {{ items[1] }} {{ pair.k }}")
    result = rendered(source, **values).text
    assert result == json.dumps(values["items"]) + " 2.5 v"


def test_mjml_loads_no_font_that_it_does_not_name() -> None:
    assert "://fonts." not in rendered(mjml("<mj-text>Hello</mj-text>")).html


def test_an_error_in_mjml_names_no_line_of_the_html_that_was_made_of_it() -> None:
    with pytest.raises(InvalidInput) as refused:
        rendered(mjml("<mj-text>{{ name }}</mj-text>"))

    assert refused.value.errors[0].message == "UndefinedError: undefined value: name"
