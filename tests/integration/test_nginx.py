"""The documented nginx files start, and pass requests and answers on."""

import json
import ssl
import urllib.error
import urllib.request

import pytest
import trustme

from tests.nginx import nginx_in_front_of
from tests.running import free_port


def fetch(url, **options):
    try:
        with urllib.request.urlopen(url, timeout=30, **options) as reply:
            return reply.status, reply.headers, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


@pytest.mark.parametrize("prefix", ["", "/mail"])
def test_a_service_that_does_not_answer_is_told_as_a_problem(tmp_path, prefix):
    with nginx_in_front_of(free_port(), folder=tmp_path, prefix=prefix) as port:
        status, headers, body = fetch(f"http://127.0.0.1:{port}{prefix}/healthz")
    assert (status, headers["Content-Type"]) == (503, "application/problem+json")
    assert headers["Retry-After"] == "5"
    told = json.loads(body)
    assert (told["code"], told["status"]) == ("unavailable", 503)
    assert told["error"] == told["detail"]


@pytest.mark.parametrize("prefix", ["", "/mail"])
def test_a_body_that_is_too_large_is_told_as_a_problem(tmp_path, prefix):
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
