"""What the sandbox reads out of a message, whatever it is: never an error, never for long."""

import codecs
import encodings
import pkgutil
import random
from html.parser import HTMLParser
from time import thread_time

import pytest
from flask import Flask

from adapters.fakes.clock import FakeClock
from adapters.message_reader import BoundedMessageReader
from adapters.message_reader.charsets import CHARSETS, text_of
from adapters.message_reader.letter import MOST_CONTAINERS, MOST_OCTETS, read_letter
from adapters.message_reader.shown_html import MOST_CHARACTERS, shown_html
from adapters.sandbox_inbox import MOST_BYTES, SandboxInbox
from entrypoints.http.sandbox import Sandbox
from entrypoints.http.sandbox.policies import FRAME_HEAD
from tests.machine import is_within

CODECS = sorted(
    {module.name for module in pkgutil.iter_modules(encodings.__path__)}
    | {"rot13", "base64", "hex", "zip", "quopri", "uu", "unicode-escape", "x-unknown", "klingon"}
    | {"", " ", "utf-8 ", "utf-8\x00", "../utf_8", "utf.8", "a" * 5000, "utf-8;x", "8bit", "none"}
)
WORST_S = 20.0  # what is quadratic would take minutes; on a machine with nothing else to do: 3
SHOWN = ("", "/1", "/1/html", "/1/checks", "/1/raw", "/1.json")


def letter(octets, *recipients):
    return read_letter(octets, recipients or ("bob@example.com",))


def statuses(octets):
    """What the pages answer for a message that has arrived."""
    inbox = SandboxInbox(clock=FakeClock(), reader=BoundedMessageReader())
    inbox.keep("a@example.com", ["b@example.com"], octets)
    app = Flask("sandbox-test")
    app.register_blueprint(Sandbox(inbox).routes())
    client = app.test_client()
    return {client.get(f"/sandbox{path}").status_code for path in SHOWN}


# -- charsets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("charset", CODECS, ids=lambda name: repr(name[:20]))
@pytest.mark.parametrize("kind", ["html", "plain"])
def test_no_charset_is_an_error_anywhere(charset, kind):
    name = charset.encode()
    octets = (
        b"Subject: =?%b?b?R3LDvMOfZQ==?= =?%b?q?=C3=A4?=\r\nTo: =?%b?q?x=ff?= <b@example.com>\r\n"
        b"Content-Type: text/%b; charset=%b\r\n\r\n"
        b"<p>Gr\xc3\xbc\xc3\x9fe +AGE- \\x41 \\q xn--a</p>\xff"
    ) % (name, name, name, kind.encode(), b'"' + name + b'"')
    assert statuses(octets) == {200}


def test_every_codec_of_a_charset_is_known_and_every_other_one_refused():
    assert {codecs.lookup(name).name for name in CHARSETS} == CHARSETS
    refused = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "rot13"}
    refused |= {"base64", "hex", "zip", "bz2", "quopri", "uu", "klingon", "mbcs", "charmap"}
    for name in refused:
        assert text_of(b"\\x41 VQ== xn--a", name) == "\\x41 VQ== xn--a"


@pytest.mark.parametrize(
    ("charset", "octets"),
    [
        ("ISO-8859-1", b"Gr\xfc\xdfe"),
        ("Windows-1252", b"Gr\xfc\xdfe"),
        ("UTF-8", b"Gr\xc3\xbc\xc3\x9fe"),
        ("utf-7", b"Gr+APwA3w-e"),
        ("utf-16", "Grüße".encode("utf-16")),
        (None, b"Gr\xc3\xbc\xc3\x9fe"),
        ("punycode", b"Gr\xc3\xbc\xc3\x9fe"),
    ],
)
def test_a_text_is_read_in_the_charset_that_it_claims(charset, octets):
    assert text_of(octets, charset) == "Grüße"


