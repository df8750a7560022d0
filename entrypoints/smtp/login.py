"""AUTH PLAIN and LOGIN (RFC 4954, 4616): the name may be anything, the password is an API key."""

from base64 import b64decode
from binascii import Error
from typing import Final

from entrypoints.smtp import reply
from entrypoints.smtp.commands import Refused

MECHANISMS: Final = ("PLAIN", "LOGIN")
_ASKED: Final = {"USERNAME": b"334 VXNlcm5hbWU6\r\n", "PASSWORD": b"334 UGFzc3dvcmQ6\r\n"}
_GO_ON: Final = b"334 \r\n"
_CANCEL: Final = b"*"
_EMPTY: Final = "="  # an initial response without octets


class LoginDialogue:
    """One AUTH: `begin` and `hear` give what to say, or None once `token` is known. Refused."""

    def __init__(self, mechanism: str) -> None:
        if mechanism not in MECHANISMS:
            raise Refused(reply.NO_MECHANISM)
        self._mechanism = mechanism
        self._named = False
        self.token = ""

    def begin(self, initial: str) -> bytes | None:
        """With the initial response of the command; "" if there is none."""
        if not initial:
            return _GO_ON if self._mechanism == "PLAIN" else _ASKED["USERNAME"]
        return self.hear(b"" if initial == _EMPTY else initial.encode())

    def hear(self, line: bytes) -> bytes | None:
        """The next line of the client."""
        if line == _CANCEL:
            raise Refused(reply.LOGIN_CANCELLED)
        response = _decoded(line)
        if self._mechanism == "PLAIN":
            _, *rest = response.split("\0")
            if len(rest) != 2:
                raise Refused(reply.BAD_BASE64)
            self.token = rest[1]
            return None
        if not self._named:
            self._named = True
            return _ASKED["PASSWORD"]
        self.token = response
        return None


def _decoded(line: bytes) -> str:
    try:
        return b64decode(line, validate=True).decode()
    except (Error, UnicodeDecodeError):
        raise Refused(reply.BAD_BASE64) from None
