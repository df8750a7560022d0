"""The SMTP listener of an application on fake ports, and a client that says what a test wants."""

import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from application import Application
from entrypoints.smtp.limits import Limits
from entrypoints.smtp.listener import Place, SmtpListener
from tests.applications import a_client_with_config, a_key

PATIENCE_S = 20.0
MESSAGE = b"From: Shop <shop@example.com>\r\nTo: ada@example.org\r\nSubject: Hi\r\n\r\nHello.\r\n"


@contextmanager
def listening(
    application: Application, *, secure: bool = False, tls: Any = None, **changes: Any
) -> Iterator[SmtpListener]:
    """A listener that is started; in clear it takes keys only if it has no certificate."""
    limits = Limits(**{name: changes.pop(name) for name in list(changes) if name != "name"})
    listener = SmtpListener(
        application,
        [Place("127.0.0.1", 0, secure)],
        name="mail.test",
        limits=limits,
        tls=tls,
        login_in_clear=tls is None,
    )
    try:
        listener.start()
        yield listener
    finally:
        listener.close()


class Talk:
    """One connection: `say` gives the whole reply to each line."""

    def __init__(self, port: int, *, context: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        if context is not None:
            self.secure(context)
        self._buffer = b""

    def __enter__(self) -> "Talk":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def secure(self, context: ssl.SSLContext) -> None:
        """TLS from now on."""
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def reply(self) -> str:
        """The next reply, without its CRLF; "" once the server has closed the connection."""
        lines = []
        while True:
            line = self._line()
            lines.append(line)
            if line[3:4] != "-":
                return "\n".join(lines)

    def say(self, line: str | bytes) -> str:
        self.send((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        return self.reply()

    def log_in(self, key: str) -> str:
        """The reply to AUTH, after EHLO."""
        self.say("EHLO me")
        return self.say(b"AUTH PLAIN " + b64encode(b"\0me\0" + key.encode()))

    def submit(
        self, octets: bytes = MESSAGE, *recipients: str, sender: str = "me@x.example"
    ) -> str:
        """The last reply to a message, with dots before its dots."""
        self.say(f"MAIL FROM:<{sender}>")
        for recipient in recipients or ("ada@example.org",):
            self.say(f"RCPT TO:<{recipient}>")
        begun = self.say("DATA")
        if not begun.startswith("354"):
            return begun
        if octets and not octets.endswith(b"\r\n"):
            octets += b"\r\n"
        stuffed = (b"\r\n" + octets).replace(b"\r\n.", b"\r\n..")[2:]
        self.send(stuffed + b".\r\n")
        return self.reply()

    def _line(self) -> str:
        while b"\n" not in self._buffer:
            try:
                octets = self.socket.recv(65536)
            except ConnectionResetError:
                octets = b""
            if not octets:
                return ""
            self._buffer += octets
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode().rstrip("\r")


@contextmanager
def talking(port: int, key: str | None = None, **changes: Any) -> Iterator[Talk]:
    """A connection that was greeted; with *key* it has logged in."""
    with Talk(port, **changes) as talk:
        assert talk.reply() == "220 mail.test ESMTP"
        if key is not None:
            assert talk.log_in(key).startswith("235"), "the key is good"
        yield talk


def with_account(application: Application, *scopes: str, **wish: Any) -> str:
    """The account 1 with the address shop@example.com, and a new key."""
    a_client_with_config(application)
    return a_key(application, *(scopes or ("send", "read")), **wish)
