"""use_tls and use_ssl: the two switches of the API that together name one `Security`.

They exclude each other: turning one on turns off the other if that was not named too. With both
off, nothing is encrypted. The core knows `Security` alone.
"""

from typing import Final

import attrs

from domain.account.account import Security, default_security
from domain.errors import InvalidInput
from entrypoints.http.fields import RequestError


@attrs.frozen(kw_only=True)
class Switches:
    """The two as a request has them; None for one that it leaves out."""

    use_tls: bool | None = None
    use_ssl: bool | None = None

    @property
    def left_out(self) -> bool:
        """Whether the request has neither."""
        return self.use_tls is None and self.use_ssl is None

    @property
    def named(self) -> Security | None:
        """The protection that they name; None if it depends on what there is without them.

        InvalidInput if both are on.
        """
        self._check()
        if self.use_tls:
            return Security.STARTTLS
        if self.use_ssl:
            return Security.TLS
        return Security.PLAIN if self.use_tls is False and self.use_ssl is False else None

    def of_new(self, port: int | None) -> Security:
        """The protection of a new SMTP configuration, with *port* if one was sent.

        A switch that is left out has its default. InvalidInput if both are on.
        """
        if port is None or self.use_ssl is False:
            return self.of_existing(Security.STARTTLS)
        return self.of_existing(default_security(port))

    def of_existing(self, current: Security) -> Security:
        """The protection of one that has *current*. InvalidInput if both are on.

        A switch that is left out keeps its meaning.
        """
        if self.left_out:
            return current
        if self.named is not None:
            return self.named
        # one of them is off: that is all it says
        off = Security.STARTTLS if self.use_tls is False else Security.TLS
        return Security.PLAIN if current is off else current

    def _check(self) -> None:
        if self.use_tls and self.use_ssl:
            raise InvalidInput(RequestError("/use_ssl", "excludes use_tls: choose one of the two"))


SWITCHES: Final = frozenset(field.name for field in attrs.fields(Switches))
