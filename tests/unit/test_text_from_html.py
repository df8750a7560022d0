"""The plain text of a message that came as HTML only: readable, and cheap however hostile."""

from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.mime import text_from_html

reproducible = settings(derandomize=True, deadline=None, max_examples=80)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("Hello", "Hello"),
        ("  Hello \n\t you  ", "Hello you"),
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("<h1>Title</h1>\n<p>Text</p>", "Title\n\nText"),
        ("<div>One</div><div>Two</div>", "One\nTwo"),
        ("<div><div>One</div></div>\n<div>Two</div>", "One\nTwo"),
        ("One<br>Two<br/>Three<BR />Four", "One\nTwo\nThree\nFour"),
        ("One<br><br><br><br>Two", "One\n\nTwo"),
        ("<br><p>One</p><br>", "One"),
        ("<b>bo</b>ld <i>it</i>", "bold it"),
        ("<b>one </b> <i> two</i>", "one two"),
        ("one<b> two</b>", "one two"),
        ("<table><tr><td>A</td><td>1</td></tr><tr><td>B</td></tr></table>", "A 1\nB"),
    ],
)
def test_blocks_are_lines_and_white_space_collapses(html: str, text: str) -> None:
    assert text_from_html(html) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<ul><li>One</li><li>Two</li></ul>", "- One\n- Two"),
        ("<p>List:</p><ol><li>One<li>Two</ol>After", "List:\n\n- One\n- Two\n\nAfter"),
        ("<ul><li><p>One</p></li> <li> <b>Two</b> more</li></ul>", "- One\n\n- Two more"),
        ("<ul><li></li><li>Two</li></ul>", "- Two"),
    ],
)
def test_list_items_have_bullets(html: str, text: str) -> None:
    assert text_from_html(html) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ('<a href="https://x.org/a">Go</a>!', "Go (https://x.org/a)!"),
        ("<a class=b href='https://x.org'>Go</a> now", "Go (https://x.org) now"),
        ("<a HREF = https://x.org/?a=1&amp;b=2>Go </a>", "Go (https://x.org/?a=1&b=2)"),
        ('<a href="https://x.org">https://x.org/</a>', "https://x.org/"),
        ('<a href="mailto:a@x.org">a@x.org</a>', "a@x.org"),
        ('<a href="mailto:a@x.org">Write</a>', "Write (a@x.org)"),
        ('See <a href="https://x.org"><img src="i.png"></a>', "See (https://x.org)"),
        ('<a href="https://x.org">never closed', "never closed (https://x.org)"),
        (
            '<a href="https://x.org">A<a href="https://y.org">B</a>',
            "A (https://x.org)B (https://y.org)",
        ),
        ('<a href="javascript:alert(1)">Go</a>', "Go"),
        ('<a href="#top">Go</a>', "Go"),
        ('<a data-href="https://x.org" name=n>Go</a>', "Go"),
        ("<a href>Go</a></a>", "Go"),
    ],
)
def test_a_link_shows_where_it_leads_unless_its_text_does(html: str, text: str) -> None:
    assert text_from_html(html) == text


@pytest.mark.parametrize(
    "html",
    [
        "<script>if (a < b) alert('<p>no</p>')</script>Seen",
        "<STYLE type='text/css'>p > a { no: 1 }</STYLE >Seen",
        "<html><head><title>No</title><meta charset=utf-8></head><body>Seen</body></html>",
        "<!-- no <p>no</p> -->Seen",
        "<!-->Seen",
        "<!--[if mso]><p>no</p><![endif]-->Seen",
        "<![if !mso]>Seen<![endif]>",
        "<!DOCTYPE html><?xml no?>Seen",
        "<p title='>no'>Seen</p>",
        '<p title="a>no" data-x=">no">Seen',
        "Seen<p title='no</p> no",
        "Seen<!-- no",
        "Seen<script>no",
        "Seen<style>no</styles>no",
    ],
)
def test_what_a_reader_would_not_see_is_left_out(html: str) -> None:
    assert text_from_html(html) == "Seen"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("Fish &amp; Chips &lt;b&gt; &euro;5 &#8364;6 &#x20AC;7", "Fish & Chips <b> €5 €6 €7"),
        ("a&nbsp;&nbsp;b", "a b"),
        ("&#0;&#xD800;&unknown; &", "\ufffd\ufffd&unknown; &"),
        ("&#" + "1" * 5000 + ";", "\ufffd"),
        ("1 < 2 <3 a<>b </ gone>", "1 < 2 <3 a<>b"),
    ],
)
def test_entities_are_characters_and_stray_marks_stay(html: str, text: str) -> None:
    assert text_from_html(html) == text


SIZE = 300_000
HOSTILE = [
    *("<", "</", "<a", "<a ", "<a b='", '<a b="', "<!--", "<!", "<![", "<?", "<p", "<p =", "= "),
    *("<p>", "</p>", "<li>", "<div><b>", "<script>", "<script></script", "<style><title>", "<br>"),
    *(
        "<a href=https://x>",
        "<a href",
        "href ",
        " ",
        "&",
        "&#",
        "&#1",
        "&amp",
        "\xa0",
        ">",
        "-->",
        "--",
    ),
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_html_costs_no_more_than_its_length(piece: str) -> None:
    start = process_time()
    text_from_html("<p>" + piece * (SIZE // len(piece)))
    text_from_html("<a " + piece * (SIZE // len(piece)))
    assert process_time() - start < 3  # quadratic would be hours


@reproducible
@given(st.lists(st.one_of(st.text(max_size=8), st.sampled_from(HOSTILE))).map("".join))
def test_any_text_is_taken_and_the_result_can_be_sent(html: str) -> None:
    text_from_html(html).encode()


@reproducible
@given(st.lists(st.text("abc.,é", min_size=1), min_size=1))
def test_text_without_markup_keeps_its_words(words: list[str]) -> None:
    assert text_from_html("<p>" + " \n".join(words) + "</p>") == " ".join(words)
