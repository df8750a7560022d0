"""Where the service is, and what this machine's mail is to have: from the environment or a file.

cron, PHP and mail servers start programs with an environment of their own, so that a file of the
machine may say it. What the environment says wins.
"""

import os
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from entrypoints.client.failures import WrongConfiguration

EMAIL_SERVICE_URL: Final = "EMAIL_SERVICE_URL"
EMAIL_SERVICE_KEY: Final = "EMAIL_SERVICE_KEY"
EMAIL_SERVICE_FROM: Final = "EMAIL_SERVICE_FROM"
EMAIL_SERVICE_LOCAL: Final = "EMAIL_SERVICE_LOCAL"
EMAIL_SERVICE_TIMEOUT: Final = "EMAIL_SERVICE_TIMEOUT"
EMAIL_SERVICE_CONFIG: Final = "EMAIL_SERVICE_CONFIG"
NAMES: Final = (
    EMAIL_SERVICE_URL,
    EMAIL_SERVICE_KEY,
    EMAIL_SERVICE_FROM,
    EMAIL_SERVICE_LOCAL,
    EMAIL_SERVICE_TIMEOUT,
)
TIMEOUT_S: Final = 30
CONFIG_FILE: Final = "/etc/email-service/client.env"
_LONGEST_S: Final = 3600
_PORTS: Final = {"http": 80, "https": 443}


class Config(NamedTuple):
    """Where calls go and with which key (empty: without one).

    *sender* is the From of a message that has none, *local* who gets mail for names without a
    domain, such as root; empty for nobody. Calls are repeated for *timeout_s* seconds.
    """

    scheme: str
    host: str
    port: int
    path: str
    key: str
    sender: str
    local: str
    timeout_s: float = TIMEOUT_S

    def __repr__(self) -> str:
        return f"Config({self.scheme}://{self.host}:{self.port}{self.path})"  # without the key


def read_config(environ: Mapping[str, str]) -> Config:
    """What *environ* and the file say. WrongConfiguration."""
    said = {name: environ.get(name, "").strip() for name in NAMES}
    if not all(said.values()):
        lines = _lines(environ.get(EMAIL_SERVICE_CONFIG, ""))
        said = {name: value or lines.get(name, "").strip() for name, value in said.items()}
    url, key = said[EMAIL_SERVICE_URL], said[EMAIL_SERVICE_KEY]
    if not url:
        raise WrongConfiguration(
            f"{EMAIL_SERVICE_URL} is not set: set it in the environment or in {CONFIG_FILE} to the"
            " address of the service, such as http://127.0.0.1:5000"
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise WrongConfiguration(f"{EMAIL_SERVICE_KEY} is no API key: it has blanks or is no ASCII")
    parts, port = _parsed(url)
    return Config(
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=port,
        path=parts.path.rstrip("/"),
        key=key,
        sender=said[EMAIL_SERVICE_FROM],
        local=said[EMAIL_SERVICE_LOCAL],
        timeout_s=_seconds(said[EMAIL_SERVICE_TIMEOUT] or str(TIMEOUT_S)),
    )


def _seconds(text: str) -> float:
    if not (text.isdecimal() and 1 <= int(text) <= _LONGEST_S):
        raise WrongConfiguration(f"{EMAIL_SERVICE_TIMEOUT} must be 1 to {_LONGEST_S} seconds")
    return float(text)


def _parsed(url: str) -> tuple[SplitResult, int]:
    wrong = f"{EMAIL_SERVICE_URL} must be an address such as http://127.0.0.1:5000"
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        raise WrongConfiguration(wrong) from None
    if not port or not parts.hostname or not url.isascii() or " " in url:
        raise WrongConfiguration(wrong)
    if parts.username is not None or parts.query or parts.fragment:
        raise WrongConfiguration(f"{wrong}, without user, query and fragment")
    return parts, port


def _lines(path: str) -> Mapping[str, str]:
    """The names in the file at *path*, or in the one of the machine if that is there."""
    if not path and not os.path.exists(CONFIG_FILE):
        return {}
    path = path or CONFIG_FILE
    from dotenv import dotenv_values  # here: without a file nobody waits for it

    try:
        with open(path, encoding="utf-8-sig") as file:
            found = dotenv_values(stream=file, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise WrongConfiguration(f"{path} cannot be read: {reason}") from None
    return {name: value for name, value in found.items() if value is not None}
