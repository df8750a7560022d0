"""POST /api/smtp-configs/<id>/doctor: what was found, told as the contract says."""

from adapters.fakes.dns import FakeDns
from adapters.fakes.sender import FakeSender, Rule, Script
from domain.outcome.handoff import Stage
from tests.applications import (
    a_client_with_config,
    a_keyed_client,
    an_application,
    pointers,
)

PATH = "/api/smtp-configs/1/doctor"


def a_dns(*spf: str) -> FakeDns:
    dns = FakeDns()
    dns.add_txt("example.com", *spf)
    dns.add_addresses("smtp.example.com", "193.0.2.1")
    return dns


def findings(reply) -> dict:
    assert reply.status_code == 200, reply.text
    return {finding["code"]: finding for finding in reply.json["findings"]}


def test_an_examination_tells_what_is_found_expected_and_to_be_mended():
    dns = a_dns("v=spf1 -all", "v=spf1 ip4:193.0.2.1 -all")
    reply = a_client_with_config(an_application(dns=dns)).post(PATH)

    assert findings(reply)["spf_one_record"] == {
        "code": "spf_one_record",
        "status": "fail",
        "found": "2 records: v=spf1 -all, v=spf1 ip4:193.0.2.1 -all",
        "expected": "exactly one TXT record that begins with v=spf1",
        "fix": "Merge them into one and remove the others: with two, SPF fails for all mail.",
        "source": "RFC 7208, 4.5",
    }
    told = {name: reply.json[name] for name in ("config_id", "name", "domain", "status")}
    assert told == {"config_id": 1, "name": "main", "domain": "example.com", "status": "fail"}
    assert reply.json["checked_at"].endswith("Z")


def test_a_dead_dns_is_unknown():
    dns = a_dns()
    dns.break_all()
    reply = a_client_with_config(an_application(dns=dns)).post(PATH)
    assert reply.json["status"] == "unknown"
    assert {one["status"] for one in reply.json["findings"]} == {"ok", "unknown"}


def test_a_stage_that_fails_has_the_advice_of_verify():
    sender = FakeSender(Script((Rule(Stage.AUTH, "535 5.7.8 no"),)))
    reply = a_client_with_config(an_application(sender=sender)).post(PATH)
    assert "Check username and password" in findings(reply)["auth"]["fix"]


def test_a_message_tells_the_selector():
    body = {"message": "From: a@example.com\r\nDKIM-Signature: d=example.com; s=m1\r\n\r\nHi"}
    reply = a_client_with_config(an_application(dns=a_dns())).post(PATH, json=body)
    assert "m1._domainkey.example.com" in findings(reply)["dkim_selector"]["found"]


def test_what_is_no_message_is_refused():
    client = a_client_with_config()
    assert pointers(client.post(PATH, json={"message": "Subject: x\r\n\r\n"})) == ["/message"]
    assert pointers(client.post(PATH, json={"message": ""})) == ["/message"]
    assert pointers(client.post(PATH, json={"recipient": "nobody"})) == ["/recipient"]
    assert pointers(client.post(PATH, json={"account": 1})) == ["/account"]


def test_another_recipient_is_asked_for():
    sender = FakeSender(Script((Rule(Stage.RCPT, "550 5.1.1 no", recipient="ada@example.org"),)))
    client = a_client_with_config(an_application(sender=sender))
    assert findings(client.post(PATH))["rcpt"]["status"] == "ok"
    body = {"recipient": "ada@example.org"}
    assert findings(client.post(PATH, json=body))["rcpt"]["status"] == "fail"


def test_one_that_is_not_there_is_not_found():
    reply = a_client_with_config().post("/api/smtp-configs/7/doctor")
    assert (reply.status_code, reply.json["code"]) == (404, "not_found")
    assert reply.json["error"] == "there is no SMTP configuration 7"


def test_only_the_scope_admin_may_examine():
    application = an_application(closed=True)
    for scope in ("send", "read"):
        assert a_keyed_client(application, scope).post(PATH).status_code == 403