def test_a_subject_is_read_in_the_charset_that_it_claims():
    read = letter(b"Subject: =?iso-8859-1?q?Gr=FC=DFe?= an =?utf-8?b?w6RsbGU=?=\r\n\r\nx")
    assert read.subject == "Grüße an älle"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"=?utf-8?q?broken", "=?utf-8?q?broken"),
        (b"=?utf-8?b?!?=", None),
        (b"=?utf-8?b?A?=", None),
        (b"=?utf-8?x?YQ==?=", "=?utf-8?x?YQ==?="),
        (b"=???=", "=???="),
        (b"=?utf-8?q??=", ""),
        (b"=?utf-8*en?q?a?=", None),
        (b"=?utf-8?q?=ff=fe?=", "\ufffd\ufffd"),
        (b"=?utf-8?q?=0D=0ABcc:_x?=", "\r\nBcc: x"),
        (b"=?utf-7?q?+AGE-?=", "a"),
        (b"Gr\xc3\xbc\xc3\x9fe", "Grüße"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"a\r\n b", "a b"),
    ],
)
def test_a_malformed_subject_is_shown_as_well_as_can_be(value, shown):
    octets = b"Subject: " + value + b"\r\n\r\nx"
    assert statuses(octets) == {200}
    if shown is not None:
        assert letter(octets).subject == shown


# -- transfer encodings, boundaries, depth ---------------------------------------------------------


@pytest.mark.parametrize(
    "encoding",
    [
        *("base64", "quoted-printable", "7bit", "8bit", "binary", "x-uuencode", "uuencode", "uue"),
        *("x-uue", "gzip", "rot13", "klingon", "", "base64 base64", "\xff", "=?utf-8?q?base64?="),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"!", b"A", b"AA=A", b"=", b"=4", b"=ZZ", b"begin 644 ../x\n!\n", b"begin 644 x\nM"),
        *(b"\xff\xfe\x00", b"begin\n", b"PHA+SGk8L3A+", b"end\n" * 50),
    ],
)
def test_no_transfer_encoding_is_an_error(encoding, body):
    octets = (
        b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: %b\r\n\r\n%b"
        % (
            encoding.encode("latin-1"),
            body,
        )
    )
    assert statuses(octets) == {200}


@pytest.mark.parametrize(
    "content_type",
    [
        *("multipart/mixed", 'multipart/mixed; boundary=""', "multipart/mixed; boundary=\xff"),
        *("multipart/alternative; boundary=b", "multipart/digest; boundary=b", "multipart/"),
        *(
            "message/rfc822",
            "message/partial",
            "message/external-body; x",
            "message/delivery-status",
        ),
        *("text/html; charset*0=ut; charset*1=f-8", "text/html; charset*=undefined''x", "text"),
        *(
            "text/html; charset*=idna'en'%ff",
            "text/html; charset*0*=punycode''%ff",
            "/",
            ";",
            "\xff",
        ),
        *("text/html; charset=utf-8; charset=idna", 'text/html; charset="', "text/html;;;=;=="),
    ],
)
def test_no_content_type_is_an_error(content_type):
    head = b"Content-Type: " + content_type.encode("latin-1") + b"\r\n"
    for body in (b"x", b"--b", b"--b\r\n\r\nx", b"--b--", b"--\r\n\r\nx", b"\r\n", head + b"\r\nx"):
        assert statuses(head + b"\r\n" + body) == {200}


def test_what_stands_where_parts_should_be_is_shown():
    read = letter(b"Content-Type: multipart/mixed\r\n\r\nno boundary")
    assert read.text == "no boundary"


def nested(depth):
    return b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level)
        for level in range(depth)
    )


def test_a_text_in_as_many_parts_as_anybody_uses_is_found():
    read = letter(nested(6) + b"Content-Type: text/html\r\n\r\n<p>Deep</p>")
    assert read.html.strip() == "<p>Deep</p>"


@pytest.mark.parametrize("depth", [MOST_CONTAINERS + 1, 500, 3000])
def test_a_message_that_is_deeper_is_shown_as_it_came(depth):
    octets = nested(depth) + b"Subject: x\r\n\r\nx"
    assert statuses(octets) == {200}
    read = letter(octets)
    assert read.text.startswith("Content-Type: multipart/mixed")
    assert read.bcc == ("bob@example.com",)


