"""What a template may look like before an engine sees it."""

import pytest

from domain.errors import InvalidInput
from domain.message.template_source import (
    MAX_DEPTH,
    MAX_TAG,
    Part,
    Piece,
    check_source,
    depth,
    parts,
)


@pytest.mark.parametrize(
    "source",
    [
        "<p>{{ name }}</p>",
        "<a href='{{ url }}' title=\"{{ name }}\">{{ name }}</a>",
        "<a {% if wide %}class='wide'{% endif %} href='{{ url }}'>x</a>",
        "<!--[if mso]><td width='{{ width }}'>{{ name }}</td><![endif]-->",
        "<script src='https://example.org/x.js'></script>{{ name }}",
        "<style>p{color:red}</style>{{ name }}",
        "<img src=x.png alt=>{{ name }}",
        "{% raw %}<a href={{ url }}>{% endraw %}",
        "{# <a href={{ url }}> #}",
        "a < b {{ name }}",
        "{{ '}}' }}<p>{{ name }}</p>",
        "{{ {1: {2: 3}}}}<p>{{ name }}</p>",
    ],
)
def test_placeholders_stand_where_they_are_escaped(source: str) -> None:
    check_source(source, field="html", html=True)


@pytest.mark.parametrize(
    "source",
    [
        "<a href={{ url }}>",
        "<a href=x{{ url }}>",
        "<a {{ attributes }}>",
        "<{{ element }}>",
        "</{{ element }}>",
        "</p {{ name }}>",
        "<p\n{{ name }}>",
        "<script>var name = '{{ name }}'</script>",
        "<SCRIPT>{{ name }}</SCRIPT>",
        "<style>p { color: {{ colour }} }</style>",
        "<script>a</scrip>{{ name }}",
        "<a onclick=\"open('{{ url }}')\">",
        "<a OnClick='{{ url }}'>",
        "{{ {1: {2: 3}}}}<a href={{ url }}>",
        "{% raw %}<a href={% endraw %}{{ url }}",
        "{% autoescape false %}{{ name }}{% endautoescape %}",
        "{%- autoescape false %}{{ name }}{% endautoescape %}",
    ],
)
def test_placeholders_that_escaping_does_not_protect_are_refused(source: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_source(source, field="html", html=True)
    assert refused.value.code == "template_error"
    assert refused.value.errors[0].field == "html"


def test_a_refusal_names_the_line() -> None:
    with pytest.raises(InvalidInput, match="line 3"):
        check_source("<p>\n\n<a href={{ url }}>", field="html", html=True)


@pytest.mark.parametrize(
    "source",
    [
        "{{ 1" + "~1" * MAX_TAG + " }}",
        "{{ '}}'" + "~1" * MAX_TAG + " }}",
        '{{ "\\"}}"' + "~1" * MAX_TAG + " }}",
        "{{ {1: {2: 3}}" + "~1" * MAX_TAG + " }}",
        "{% if " + "not " * MAX_TAG + "true %}x{% endif %}",
        "{# {{ #}{{ " + "-" * (2 * MAX_TAG) + "1 }}",
        "{% raw %}{{ {% endraw %}{{ " + "-" * (2 * MAX_TAG) + "1 }}",
        "{{ 1" + "~1" * MAX_TAG,
    ],
)
def test_a_tag_is_of_bounded_length_wherever_it_may_seem_to_end(source: str) -> None:
    with pytest.raises(InvalidInput, match="a tag of more than"):
        check_source(source, field="subject", html=False)


def test_the_parts_of_a_source_come_in_their_order() -> None:
    assert list(parts("a{{ b }}{% c %}{# d #}e")) == [
        Part(Piece.TEXT, "a", 0),
        Part(Piece.EXPRESSION, "{{ b }}", 1),
        Part(Piece.STATEMENT, "{% c %}", 8),
        Part(Piece.TEXT, "e", 22),
    ]


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("", 0),
        ("<p>a<p>b", 0),
        ("<div><b>x</b></div><div></div>", 2),
        ("<div>" * 300, 300),
        ("<div></x>" * 300, 300),
        ("<b><i></b></i>" * 50, 51),
        ("<table><tr><td>a<tr><td>b</table>" * 500, 1),
        ("<mj-image src='x'/>" * 500, 0),
        ("<br>" * 500, 0),
    ],
)
def test_the_depth_of_a_tree_is_never_told_too_low(markup: str, expected: int) -> None:
    assert depth(markup) == min(expected, MAX_DEPTH + 1)
