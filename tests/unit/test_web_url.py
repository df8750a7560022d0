"""Which URLs may be asked, and that each is read in one way."""

from ipaddress import ip_network

import pytest

from domain.account.network import NetworkPolicy
from domain.account.web_url import MOST_CHARACTERS, WebUrl, web_url
from domain.errors import FieldError, InvalidInput

PRODUCTION = NetworkPolicy()
DEVELOPMENT = NetworkPolicy(private=True)
OWN_NETWORK = NetworkPolicy(allowed=(ip_network("10.0.0.0/8"), ip_network("127.0.0.0/8")))


def refusal(text: str, *, network: NetworkPolicy = PRODUCTION, plain: bool = False) -> str:
    with pytest.raises(InvalidInput) as refused:
        web_url(text, network=network, plain=plain)
    return refused.value.errors[0].message


def test_a_url_is_taken_apart() -> None:
    assert web_url("HTTPS://Login.Example.ORG/token?a=b%20c", network=PRODUCTION) == WebUrl(
        secure=True, host="login.example.org", port=443, target="/token?a=b%20c"
    )


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("https://example.org", "/"),
        ("https://example.org/", "/"),
        ("https://example.org?x=1", "/?x=1"),
        ("https://example.org/a//b/../c;d=@e", "/a//b/../c;d=@e"),
    ],
)
def test_path_and_query_are_kept_as_they_are(text: str, target: str) -> None:
    assert web_url(text, network=PRODUCTION).target == target


@pytest.mark.parametrize(
    ("text", "authority"),
    [
        ("https://example.org:443/", "example.org"),
        ("https://example.org:8443/", "example.org:8443"),
        ("https://example.org./", "example.org"),
        ("https://[2606:4700:0::1]/", "[2606:4700::1]"),
        ("https://[2606:4700::1]:8443/", "[2606:4700::1]:8443"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example"),
    ],
)
def test_the_host_has_one_spelling(text: str, authority: str) -> None:
    assert web_url(text, network=PRODUCTION).authority == authority


def test_the_refusal_names_the_field() -> None:
    with pytest.raises(InvalidInput) as refused:
        web_url("http://example.org/", network=PRODUCTION, field="auth/token_url")

    assert refused.value.errors == (FieldError("auth/token_url", "must begin with https://"),)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "example.org", "//example.org/", "/path", "https:", "https://", "https:///path",
        "https:example.org", "https:/example.org", "https:\\\\example.org", "https://\\example.org",
        "file:///etc/passwd", "gopher://example.org/", "ftp://example.org/", "data:text/plain,x",
        "javascript:alert(1)", "ldap://example.org/", "httpss://example.org/", "unix:/run/x",
        "https://user@example.org/", "https://user:pw@example.org/", "https://:@example.org/",
        "https://example.org@169.254.169.254/", "https://example.org/#part", "https://example.org#",
        "https://example.org/a b", "https://example.org/\r\nHost: x", "https://example.org/\t",
        "https://example.org/\x00", "https://exa\nmple.org/", " https://example.org/",
        "https://example.org/ ", "https://example.org/\x7f", "https://example.org/é",
        "https://bücher.example/", "https://１２７.0.0.1/", "https://127。0。0。1/",
        "https://%31%32%37.0.0.1/", "https://example%2eorg/", "https://example.org/%", "https://a/%0",
        "https://example.org/%zz", "https://example.org\\@evil.example/", "https://exam|ple.org/",
        "https://[::1%25eth0]/", "https://[fe80::1%eth0]/", "https://[::1/", "https://::1/",
        "https://example.org:/", "https://example.org:-1/", "https://example.org:+443/",
        "https://example.org:443:443/", "https://example.org:443x/", "https://example.org:999999/",
        "https://example.org/<x>", 'https://example.org/"x"', "https://example.org/{x}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("network", [PRODUCTION, DEVELOPMENT])
@pytest.mark.parametrize("plain", [False, True])
def test_t_ssrf_3_what_is_no_web_url_or_could_be_read_in_two_ways_is_refused(
    text: str, network: NetworkPolicy, plain: bool
) -> None:
    assert "must be an absolute https URL" in refusal(text, network=network, plain=plain)


@pytest.mark.parametrize(
    "host",
    [
        "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "0x7F.0.0.1", "0x",
        "017700000001", "127.0.0.1.1", "256.1.1.1", "1.2.3.4..", "127.0.0.01", "example.1", "0",
        "[127.0.0.1]", "[:ffff]", "[1:2:3:4:5:6:7:8:9]", "[.]", ".", "..", ".example.org",
        "example..org", "-example.org", "example-.org", "example.org..", "a" * 64,
        "a." * 127 + "ab", "[::ffff:0x7f000001]", "[0:0]",
    ],
)  # fmt: skip
@pytest.mark.parametrize("network", [PRODUCTION, DEVELOPMENT])
def test_t_ssrf_1_a_host_in_an_odd_spelling_is_refused(host: str, network: NetworkPolicy) -> None:
    # "[::ffff:0x..." has an x and is no URL at all
    assert "must " in refusal(f"https://{host}/", network=network)


NEVER = [
    "169.254.169.254", "169.254.169.254.", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]",
    "100.100.100.200", "[fd00:ec2::254]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::]", "0.0.0.0",
    "224.0.0.1", "255.255.255.255", "[::]", "[fe80::1]", "[ff02::1]", "[::a9fe:a9fe]",
    "[0:0:0:0:0:ffff:a9fe:a9fe]",
]  # fmt: skip
PRIVATE = [
    "127.0.0.1", "127.0.0.1.", "localhost", "LOCALHOST", "localhost.", "10.1.2.3", "192.168.1.1",
    "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[2002:7f00:1::]",
    "[::7f00:1]", "[64:ff9b::7f00:1]", "[fd12::1]", "172.16.0.1",
]  # fmt: skip


