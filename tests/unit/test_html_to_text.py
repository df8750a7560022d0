"""The plain text of a message that came as HTML only: readable, and cheap however hostile."""

from time import thread_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.message.html_to_text import text_from_html
from tests.machine import is_within

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
        ("<table><tr><td>A</td><td>1</td></tr><tr><td>B</td></tr></table>", "A\t1\nB"),
    ],
)
def test_blocks_are_lines_and_white_space_collapses(html: str, text: str) -> None:
    assert text_from_html(html) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<ul><li>One</li><li>Two</li></ul>", "- One\n- Two"),
        ("<p>List:</p><ol><li>One<li>Two</ol>After", "List:\n\n1. One\n2. Two\n\nAfter"),
        ("<ul><li><p>One</p></li> <li> <b>Two</b> more</li></ul>", "- One\n\n- Two more"),
        ("<ul><li></li><li>Two</li></ul>", "- Two"),
    ],
)
def test_list_items_have_markers(html: str, text: str) -> None:
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
def test_scripts_styles_and_comments_are_left_out(html: str) -> None:
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
def test_entities_are_decoded_and_stray_marks_stay(html: str, text: str) -> None:
    assert text_from_html(html) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<pre>\n  a\n\n    b\n</pre>after", "  a\n\n    b\n\nafter"),
        ("<pre>a\tb\r\nc</pre>", "a\tb\nc"),
        ('<p style="white-space: pre">a\n  b</p>c  d', "a\n  b\n\nc d"),
        ('<div style="color:red; WHITE-SPACE:pre-wrap">a\nb</div>', "a\nb"),
        ('<div style="white-space:pre-line">a\nb</div>', "a\nb"),
        ('<div style="white-space:pre-wrap">a<div>b\nc</div>d\ne</div>f\ng', "a\nb\nc\nd\ne\nf g"),
        ('<p style="white-space:nowrap">a\nb</p>', "a b"),
        ("<pre>a<br>b<br><br><br>c</pre>", "a\nb\n\n\nc"),
        ("<pre><b>x</b>\n<i>y</i> z</pre>", "x\ny z"),
        ("<blockquote><pre>a\nb</pre></blockquote>", "> a\n> b"),
    ],
)
def test_preformatted_text_keeps_its_lines(html: str, text: str) -> None:
    assert text_from_html(html) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<ol><li>a<li>b</ol>", "1. a\n2. b"),
        ("<ol start=9><li>a<li>b</ol>", "9. a\n10. b"),
        ("<ol><li value=4>a<li>b</ol>", "4. a\n5. b"),
        ("<ol type=a start=26><li>x<li>y</ol>", "z. x\naa. y"),
        ("<ol type=I><li>x<li>y<li>z<li>w</ol>", "I. x\nII. y\nIII. z\nIV. w"),
        ("<ol type=i start=0><li>x</ol>", "0. x"),
        ("<ol type=A><li>x</ol>", "A. x"),
        ("<ol reversed start=3><li>a<li>b</ol>", "3. a\n2. b"),
        ("<ol start=x><li value=1e9>a</ol>", "1. a"),
        ("<ol start=-1><li>a<li>b</ol>", "-1. a\n0. b"),
        ("<li>alone", "- alone"),
    ],
)
def test_numbered_lists_are_numbered(html: str, text: str) -> None:
    assert text_from_html(html) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>", "- a\n  - b\n- c"),
        ("<ol><li>a<ul><li>b<li>c</ul><li>d</ol>e", "1. a\n   - b\n   - c\n2. d\n\ne"),
        ("<ul><li>a<br>b</li></ul>", "- a\n  b"),
        ("<ul><li><p>a</p><p>b</p></li></ul>", "- a\n\n  b"),
        ("<ul><li><blockquote>a</blockquote></li></ul>", "- > a"),
        ("<blockquote><ul><li>a<li>b</ul></blockquote>", "> - a\n> - b"),
    ],
)
def test_nested_blocks_of_a_list_are_indented(html: str, text: str) -> None:
    assert text_from_html(html) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ('<img src=a alt="Our logo">', "Our logo"),
        ('<a href="https://x.org"><img alt="Shop now"></a>', "Shop now (https://x.org)"),
        ('a<img alt="">b', "ab"),
        ("a <img alt='  '> b", "a b"),
        ("<img alt='Fish &amp; Chips'>", "Fish & Chips"),
        ("<img alt=x hidden>y", "xy"),
    ],
)
def test_an_image_is_its_alternative_text(html: str, text: str) -> None:
    assert text_from_html(html) == text


@pytest.mark.parametrize(
    "html",
    [
        "<p hidden>no</p>Seen",
        "<p hidden>no<p>Seen",
        "<div hidden>no <div>no</div> no</div>Seen",
        "<div><p hidden>no</div>Seen",
        '<span style="display:none">no</span>Seen',
        '<div style="color: red; DISPLAY : none !important">no<br>no</div>Seen',
        '<div style="visibility:hidden">no</div>Seen',
        '<div style="max-height:0;overflow:hidden">no</div>Seen',
        '<div style="max-height: 0px; overflow: hidden">no</div>Seen',
        '<table><tr><td style="display:none">no</td><td>Seen</td></tr></table>',
        '<table style="display:none"><tr><td>no</td></tr></table>Seen',
        "<ul><li hidden>no</ul>Seen",
        "<div hidden><style>no</style>no<img alt=no></div>Seen",
        "Seen<div>" + "&zwnj;&nbsp;" * 100 + "</div>",
        "Seen<div>" + "&#847;&zwnj;&nbsp;&#8199;&shy;" * 100 + "</div>",
        "Seen\u200b",
        "Se&shy;en",
        "\ufeffSeen",
        '<p data-hidden="1" style="font-size:0">Seen</p>',
        '<p class="hidden">Seen</p>',
    ],
)
def test_hidden_elements_and_padding_are_left_out(html: str) -> None:
    assert text_from_html(html) == "Seen"


