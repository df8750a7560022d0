"""What is read from the file that a mail domain publishes, and what is refused."""

import random
import time

import pytest

from domain.account.account import Security
from domain.account.autoconfig import (
    DEEPEST,
    MOST_ELEMENTS,
    MOST_OCTETS,
    Login,
    MailServer,
    NotAutoconfig,
    database_place,
    plain_places,
    provider_places,
    read_servers,
)
from domain.address import Address
from tests.autoconfig_files import a_config, a_server
from tests.machine import is_within

ADA = Address.parse("ada.l+x@example.org")


def servers(*outgoing: str) -> list[MailServer]:
    return list(read_servers(a_config(*outgoing), ADA))


def test_a_server_is_read() -> None:
    assert servers(a_server()) == [
        MailServer(
            host="smtp.example.org",
            port=587,
            security=Security.STARTTLS,
            username="ada.l+x@example.org",
            login=Login.PASSWORD,
        )
    ]


def test_the_preferred_server_comes_first() -> None:
    found = servers(a_server(port="465", socketType="SSL"), a_server())
    assert [(one.port, one.security) for one in found] == [
        (465, Security.TLS),
        (587, Security.STARTTLS),
    ]


@pytest.mark.parametrize(
    ("written", "username"),
    [
        ("%EMAILADDRESS%", "ada.l+x@example.org"),
        ("%EMAILLOCALPART%", "ada.l+x"),
        ("%EMAILLOCALPART%.%EMAILDOMAIN%", "ada.l+x.example.org"),
        ("%EMAILDOMAIN%\\%EMAILLOCALPART%", "example.org\\ada.l+x"),
        (" fred ", "fred"),
    ],
)
def test_placeholders_are_replaced(written: str, username: str) -> None:
    (server,) = servers(a_server(username=written, hostname="mail.%EMAILDOMAIN%"))
    assert (server.username, server.host) == (username, "mail.example.org")


@pytest.mark.parametrize(
    ("methods", "login"),
    [
        (("password-cleartext",), Login.PASSWORD),
        (("plain",), Login.PASSWORD),
        (("password-encrypted",), Login.PASSWORD),
        (("OAuth2", "password-cleartext"), Login.OAUTH),
        (("OAuth2",), Login.OAUTH),
        (("GSSAPI", "NTLM", "password-cleartext"), Login.PASSWORD),
        (("SASL SCRAM-SHA-256-PLUS", "password-encrypted"), Login.PASSWORD),
        (("none",), Login.NONE),
        (("client-IP-address",), Login.NONE),
    ],
)
def test_the_first_login_that_is_understood_is_taken(
    methods: tuple[str, ...], login: Login
) -> None:
    (server,) = servers(a_server(authentication=methods))
    assert server.login is login
    assert bool(server.username) is (login is not Login.NONE)


@pytest.mark.parametrize(
    "changes",
    [
        {"socketType": "plain"}, {"socketType": ""}, {"socketType": "odd"}, {"socketType": None},
        {"hostname": ""}, {"hostname": None}, {"hostname": "127.1"}, {"hostname": "10.0.0.1"},
        {"hostname": "0x7f000001"}, {"hostname": "[::1]"}, {"hostname": "a b"}, {"hostname": "a/b"},
        {"hostname": "smtp.example.org:25"}, {"hostname": "smtp.%OTHER%.org"}, {"port": "0"},
        {"port": "65536"}, {"port": "-1"}, {"port": "1e2"}, {"port": ""}, {"port": None},
        {"port": "5" * 30}, {"authentication": ("GSSAPI",)}, {"authentication": ()},
        {"username": ""}, {"username": None}, {"username": "%REALNAME%"}, {"username": "a&#10;b"},
        {"username": "a" * 321}, {"username": "a&#133;b"},
    ],
)  # fmt: skip
def test_a_server_that_is_not_understood_or_without_tls_is_left_out(changes) -> None:
    assert servers(a_server(**changes), a_server(hostname="other.example.org")) == servers(
        a_server(hostname="other.example.org")
    )


