"""nginx in front of a service, on the configuration that deploy/ documents."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.missing import missing
from tests.running import ROOT, free_port, wait_until

DEPLOY = ROOT / "deploy"
_MAIN = """\
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile 8192;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


@contextmanager
def nginx_in_front_of(
    upstream_port: int,
    *,
    folder: Path,
    prefix: str = "",
    certificate: Path | None = None,
    client_chain: bool = False,
) -> Iterator[int]:
    """The port of an nginx on loopback that passes everything on to *upstream_port*.

    It runs deploy/nginx.conf or, with a *prefix* such as "/mail", deploy/nginx-sub-path.conf. Its
    files are kept in *folder*. It speaks plain HTTP unless there is a *certificate* (a PEM file
    with the key). With *client_chain* it appends to X-Forwarded-For, as behind another proxy.
    """
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
    if program is None:
        missing("nginx is not installed: apt-get install nginx")
    folder = folder / f"nginx-{free_port()}"
    folder.mkdir(parents=True)
    port = free_port()
    site = _site(upstream_port, port=port, prefix=prefix, certificate=certificate)
    if client_chain:
        site = _put(site, "-For $remote_addr;", "-For $proxy_add_x_forwarded_for;")
    (folder / "site.conf").write_text(site, "utf-8")
    # a worker of root's would run as somebody who may not enter the test's folder
    user = "user root root;" if os.geteuid() == 0 else ""
    main = folder / "nginx.conf"
    main.write_text(_MAIN.format(folder=folder, user=user), "utf-8")
    with (folder / "output.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "-e", folder / "error.log", "-p", folder, "-c", main], stdout=log, stderr=log
        )
    try:
        wait_until(lambda: _answers(process, port, folder))
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _site(upstream_port: int, *, port: int, prefix: str, certificate: Path | None) -> str:
    """The documented file, with nothing changed but addresses, the path and the certificate."""
    name = "nginx-sub-path.conf" if prefix else "nginx.conf"
    lines = (DEPLOY / name).read_text("utf-8").splitlines(keepends=True)
    site = "".join(line for line in lines if "[::]" not in line)
    site = _put(site, "127.0.0.1:5000", f"127.0.0.1:{upstream_port}")
    site = _put(site, "listen 80;", f"listen 127.0.0.1:{free_port()};")
    if prefix:
        site = _put(site, "/mail", prefix, apart_from="/mail.example.com")
    if certificate is None:
        site = _put(site, "listen 443 ssl http2;", f"listen 127.0.0.1:{port};")
        return "".join(
            line for line in site.splitlines(keepends=True) if not line.strip().startswith("ssl_")
        )
    site = _put(site, "listen 443 ssl http2;", f"listen 127.0.0.1:{port} ssl http2;")
    site = _put(site, "/etc/nginx/tls/mail.example.com.pem", str(certificate))
    return _put(site, "/etc/nginx/tls/mail.example.com.key", str(certificate))


def _put(site: str, documented: str, ours: str, *, apart_from: str = "\0") -> str:
    """*site* with *ours* for what is documented, which must stand there."""
    assert documented in site, f"deploy/ does not say {documented!r} any more"
    pieces = site.split(apart_from)
    return apart_from.join(piece.replace(documented, ours) for piece in pieces)


def _answers(process: "subprocess.Popen[bytes]", port: int, folder: Path) -> bool:
    if process.poll() is not None:
        told = [path.read_text("utf-8", "replace") for path in sorted(folder.glob("*.log"))]
        raise AssertionError(f"nginx ended with {process.returncode}: {' '.join(told)}")
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