M = MOST_OCTETS
LONG = {
    "newlines": nested(MOST_CONTAINERS) + b"\n" * M,
    "boundaries": nested(MOST_CONTAINERS) + b"--\n" * (M // 3),
    "parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * (M // 9),
    "messages": b"Content-Type: message/rfc822\r\n\r\n" * 3000,
    "headers": b"A: b\r\n" * (M // 6),
    "folds": b"A: b\r\n" + b" c\r\n" * (M // 4),
    "subject": b"Subject: " + b"=?a?q?" * (M // 6) + b"\r\n\r\nx",
    "comments": b"To: " + b"(" * M + b"\r\n\r\nx",
    "quotes": b"To: " + b'"\\' * (M // 2) + b"\r\n\r\nx",
    "recipients": b"To: " + b"a@b," * (M // 4) + b"\r\n\r\nx",
    "parameters": b"Content-Type: multipart/mixed; a=" + b';"' * (M // 2) + b"\r\n\r\nx",
    "continuations": b"Content-Type: text/html" + b"; a*0=x" * (M // 7) + b"\r\n\r\nx",
    "tags": b"Content-Type: text/html\r\n\r\n" + b"<div>" * (M // 5),
    "unclosed": b"Content-Type: text/html\r\n\r\n" + b'<a b="' * (M // 6),
    "open comments": b"Content-Type: text/html\r\n\r\n" + b"<!--" * (M // 4),
    "formats": b"Content-Type: text/html\r\n\r\n" + b"<p><b><i>" * (M // 9),
    "attributes": b"Content-Type: text/html\r\n\r\n<b "
    + b" ".join(b"a%d" % number for number in range(M // 8)),
    "ampersands": b"Content-Type: text/html\r\n\r\n" + b"&" * M,
    "zeros": bytes(16 * M),
}


@pytest.mark.parametrize("name", LONG)
def test_nothing_long_takes_long(name):
    began = thread_time()
    letter(LONG[name])
    assert is_within(thread_time() - began, WORST_S)


def test_random_damage_is_no_error():
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    whole = (
        b'From: =?utf-8?b?w6Q=?= <a@example.com>\r\nTo: b@example.com, (x) "y" <c@example.com>\r\n'
        b'Subject: =?iso-8859-1?q?=E4?=\r\nContent-Type: multipart/alternative; boundary="b"\r\n'
        b"\r\n--b\r\nContent-Type: text/plain; charset*=utf-8''utf-8\r\n\r\nHi\r\n--b\r\n"
        b"Content-Type: text/html; charset=windows-1252\r\nContent-Transfer-Encoding: base64\r\n"
        b"\r\nPHA+SGk8L3A+\r\n--b--\r\n"
    )
    pieces = (b"=?", b"?=", b"\r\n", b"--b", b'"', b"(", b";", b"\xff", b"\0", b"*0*=", b"<", b"=")
    for _ in range(2000):
        octets = bytearray(whole)
        for _ in range(chance.randrange(1, 8)):
            at = chance.randrange(len(octets))
            octets[at : at + chance.randrange(4)] = chance.choice(pieces)
        read = letter(bytes(octets))
        for text in (read.subject, read.text or "", read.html or "", *map(str, read.headers)):
            text.encode()


# -- read once, kept within bounds -----------------------------------------------------------------


def test_what_is_read_of_a_message_counts_for_what_is_kept():
    inbox = SandboxInbox(clock=FakeClock(), reader=BoundedMessageReader())
    octets = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + "😀".encode() * 400_000
    for _ in range(60):
        inbox.keep("a@example.com", ["b@example.com"], octets)
    taken = sum(len(one.octets) + 4 * len(one.letter.text) for one in inbox.messages())
    assert 0.9 * MOST_BYTES < taken <= MOST_BYTES


def test_a_message_is_read_when_it_arrives_and_not_at_each_look():
    inbox = SandboxInbox(clock=FakeClock(), reader=BoundedMessageReader())
    kept = inbox.keep("a@example.com", ["b@example.com"], b"Subject: Hello\r\n\r\nx")
    assert inbox.get(1).letter is kept.letter
    assert inbox.messages()[0].letter is kept.letter


def test_what_is_too_long_to_be_shown_says_so():
    head = b"Content-Type: text/plain\r\n\r\n"
    short, long = letter(head + b"x" * 1000), letter(head + b"x" * (MOST_CHARACTERS + 1))
    assert (short.cut, len(short.text)) == (False, 1000)
    assert (long.cut, len(long.text)) == (True, MOST_CHARACTERS)
    assert letter(b"Content-Type: text/html\r\n\r\n" + b"<b>x</b>" * 10_000).cut
    assert letter(head + bytes(MOST_OCTETS)).cut
    assert not letter(b"Content-Type: text/html\r\n\r\n" + b"<b>x</b>" * 1000).cut


# -- to, cc and bcc --------------------------------------------------------------------------------


def test_recipients_are_distinguished_by_the_header_that_names_them():
    read = letter(
        b'To: "Doe, Ada" <Ada@Example.com>, bob@example.com\r\nCc: carol@example.com\r\n\r\nx',
        *("ada@example.com", "eve@example.com", "carol@example.com", "bob@example.com"),
    )
    assert read.to == ("ada@example.com", "bob@example.com")
    assert read.cc == ("carol@example.com",)
    assert read.bcc == ("eve@example.com",)


@pytest.mark.parametrize(
    ("headers", "recipient"),
    [
        (b"To: =?utf-8?q?J=C3=BCrgen?= <j@example.com>", "j@example.com"),
        (b"To: a@example.com,\r\n b@example.com", "b@example.com"),
        (b"To: a@example.com\r\nTo: b@example.com", "b@example.com"),
        (b"To: friends: a@example.com, b@example.com;", "b@example.com"),
        ("To: jürgen@example.com".encode(), "jürgen@example.com"),
        ("To: a@bücher.example".encode(), "a@xn--bcher-kva.example"),
        (b"TO:b@example.com", "b@example.com"),
        (b"To: b@example.com\r\nCc: b@example.com", "b@example.com"),
    ],
)
def test_a_recipient_is_found_in_to_however_it_is_written(headers, recipient):
    assert letter(headers + b"\r\n\r\nx", recipient).to == (recipient,)


@pytest.mark.parametrize(
    "headers",
    [
        b"",
        b"To: b@example.org\r\n",
        b"To: =?utf-8?q?b=40example.com?=\r\n",
        b"To: undisclosed-recipients:;\r\n",
        b'To: "b@example.com" <x@example.com>\r\n',
        b"Bcc: b@example.com\r\nX-To: b@example.com\r\nSubject: To: b@example.com\r\n",
        b"To: x@example.com\r\n\r\nTo: b@example.com\r\n",
    ],
)
def test_a_recipient_in_neither_header_got_a_blind_copy(headers):
    read = letter(headers + b"\r\nx", "b@example.com")
    assert (read.to, read.cc, read.bcc) == ((), (), ("b@example.com",))


def test_a_hundred_recipients_with_long_names_are_all_found():
    addresses = [f"recipient-number-{number}@department.example.com" for number in range(100)]
    header = ", ".join(f'"{"x" * 200}" <{address}>' for address in addresses)
    assert letter(f"To: {header}\r\n\r\nx".encode(), *addresses).to == tuple(addresses)


# -- the html --------------------------------------------------------------------------------------


class Elements(HTMLParser):
    """The elements and attributes in what is shown."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.data = set(), [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.data += data


GONE = (
    '<link rel=stylesheet href="//evil.example/x.css">',
    '<iframe src="//evil.example">within</iframe>',
    '<iframe srcdoc="&lt;script>alert(1)&lt;/script>"></iframe>',
    '<meta http-equiv=refresh content="0;url=//evil.example">',
    '<base href="//evil.example/">',
    '<form action="//evil.example"><input name=a><button formaction=x>go</button></form>',
    '<object data="//evil.example"><param name=a></object>',
    '<embed src="//evil.example">',
    "<script>alert(1)</script>",
    "<SCRIPT\n/src=//evil.example></SCRIPT\t>",
    '<svg><script>alert(1)</script><use href="//evil.example"/></svg>',
    "<svg></p><style><a id='</style><img src=1 onerror=alert(1)>'>",
    '<math><mtext><table><mglyph><style><img src onerror="alert(1)">',
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    '<template><iframe src="//evil.example"></iframe></template>',
    "<frameset><frame src=//evil.example></frameset>",
    '<applet code="x"></applet><audio src=//evil.example><video src=//evil.example>',
    "<style/><img src=x onerror=alert(1)></style>",
    "<style><!--</style><script>alert(1)</script>",
    "<textarea><img src=x onerror=alert(1)></textarea><select><option>x</select>",
    '<a href="javascript:alert(1)">x</a><a href=" java\nscript:alert(1)">x</a>',
    '<a href="data:text/html,<script>alert(1)</script>">x</a><a href="vbscript:x">x</a>',
    '<a href="/api/emails">x</a><a href="//evil.example">x</a><a ping="//evil.example">x</a>',
    '<img src="//evil.example/x.png" srcset="//evil.example 2x"><img src=/api/emails>',
    '<img src="data:text/html,x"><input type=image src="//evil.example">',
    '<p onclick="alert(1)" onmouseover=alert(1)>x</p><body onload=alert(1)>',
    '<table background="//evil.example"><tr><td background=x></table>',
    "<p contenteditable autofocus tabindex=1 accesskey=x is=x slot=x>x</p><dialog open>x</dialog>",
    "<marquee onstart=alert(1)>x</marquee><keygen><isindex><bgsound src=//evil.example>",
    "<!--[if IE]><script>alert(1)</script><![endif]--><?xml-stylesheet href='//evil.example'?>",
    "<![CDATA[<script>alert(1)</script>]]><plaintext><script>alert(1)</script>",
)
NEVER = (
    "link iframe meta base form input button object param embed script svg math template frame"
    " frameset applet audio video noscript textarea select option dialog title head body html"
).split()
MAY_REFER = {"href": ("http:", "https:", "mailto:"), "src": ("data:image/",)}


@pytest.mark.parametrize("html", GONE)
@pytest.mark.parametrize("around", ["{}", "<table><tr>{}", "<b><p>{}</b>", "<div title='>{}'>{}"])
def test_what_does_more_than_look_like_something_is_taken_out(html, around):
    shown = shown_html(around.format(html, html) + "<p>the end</p>")
    found = Elements(shown)
    assert not found.tags & set(NEVER)
    for name, value in found.attributes:
        assert not name.startswith("on")
        assert name not in ("srcset", "background", "action", "ping", "srcdoc", "data")
        assert name not in MAY_REFER or value.startswith(MAY_REFER[name])
    assert shown_html(shown) == shown, "it reads differently the second time"


def test_what_looks_like_something_stays():
    html = (
        "<style>p { color: red }</style>"
        '<table bgcolor="#eeeeee" width="600"><tbody><tr><td align="center" style="padding:4px">'
        '<h1>Hi</h1><p class="lead">A &amp; B</p><img alt="logo" src="data:image/png;base64,AAAA">'
        '<a href="https://example.com/?a=1&amp;b=2">there</a></td></tr></tbody></table>'
    )
    shown = shown_html(
        f"<!doctype html><html><head><title>T</title></head><body>{html}</body></html>"
    )
    assert Elements(shown).tags == Elements(html).tags
    kept = [one for one in Elements(shown).attributes if one[0] != "rel"]
    assert sorted(kept) == sorted(Elements(html).attributes)
    assert Elements(shown).data == Elements(html).data


def test_an_image_of_somebody_elses_leaves_its_description():
    assert (
        shown_html('<img src="https://example.com/x.png" alt="A chart">') == '<img alt="A chart">'
    )


def test_of_a_message_the_cleaned_html_is_shown_and_the_raw_one_downloaded():
    octets = b"Content-Type: text/html\r\n\r\n<p>Hi</p><script>alert(1)</script><base href=//e>"
    inbox = SandboxInbox(clock=FakeClock(), reader=BoundedMessageReader())
    inbox.keep("a@example.com", ["b@example.com"], octets)
    app = Flask("sandbox-test")
    app.register_blueprint(Sandbox(inbox).routes())
    client = app.test_client()
    assert client.get("/sandbox/1/html").text == f"{FRAME_HEAD}<p>Hi</p>"
    assert client.get("/sandbox/1/raw").data == octets


@pytest.mark.parametrize(
    "html", ["<" * 200_000, "<style" * 40_000, "<!--" * 60_000, "<a " * 80_000]
)
def test_a_search_goes_once_through_what_is_never_closed(html):
    inbox = SandboxInbox(clock=FakeClock(), reader=BoundedMessageReader())
    octets = b"Content-Type: text/html\r\n\r\n<p>words</p>" + html.encode()
    inbox.keep("a@example.com", ["b@example.com"], octets)

    began = thread_time()
    found = [len(inbox.messages(query)) for query in ("body:words", "body:absent", "style.")]

    assert thread_time() - began < WORST_S
    assert found[0] == 1