@pytest.mark.parametrize(
    "text",
    [
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "a\u2003b",
    ],
)
def test_a_joiner_inside_of_a_word_stays(text: str) -> None:
    assert text_from_html(f"<p>{text}</p>") == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ('<a href="tel:+49 30 1234">Call</a>', "Call (+49301234)"),
        ('<a href="tel:+49301234">+49 30 (1234)</a>', "+49 30 (1234)"),
        ('<a href="/orders/7">Order</a>', "Order (/orders/7)"),
        ('<a href="page.html">Page</a>', "Page (page.html)"),
        ('<a href="//x.org/a">Go</a>', "Go (//x.org/a)"),
        ('<a href="sms:+4930">Text us</a>', "Text us (+4930)"),
        ('<a href="mailto:a@x.org?subject=Hi">a@x.org</a>', "a@x.org"),
        ('<a href="data:text/html,x">Go</a>', "Go"),
        ('<a href=" java\nscript:alert(1)">Go</a>', "Go"),
        ('<a href="cid:logo">Go</a>', "Go"),
        ('<div><a href="https://x.org">Go</a></div>Next', "Go (https://x.org)\nNext"),
        ('<a href="https://x.org"><div>Go</div></a>Next', "Go (https://x.org)\nNext"),
    ],
)
def test_every_link_that_can_be_followed_keeps_its_target(html: str, text: str) -> None:
    assert text_from_html(html) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<table><tr><th>A<th>B<th>C<tr><td>1<td><td>3</table>", "A\tB\tC\n1\t\t3"),
        ("<table><tr><td></td><td>Jan</td><td>Feb</td></tr></table>", "\tJan\tFeb"),
        ("<table><tr><td> &nbsp; </td><td>Go</td><td></td></tr></table>", "Go"),
        (
            "<table><tr><td><p>One</p><p>Two</p></td><td>Three</td></tr></table>",
            "One\n\nTwo\n\nThree",
        ),
        ("<table><tr><td><table><tr><td>a<td>b</table></td></tr></table>c", "a\tb\n\nc"),
        ("<table><tr><td>a</td></table></td>b", "a\n\nb"),
        ("<td>a</td><td>b</td>", "a b"),
        ("<table><td>a<td>b</table>", "a\tb"),
        (
            "<table><tr><td>" + "word " * 20 + "<td>" + "other " * 20 + "</table>",
            ("word " * 20).strip() + "\n" + ("other " * 20).strip(),
        ),
        ("<blockquote><table><tr><td>a<td>b<tr><td>c</table></blockquote>", "> a\tb\n> c"),
    ],
)
def test_cells_of_a_row_are_separated_and_empty_ones_stay(html: str, text: str) -> None:
    assert text_from_html(html) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<blockquote>a</blockquote>b", "> a\n\nb"),
        ("a<blockquote><p>b</p><p>c</p></blockquote>d", "a\n\n> b\n>\n> c\n\nd"),
        ("<blockquote>a<blockquote>b</blockquote>c</blockquote>", "> a\n>\n> > b\n>\n> c"),
        ("<blockquote>a<br>b", "> a\n> b"),
        ("</blockquote>a", "a"),
    ],
)
def test_a_quote_is_marked_on_each_line(html: str, text: str) -> None:
    assert text_from_html(html) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("99<sup>95</sup>", "99 95"),
        ("x<sup>2</sup>, y", "x 2, y"),
        ("<sup>1</sup>Terms apply", "1 Terms apply"),
        ("See <sup>1</sup> there", "See 1 there"),
    ],
)
def test_a_superscript_stands_apart_from_its_word(html: str, text: str) -> None:
    assert text_from_html(html) == text


SIZE = 25_000
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
    *("<table>", "<table><td>", "<tr>", "<td>", "</td>", "</table>", "<blockquote>", "<ul><li>"),
    *("</li>", "</ul>", "<div hidden>", "<p hidden>", "<pre>", "</pre>", "<img alt=x>", "<sup>"),
    *("<table><tr><td>x", "<blockquote>x<p>", "<ul><li>x", "<pre>\n", "\u200b", "\u200b x", "<ol>"),
    *(
        "<blockquote></li>",
        "<li></blockquote>",
        "<p style=display:none>",
        "<b style='a:b;'>",
        "a=b ",
    ),
    *('"', "'", "<a href=x>y<table>", "&zwnj;&nbsp;"),
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_html_takes_time_proportional_to_its_length(piece: str) -> None:
    start = thread_time()
    text_from_html("<p>" + piece * (SIZE // len(piece)))
    text_from_html("<a " + piece * (SIZE // len(piece)))
    assert is_within(thread_time() - start, 0.15)  # quadratic would be more


@reproducible
@given(st.lists(st.one_of(st.text(max_size=8), st.sampled_from(HOSTILE))).map("".join))
def test_any_text_is_taken_and_the_result_can_be_sent(html: str) -> None:
    text_from_html(html).encode()


@reproducible
@given(st.lists(st.text("abc.,é", min_size=1), min_size=1))
def test_text_without_markup_keeps_its_words(words: list[str]) -> None:
    assert text_from_html("<p>" + " \n".join(words) + "</p>") == " ".join(words)
