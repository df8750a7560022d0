"""The checks of a finished message: each finds its fault, and a good message has none."""

import re
from pathlib import Path

import attrs
import pytest

from domain.lint import CHECKS, Examined, Level, lint
from domain.lint.outline import HtmlImage, HtmlLink, outline_of
from domain.message.template_warnings import GMAIL_CLIPS_AT

HEADERS = (
    ("From", "Ada <ada@example.com>"),
    ("To", "bob@example.org"),
    ("Subject", "Your order 4711"),
    ("Date", "Mon, 05 Jan 2026 09:00:00 +0000"),
    ("Message-ID", "<1@example.com>"),
    ("MIME-Version", "1.0"),
    ("Content-Type", "text/html"),
)
HTML = "<p>Thank you for your order. It leaves our house tomorrow.</p>"


def examined(html: str | None = HTML, **changes: object) -> Examined:
    """A message that is as it should be, but for *changes*; a header of None is left out."""
    headers = dict(HEADERS) | {
        name.replace("_", "-"): value for name, value in changes.items() if name[0].isupper()
    }
    outline = None if html is None else outline_of(html)
    good = Examined(
        octets=b"Subject: x\r\n\r\nHi\r\n",
        headers=tuple((name, str(value)) for name, value in headers.items() if value is not None),
        text="Thank you for your order. It leaves our house tomorrow.",
        outline=outline,
        html_size=None if html is None else len(html),
        recipients=("bob@example.org",),
    )
    fields = {name: value for name, value in changes.items() if name[0].islower()}
    return attrs.evolve(good, **fields)  # type: ignore[arg-type]


def codes(one: Examined) -> list[str]:
    return [finding.check.code for finding in lint(one)]


def test_a_message_as_it_should_be_has_no_finding() -> None:
    assert codes(examined()) == []


FAULTS = {
    "no_from": examined(From=None),
    "no_date": examined(Date=None),
    "no_message_id": examined(Message_ID=" "),
    "no_subject": examined(Subject=""),
    "no_recipient": examined(To=None),
    "header_twice": examined(headers=(*HEADERS, ("subject", "Another"))),
    "capitals": examined(Subject="LAST CHANCE FOR YOU"),
    "raw_characters": examined(octets="Subject: Grüße\r\n\r\nHi\r\n".encode()),
    "no_mime_version": examined(MIME_Version=None),
    "long_line": examined(octets=b"Subject: x\r\n\r\n" + b"x" * 999 + b"\r\n"),
    "bare_line_end": examined(octets=b"Subject: x\r\n\r\nHi\nthere\r\n"),
    "no_list_unsubscribe": examined(List_Id="news <news.example.com>"),
    "no_one_click": examined(List_Unsubscribe="<mailto:leave@example.com>"),
    "empty": examined(html=None, text=" \r\n"),
    "no_text": examined(text=None),
    "text_differs": examined(f"<p>{'word ' * 200}</p>", text="Use HTML."),
    "images_only": examined('<img src="cid:1" alt="Buy">'),
    "no_alt": examined(f'<p>{"word " * 50}</p><img src="cid:1">'),
    "clipped": examined(html_size=GMAIL_CLIPS_AT + 1),
    "removed": examined(f"{HTML}<form><input></form>"),
    "other_host": examined('<a href="https://evil.example/x">https://bank.example/login</a>'),
    "address_link": examined('<a href="http://93.184.216.34/">here</a>'),
    "local_link": examined('<a href="http://localhost:8000/reset">here</a>'),
    "short_link": examined('<a href="https://bit.ly/3x">here</a>'),
    "relative_link": examined('<a href="/reset?token=1">here</a>'),
    "denied_file": examined(files=("setup.EXE",)),
    "too_large": examined(octets=b"x" * (25 * 1024**2 + 1), html=None),
}


@pytest.mark.parametrize("code", [check.code for check in CHECKS])
def test_each_check_finds_its_fault(code: str) -> None:
    assert code in codes(FAULTS[code])


def test_only_what_is_wrong_is_found() -> None:
    alone = set(FAULTS) - {"empty", "too_large", "images_only"}
    assert {code: codes(FAULTS[code]) for code in alone} == {code: [code] for code in alone}


def test_what_matters_most_comes_first() -> None:
    found = lint(examined('<img src="cid:1">', Date=None, Subject=None))
    assert [finding.check.level for finding in found] == sorted(
        (finding.check.level for finding in found), key=list(Level).index
    )
    assert found[0].check.level is Level.PROBLEM


@pytest.mark.parametrize(
    "html",
    [
        '<a href="https://www.bank.example/login">bank.example</a>',
        '<a href="https://click.bank.example/x">https://bank.example/</a>',
        '<a href="https://bank.example/x">Log in</a>',
        '<a href="https://bank.example/x">version 2.10</a>',
        '<a href="mailto:ada@bank.example">ada@bank.example</a>',
        '<a href="https://bank.example">write to ada@other.example</a>',
        '<a name="top">other.example</a>',
    ],
)
def test_a_link_that_leads_where_it_says_is_no_finding(html: str) -> None:
    assert codes(examined(HTML + html)) == []


