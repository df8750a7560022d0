"""Brokers of our own, which an experiment may kill without anybody else missing them."""

import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL
from typing import Self

import redis

from tests.faults.requirements import rabbitmq_server, redis_server
from tests.running import free_port, wait_until


class PrivateBroker:
    """A server on a port of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def url(self) -> str:
        """Where Celery finds it."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env={**os.environ, **self.environ()},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self.answers)

    def kill(self) -> None:
        """SIGKILL to all of its processes."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, SIGKILL)
        self._process.wait()
        wait_until(lambda: not self.answers(), every=0.01)  # the last of them may be still dying

    def command(self) -> Sequence[str]:
        raise NotImplementedError

    def environ(self) -> Mapping[str, str]:
        return {}

    def answers(self) -> bool:
        """Whether it serves already."""
        raise NotImplementedError


class PrivateRedis(PrivateBroker):
    """It keeps nothing: when it is back it has forgotten everything."""

    def url(self, database: int = 0) -> str:
        return f"redis://127.0.0.1:{self.port}/{database}"

    def client(self, database: int = 0) -> "redis.Redis":
        """Someone who talks to it."""
        return redis.Redis(port=self.port, db=database)

    def flush(self) -> None:
        """FLUSHALL."""
        with self.client() as client:
            client.flushall()

    def command(self) -> Sequence[str]:
        return (
            *(redis_server(), "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--save", "", "--appendonly", "no", "--dir", str(self.folder)),
        )

    def answers(self) -> bool:
        with suppress(redis.ConnectionError), self.client() as client:
            return bool(client.ping())
        return False


class PrivateRabbitMQ(PrivateBroker):
    """A node with a name, files and a name server of its own. It keeps queues, but no hints."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._ports = {"RABBITMQ_DIST_PORT": str(free_port()), "ERL_EPMD_PORT": str(free_port())}
        # what the machine says about its own node must not be said about this one
        (folder / "rabbitmq.conf").write_text(f"listeners.tcp.default = 127.0.0.1:{self.port}\n")
        (folder / "rabbitmq-env.conf").write_text("")

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        subprocess.run(  # a daemon that came with the node and would stay
            ["epmd", "-kill"], env={**os.environ, **self.environ()}, capture_output=True
        )

    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def command(self) -> Sequence[str]:
        return (rabbitmq_server(),)

    def environ(self) -> Mapping[str, str]:
        return {
            "HOME": str(self.folder),  # the cookie
            "RABBITMQ_NODENAME": f"node-{self.port}@localhost",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "rabbitmq-env.conf"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            **self._ports,
        }

    def answers(self) -> bool:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            return True
        return False
