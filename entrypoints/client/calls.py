"""Calls of the service, repeated for a bounded time while it cannot answer.

A call that stores something has an Idempotency-Key, so that a repetition stores nothing again. Of a
redirection nothing is followed: the key would go to another place.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from ssl import SSLCertVerificationError
from typing import Any, Final, NamedTuple

from entrypoints.client.bodies import Body
from entrypoints.client.config import EMAIL_SERVICE_URL, Config
from entrypoints.client.failures import Refused, Unanswered, WrongConfiguration, WrongMessage
from entrypoints.os_errors import reason_of

PAUSES_S: Final = (0.5, 1.0, 2.0, 4.0)  # then the last one again
_CONNECTING_S: Final = 10.0
_LARGEST_ANSWER: Final = 4 * 1024 * 1024
_LATER: Final = frozenset({408, 429, 500, 502, 503, 504})
_NOTHING_STORED: Final = frozenset({429, 503})


class Answer(NamedTuple):
    """What came: *fields* are None if it is no JSON object, *rows* if it is no JSON array."""

    status: int
    fields: Mapping[str, Any] | None
    retry_after_s: float | None
    rows: Sequence[Any] | None = None
    date: datetime | None = None


class Service:
    """The service. A call ends after the seconds that *config* says, or soon after."""

    def __init__(
        self,
        config: Config,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._config = config
        self._monotonic = monotonic
        self._sleep = sleep
        self._answered_at: datetime | None = None

    @property
    def answered_at(self) -> datetime | None:
        """The time of the last answer by the clock of the service; None before one has told it."""
        return self._answered_at

    def post(self, path: str, body: Body, *, idempotency_key: str = "") -> Mapping[str, Any]:
        """The answer of a call; one that stores something must have an *idempotency_key*. Failure.

        It may be made several times.
        """
        return self._object(self._call("POST", path, body, idempotency_key))

    def get(self, path: str) -> Mapping[str, Any]:
        """The answer of a call that reads an object. Failure."""
        return self._object(self._call("GET", path))

    def rows(self, path: str) -> Sequence[Any]:
        """The answer of a call that reads a list: its first page. Failure."""
        answer = self._call("GET", path)
        if answer.rows is None:
            raise self._no_service(answer)
        return answer.rows

    def _object(self, answer: Answer) -> Mapping[str, Any]:
        if answer.fields is None:
            raise self._no_service(answer)
        return answer.fields

    def _call(
        self, method: str, path: str, body: Body | None = None, idempotency_key: str = ""
    ) -> Answer:
        deadline = self._monotonic() + self._config.timeout_s
        nothing_stored = True
        headers = self._headers(body, idempotency_key)
        for usual_pause_s in _pauses():
            pause_s, after_s = usual_pause_s, None
            try:
                answer = self._ask(method, path, headers, body, deadline)
            except SSLCertVerificationError as error:
                reason = error.verify_message
                raise WrongConfiguration(f"{self._where()} is not trusted: {reason}") from None
            except (OSError, HTTPException) as error:
                reason = (
                    f"{self._where()} does not answer: {_plain(error)}. Is the service running, and"
                    f" is {EMAIL_SERVICE_URL} its address?"
                )
                nothing_stored = False
            else:
                self._answered_at = answer.date or self._answered_at
                if answer.status not in _LATER:
                    return self._judged(answer)
                detail = (answer.fields or {}).get("detail", "")
                reason = f"the service cannot take it now ({answer.status}): {detail}".rstrip(": ")
                reason += "."
                nothing_stored = nothing_stored and answer.status in _NOTHING_STORED
                after_s = answer.retry_after_s
                pause_s = max(pause_s, after_s or 0)
            if self._monotonic() + pause_s >= deadline:
                raise Unanswered(
                    f"{reason} Try it again later.",
                    retry_after_s=after_s,
                    nothing_stored=nothing_stored,
                )
            self._sleep(pause_s)
        raise AssertionError("there is always another pause")

    def _headers(self, body: Body | None, idempotency_key: str) -> dict[str, str]:
        headers = {
            "Accept": "application/json",
            "Connection": "close",
            "User-Agent": "email-service",
        }
        if self._config.key:
            headers["Authorization"] = f"Bearer {self._config.key}"
        if body is not None:
            headers |= {"Content-Type": body.content_type, "Content-Length": str(body.length)}
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        return headers

    def _ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Body | None,
        deadline: float,
    ) -> Answer:
        """One call. OSError, HTTPException; WrongMessage for a file that cannot be read."""
        connection = self._connection()
        try:
            connection.connect()
            connection.sock.settimeout(max(1.0, deadline - self._monotonic()))
            pieces = None if body is None else _readable(body)
            # it may refuse a call before it has read all of it: its answer is worth more
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, self._config.path + path, pieces, dict(headers))
            return _read(connection.getresponse())
        finally:
            connection.close()

    def _connection(self) -> HTTPConnection:
        kind = HTTPSConnection if self._config.scheme == "https" else HTTPConnection
        return kind(self._config.host, self._config.port, timeout=_CONNECTING_S)

    def _judged(self, answer: Answer) -> Answer:
        fields = answer.fields
        if 200 <= answer.status < 300:
            return answer
        if answer.status in (401, 403, 413) or (400 <= answer.status < 500 and fields is not None):
            raise Refused(answer.status, fields or {}, has_key=bool(self._config.key))
        raise self._no_service(answer)

    def _no_service(self, answer: Answer) -> WrongConfiguration:
        return WrongConfiguration(
            f"{self._where()} is no Email Service, it answers {answer.status}: look at"
            f" {EMAIL_SERVICE_URL}"
        )

    def _where(self) -> str:
        config = self._config
        return f"{config.scheme}://{config.host}:{config.port}{config.path}"


def _pauses() -> Iterator[float]:
    yield from PAUSES_S
    while True:
        yield PAUSES_S[-1]


def _readable(body: Body) -> Iterator[bytes]:
    """Its pieces; a file that cannot be read is no trouble with the network."""
    try:
        yield from body.pieces()
    except OSError as error:
        raise WrongMessage(f"a file cannot be read: {reason_of(error)}") from None


def _read(response: HTTPResponse) -> Answer:
    octets = response.read(_LARGEST_ANSWER)
    found: object = None
    with suppress(ValueError):
        found = json.loads(octets)
    after = response.headers.get("Retry-After", "")
    date = None
    with suppress(ValueError):
        date = parsedate_to_datetime(response.headers.get("Date", ""))
    return Answer(
        status=response.status,
        fields=found if isinstance(found, dict) else None,
        retry_after_s=float(after) if after.isdecimal() else None,
        rows=found if isinstance(found, list) else None,
        date=date,
    )


def _plain(error: OSError | HTTPException) -> str:
    if isinstance(error, TimeoutError):
        return "it takes too long"
    return reason_of(error) or type(error).__name__
