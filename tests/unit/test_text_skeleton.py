"""The text that is made once and filled in is the one that would be made each time."""

from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.message.html_to_text import text_from_html
from domain.message.text_skeleton import skeleton_of

PIECES = st.sampled_from(
    [
        "<p>Dear {{ a }}, hello</p>",
        "{{ a }}",
        "{{ b }} {{a}}",
        '<a href="https://example.org/{{ a }}?x={{ b }}">{{ b }}</a>',
        '<a href="https://{{ a }}">https://{{ a }}</a>',
        '<a href="mailto:{{ a }}">write</a>',
        "<table><tr><td>{{ a }}</td><td> {{ b }}</td></tr></table>",
        "<ul><li>{{ a }}<li>b</ul>",
        '<img src="https://example.org/{{ a }}" alt="the {{ b }}">',
        "<blockquote>{{ a }}<br>{{ b }}</blockquote>",
        "<pre>  {{ a }}\n {{ b }}</pre>",
        "<title>{{ a }}</title>",
        "<!-- words -->",
        "<h1> {{ a }} </h1>",
        "<div hidden>{{ a }}</div>",
        "<div style='display:none'>{{ a }}</div>",
        "<b>{{ a }}</b>{{ b }}<i>c</i>",
        "&amp; {{ a }}. ",
        "({{ a }})",
        "plain words\n",
        "<p></p>",
    ]
)
VALUES = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ["Ada", "A & B", "a<b", "https://example.org", "1", "Ünï 日本", "x y z", ">", "*"]
)


def rendered(html: str, a: str, b: str) -> str:
    for written in ("{{ a }}", "{{a}}"):
        html = html.replace(written, escape(a, quote=True))
    return html.replace("{{ b }}", escape(b, quote=True))


@given(pieces=st.lists(PIECES, max_size=6), a=VALUES, b=VALUES)
def test_what_is_filled_in_is_the_text_of_the_rendered_html(
    pieces: list[str], a: str, b: str
) -> None:
    html = "".join(pieces)
    skeleton = skeleton_of(html)
    assert skeleton is not None

    values = [{"a": a, "b": b}[one.strip("{} ")] for one in skeleton.expressions]
    filled = skeleton.filled(values)

    assert filled in (None, text_from_html(rendered(html, a, b)))


def test_words_are_filled_in() -> None:
    skeleton = skeleton_of('<p>Dear {{ a }}</p><a href="https://example.org/{{ b }}">{{ a }}</a>')
    assert skeleton is not None

    assert skeleton.filled(["Ada & Bob", "x"]) == (
        "Dear Ada & Bob\n\nAda & Bob (https://example.org/x)"
    )


@pytest.mark.parametrize("value", ["", " a", "a ", "a  b", "a\nb", "\u200bx", "(a)", "-"])
def test_what_is_no_plain_word_is_not_filled_in(value: str) -> None:
    skeleton = skeleton_of("<p>{{ a }}</p>")
    assert skeleton is not None

    assert skeleton.filled([value]) is None


@pytest.mark.parametrize(
    "html",
    [
        "{% if a %}b{% endif %}",
        "{{- a }}",
        "{{ a -}}",
        '<a href="{{ a }}">x</a>',
        "<a href=' {{ a }}'>x</a>",
        '<p style="display:{{ a }}">x</p>',
        '<ol start="{{ a }}"><li>x</ol>',
        "&{{ a }};",
        "<!-- {{ a }} -->",
        "x0mark {{ a }}",
        """<p title=">" style="display:{{ a }}">x</p>""",
        "<p title='<' style='display:{{ a }}'>x</p>",
    ],
)
def test_what_may_be_laid_out_by_its_values_has_no_skeleton(html: str) -> None:
    assert skeleton_of(html) is None
