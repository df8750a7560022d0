"""The web client against two web servers that nobody here wrote: nginx and Node.js."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Final

import pytest

from adapters.web_client import UrllibWebClient
from application.ports.web import WebAnswer, WebFailed, WebProblem, WebRequest
from domain.account.network import NetworkPolicy
from tests.missing import missing
from tests.running import free_port, wait_until
from tests.web_asking import AUTHORITY, Names, a_client

HOST: Final = "web.example"
NETWORK: Final = NetworkPolicy(allowed=(ip_network("127.0.0.0/8"),))
PAGE: Final = b"a page of text\n" * 2000
_NGINX: Final = """\
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    gzip on;
    gzip_types text/plain;
    server {{
        listen 127.0.0.1:{port} ssl;
        server_name web.example;
        ssl_certificate {folder}/pair.pem;
        ssl_certificate_key {folder}/pair.pem;
        client_max_body_size 1k;
        location /page {{ root {folder}; default_type text/plain; }}
        location /moved {{ return 302 https://169.254.169.254/; }}
        location /gzip {{ gzip_static always; root {folder}; }}
        location /old {{ keepalive_requests 1; return 200 old; }}
    }}
}}
"""
_NODE: Final = """\
const fs = require("fs"), zlib = require("zlib");
const pair = fs.readFileSync("pair.pem");
const page = fs.readFileSync("page");
require("https").createServer({ key: pair, cert: pair }, (request, response) => {
    if (request.url === "/page") {
        response.setHeader("Content-Type", "text/plain");
        for (let at = 0; at < page.length; at += 1000) response.write(page.subarray(at, at + 1000));
        response.end();
    } else if (request.url === "/moved") {
        response.writeHead(302, { Location: "https://169.254.169.254/" }).end();
    } else if (request.url === "/gzip") {
        response.setHeader("Content-Encoding", "gzip");
        response.end(zlib.gzipSync(page));
    } else if (request.url === "/old") {
        response.setHeader("Connection", "close");
        response.end("old");
    } else if (request.url === "/hints") {
        response.writeEarlyHints({ link: "</style.css>; rel=preload; as=style" });
        response.end("hinted");
    } else if (+request.headers["content-length"] > 1000) {
        response.writeHead(413).end();
    } else {
        response.writeHead(404).end();
    }
}).listen(+process.argv[2], "127.0.0.1");
"""


@contextmanager
def running(command: Sequence[str | Path], *, folder: Path, port: int) -> Iterator[int]:
    with (folder / "output.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)

    def answers() -> bool:
        assert process.poll() is None, (folder / "output.log").read_text("utf-8", "replace")
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(answers)
        yield port
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def nginx(folder: Path) -> Iterator[int]:
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
    if program is None:
        missing("nginx is not installed: apt-get install nginx")
    port = free_port()
    user = "user root root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, port=port, user=user), "utf-8")
    (folder / "gzip.gz").write_bytes(b"\x1f\x8b as if")
    errors = folder / "error.log"
    command = [program, "-e", errors, "-p", folder, "-c", folder / "nginx.conf"]
    with running(command, folder=folder, port=port):
        yield port


@contextmanager
def node(folder: Path) -> Iterator[int]:
    program = shutil.which("node")
    if program is None:
        missing("node is not installed: apt-get install nodejs")
    port = free_port()
    (folder / "server.js").write_text(_NODE, "utf-8")
    with running([program, "server.js", str(port)], folder=folder, port=port):
        yield port


class Asked:
    """A client, and the server that HOST leads to."""

    def __init__(self, client: UrllibWebClient) -> None:
        self._client = client

    def get(self, path: str, *, body: bytes = b"") -> WebAnswer:
        method = "POST" if body else "GET"
        return self._client.fetch(WebRequest(method=method, url=f"https://{HOST}{path}", body=body))

    def problem(self, path: str) -> WebProblem:
        with pytest.raises(WebFailed) as failed:
            self.get(path)
        return failed.value.problem


@pytest.fixture(params=[nginx, node], ids=["nginx", "node"])
def asked(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Asked]:
    server: Callable[[Path], Iterator[int]] = request.param
    AUTHORITY.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(tmp_path / "pair.pem")
    (tmp_path / "page").write_bytes(PAGE)
    with server(tmp_path) as port:
        client = a_client(Names({(HOST, 443): [("127.0.0.1", port)]}), network=NETWORK)
        yield Asked(client)
        client.close()


def test_a_page_arrives_whole_and_uncompressed(asked: Asked) -> None:
    for _ in range(3):
        answer = asked.get("/page")
        assert (answer.status, answer.body) == (200, PAGE)
        assert "content-encoding" not in answer.headers


def test_a_redirect_is_not_followed(asked: Asked) -> None:
    answer = asked.get("/moved")
    assert (answer.status, answer.headers["location"]) == (302, "https://169.254.169.254/")


def test_a_body_that_was_compressed_all_the_same_is_refused(asked: Asked) -> None:
    assert asked.problem("/gzip") is WebProblem.PROTOCOL


def test_a_connection_that_the_server_closes_is_replaced(asked: Asked) -> None:
    assert [asked.get("/old").body for _ in range(3)] == [b"old"] * 3


def test_an_answer_that_comes_before_the_request_ends_is_read(asked: Asked) -> None:
    assert asked.get("/", body=bytes(3_000_000)).status == 413


def test_early_hints_are_skipped(asked: Asked) -> None:
    answer = asked.get("/hints")
    assert (answer.status, answer.body) in ((200, b"hinted"), (404, answer.body))
