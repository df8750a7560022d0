"""How a mail domain publishes the servers of its users (draft-ietf-mailmaint-autoconfig-06).

The file is XML that a stranger wrote. It is read without a document type, so that there are no
entities, and bounded in size, depth and elements; of the rest only what is understood is taken.
"""

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final
from urllib.parse import quote
from xml.etree.ElementTree import (
    Element,
    ParseError,
    TreeBuilder,
    XMLParser,
)

import attrs

from domain.account.account import Security
from domain.address import Address, is_host_name, like_an_address

MOST_OCTETS: Final = 65_536
MOST_ELEMENTS: Final = 2_000
DEEPEST: Final = 16
LONGEST_USERNAME: Final = 320
_DECLARATION: Final = re.compile(r"<!(?!--|\[CDATA\[)")
_PLACEHOLDER: Final = re.compile(r"%[A-Za-z]+%")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SECURITY: Final = {
    "ssl": Security.TLS,
    "tls": Security.TLS,
    "starttls": Security.STARTTLS,
}  # "plain" is not offered to anybody


class Login(StrEnum):
    """What one logs in with."""

    PASSWORD = "password"  # noqa: S105 - a kind of login
    OAUTH = "oauth"
    NONE = "none"


_LOGINS: Final = {
    "password-cleartext": Login.PASSWORD,
    "plain": Login.PASSWORD,  # as older files say
    "password-encrypted": Login.PASSWORD,  # CRAM-MD5, where the server offers it
    "secure": Login.PASSWORD,
    "oauth": Login.OAUTH,
    "oauth2": Login.OAUTH,
    "none": Login.NONE,
    "client-ip-address": Login.NONE,
}


@attrs.frozen(kw_only=True)
class MailServer:
    """A server that takes mail from the users of a domain, under TLS.

    *username* is empty where nobody logs in.
    """

    host: str
    port: int
    security: Security
    username: str
    login: Login = Login.PASSWORD


class NotAutoconfig(ValueError):
    """The octets are no file of this kind, or not one that is read."""


@attrs.frozen
class Place:
    """Where a domain may publish its file; *plain*: by a connection that anybody can change."""

    url: str
    plain: bool = False


def provider_places(address: Address) -> Sequence[Place]:
    """Where the provider itself publishes it, by https: sections 1.1 and 1.2 of the retrieval."""
    domain = address.domain
    whom = quote(str(address), safe="@")
    return (
        Place(f"https://autoconfig.{domain}/mail/config-v1.1.xml?emailaddress={whom}"),
        Place(f"https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml"),
    )


def database_place(address: Address) -> Place:
    """Where Thunderbird's database (ISPDB) has it."""
    return Place(f"https://autoconfig.thunderbird.net/v1.1/{address.domain}")


def plain_places(address: Address) -> Sequence[Place]:
    """Where older providers publish it. The address is not told to whoever listens."""
    domain = address.domain
    return (
        Place(f"http://autoconfig.{domain}/mail/config-v1.1.xml", plain=True),
        Place(f"http://{domain}/.well-known/autoconfig/mail/config-v1.1.xml", plain=True),
    )


def read_servers(octets: bytes, address: Address) -> Sequence[MailServer]:
    """The servers that *address* may send by, the preferred first. NotAutoconfig.

    Those without TLS, with a login that this service has not, or not understood are left out.
    """
    root = _tree(octets)
    if _name(root) != "clientConfig":
        raise NotAutoconfig("its root is not clientConfig")
    sections = [root, *(child for child in root if _name(child) == "emailProvider")]
    servers = [
        _server(child, address)
        for section in sections
        for child in section
        if _name(child) == "outgoingServer" and child.get("type", "").lower() == "smtp"
    ]
    return [server for server in servers if server is not None]


def _tree(octets: bytes) -> Element:
    if len(octets) > MOST_OCTETS:
        raise NotAutoconfig("it is too large")
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotAutoconfig("it is not in UTF-8") from None
    if _DECLARATION.search(text):
        raise NotAutoconfig("it has a document type")
    parser = XMLParser(target=_Builder())  # noqa: S314 - see the module
    try:
        parser.feed(text)
        root = parser.close()
    except ParseError as error:
        raise NotAutoconfig(f"it is not XML: {error.code}") from None
    assert isinstance(root, Element)  # what a TreeBuilder makes
    return root


class _Builder(TreeBuilder):
    def __init__(self) -> None:
        super().__init__()
        self._depth = 0
        self._left = MOST_ELEMENTS

    def start(self, tag: str, attributes: dict[str, str], /) -> Element:
        self._depth += 1
        self._left -= 1
        if self._depth > DEEPEST or not self._left:
            raise NotAutoconfig("it has too many elements")
        return super().start(tag, attributes)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def _server(element: Element, address: Address) -> MailServer | None:
    host = _first(element, "hostname", address).lower().removesuffix(".")
    port = _first(element, "port", address)
    security = _SECURITY.get(_first(element, "socketType", address).lower())
    logins = (_LOGINS.get(one.lower()) for one in _texts(element, "authentication"))
    login = next((one for one in logins if one is not None), None)
    username = "" if login is Login.NONE else _first(element, "username", address)
    if not is_host_name(host) or like_an_address(host) or not re.fullmatch("[0-9]{1,5}", port):
        return None
    if security is None or login is None or not 0 < int(port) < 65_536:
        return None
    if login is not Login.NONE and not username:
        return None
    if len(username) > LONGEST_USERNAME or _PLACEHOLDER.search(username):
        return None
    return MailServer(host=host, port=int(port), security=security, username=username, login=login)


def _first(element: Element, name: str, address: Address) -> str:
    """The text of the first child of this name, its placeholders replaced; "" if it is unusable."""
    text = next(_texts(element, name), "")
    for placeholder, value in (
        ("%EMAILADDRESS%", str(address)),
        ("%EMAILLOCALPART%", address.local),
        ("%EMAILDOMAIN%", address.domain),
    ):
        text = text.replace(placeholder, value)
    return "" if _CONTROL.search(text) else text


def _texts(element: Element, name: str) -> Iterator[str]:
    return ((child.text or "").strip() for child in element if _name(child) == name)


def _name(element: Element) -> str:
    """The name of an element, in whatever namespace."""
    return element.tag.rpartition("}")[2]