def test_what_is_unknown_is_ignored() -> None:
    config = (
        b'<?xml version="1.0"?><!-- <a> --><clientConfig version="9.9" xmlns="urn:x">'
        b"<emailProvider><jmap/><incomingServer type='imap'><hostname>i.example</hostname>"
        b"</incomingServer><outgoingServer type='lmtp'/>"
        + a_server(before="<odd>x</odd>").encode()
        + b"</emailProvider><oAuth2/></clientConfig>"
    )
    assert len(read_servers(config, ADA)) == 1


def test_a_server_outside_of_the_provider_element_counts_too() -> None:
    assert len(read_servers(f"<clientConfig>{a_server()}</clientConfig>".encode(), ADA)) == 1


LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "'
    + "ha" * 100
    + '">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "&a;"}">' for n in range(20))
    + "]><clientConfig>&a19;</clientConfig>"
)


@pytest.mark.parametrize(
    "octets",
    [
        b"", b" ", b"no", b"<", b"<a>", b"<a/><b/>", b"<html><body/></html>", b"\x00", b"\xff\xfe",
        b"<clientConfig>\xe9</clientConfig>", b"<clientConfig>&x;</clientConfig>",
        b"<clientConfig>&#0;</clientConfig>", b"<clientConfig a=1/>",
        '<?xml version="1.0" encoding="UTF-16"?><clientConfig/>'.encode("utf-16"),
        b"<!DOCTYPE clientConfig><clientConfig/>",
        b'<!DOCTYPE clientConfig SYSTEM "https://evil.example/x.dtd"><clientConfig/>',
        b'<!DOCTYPE c [<!ENTITY x SYSTEM "file:///etc/passwd">]><clientConfig>&x;</clientConfig>',
        b'<!doctype html><html></html>', b'<clientConfig><!ENTITY x "y"></clientConfig>',
        b'<?xml version="1.0"?>\n<!\nDOCTYPE c><clientConfig/>',
        LAUGHS.encode(), LAUGHS.encode("utf-16"),
        b"<clientConfig>" + b" " * MOST_OCTETS + b"</clientConfig>",
        b"<clientConfig>" + b"<a>" * (DEEPEST + 1) + b"</a>" * (DEEPEST + 1) + b"</clientConfig>",
        b"<a>" * 20_000, b"<clientConfig>" + b"<a/>" * MOST_ELEMENTS + b"</clientConfig>",
    ],
    ids=range(26),
)  # fmt: skip
def test_what_is_no_such_file_is_refused_at_once(octets: bytes) -> None:
    begun = time.thread_time()
    with pytest.raises(NotAutoconfig):
        read_servers(octets, ADA)
    assert is_within(time.thread_time() - begun, 0.5)


def test_a_file_that_was_changed_anywhere_is_read_or_refused() -> None:
    random_ = random.Random(20261130)
    honest = a_config(a_server(), a_server(port="465", socketType="SSL", authentication=("none",)))
    pieces = [b"<", b">", b"&", b"<a>", b"</a>", b"<!--", b"]]>", b"\xff", b"\0", b"&#x41;", b"%%"]
    read = 0
    for _ in range(1000):
        octets = bytearray(honest)
        for _ in range(random_.randrange(1, 4)):
            at = random_.randrange(len(octets))
            octets[at : at + random_.randrange(4)] = random_.choice(pieces)
        try:
            found = read_servers(bytes(octets), ADA)
        except NotAutoconfig:
            continue
        read += 1
        assert all(one.security is not Security.PLAIN and one.host for one in found)
    assert 0 < read < 1000


def test_text_in_a_comment_or_a_section_is_no_markup() -> None:
    config = a_config(a_server(username="<![CDATA[%EMAILLOCALPART%]]>")).decode()
    (server,) = read_servers(f"\ufeff{config}<!-- end -->".encode(), ADA)
    assert server.username == "ada.l+x"


def test_the_places_are_those_of_the_draft() -> None:
    assert [place.url for place in provider_places(ADA)] == [
        "https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=ada.l%2Bx@example.org",
        "https://example.org/.well-known/autoconfig/mail/config-v1.1.xml",
    ]
    assert database_place(ADA).url == "https://autoconfig.thunderbird.net/v1.1/example.org"
    assert [(place.url, place.plain) for place in plain_places(ADA)] == [
        ("http://autoconfig.example.org/mail/config-v1.1.xml", True),
        ("http://example.org/.well-known/autoconfig/mail/config-v1.1.xml", True),
    ]
