"""The dialects that come with the service: a new one is its module and a word here."""

from collections.abc import Iterable
from typing import Final

from entrypoints.http.dialects.mailgun import MAILGUN
from entrypoints.http.dialects.postmark import POSTMARK
from entrypoints.http.dialects.registry import Dialects
from entrypoints.http.dialects.resend import RESEND
from entrypoints.http.dialects.sendgrid import SENDGRID

BY_NAME: Final = {one.name: one for one in (RESEND, SENDGRID, POSTMARK, MAILGUN)}
SHIPPED: Final = Dialects(tuple(BY_NAME.values()))


def named(names: Iterable[str]) -> Dialects:
    """The dialects of these *names*."""
    return Dialects([BY_NAME[name] for name in names])
