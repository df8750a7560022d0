"""A message as every mail server takes it: ASCII, and no line longer than 998 octets (RFC 5321).

Only what breaks this is encoded; all else stays octet for octet, so that signatures hold.
"""

import re
from binascii import b2a_base64, b2a_qp
from email import message_from_bytes
from email.header import Header
from email.message import Message as Part
from email.policy import default
from email.utils import formataddr, getaddresses
from typing import Final

from entrypoints.client.failures import WrongMessage
from entrypoints.client.message import UNREADABLE, Field, Message

# 8-bit characters, NUL, CR, lines that are too long; at the beginning of lines only: it is quick
_UNFIT: Final = re.compile(rb"[\x00\r\x80-\xff]|^[^\n]{999}", re.MULTILINE)
_ADDRESSES: Final = frozenset({"from", "sender", "reply-to", "to", "cc", "bcc"})
_MIME: Final = ("mime-version", "content-type", "content-transfer-encoding")
_LINE: Final = 57  # octets that a line of base64 has
# the library's names for how it writes messages; nothing is folded anew that is ASCII
_POLICY: Final = default.clone(cte_type="7bit", refold_source="none", linesep="\n")


def in_seven_bits(message: Message) -> Message:
    """The same to whoever reads it. WrongMessage if what must be encoded cannot be read."""
    try:
        fields = [one if is_plain(one.octets) else _encoded(one) for one in message.fields]
        if is_plain(message.body):
            return message._replace(fields=fields)
        return _with_encoded_body(fields, bytes(message.body))
    except UNREADABLE as error:
        reason = f"its headers or parts cannot be read, so they cannot be encoded: {error}"
        raise WrongMessage(reason) from None


def is_plain(octets: bytes | memoryview) -> bool:
    """Whether *octets* with LF line ends may be sent as they are."""
    return _UNFIT.search(octets) is None


def _encoded(field: Field) -> Field:
    """Its text in encoded words (RFC 2047), parameters as RFC 2231 has them; ASCII is folded."""
    text = field.text
    if field.value.isascii():
        value = Header(text, header_name=field.name).encode()
    elif field.key in _ADDRESSES:
        value = ",\n ".join(formataddr(one) for one in getaddresses([text]))
    elif field.key.startswith("content-"):
        folded = default.header_factory(field.name, text).fold(policy=_POLICY)
        return Field(field.name, folded.partition(":")[2].encode())
    else:
        value = Header(text, "utf-8", header_name=field.name).encode()
    return Field(field.name, f" {value}\n".encode())


def _with_encoded_body(fields: list[Field], body: bytes) -> Message:
    mime = b"".join(one.octets for one in fields if one.key in _MIME)
    root = message_from_bytes(mime + b"\n" + body, policy=_POLICY)
    for part in root.walk():
        _encode(part)
    if "MIME-Version" not in root:
        root["MIME-Version"] = "1.0"
    head, _, encoded = root.as_bytes().partition(b"\n\n")
    found = message_from_bytes(head, policy=_POLICY)
    written = [Field(name, f" {value}\n".encode()) for name, value in found.raw_items()]
    kept = [one for one in fields if one.key not in _MIME]
    return Message([*kept, *written], encoded)


def _encode(part: Part) -> None:
    if part.is_multipart():
        # what stands between parts is shown to nobody
        part.preamble = part.epilogue = None
        if str(part.get("Content-Transfer-Encoding", "")).lower() in ("8bit", "binary"):
            del part["Content-Transfer-Encoding"]
        return
    written = part.get_payload()
    octets = part.get_payload(decode=True)
    assert isinstance(written, str), "it is no multipart"
    assert isinstance(octets, bytes), "it is no multipart"
    if is_plain(written.encode("utf-8", "surrogateescape")):  # decoded, which is enough to see
        return
    if part.get_content_maintype() == "multipart":
        raise WrongMessage("it has 8-bit text in a multipart that has no parts")
    encoding = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    del part["Content-Transfer-Encoding"]
    is_text = part.get_content_maintype() == "text"
    if is_text:
        _name_charset(part, octets)
    if is_text and encoding != "base64" and b"\r" not in octets:  # which b2a_qp would leave
        part["Content-Transfer-Encoding"] = "quoted-printable"
        part.set_payload(b2a_qp(octets, istext=True).decode("ascii"))
    else:
        part["Content-Transfer-Encoding"] = "base64"
        part.set_payload(_base64(octets))


def _name_charset(part: Part, octets: bytes) -> None:
    """8-bit text without a charset is UTF-8, or else Latin-1."""
    if (part.get_content_charset() or "us-ascii") != "us-ascii" or octets.isascii():
        return
    try:
        octets.decode()
        charset = "utf-8"
    except UnicodeDecodeError:
        charset = "iso-8859-1"
    if "Content-Type" in part:
        part.set_param("charset", charset)
    else:
        part["Content-Type"] = f"text/plain; charset={charset}"


def _base64(octets: bytes) -> str:
    lines = [b2a_base64(octets[at : at + _LINE]) for at in range(0, len(octets), _LINE)]
    return b"".join(lines).decode("ascii")
