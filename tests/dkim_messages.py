"""Messages that are signed, for the tests of DKIM."""

from datetime import UTC, datetime

from domain.message.dkim import Algorithm, BodyHash, SigningKey, dkim_header, split_headers
from tests.signing import StockedSigner

DATE = datetime(2026, 11, 2, 12, tzinfo=UTC)
SIGNER = StockedSigner()
KEYS = {
    algorithm: SigningKey(
        domain="example.org",
        selector="mail",
        algorithm=algorithm,
        private_key=SIGNER.new_private_key(algorithm),
    )
    for algorithm in Algorithm
}
HEAD = (
    b"From: Ada <ada@example.org>\r\nTo: bob@example.org,\r\n cy@example.org\r\n"
    b"Subject:  two \t blanks \r\nDate: Mon, 2 Nov 2026 12:00:00 +0000\r\n"
    b"Message-ID: <1@example.org>\r\n"
    b"List-Unsubscribe: <https://example.org/u/1>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n"
)


def signed(body: bytes, key: SigningKey, head: bytes = HEAD) -> bytes:
    body_hash = BodyHash()
    body_hash.add(body)
    header = dkim_header(
        split_headers(head), body_hash=body_hash.digest(), key=key, date=DATE, sign=SIGNER.sign
    )
    return header + head + b"\r\n" + body