@pytest.mark.parametrize("host", NEVER)
@pytest.mark.parametrize("network", [PRODUCTION, DEVELOPMENT, OWN_NETWORK])
@pytest.mark.parametrize("form", ["https://{}/", "http://{}/", "https://{}:8443/x"])
def test_t_ssrf_1_metadata_servers_and_invalid_addresses_are_refused_at_save(
    host: str, network: NetworkPolicy, form: str
) -> None:
    message = refusal(form.format(host), network=network, plain=True)

    assert message == "names a server this service may not connect to"


@pytest.mark.parametrize("host", PRIVATE)
def test_t_ssrf_2_private_addresses_are_refused_at_save_in_production(host: str) -> None:
    message = refusal(f"https://{host}/")

    assert message == "names a server this service may not connect to"
    assert web_url(f"https://{host}/", network=DEVELOPMENT).port == 443


def test_t_ssrf_2_the_owners_networks_may_be_asked_by_https() -> None:
    assert web_url("https://10.1.2.3/", network=OWN_NETWORK).host == "10.1.2.3"
    assert web_url("https://localhost/", network=OWN_NETWORK).host == "localhost"
    assert refusal("http://localhost/", network=OWN_NETWORK) == "must begin with https://"
    assert "port" in refusal("https://localhost:5001/", network=OWN_NETWORK)


@pytest.mark.parametrize("port", [0, 1, 22, 25, 80, 587, 6379, 8080, 9200, 65535, 65536, 99999])
def test_t_ssrf_3_other_ports_are_refused(port: int) -> None:
    message = refusal(f"https://example.org:{port}/", network=DEVELOPMENT)

    assert message == "names a port this service may not connect to"


@pytest.mark.parametrize("port", [443, 8443, 22, 8080])
def test_plain_http_goes_to_port_80_only(port: int) -> None:
    assert web_url("http://example.org/", network=PRODUCTION, plain=True).port == 80
    assert "port" in refusal(f"http://example.org:{port}/", plain=True)


def test_plain_http_is_refused_unless_it_is_allowed() -> None:
    assert refusal("http://example.org/") == "must begin with https://"
    assert refusal("http://example.org/", network=DEVELOPMENT) == "must begin with https://"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "localhost."])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_in_development_this_machine_is_asked_on_any_port(host: str, scheme: str) -> None:
    assert web_url(f"{scheme}://{host}:5001/", network=DEVELOPMENT).port == 5001
    assert "port" in refusal(f"{scheme}://{host}:0/", network=DEVELOPMENT)
    assert "port" in refusal(f"{scheme}://{host}:65536/", network=DEVELOPMENT)


def test_another_machine_of_the_private_network_has_no_such_right() -> None:
    assert refusal("http://10.1.2.3/", network=DEVELOPMENT) == "must begin with https://"
    assert "port" in refusal("https://10.1.2.3:5001/", network=DEVELOPMENT)


def test_a_url_has_a_bounded_length() -> None:
    longest = "https://example.org/".ljust(MOST_CHARACTERS, "a")

    assert web_url(longest, network=PRODUCTION).host == "example.org"
    assert "at most" in refusal(longest + "a")
