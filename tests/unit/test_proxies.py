"""The client and its address, from the headers of trusted and other peers."""

from ipaddress import ip_network

import pytest

from entrypoints.http.proxies import MOST_HOPS, BehindProxies, forwarded_of

PROXIES = [ip_network(text) for text in ("127.0.0.1", "10.1.0.0/16", "fd12::/64")]


def seen(peer="127.0.0.1", trusted=PROXIES, **headers):
    """The environment that the application gets for a request with these headers."""
    environ = {
        "REMOTE_ADDR": peer,
        "HTTP_HOST": "127.0.0.1:5000",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/api/emails",
        "wsgi.url_scheme": "http",
        **{f"HTTP_{name}": value for name, value in headers.items()},
    }
    BehindProxies(lambda *_: [], trusted)(environ, lambda *_: lambda _: None)
    return environ


def client(text, peer="127.0.0.1"):
    environ = seen(peer, X_FORWARDED_FOR=text)
    assert forwarded_of(environ).fault is None
    return environ["REMOTE_ADDR"]


def fault(**headers):
    environ = seen(**headers)
    untouched = {**seen(), **{f"HTTP_{name}": value for name, value in headers.items()}}
    environ_without = {name: value for name, value in environ.items() if "service" not in name}
    assert environ_without == untouched, "something of a request that is refused was believed"
    return forwarded_of(environ).fault


def test_a_request_without_forwarded_headers_is_unchanged():
    environ = seen()
    assert forwarded_of(environ) is None
    assert environ["REMOTE_ADDR"] == "127.0.0.1"


def test_the_client_is_the_rightmost_address_that_is_no_trusted_proxy():
    assert client("203.0.113.7") == "203.0.113.7"
    assert client("198.51.100.1, 203.0.113.7") == "203.0.113.7"
    assert client("198.51.100.1, 203.0.113.7, 10.1.2.3") == "203.0.113.7"
    assert client("203.0.113.7, 10.2.0.1, 10.1.2.3") == "10.2.0.1"


def test_if_all_addresses_are_trusted_proxies_the_first_one_is_the_client():
    assert client("10.1.9.9, 10.1.2.3") == "10.1.9.9"


def test_several_header_lines_are_one_list():
    """A WSGI server joins them with commas, with or without a blank."""
    assert client("198.51.100.1,203.0.113.7,\t10.1.2.3") == "203.0.113.7"


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("203.0.113.7:4711", "203.0.113.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("2001:DB8:0:0::7", "2001:db8::7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("[::ffff:203.0.113.7]:4711", "203.0.113.7"),
    ],
)
def test_an_address_is_the_same_however_it_is_written(written, address):
    assert client(written) == address


@pytest.mark.parametrize("trusted", ["::ffff:10.1.2.3", "[::ffff:10.1.2.3]:80", "10.1.2.3:80"])
def test_a_trusted_proxy_is_known_however_it_is_written(trusted):
    assert client(f"203.0.113.7, {trusted}") == "203.0.113.7"


@pytest.mark.parametrize("peer", ["127.0.0.1", "::ffff:127.0.0.1", "10.1.0.9", "fd12::5"])
def test_a_trusted_peer_is_known_however_it_is_written(peer):
    assert client("203.0.113.7", peer) == "203.0.113.7"


@pytest.mark.parametrize(
    "peer", ["127.0.0.2", "10.2.0.1", "::1", "fd12:0:0:1::1", "", "unix:", "x"]
)
def test_headers_of_an_untrusted_peer_are_ignored(peer):
    environ = seen(
        peer,
        X_FORWARDED_FOR="203.0.113.7",
        X_FORWARDED_PROTO="https",
        X_FORWARDED_HOST="mail.example.com",
        X_FORWARDED_PREFIX="/mail",
    )
    assert environ["REMOTE_ADDR"] == peer
    assert environ["wsgi.url_scheme"] == "http"
    assert environ["HTTP_HOST"] == "127.0.0.1:5000"
    assert environ["SCRIPT_NAME"] == ""
    assert forwarded_of(environ).believed is False
    assert forwarded_of(environ).fault is None


def test_without_trusted_proxies_no_header_is_an_error():
    environ = seen(trusted=(), X_FORWARDED_FOR="nonsense")
    assert forwarded_of(environ).fault is None


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", ",", "203.0.113.7,", ",203.0.113.7", "203.0.113.7,,10.1.2.3"),
        *("unknown", "_hidden", "localhost", "203.0.113.7.", "203.0.113", "203.0.113.256"),
        *("203.0.113.07", "0x7f.0.0.1", "2130706433", "203.0.113.7:", "203.0.113.7:0"),
        *("203.0.113.7:65536", "203.0.113.7:x", "203.0.113.7 10.1.2.3", "[203.0.113.7]"),
        *("[2001:db8::7", "2001:db8::7]", "[2001:db8::7]:", "[2001:db8::7]:99999", "2001:db8:::7"),
        *("fe80::1%eth0", "[fe80::1%25eth0]", "for=203.0.113.7", '"203.0.113.7"', "203.0.113.٧"),
        *("203.0.113.7\n", "203.0.113.7;10.1.2.3", "\xa0203.0.113.7", "203.0.113.0/24"),
        "nonsense, 203.0.113.7",
        ", ".join(["203.0.113.7"] * (MOST_HOPS + 1)),
        "1" * 60_000,
        "," * 60_000,
        ":" * 60_000,
    ],
)
def test_an_entry_that_is_no_address_is_an_error(text):
    assert fault(X_FORWARDED_FOR=text).startswith("X-Forwarded-For must")


