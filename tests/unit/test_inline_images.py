"""The images that HTML shows are parts of its email, and none is left over."""

from base64 import b64encode
from time import thread_time

import pytest

from domain.errors import InvalidInput
from domain.message.attachment import Attachment
from domain.message.inline import check_attachments, extracted, may_have_inline, shown_ids
from tests.machine import is_within

PNG = b"\x89PNG\r\n\x1a\n"
URI = "data:image/png;base64," + b64encode(PNG).decode()


def an_image(content_id: str | None = "logo", **changes: str) -> Attachment:
    fields = {"filename": "logo.png", "content_type": "image/png", **changes}
    return Attachment(**fields, octets=PNG, content_id=content_id)


@pytest.mark.parametrize(
    "html",
    [
        '<img src="cid:logo">',
        "<img src='cid:logo'>",
        "<img src=cid:logo>",
        '<IMG SRC = "CID:logo">',
        '<img Src="Cid:logo">',
        '<video poster="cid:logo">',
        'src="cid:logo"',
        '<td background="cid:logo">',
        "<div style=\"background: url('cid:logo')\">",
        "<div style='background: url(cid:logo)'>",
        '<a href="cid:logo">logo</a>',
        '<img src="cid:lo%67o">',
        '<img src="cid:l&#111;go">',
    ],
)
def test_an_image_that_is_shown_is_found(html: str) -> None:
    assert list(shown_ids(html)) == ["logo"]
    check_attachments([an_image()], html=html)


@pytest.mark.parametrize(
    "html",
    [
        "<p>the cid:logo of it</p>",
        '<img data-src="cid:logo">',
        '<img xsrc="cid:logo">',
        '<img -src="cid:logo">',
        "curl cid:logo",
        "",
    ],
)
def test_what_shows_no_image_names_none(html: str) -> None:
    assert list(shown_ids(html)) == []


@pytest.mark.parametrize(
    ("html", "attachments", "code", "fields"),
    [
        ('<img src="cid:x">', [], "cid_unknown", ["html"]),
        ('<img src="cid:x"><img src="cid:y">', [], "cid_unknown", ["html", "html"]),
        ('<img src="cid:Logo">', [an_image()], "cid_unknown", ["html"]),
        ("<p>", [an_image()], "cid_unused", ["attachments/0/content_id"]),
        (None, [an_image(None), an_image()], "cid_unused", ["attachments/1/content_id"]),
        (
            '<img src="cid:logo">',
            [an_image(), an_image()],
            "cid_unused",
            ["attachments/1/content_id"],
        ),
        ("<p>", [an_image(None)] * 21, "invalid_input", ["attachments"]),
        (
            "<p>",
            [an_image(None), an_image(None, filename="a.exe"), an_image(None, content_type="x")],
            "invalid_input",
            ["attachments/1/filename", "attachments/2/content_type"],
        ),
    ],
)
def test_parts_that_do_not_fit_the_html_are_refused(
    html: str | None, attachments: list[Attachment], code: str, fields: list[str]
) -> None:
    with pytest.raises(InvalidInput) as error:
        check_attachments(attachments, html=html)
    assert error.value.code == code
    assert [one.field for one in error.value.errors] == fields


def test_an_owner_may_allow_every_file() -> None:
    check_attachments([an_image(None, filename="a.exe")], html=None, denied=())


def test_an_image_in_the_html_becomes_a_part_that_it_shows() -> None:
    taken = extracted(f'<img alt="a" src="{URI}"><p>b</p>', token="t0ken")
    assert taken.html == '<img alt="a" src="cid:image1.t0ken"><p>b</p>'
    assert taken.images == (an_image("image1.t0ken", filename="image1.png"),)
    check_attachments(taken.images, html=taken.html)


def test_an_image_that_is_shown_twice_is_one_part() -> None:
    taken = extracted(f"<img src='{URI}'><img src='{URI}'>", token="t")
    assert len(taken.images) == 1
    assert list(shown_ids(taken.html)) == ["image1.t", "image1.t"]


def test_blanks_within_the_base64_of_an_image_do_not_count() -> None:
    taken = extracted(f'<img src="{URI[:30]}\r\n {URI[30:]}">', token="t")
    assert taken.images[0].octets == PNG


@pytest.mark.parametrize(
    "html",
    [
        '<img src="data:image/png;base64,AAAA=A">',
        '<img src="data:image/svg+xml;base64,AAAA">',
        f'<img data-src="{URI}">',
        f"<p>{URI}</p>",
    ],
)
def test_what_is_no_image_of_a_known_kind_stays(html: str) -> None:
    assert extracted(html, token="t").html == html


def test_more_images_than_an_email_may_have_stay_where_they_are() -> None:
    uris = [f"data:image/gif;base64,{b64encode(bytes([n])).decode()}" for n in range(4)]
    taken = extracted("".join(f'<img src="{uri}">' for uri in uris), token="t", most=2)
    assert len(taken.images) == 2
    assert [uri in taken.html for uri in uris] == [False, False, True, True]


@pytest.mark.parametrize(
    "piece",
    [
        '<img src="data:image/png;base64,AAAA',
        '<img src="cid:a',
        "url(cid:",
        "src=" + " " * 50,
        "src   ",
        "cid:",
        "data:image/",
    ],
)
def test_hostile_html_takes_time_proportional_to_its_length(piece: str) -> None:
    html = "cid:data:image/" + piece * (250_000 // len(piece))
    began = thread_time()
    assert may_have_inline(html)
    list(shown_ids(html))
    extracted(html, token="t")
    assert is_within(thread_time() - began, 0.5)
