"""A dialect is one short module, and has every guarantee without a word about it."""

from pathlib import Path

from entrypoints.http.dialects.registry import Dialects
from tests.applications import a_client, a_client_with_config, a_key, an_application
from tests.contract import example_dialect
from tests.contract.example_dialect import TOY

MOST_LINES = 60
LETTER = {"sender": "shop@example.com", "rcpt": "ada@example.org", "title": "Hi", "letter": "Hello"}


def test_a_dialect_is_a_module_of_60_lines() -> None:
    lines = Path(example_dialect.__file__).read_text("utf-8").splitlines()

    assert len(lines) <= MOST_LINES


def test_a_new_dialect_sends_with_every_guarantee() -> None:
    application = an_application()
    a_client_with_config(application)
    client = a_client(application, dialects=Dialects([TOY]))
    key = a_key(application, "send", daily_recipients=1)
    once = {"X-Toy-Key": key, "Idempotency-Key": "once"}
    sent = [client.post("/toy/letters", json={**LETTER, "track": 1}, headers=once) for _ in "12"]
    more = client.post("/toy/letters", json=LETTER, headers={"X-Toy-Key": key})

    assert [(one.status_code, one.json) for one in sent] == 2 * [(202, {"letter_no": 1})]
    assert sent[0].headers["X-Ignored"] == "track"
    assert more.status_code == 429
    assert "1 recipients a day" in more.json["oops"]


def test_its_errors_have_its_shape_whatever_went_wrong() -> None:
    application = an_application()
    client = a_client(application, dialects=Dialects([TOY]))
    key = {"X-Toy-Key": a_key(application, "send")}
    replies = [
        client.post("/toy/letters", json=LETTER),
        client.post("/toy/letters", json={**LETTER, "rcpt": "nobody"}, headers=key),
        client.get("/toy/letters", headers=key),
        client.get("/toy/anything", headers=key),
    ]

    assert [reply.status_code for reply in replies] == [401, 400, 405, 404]
    assert all(set(reply.json) == {"oops"} for reply in replies)
    assert replies[1].json["oops"].startswith("rcpt.0: ")
