"""No rule of SpamAssassin that is about how a message was built is hit by any message of ours.

Each shape is submitted to the API, and what is handed off is judged, all of them in one run.
"""

from typing import Any, Final

import pytest

from adapters.fakes.sender import FakeSender
from tests.applications import a_client_with_config, an_application, an_email_body, deliver
from tests.spam_rules import rules_of

_PARAGRAPH: Final = (
    "Thank you for your order of November. It left our house today and will be with you on"
    " Friday. Answer this mail if anything is missing, and we shall see to it."
)
_GERMAN: Final = _PARAGRAPH.replace("order", "Bestellung für Ürzig").replace("house", "Häuschen")
_JAPANESE: Final = (
    "ご注文ありがとうございます。商品は本日発送いたしました。金曜日にお届けの予定です。" * 3
)
SHAPES: Final[dict[str, dict[str, Any]]] = {
    "html alone": {"html_content": f"<html><body><h1>Hello</h1><p>{_PARAGRAPH}</p></body></html>"},
    "text alone": {"html_content": None, "text_content": f"Hello Ada,\n\n{_PARAGRAPH}\n"},
    "both": {
        "html_content": f"<html><body><p>{_PARAGRAPH}</p></body></html>",
        "text_content": f"{_PARAGRAPH}\n",
    },
    "german": {
        "subject": "Ihre Bestellung für Ürzig",
        "html_content": f"<html><body><p>{_GERMAN}</p></body></html>",
    },
    "japanese": {
        "subject": "ご注文の確認",
        "html_content": f"<html><body><p>{_JAPANESE}</p></body></html>",
    },
    "emoji": {
        "subject": "Your parcel is on its way 📦",
        "html_content": f"<html><body><p>📦 {_PARAGRAPH}</p></body></html>",
    },
    "many recipients": {
        "recipients": [f"person{n}@example.org" for n in range(20)],
        "cc": [f"colleague{n}@example.org" for n in range(20)],
        "html_content": f"<html><body><p>{_PARAGRAPH}</p></body></html>",
    },
    "names": {
        "recipients": ["Ada Lovelace <ada@example.org>", '"Hopper, Grace" <grace@example.org>'],
        "cc": [{"address": "taro@example.com", "name": "山田太郎"}],
        "reply_to": ["Büro <help@example.org>"],
        "html_content": f"<html><body><p>{_PARAGRAPH}</p></body></html>",
    },
    "hidden recipients alone": {
        "recipients": [],
        "bcc": ["ada@example.org", "grace@example.org"],
        "html_content": f"<html><body><p>{_PARAGRAPH}</p></body></html>",
    },
    "headers": {
        "headers": {
            "X-Order": "Größe 7",
            "Auto-Submitted": "auto-generated",
            "Feedback-ID": "a:b:c:example",
            "Importance": "high",
            "List-Id": "News <news.example.com>",
            "List-Help": "<https://example.com/help>",
            "List-Unsubscribe": "<https://example.com/u?t=1>, <mailto:u@example.com>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
        "html_content": f"<html><body><p>{_PARAGRAPH}</p></body></html>",
    },
    "a reply": {
        "subject": "Re: Your order",
        "in_reply_to": "<5f0c8b0e1d9a4c53b1f0a2d7c6e5f401@example.org>",
        "html_content": f"<html><body><p>{_PARAGRAPH}</p></body></html>",
    },
    "a name of its own": {
        "from": {"address": "shop@example.com", "name": "Büro, Ürzig"},
        "html_content": f"<html><body><p>{_PARAGRAPH}</p></body></html>",
    },
    "long lines": {
        "html_content": f"<html><body><p>{_PARAGRAPH * 20}</p></body></html>",
    },
    "images and links": {
        "html_content": f"<html><body><p><img src='https://example.com/logo.png' alt='Example'>"
        f" {_PARAGRAPH * 20} <a href='https://example.com/orders/1'>Order 1</a></p></body></html>"
    },
}


@pytest.fixture(scope="module")
def hits() -> dict[str, frozenset[str]]:
    """The rules that each shape hits."""
    sender = FakeSender()
    application = an_application(sender=sender)
    client = a_client_with_config(application)
    handed_off: list[bytes] = []
    for shape in SHAPES.values():
        body = {"subject": "Your order of November"} | an_email_body(**shape)
        answer = client.post(
            "/api/emails", json={name: value for name, value in body.items() if value is not None}
        )
        assert answer.status_code == 201, answer.text
        deliver(application)
        handed_off.append(sender.accepted[-1].octets)
    return dict(zip(SHAPES, rules_of(handed_off), strict=True))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_message_hits_no_rule(hits: dict[str, frozenset[str]], shape: str) -> None:
    assert hits[shape] == frozenset()


def test_a_message_that_is_built_badly_would_be_noticed() -> None:
    message = b"From: me@example.com\nContent-Type: text/html\n\n<p>Hello</p>"

    [hit] = rules_of([message])

    assert {"MISSING_DATE", "MISSING_SUBJECT", "MIME_HTML_ONLY"} <= hit