def test_as_many_hops_as_are_allowed_are_read():
    assert client(", ".join(["203.0.113.7"] * MOST_HOPS)) == "203.0.113.7"


@pytest.mark.parametrize("text", ["http", "https", "HTTPS", " https "])
def test_the_scheme_is_what_the_client_used(text):
    assert seen(X_FORWARDED_PROTO=text)["wsgi.url_scheme"] == text.strip().lower()


@pytest.mark.parametrize("text", ["", "ftp", "https,http", "https://", "javascript", "http s"])
def test_a_scheme_other_than_http_and_https_is_an_error(text):
    assert fault(X_FORWARDED_PROTO=text) == "X-Forwarded-Proto must be http or https"


@pytest.mark.parametrize(
    "text",
    [
        *("mail.example.com", "mail.example.com:8443", "localhost", "mail_1.example.com."),
        *(
            "203.0.113.7",
            "203.0.113.7:80",
            "[2001:db8::7]",
            "[2001:db8::7]:8443",
            "xn--bcher-kva.de",
        ),
    ],
)
def test_the_host_is_what_the_client_asked_for(text):
    assert seen(X_FORWARDED_HOST=text)["HTTP_HOST"] == text


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "a,b",
            "a.example, b.example",
            "a b",
            "a/b",
            "a@b",
            "user:x@b",
            "http://a",
            "a:",
            "a:x",
        ),
        *(
            "a:0",
            "a:65536",
            "a..b",
            ".a",
            "2001:db8::7",
            "[2001:db8::7",
            "[x]",
            "[::g]",
            "a?b",
            "a#b",
        ),
        *("<script>", "a'b", 'a"b', "a\\b", "a%2fb", "bücher.de", "a\r\nb", "a\n", "x" * 64),
        ".".join(["x" * 60] * 5),
        "a" * 60_000,
        "a." * 30_000,
        "-" * 60_000,
    ],
)
def test_a_malformed_host_is_an_error(text):
    assert fault(X_FORWARDED_HOST=text).startswith("X-Forwarded-Host must")


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        *(("/mail", "/mail"), ("/mail/", "/mail"), ("/a/b-c_d.e~f", "/a/b-c_d.e~f")),
        *(("/", ""), ("", ""), ("/.well-known", "/.well-known"), ("/...", "/...")),
    ],
)
def test_the_prefix_stands_before_every_path(text, prefix):
    environ = seen(X_FORWARDED_PREFIX=text)
    assert environ["SCRIPT_NAME"] == prefix
    assert environ["PATH_INFO"] == "/api/emails"


@pytest.mark.parametrize(
    "text",
    [
        *("mail", "//evil.example", "/a//b", "/..", "/../x", "/a/../b", "/a/.", "/a/./b", "/a,/b"),
        *("/a b", "/a%2f", "/a?b", "/a#b", "/<script>", "/a\\b", "http://evil.example", "/a\r\nb"),
        *("/ä", "/a;b", "/a\n", "/a'", '/a"', "/" + "a" * 300, "/" * 60_000, "/a" * 30_000),
    ],
)
def test_a_malformed_prefix_is_an_error(text):
    assert fault(X_FORWARDED_PREFIX=text).startswith("X-Forwarded-Prefix must")


def test_a_prefix_stands_before_the_one_that_the_server_has():
    environ = {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_PREFIX": "/a", "SCRIPT_NAME": "/b"}
    BehindProxies(lambda *_: [], PROXIES)(environ, lambda *_: lambda _: None)
    assert environ["SCRIPT_NAME"] == "/a/b"


@pytest.mark.parametrize(
    "name",
    ["FORWARDED", "VIA", "X_REAL_IP", "X_FORWARDED_FOR", "X_FORWARDED_SERVER", "X_FORWARDED"],
)
def test_every_header_of_a_proxy_is_noticed(name):
    assert forwarded_of(seen("203.0.113.7", **{name: "1.1 squid"})) is not None


def test_a_request_that_comes_twice_is_read_once():
    app = BehindProxies(lambda *_: [], PROXIES)
    environ = seen(X_FORWARDED_FOR="203.0.113.7", X_FORWARDED_PREFIX="/mail")
    once = dict(environ)
    app(environ, lambda *_: lambda _: None)
    assert environ == once


def test_the_original_values_are_kept():
    environ = seen(X_FORWARDED_FOR="203.0.113.7", X_FORWARDED_HOST="mail.example.com")
    forwarded = forwarded_of(environ)
    assert (forwarded.peer, forwarded.host) == ("127.0.0.1", "127.0.0.1:5000")
    assert forwarded.believed
