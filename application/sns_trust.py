"""Whether a call is Amazon SNS': its certificate is fetched, kept, and asked.

Nothing here runs in a work: a certificate and a confirmation are calls over the network.
"""

from collections import OrderedDict
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from application.ports.hooks import Signatures
from application.ports.system import Clock
from application.ports.web import WebClient, WebFailed, WebRequest
from domain.errors import Unavailable
from domain.hook.sns import SnsMessage

KEPT: Final = timedelta(hours=24)
MOST_KEPT: Final = 16  # a region has one or two at a time
_TIMEOUT_S: Final = 5.0
_MOST_OCTETS: Final = 16_384


class SnsTrust:
    """Verifies calls of SNS and confirms its subscriptions. Safe from many threads."""

    def __init__(self, *, web: WebClient, clock: Clock, signatures: Signatures) -> None:
        self._web = web
        self._clock = clock
        self._signatures = signatures
        self._lock = Lock()
        self._certificates: OrderedDict[str, tuple[datetime, bytes]] = OrderedDict()

    def is_signed(self, message: SnsMessage) -> bool:
        """Whether SNS has signed it. Unavailable if its certificate cannot be fetched now."""
        if not message.may_trust_certificate:
            return False
        return self._signatures.is_by_certificate(
            message.signature,
            message.signed_text,
            certificate=self._certificate(message.certificate_url),
            digest=message.digest,
            now=self._clock.now(),
        )

    def confirm(self, message: SnsMessage) -> None:
        """Tell SNS that its calls are wanted. Unavailable if it does not answer that it is so."""
        self._fetch(message.subscribe_url, "the subscription cannot be confirmed now")

    def _certificate(self, url: str) -> bytes:
        now = self._clock.now()
        with self._lock:
            known = self._certificates.get(url)
        if known is not None and timedelta(0) <= now - known[0] < KEPT:
            return known[1]
        found = self._fetch(url, "the certificate of Amazon SNS cannot be fetched now")
        with self._lock:
            self._certificates[url] = (now, found)
            self._certificates.move_to_end(url)
            while len(self._certificates) > MOST_KEPT:
                self._certificates.popitem(last=False)
        return found

    def _fetch(self, url: str, trouble: str) -> bytes:
        """No redirect is followed: it would lead away from the host that was judged."""
        try:
            answer = self._web.fetch(
                WebRequest(url=url), timeout_s=_TIMEOUT_S, most_octets=_MOST_OCTETS
            )
        except WebFailed as failed:
            raise Unavailable(f"{trouble}: {failed.problem}") from None
        if answer.status != 200:
            raise Unavailable(f"{trouble}: it answered {answer.status}")
        return answer.body