@pytest.mark.parametrize(
    "href", ["mailto:a@b.example", "tel:+431", "#top", "https://a.example", "webcal://a.example"]
)
def test_an_address_that_works_in_a_mail_is_no_finding(href: str) -> None:
    assert codes(examined(f'{HTML}<a href="{href}">here</a>')) == []


@pytest.mark.parametrize("host", ["10.0.0.1", "192.168.1.5:8080", "[::1]", "shop.test", "a.local"])
def test_an_address_within_a_network_is_named_once(host: str) -> None:
    assert codes(examined(f'{HTML}<a href="http://{host}/">here</a>')) == ["local_link"]


@pytest.mark.parametrize(
    "changes",
    [
        {"Precedence": "bulk"},
        {"html": f'{HTML}<a href="https://a.example/unsubscribe">leave</a>'},
        {"html": f'{HTML}<a href="https://a.example/x">Newsletter abbestellen</a>'},
        {"text": f"{HTML} To unsubscribe: https://a.example/u"},
    ],
)
def test_a_newsletter_is_known_by_its_headers_or_its_way_out(changes: dict[str, str]) -> None:
    assert codes(examined(**changes)) == ["no_list_unsubscribe"]
    both = {
        "List_Unsubscribe": "<https://a.example/u/1>, <mailto:leave@a.example>",
        "List_Unsubscribe_Post": "List-Unsubscribe=One-Click",
    }
    assert codes(examined(**changes, **both)) == []


def test_raw_characters_are_right_where_a_recipient_needs_them() -> None:
    octets = "To: jürgen@example.com\r\n\r\nHi\r\n".encode()
    assert codes(examined(octets=octets, recipients=("jürgen@example.com",))) == []


def test_each_check_says_what_to_do_in_one_sentence_and_who_says_so() -> None:
    for check in CHECKS:
        assert re.fullmatch(r"[A-Z][^.]*(?:\.\d[^.]*)*\.", check.advice), check.code
        assert check.source
        assert check.url.startswith("https://")


def test_the_rules_of_spamassassin_that_are_named_exist() -> None:
    folder = Path("/usr/share/spamassassin")
    if not folder.is_dir():
        from tests.missing import missing

        missing("spamassassin is not installed: apt-get install spamassassin")
    known = set(
        re.findall(
            r"^\s*describe\s+(\w+)",
            "\n".join(one.read_text("latin-1") for one in folder.glob("*.cf")),
            re.MULTILINE,
        )
    )
    named = {
        name for check in CHECKS for name in re.findall(r"SpamAssassin ([A-Z_0-9]+)", check.source)
    }
    assert named
    assert named <= known


# -- the outline of the HTML -----------------------------------------------------------------------


def test_the_outline_names_links_with_what_a_reader_sees_of_them() -> None:
    outline = outline_of(
        '<p>Hi &amp; <a href=" https://a.example/?x=1&amp;y=2 "><b>Read</b><br>more</a>'
        '<a href="https://b.example"><img src="cid:1" alt="Logo"></a><a href=c>open'
    )
    assert outline.links == (
        HtmlLink(href="https://a.example/?x=1&y=2", text="Read more"),
        HtmlLink(href="https://b.example", text="Logo", image=True),
        HtmlLink(href="c", text="open"),
    )
    assert outline.images == (HtmlImage(src="cid:1", alt="Logo"),)


def test_the_outline_counts_visible_letters_alone() -> None:
    outline = outline_of(
        "<title>No</title><style>p { color: red }</style><!-- no --><p>Y e s</p>"
        "<script>no()</script>"
    )
    assert outline.letters == 3
    assert outline.elements == {"title", "style", "p", "script"}


def test_the_outline_names_what_a_reader_would_load() -> None:
    outline = outline_of(
        '<link href="//a.example/x.css">'
        '<img src=https://b.example/1.png srcset="https://c.example 2x">'
        '<table background="http://d.example"><td style="background:url(\'https://e.example/f\')">'
        '<style>@import "https://g.example"; p { background: url(//h.example) }</style>'
        '<img src="cid:1"><img src="data:image/png;base64,AA"><a href="https://link.example">x</a>'
    )
    assert set(outline.remote) == {
        *("//a.example/x.css", "https://b.example/1.png", "https://c.example", "http://d.example"),
        *("https://e.example/f", "https://g.example", "//h.example"),
    }


@pytest.mark.parametrize(
    "html",
    ["<a href=x>" * 10_000, "<" * 100_000, "<a " * 30_000, "<img srcset='" + "a," * 50_000],
)
def test_the_outline_of_hostile_html_is_bounded(html: str) -> None:
    outline = outline_of(html)
    assert len(outline.links) <= 500
    assert outline.size < 4_000_000
