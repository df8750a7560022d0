"""The documented nginx files start, and pass requests and answers on."""

import json
import re
import socket
import ssl
import urllib.error
import urllib.request

import pytest
import trustme

from entrypoints.settings import variables
from tests.nginx import DEPLOY, nginx_in_front_of
from tests.running import free_port


def fetch(url, **options):
    try:
        with urllib.request.urlopen(url, timeout=30, **options) as reply:
            return reply.status, reply.headers, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


@pytest.mark.parametrize("prefix", ["", "/mail"])
def test_a_service_that_does_not_answer_is_reported_as_a_problem(tmp_path, prefix):
    with nginx_in_front_of(free_port(), folder=tmp_path, prefix=prefix) as port:
        status, headers, body = fetch(f"http://127.0.0.1:{port}{prefix}/healthz")
    assert (status, headers["Content-Type"]) == (503, "application/problem+json")
    assert headers["Retry-After"] == "5"
    told = json.loads(body)
    assert (told["code"], told["status"]) == ("unavailable", 503)
    assert told["error"] == told["detail"]


@pytest.mark.parametrize("prefix", ["", "/mail"])
def test_a_body_that_is_too_large_is_reported_as_a_problem(tmp_path, prefix):
    with nginx_in_front_of(free_port(), folder=tmp_path, prefix=prefix) as port:
        headers = {"Content-Length": "50000000", "Connection": "close"}
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{prefix}/api/emails", data=b"", headers=headers
        )
        status, headers, body = fetch(request)
    assert (status, headers["Content-Type"]) == (413, "application/problem+json")
    assert json.loads(body)["code"] == "too_large"


def test_the_documented_tls_works(tmp_path):
    authority = trustme.CA()
    pem = tmp_path / "server.pem"
    issued = authority.issue_cert("localhost")
    pem.write_bytes(issued.private_key_and_cert_chain_pem.bytes())
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with nginx_in_front_of(free_port(), folder=tmp_path, certificate=pem) as port:
        assert fetch(f"https://localhost:{port}/healthz", context=context)[0] == 503


# -- the files ------------------------------------------------------------------------------------

FILES = ("nginx.conf", "nginx-sub-path.conf")
BELIEVED = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Prefix")


@pytest.mark.parametrize("name", FILES)
def test_every_header_that_is_believed_is_set(name):
    """One that is not would be passed on as the client wrote it."""
    site = (DEPLOY / name).read_text("utf-8")
    for header in BELIEVED:
        assert re.search(rf"^ +proxy_set_header {header} \S+;$", site, re.MULTILINE)


def test_no_location_sets_headers_without_the_others():
    """nginx inherits them only where a location sets none of its own."""
    for name in FILES:
        site = (DEPLOY / name).read_text("utf-8")
        locations = re.findall(r"^    location [^{]+{(.*?)^    }", site, re.MULTILINE | re.DOTALL)
        assert len(locations) >= 4
        assert not [location for location in locations if "proxy_set_header" in location]
        assert len(re.findall("proxy_set_header Host ", site)) == 1


@pytest.mark.parametrize("name", FILES)
def test_nginx_lets_bodies_through_that_the_service_takes(name):
    site = (DEPLOY / name).read_text("utf-8")
    [megabytes] = re.findall(r"client_max_body_size (\d+)m;", site)
    assert int(megabytes) * 2**20 == int(variables()["MAX_BODY_BYTES"])


def test_the_two_files_differ_in_the_path_only():
    root, sub = ((DEPLOY / name).read_text("utf-8").splitlines() for name in FILES)
    begin = root.index("upstream email_service {")
    assert sub[sub.index("upstream email_service {") :] != root[begin:]
    alone = [line for line in root[begin:] if line not in sub]
    assert alone == [
        '    proxy_set_header X-Forwarded-Prefix "";',
        "    location / {",
        "        proxy_pass http://email_service;",
        "    location /u/ {",
        "        proxy_pass http://email_service;",
        "    location /hooks/ {",
        "        proxy_pass http://email_service;",
        "    location = /oauth/callback {",
        "        proxy_pass http://email_service;",
    ]


@pytest.mark.parametrize("prefix", ["", "/mail"])
def test_links_to_unsubscribe_and_codes_of_oauth_are_in_no_log(tmp_path, prefix):
    token = "A" * 60
    paths = (f"/u/{token}", f"/oauth/callback?code={token}&state={token}", "/healthz")
    with nginx_in_front_of(free_port(), folder=tmp_path, prefix=prefix) as port:
        for path in paths:
            assert fetch(f"http://127.0.0.1:{port}{prefix}{path}")[0] == 503
    logged = "".join(path.read_text("utf-8") for path in tmp_path.rglob("*.log"))
    assert "/healthz" in logged
    assert token not in logged


# -- what nginx does -------------------------------------------------------------------------------


def test_the_service_gets_a_request_once_it_is_there_whole(tmp_path):
    with (
        socket.create_server(("127.0.0.1", 0)) as upstream,
        nginx_in_front_of(upstream.getsockname()[1], folder=tmp_path) as port,
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        client.sendall(b"POST /api/emails HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n")
        client.sendall(b"x" * 199_999)
        upstream.settimeout(0.5)
        with pytest.raises(TimeoutError):
            upstream.accept()
        client.sendall(b"x")
        upstream.settimeout(20)
        connection, _ = upstream.accept()
        with connection:
            connection.settimeout(20)
            received = b""
            while len(received.partition(b"\r\n\r\n")[2]) < 200_000:
                received += connection.recv(2**16)
            connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 204")


def test_none_of_a_clients_own_headers_reaches_the_service(tmp_path):
    with (
        socket.create_server(("127.0.0.1", 0)) as upstream,
        nginx_in_front_of(upstream.getsockname()[1], folder=tmp_path) as port,
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        names = (*BELIEVED, "X-Real-IP", "Forwarded", "X_Forwarded_For", "x-forwarded-for")
        lies = "".join(f"{name}: lie\r\n" for name in names)
        client.sendall(f"GET / HTTP/1.1\r\nHost: mail.example\r\n{lies}\r\n".encode())
        upstream.settimeout(20)
        connection, _ = upstream.accept()
        with connection:
            connection.settimeout(20)
            head = connection.recv(2**16).decode()
            connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
    assert "lie" not in head
    assert "X-Forwarded-For: 127.0.0.1\r\n" in head
    assert "X-Forwarded-Host: mail.example\r\n" in head
    assert "X-Forwarded-Proto: http\r\n" in head
