"""T-AUTH-5: an admin key limited to some accounts learns nothing of the others.

The way to them is an email that names no account: it may be tried through any of them.
"""

import re

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from adapters.fakes.clock import FakeClock
from adapters.fakes.sender import FakeSender, Rule, Script
from application import Application
from domain.outcome.handoff import Problem, Stage
from tests.applications import (
    a_config_body,
    a_keyed_client,
    an_application,
    an_email_body,
    deliver,
)

MINE, OTHERS = 1, 2
# Each is in what the other account is, or in what its server said.
HIDDEN = ("hidden", "othertenant", "elsewhere", "greylisted", "auth_failed")


class House:
    """Two accounts, an owner of all and an admin of the first alone."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.sender = FakeSender()
        self.application: Application = an_application(
            closed=True, clock=self.clock, sender=self.sender
        )
        self.owner = a_keyed_client(self.application, "admin")
        for body in (
            a_config_body(name="mine"),
            a_config_body(
                name="hidden",
                email_address="me@othertenant.example",
                display_name="hidden",
                smtp_host="elsewhere.example.net",
                daily_limit=1_000_000,
                hourly_limit=None,
            ),
        ):
            assert self.owner.post("/api/smtp-configs", json=body).status_code == 201
        self.limited = a_keyed_client(self.application, "admin", accounts=frozenset({MINE}))

    def only(self, account_id: int) -> None:
        """This account alone is active."""
        for each in (MINE, OTHERS):
            self.change(each, active=each == account_id)

    def change(self, account_id: int, **changes: object) -> None:
        assert self.owner.put(f"/api/smtp-configs/{account_id}", json=changes).status_code == 200

    def answers(self, account_id: int, *rules: Rule) -> None:
        self.sender.play(Script(rules), account_id=account_id)

    def submit(self) -> int:
        """An email that names no account."""
        reply = self.owner.post("/api/emails", json=an_email_body())
        email_id: int = reply.json["email_id"]
        return email_id

    def deliver(self) -> None:
        deliver(self.application)
        self.clock.tick(3600)

    def tried_by_both(self, *rules: Rule, then: Rule | None = None) -> int:
        """An email that the other account tried first, where *rules* held, and then mine."""
        self.only(OTHERS)
        self.answers(OTHERS, *rules)
        email_id = self.submit()
        self.deliver()
        self.only(MINE)
        self.answers(MINE, *([then] if then else []))
        self.deliver()
        self.change(OTHERS, active=True)
        return email_id


@pytest.fixture
def house() -> House:
    return House()


def every_answer_about(client: FlaskClient, email_id: int) -> list[TestResponse]:
    """What can be asked about an email, the changes last."""
    path = f"/api/emails/{email_id}"
    return [
        client.get(path),
        client.get(f"{path}/explain"),
        client.get("/api/emails"),
        client.get("/api/emails", query_string={"limit": 1}),
        client.get("/api/emails/status/retry"),
        client.get("/api/events"),
        client.get("/api/smtp-configs"),
        client.post(f"{path}/resolve", json={"as": "sent"}),
        client.post(f"{path}/retry"),
        client.post(f"{path}/cancel"),
        client.post(f"{path}/cancel"),
        client.get(path),
        client.get(f"{path}/explain"),
    ]


def told(replies: list[TestResponse]) -> str:
    """All of it but the Message-ID: that is in the message, which mine hands off as it is."""
    text = "\n".join(f"{reply.status_code} {dict(reply.headers)} {reply.text}" for reply in replies)
    return re.sub(r'"message_id":"[^"]*"', "", text)


def test_the_account_an_email_would_go_to_next_is_one_of_the_callers(house: House) -> None:
    house.only(MINE)
    email_id = house.submit()
    house.change(OTHERS, active=True)
    assert house.owner.get(f"/api/emails/{email_id}").json["smtp_config"] == "hidden"

    shown = house.limited.get(f"/api/emails/{email_id}").json

    assert (shown["smtp_config"], shown["sender"]) == ("mine", "shop@example.com")
    assert "hidden" not in told(every_answer_about(house.limited, email_id))


@pytest.mark.parametrize("paused", [True, False])
def test_the_gates_are_those_of_the_callers_accounts(house: House, paused: bool) -> None:
    house.only(MINE)
    email_id = house.submit()
    house.change(MINE, active=False)
    house.change(OTHERS, active=True)
    if paused:
        house.application.account_service.pause(OTHERS)

    explained = house.limited.get(f"/api/emails/{email_id}/explain").json

    assert explained["waiting_reason"] == "account_inactive"
    assert "by_hand" not in str(explained)
    assert "1000000" not in str(explained)


REPLIES = {
    "deferred": Rule(Stage.DOT, "451 4.7.1 greylisted by mx.elsewhere.example.net"),
    "recipient deferred": Rule(Stage.RCPT, "450 4.2.1 greylisted by mx.elsewhere.example.net"),
    "login refused": Rule(Stage.AUTH, "535 5.7.8 me@othertenant.example greylisted"),
    "not reached": Rule(Stage.CONNECT, Problem.TIMEOUT),
}


@pytest.mark.parametrize("then", [None, Rule(Stage.DOT, "452 4.2.2 mine is full")])
@pytest.mark.parametrize("rule", REPLIES.values(), ids=REPLIES)
def test_what_another_accounts_server_said_is_not_told(
    house: House, rule: Rule, then: Rule | None
) -> None:
    email_id = house.tried_by_both(rule, then=then)
    known = told(every_answer_about(house.owner, email_id)[:1])
    assert "hidden" in known

    replies = every_answer_about(house.limited, email_id)

    assert replies[0].status_code == 200
    text = told(replies)
    assert [word for word in HIDDEN if word in text] == []
    first, last = replies[0].json["attempts"]
    assert (first["account"], first["text"]) == ("another SMTP configuration", "")
    assert (first["stage"], first["code"], first["reason"]) == (None, None, None)
    assert last["account"] == "mine"


def test_a_recipient_that_another_accounts_server_refused_keeps_its_code_alone(
    house: House,
) -> None:
    house.only(OTHERS)
    house.answers(
        OTHERS,
        Rule(
            Stage.RCPT, "550 5.1.1 unknown at mx.elsewhere.example.net", recipient="no@example.org"
        ),
        Rule(Stage.DOT, "451 4.7.1 greylisted"),
    )
    body = an_email_body(recipients=["no@example.org", "ada@example.org"])
    email_id = house.owner.post("/api/emails", json=body).json["email_id"]
    house.deliver()
    house.only(MINE)
    house.deliver()

    refused, taken = house.limited.get(f"/api/emails/{email_id}").json["recipient_status"]

    assert (refused["status"], refused["code"], refused["text"]) == ("rejected", 550, "")
    assert (taken["status"], taken["code"]) == ("accepted", 250)
    assert taken["text"]


def test_while_mine_sends_it_the_last_result_of_the_other_is_not_told(house: House) -> None:
    house.only(OTHERS)
    house.answers(OTHERS, REPLIES["deferred"])
    email_id = house.submit()
    house.deliver()
    house.only(MINE)
    owner = house.application.membership.beat()
    assert house.application.delivery.claim(owner, places=1)

    reply = house.limited.get(f"/api/emails/{email_id}")

    assert reply.json["status"] == "sending"
    assert (reply.json["error_message"], reply.json["reason_code"]) == (None, None)
    assert [word for word in HIDDEN if word in told([reply])] == []


def test_an_email_on_another_account_is_not_there(house: House) -> None:
    house.only(OTHERS)
    email_id = house.submit()
    nothing = 999_999

    there = every_answer_about(house.limited, email_id)
    nowhere = every_answer_about(house.limited, nothing)

    for one, other in zip(there, nowhere, strict=True):
        assert one.status_code == other.status_code
        if one.status_code != 200:
            detail: str = one.json["detail"]
            assert detail.replace(f"email {email_id}", f"email {nothing}") == other.json["detail"]
    assert house.limited.get("/api/emails").json == []


@pytest.mark.parametrize("account_id", [OTHERS, 99])
def test_another_account_answers_as_one_that_is_not_there(house: House, account_id: int) -> None:
    client, path = house.limited, f"/api/smtp-configs/{account_id}"
    batch = {"emails": [an_email_body(smtp_config_id=account_id)]}
    replies = [
        client.get(path),
        client.put(path, json={"name": "x"}),
        client.delete(path),
        *(client.post(f"{path}/{action}") for action in ("pause", "resume", "verify", "doctor")),
        client.post("/api/emails", json=an_email_body(smtp_config_id=account_id)),
        client.post("/api/emails/batch", json=batch),
        client.post("/api/emails/batch", json={**batch, "mode": "each"}),
        client.get("/api/emails", query_string={"smtp_config_id": account_id}),
    ]

    assert [reply.status_code for reply in replies] == [404] * 9 + [201, 200]
    detail = f"there is no SMTP configuration {account_id}"
    assert {reply.json["detail"] for reply in replies[:9]} == {detail}
    assert replies[9].json["results"][0]["error"]["detail"] == detail
    assert replies[10].json == []


def test_the_pages_of_the_list_skip_what_is_on_other_accounts(house: House) -> None:
    mine, others = [], []
    for number in range(9):
        account_id = OTHERS if number % 3 else MINE
        house.only(account_id)
        (mine if account_id == MINE else others).append(house.submit())
    path: str | None = "/api/emails?limit=1"
    found = []
    while path:
        reply = house.limited.get(path)
        found += [row["id"] for row in reply.json]
        link = reply.headers.get("Link")
        path = link.partition(">")[0].lstrip("<") if link else None

    assert found == mine[::-1]
    assert len(others) == 6
