"""What the value of a setting may be, and what is made of it."""

import ipaddress
import re
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final, Generic, TypeVar
from urllib.parse import urlsplit

import attrs

from application.ports.dns import NameServer
from domain.account.network import Network
from domain.address import Address, is_loopback
from entrypoints import stores
from entrypoints.addresses import email_address

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

MASK: Final = "***"
HOST_NAME: Final = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)


# a header with a link must fit a line: see domain/message/headers.py
LONGEST_PUBLIC_URL: Final = 300
_PUBLIC_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?"
    r"(/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*/?"
)


@attrs.frozen
class Rule(Generic[T]):
    """What a variable may be: *parse* raises ValueError for a text that is not *allowed*."""

    allowed: str
    parse: Callable[[str], T]


def whole(least: int, most: int) -> Rule[int]:
    """A whole number from *least* to *most*."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,15}", text) or not least <= int(text) <= most:
            raise ValueError
        return int(text)

    return Rule(f"a whole number from {least} to {most}", parse)


def seconds(least: float, most: float) -> Rule[timedelta]:
    """A duration in seconds."""

    def parse(text: str) -> timedelta:
        if (
            not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", text)
            or not least <= float(text) <= most
        ):
            raise ValueError
        return timedelta(seconds=float(text))

    return Rule(f"a number of seconds from {least:g} to {most:g}", parse)


_AGE: Final = re.compile(r"([1-9][0-9]{0,4})([dh])")


def age() -> "Rule[timedelta | None]":
    """A time after which something is removed; None is never."""

    def parse(text: str) -> timedelta | None:
        if text.lower() in ("never", "0"):
            return None
        match = _AGE.fullmatch(text.lower())
        if match is None:
            raise ValueError
        number = int(match[1])
        return timedelta(days=number) if match[2] == "d" else timedelta(hours=number)

    return Rule("days or hours as in 30d or 12h, or never", parse)


def written_age(value: object) -> str:
    """An age as it would stand in the environment."""
    if not isinstance(value, timedelta):
        return "never"
    hours = value // timedelta(hours=1)
    return f"{hours}h" if hours % 24 else f"{hours // 24}d"


def schedule() -> Rule[tuple[timedelta, ...]]:
    """Durations, one for each time."""
    step = seconds(0, 7 * 24 * 3600)

    def parse(text: str) -> tuple[timedelta, ...]:
        return tuple(step.parse(part.strip()) for part in text.split(","))

    return Rule("seconds from 0 to 604800 with commas between, as in 60,300,1800", parse)


def one_of(words: type[E]) -> Rule[E]:
    """A word of an enumeration."""
    return Rule("one of " + ", ".join(words), words)


def word(*words: str) -> Rule[str]:
    """One of *words*, in any case."""

    def parse(text: str) -> str:
        if text.upper() not in words:
            raise ValueError
        return text.upper()

    return Rule("one of " + ", ".join(words), parse)


def switch() -> Rule[bool]:
    """0 or 1."""

    def parse(text: str) -> bool:
        return {"0": False, "1": True}[text]

    return Rule("0 or 1", parse)


def networks() -> Rule[tuple[Network, ...]]:
    """IP networks."""

    def parse(text: str) -> tuple[Network, ...]:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(","))

    return Rule("networks with commas between, as in 10.1.0.0/16,fd12::/64", parse)


def name_servers() -> Rule[tuple[NameServer, ...]]:
    """Addresses of name servers, each with its port or on port 53."""
    port = whole(1, 65535)

    def one(text: str) -> NameServer:
        if is_ip(text):
            return NameServer(ipaddress.ip_address(text))
        found = re.fullmatch(r"(?:([0-9.]+)|\[([0-9A-Fa-f:.]+)\]):([0-9]+)", text)
        if found is None:
            raise ValueError
        return NameServer(ipaddress.ip_address(found[1] or found[2]), port.parse(found[3]))

    def parse(text: str) -> tuple[NameServer, ...]:
        return tuple(one(part.strip()) for part in text.split(","))

    return Rule(
        "IP addresses with commas between, each with a port if it is not 53, as in "
        "192.0.2.53,[2001:db8::53]:5353",
        parse,
    )


def proxies() -> Rule[tuple[Network, ...]]:
    """Networks that may be believed: never all of them."""
    several = networks()

    def parse(text: str) -> tuple[Network, ...]:
        found = several.parse(text)
        if any(network.prefixlen == 0 for network in found):
            raise ValueError  # whoever is believed by all can claim to be anybody
        return found

    return Rule(
        "addresses and networks of proxies with commas between, as in 127.0.0.1,10.1.0.0/16",
        parse,
    )


def ports() -> Rule[tuple[int, ...]]:
    """TCP ports."""
    port = whole(1, 65535)

    def parse(text: str) -> tuple[int, ...]:
        return tuple(port.parse(part.strip()) for part in text.split(","))

    return Rule("whole numbers from 1 to 65535 with commas between, as in 1025,2526", parse)


def text() -> Rule[str]:
    """Any text."""
    return Rule("any text", str)


def host() -> Rule[str]:
    """An address or a name to listen on."""

    def parse(text: str) -> str:
        text = text.removesuffix(".")
        if not is_ip(text) and not HOST_NAME.fullmatch(text):
            raise ValueError
        return text

    return Rule("an IP address or a host name", parse)


def ehlo_name() -> Rule[str]:
    """What a client may call itself in EHLO."""

    def parse(text: str) -> str:
        text = text.removesuffix(".")
        literal = re.fullmatch(r"\[(?:IPv6:)?([0-9A-Fa-f:.]+)\]", text)
        if literal and is_ip(literal[1]):
            return text
        if is_ip(text) or not HOST_NAME.fullmatch(text):
            raise ValueError
        return text

    return Rule("a host name, or an address in brackets such as [192.0.2.1]", parse)


def existing_file() -> Rule[Path]:
    """A file that is there."""

    def parse(text: str) -> Path:
        if not Path(text).is_file():
            raise ValueError
        return Path(text)

    return Rule("the path of a file that exists", parse)


def database_url() -> Rule[str]:
    """The URL of a database of a kind that `entrypoints.stores` knows."""

    def parse(text: str) -> str:
        stores.file_of(text)
        return text

    return Rule(stores.forms(), parse)


def without_password(url: str) -> str:
    """The URL as it may be shown. It may be one that is written wrongly: then rather too little of
    it is shown than a part of the password.
    """
    scheme, there, rest = url.partition("://")
    if stores.names_a_file(url):
        return url
    if not there:
        return re.sub(r":.*", f":{MASK}", url)
    rest = re.sub(r"(password=).*", rf"\1{MASK}", rest, flags=re.IGNORECASE)
    user, colon, secret = rest.partition(":")
    if "@" in secret:
        rest = f"{user}:{MASK}@{secret.rpartition('@')[2]}"
    elif colon and not re.match(r"[0-9]*([/,?]|$)", secret) and "[" not in user:
        rest = f"{user}:{MASK}"
    return f"{scheme}://{rest}"


def public_url() -> Rule[str]:
    """Where strangers reach the service; without a slash at the end."""

    def parse(text: str) -> str:
        match = _PUBLIC_URL.fullmatch(text)
        if match is None or len(text) > LONGEST_PUBLIC_URL:
            raise ValueError
        host, port = match["host"], match["port"]
        if port is not None and not 0 < int(port) < 65536:
            raise ValueError
        if match["scheme"] == "http" and not is_loopback(host.strip("[]")):
            raise ValueError  # whoever is on the way could read and change what it shows
        if host.startswith("["):
            ipaddress.IPv6Address(host[1:-1])
        elif not HOST_NAME.fullmatch(host):
            raise ValueError
        return text.rstrip("/")

    return Rule(
        f"a URL such as https://mail.example.com/news of at most {LONGEST_PUBLIC_URL} characters,"
        " without a query (http:// for this machine only)",
        parse,
    )


def broker_url() -> Rule[str]:
    """The URL of RabbitMQ or Redis."""
    schemes = ("amqp", "amqps", "redis", "rediss")

    def parse(text: str) -> str:
        parts = urlsplit(text)
        if parts.scheme not in schemes or not parts.hostname or parts.port == 0:
            raise ValueError
        if "@" in parts.path + parts.query + parts.fragment:
            raise ValueError  # a `/`, `?` or `#` of the password: the rest would be the vhost
        if parts.scheme.startswith("redis") and not re.fullmatch(r"(/[0-9]*)?", parts.path):
            raise ValueError
        return text

    return Rule("amqp://user:password@host:5672/vhost or redis://:password@host:6379/0", parse)


def queue_name() -> Rule[str]:
    """The name of a queue."""

    def parse(text: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", text):
            raise ValueError
        return text

    return Rule("a name of letters, digits, dots, dashes and underscores", parse)


def extensions(*, usual: str, none: str) -> Rule[tuple[str, ...]]:
    """Extensions of files, without the dot and in small letters, or one of the two words."""

    def parse(text: str) -> tuple[str, ...]:
        if text.lower() == none:
            return ()
        found = [part.strip().removeprefix(".").lower() for part in text.split(",")]
        if not all(re.fullmatch(r"[a-z0-9_+-]{1,20}", one) for one in found):
            raise ValueError
        return tuple(dict.fromkeys(found))

    return Rule(f"extensions with commas between, as in {usual},docm,xlsm, or {none}", parse)


def words_of(words: type[E], *, none: str) -> Rule[tuple[E, ...]]:
    """Words of an enumeration, each once, or the word for none of them."""

    def parse(text: str) -> tuple[E, ...]:
        if text.lower() == none:
            return ()
        return tuple(dict.fromkeys(words(part.strip().lower()) for part in text.split(",")))

    shown = ",".join(words)
    return Rule(f"words of {shown} with commas between, or {none}", parse)


def addresses() -> Rule[tuple[Address, ...]]:
    """Email addresses, each once; without spaces around them."""

    def parse(text: str) -> tuple[Address, ...]:
        return tuple(dict.fromkeys(email_address(part.strip()) for part in text.split(",")))

    return Rule("email addresses with commas between, as in ops@example.com", parse)


def optional(rule: Rule[T]) -> "Rule[T | None]":
    """*rule*, or nothing at all."""
    return Rule(rule.allowed, rule.parse)


def is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def written(value: object) -> str:
    """*value* as it would stand in the environment."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.6f}".rstrip("0").rstrip(".")
    if isinstance(value, tuple):
        return ",".join(written(part) for part in value)
    return str(value)
