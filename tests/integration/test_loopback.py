"""gunicorn without our configuration file: in development its sockets are this machine's alone."""

import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from entrypoints.runtime.loopback import is_bound_to_loopback, keep_to_loopback
from tests.missing import missing
from tests.running import Running, wait_until

GUNICORN = (
    str(Path(sys.executable).parent / "gunicorn"),
    "--workers=2",
    "entrypoints.wsgi:create_app()",
)
BY_GUNICORN = {"SERVER_SOFTWARE": "gunicorn/27.0"}
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="SO_BINDTODEVICE is Linux's")


@contextmanager
def started(folder: Path, **environ: object) -> Iterator[Running]:
    """gunicorn in a folder that has no gunicorn.conf.py; PORT makes it bind 0.0.0.0."""
    service = Running(folder, command=GUNICORN, DISPATCHER="none", **environ)
    try:
        yield service.start()
    finally:
        assert service.process is not None
        if service.process.poll() is None:
            service.stop()


def devices_of_listeners(port: int) -> set[str]:
    """The devices that sockets listening on *port* are bound to, as the kernel knows them."""
    asked = struct.pack("=BBBBI48s", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 1 << 10, b"")
    header = struct.pack("=IHHII", 16 + len(asked), 20, 0x301, 1, 0)
    names = dict(socket.if_nameindex()) | {0: ""}
    found = set()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as diagnosis:
        diagnosis.sendall(header + asked)
        while True:
            octets = diagnosis.recv(2**16)
            while octets:
                length, kind = struct.unpack_from("=IH", octets)
                if kind in (2, 3):  # an error, or the end
                    return found
                if struct.unpack_from("!H", octets, 20)[0] == port:
                    found.add(names[struct.unpack_from("=I", octets, 56)[0]])
                octets = octets[length:]


@needs_linux
def test_in_development_others_do_not_reach_what_gunicorn_binds(tmp_path):
    with started(tmp_path) as service:
        wait_until(lambda: "others are not let in" in service.output())
        try:
            devices = devices_of_listeners(service.port)
        except OSError as error:
            missing(f"the kernel tells nothing about sockets: {error}")
        assert devices == {"lo"}
        assert service.get("/api/emails")[0] == 200


@needs_linux
def test_in_production_others_reach_it(tmp_path):
    key = "3f9c1d07b2a84e65aa10c2d4e6f80912"
    production = {"FLASK_ENV": "production", "SECRET_KEY": key}
    Running(tmp_path, **production).with_key("admin")
    with started(tmp_path, **production) as service:
        assert devices_of_listeners(service.port) == {""}
        assert "others are not let in" not in service.output()


def test_settings_that_are_wrong_end_it(tmp_path):
    """And not one worker after the other, for ever."""
    service = Running(tmp_path, command=GUNICORN, HOST="0.0.0.0").start(ready=False)
    assert service.process is not None
    assert service.process.wait(30) != 0
    assert "HOST must be a loopback address" in service.output()


@needs_linux
def test_only_gunicorns_sockets_that_listen_elsewhere_are_touched():
    with (
        socket.create_server(("0.0.0.0", 0)) as everywhere,
        socket.create_server(("127.0.0.1", 0)) as here,
    ):
        keep_to_loopback({"SERVER_SOFTWARE": "another/1.0"})
        assert not is_bound_to_loopback(everywhere)
        keep_to_loopback(BY_GUNICORN)
        assert is_bound_to_loopback(everywhere)
        assert not is_bound_to_loopback(here)
        keep_to_loopback(BY_GUNICORN)


def test_where_the_system_cannot_keep_others_out_gunicorn_ends_and_says_what_to_do():
    with socket.create_server(("0.0.0.0", 0)) as everywhere:
        port = everywhere.getsockname()[1]
        with pytest.raises(RuntimeError, match=rf"--bind 127\.0\.0\.1:{port}"):
            keep_to_loopback(BY_GUNICORN, option=None)
