"""Authors are told what a mail reader would not show as they mean it, and no more."""

import pytest

from domain.message.template import Rendered, SourceKind, TemplateSource
from domain.message.template_warnings import GMAIL_CLIPS_AT, MOST_WARNINGS, size_of, warnings


def found(html: str, *, mjml: str | None = None) -> tuple[str, ...]:
    source = TemplateSource(
        subject="s", kind=SourceKind.HTML if mjml is None else SourceKind.MJML, body=mjml or html
    )
    return warnings(source, Rendered(subject="s", html=html, text=""))


@pytest.mark.parametrize(
    "html",
    [
        '<img src="a" alt="A house">',
        "<img alt src=a>",
        "<IMG ALT='' SRC='a'/>",
        '<a href="https://example.org/?a=1&amp;b=2">x</a>',
        '<a href="mailto:ada@example.org">x</a> <a href="tel:+431234">x</a> <a href="#top">x</a>',
        '<a name="top">x</a> <abbr href="http://x">x</abbr>',
    ],
)
def test_what_is_right_gives_no_warning(html: str) -> None:
    assert found(html) == ()


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ('<img src="logo.png">', "the image logo.png has no alt text"),
        ('<img title="alt" src="a">', "the image a has no alt text"),
        ("<img data-alt=x src=a>", "the image a has no alt text"),
        (
            '<a class="b" href="http://example.org">x</a>',
            "the link http://example.org is not https",
        ),
        ("<a href='javascript:alert(1)'>x</a>", "the link javascript:alert(1) is not https"),
        ("<a href=/welcome>x</a>", "the link /welcome is relative: in a mail it leads nowhere"),
        ('<a href="https://[::1">x</a>', "the link https://[::1 is no URL"),
    ],
)
def test_what_a_reader_does_not_show_gives_one(html: str, said: str) -> None:
    assert found(html) == (said,)


def test_unknown_elements_of_mjml_are_named_once() -> None:
    mjml = "<mjml><mj-body><mj-tekst>a</mj-tekst><mj-tekst>b</mj-tekst><mj-raw/></mj-body></mjml>"
    assert found("<p>x</p>", mjml=mjml) == (
        "<mj-tekst> is no element of MJML: it and its content are left out",
    )


def test_elements_of_mjml_in_html_are_nobodys_business() -> None:
    assert found("<mj-tekst>a</mj-tekst>") == ()


def test_html_that_gmail_clips_gives_a_warning_by_its_octets() -> None:
    assert found("x" * GMAIL_CLIPS_AT) == ()
    assert found("ü" * (GMAIL_CLIPS_AT // 2)) == ()
    assert len(found("ü" * (GMAIL_CLIPS_AT // 2) + "x")) == 1
    assert size_of("ü") == 2


def test_warnings_end_somewhere() -> None:
    many = "".join(f'<img src="{n}">' for n in range(2 * MOST_WARNINGS))
    assert len(found(many)) == MOST_WARNINGS
