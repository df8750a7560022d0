"""The certificate of the listener, read again when its file has changed: they live for weeks."""

import logging
import ssl
from pathlib import Path

log = logging.getLogger("email_service.smtp")


class Certificate:
    """A TLS context made of two PEM files. For one thread.

    A renewal writes the two files one after the other: while they do not fit, or cannot be read,
    the context from before is used, and the log says so once for each change.
    """

    def __init__(self, cert: Path, key: Path) -> None:
        """OSError or ssl.SSLError if there is no certificate with its key in them."""
        self._cert = cert
        self._key = key
        self._seen = self._stamps()
        self._context = self._read()

    def context(self) -> ssl.SSLContext:
        """What the next connection uses."""
        try:
            stamps = self._stamps()
            if stamps != self._seen:
                self._seen = stamps
                self._context = self._read()
                log.info("the certificate of the SMTP listener was read again")
        except OSError as error:  # ssl.SSLError is one of them
            log.error("the certificate of the SMTP listener cannot be read: %s", error)
        return self._context

    def _stamps(self) -> tuple[int, ...]:
        cert, key = self._cert.stat(), self._key.stat()
        return (cert.st_mtime_ns, cert.st_ino, key.st_mtime_ns, key.st_ino)

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._cert, self._key)
        return context
