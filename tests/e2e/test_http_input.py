"""What clients should not send: every case of the threat model whose subject exists."""

import email.policy
import gzip
import json
import tracemalloc
from email.parser import BytesParser

import pytest

from adapters.fakes.sender import FakeSender
from tests.applications import (
    a_client,
    a_client_with_config,
    a_config_body,
    an_application,
    an_email_body,
    deliver,
    pointers,
    rules_of_intake,
)


def sent_raw(client, body: bytes, content_type: str | None = "application/json"):
    """A submission whose body is written by hand."""
    return client.post("/api/emails", data=body, content_type=content_type)


def nothing_is_stored(client) -> bool:
    """Whether there is no email."""
    return client.get("/api/emails").json == []


# -- T-JSON -----


@pytest.mark.parametrize(
    "body",
    [
        *[b"null", b"[]", b'"s"', b"1", b"", b"{bad", b"{} x"],
        '{"subject":"ü"}'.encode("latin-1"),
        '{"subject":"x"}'.encode("utf-16"),
    ],
    ids=repr,
)
def test_t_json_1_a_body_that_is_no_object_is_refused(client, body):
    reply = sent_raw(client, body)
    assert pointers(reply) == [""]
    assert reply.json["code"] == "invalid_json"


@pytest.mark.parametrize(
    "priority",
    ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, "[" * 5000, "[" * 21 + "]" * 21],
    ids=lambda text: text[:10],
)
def test_t_json_2_a_value_no_reader_agrees_on_is_refused(client, priority):
    body = json.dumps(an_email_body())[:-1] + f', "priority": {priority}}}'
    assert sent_raw(client, body.encode()).json["code"] == "invalid_json"
    assert nothing_is_stored(client)


def test_t_json_2_a_name_that_stands_twice_is_refused():
    client = a_client_with_config()
    body = json.dumps(an_email_body())[:-1] + ', "subject": "Another"}'
    assert sent_raw(client, body.encode()).status_code == 400
    assert nothing_is_stored(client)


def test_t_json_2_more_than_1000_names_are_refused():
    body = {f"n{number}": 1 for number in range(1001)}
    assert a_client_with_config().post("/api/emails", json=body).status_code == 400


@pytest.mark.parametrize("value", [True, 1.0, "3", None, [3], {}], ids=repr)
@pytest.mark.parametrize("field", ["priority", "smtp_config_id"])
def test_t_json_3_an_integer_is_nothing_else(client, field, value):
    reply = client.post("/api/emails", json=an_email_body(**{field: value}))
    assert pointers(reply) == [f"/{field}"]


@pytest.mark.parametrize(
    ("field", "value", "pointer"),
    [
        ("subject", 1, "/subject"),
        ("subject", None, "/subject"),
        ("subject", ["x"], "/subject"),
        ("html_content", 1, "/html_content"),
        ("html_content", {}, "/html_content"),
        ("text_content", 1, "/text_content"),
        ("text_content", None, "/text_content"),
        ("recipients", "ada@example.org", "/recipients"),
        ("recipients", {"0": "ada@example.org"}, "/recipients"),
        ("recipients", None, "/recipients"),
        ("recipients", [["ada@example.org"]], "/recipients/0"),
        ("recipients", [1], "/recipients/0"),
        ("recipients", [None], "/recipients/0"),
        ("cc", "ada@example.org", "/cc"),
        ("cc", None, "/cc"),
        ("bcc", [True], "/bcc/0"),
        ("send_at", 1769850000, "/send_at"),
        ("send_at", "2026-01-31T09:30:00", "/send_at"),
        ("send_at", None, "/send_at"),
        ("at_most_once", 1, "/at_most_once"),
        ("at_most_once", "true", "/at_most_once"),
        ("priority", 0, "/priority"),
        ("priority", 6, "/priority"),
        ("smtp_config_id", 0, "/smtp_config_id"),
        ("smtp_config_id", -1, "/smtp_config_id"),
    ],
)
def test_t_json_3_a_value_of_another_type_or_range_is_refused(client, field, value, pointer):
    reply = client.post("/api/emails", json=an_email_body(**{field: value}))
    assert pointers(reply) == [pointer]


@pytest.mark.parametrize("number", [2**63, 2**64, -(2**63) - 1, 10**100])
def test_t_json_4_an_integer_beyond_64_bits_is_refused_in_a_body(client, number):
    reply = client.post("/api/emails", json=an_email_body(priority=number))
    assert reply.status_code == 400


@pytest.mark.parametrize(
    "email_id",
    [
        *["0", "01", "-1", "1.0", "abc", "1;drop", "%31%32x", "٣", "1%00", "0x1", "1e3", " 1"],
        *[str(2**63), "9" * 20, "9" * 5000],
    ],
    ids=lambda text: text[:24],
)
@pytest.mark.parametrize("path", ["/api/emails/{}", "/api/smtp-configs/{}"])
def test_t_json_4_what_is_no_id_is_not_found(client, path, email_id):
    reply = client.get(path.format(email_id))
    assert (reply.status_code, reply.json["code"]) == (404, "not_found")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_t_json_4_an_id_beyond_64_bits_is_not_found_by_any_method(client, method):
    reply = client.open(f"/api/smtp-configs/{2**63}", method=method)
    assert (reply.status_code, reply.json["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "field", ["id", "status", "created_at", "sent_count_today", "__class__", "sender", "a/b"]
)
def test_t_json_5_read_only_and_unknown_fields_are_refused(client, field):
    reply = client.post("/api/emails", json=an_email_body(**{field: 1}))
    assert pointers(reply) == ["/" + field.replace("/", "~1")]
    assert reply.json["code"] == "unknown_field"
    assert nothing_is_stored(client)


@pytest.mark.parametrize(
    ("field", "meant"),
    [
        ("to", "recipients"),
        ("html", "html_content"),
        ("text", "text_content"),
        ("sender", "from"),
        ("recipient", "recipients"),
        ("html_contents", "html_content"),
        ("replyTo", "reply_to"),
    ],
)
def test_an_unknown_field_names_the_one_that_is_probably_meant(client, field, meant):
    [error] = client.post("/api/emails", json=an_email_body(**{field: 1})).json["errors"]
    assert error["message"] == f"is unknown or read-only: is {meant} meant?"


@pytest.mark.parametrize("field", ["nobody", "status", "__class__", "x" * 200])
def test_nothing_is_guessed_for_a_field_that_is_like_no_other(client, field):
    [error] = client.post("/api/emails", json=an_email_body(**{field: 1})).json["errors"]
    assert error["message"] == "is unknown or read-only"


def test_an_empty_body_is_called_empty(client):
    reply = client.post("/api/emails", data=b" \r\n", content_type="application/json")
    assert (reply.status_code, reply.json["code"]) == (400, "invalid_json")
    assert reply.json["detail"] == "the body is empty: send a JSON object"


def test_a_body_without_its_type_is_told_the_header_that_lacks(client):
    reply = client.post("/api/emails", data=b"{}")
    assert reply.status_code == 415
    assert "Content-Type: application/json" in reply.json["detail"]


def test_a_method_that_a_path_does_not_allow_is_told_those_that_it_does(client):
    reply = client.put("/api/emails")
    assert reply.status_code == 405
    assert reply.json["detail"] == (
        "this path does not allow that method, only GET, HEAD, OPTIONS, POST"
    )


def test_a_path_without_anything_is_told_where_the_calls_are_listed(client):
    assert "/docs" in client.get("/api/email").json["detail"]


def test_every_bad_field_is_named_at_once():
    body = {
        "subject": "",
        "recipients": ["ada@example.org", "bob", 3],
        "cc": [],
        "bcc": "x",
        "priority": 9,
        "send_at": "tomorrow",
        "nobody": 1,
    }
    reply = a_client_with_config().post("/api/emails", json=body)
    assert set(pointers(reply)) == {
        "/subject",
        "/recipients/1",
        "/recipients/2",
        "/html_content",
        "/bcc",
        "/priority",
        "/send_at",
        "/nobody",
    }


@pytest.mark.parametrize("call", ["emails/1/cancel", "emails/1/retry", "smtp-configs/1/pause"])
def test_a_call_that_takes_no_fields_refuses_them(client, call):
    assert pointers(client.post(f"/api/{call}", json={"force": True})) == ["/force"]
    assert client.post(f"/api/{call}", json=[]).status_code == 400


# -- T-CT, T-SIZE -----


@pytest.mark.parametrize(
    "content_type",
    [
        *[None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"],
        *["application/json; charset=utf-16", "application/json; charset=latin-1"],
        *["application/problem+json", "application/jsonp", "text/json", ";", "application"],
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/emails"), ("POST", "/api/smtp-configs"), ("PUT", "/api/smtp-configs/1")],
)
def test_t_ct_another_content_type_is_refused(client, method, path, content_type):
    body = json.dumps(an_email_body())
    reply = client.open(path, method=method, data=body, content_type=content_type)
    assert (reply.status_code, reply.json["code"]) == (415, "unsupported_media_type")
    assert reply.content_type == "application/problem+json"


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'],
)
def test_t_ct_json_in_utf_8_is_taken(content_type):
    body = json.dumps(an_email_body()).encode()
    assert sent_raw(a_client_with_config(), body, content_type).status_code == 201


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "deflate", "zstd", "gzip, identity"])
def test_t_ct_a_compressed_body_is_refused_in_words_that_say_so(client, encoding):
    octets = gzip.compress(json.dumps(an_email_body()).encode())
    headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
    for path in ("/api/emails", "/api/emails/batch", "/api/emails/1/retry", "/api/smtp-configs"):
        reply = client.post(path, data=octets, headers=headers)
        assert (reply.status_code, reply.json["code"]) == (415, "unsupported_media_type")
        assert "compression" in reply.json["detail"]
        assert reply.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
def test_t_ct_a_body_that_says_it_is_not_compressed_is_taken(encoding):
    client = a_client_with_config()
    headers = {"Content-Encoding": encoding}
    assert client.post("/api/emails", json=an_email_body(), headers=headers).status_code == 201


def test_t_ct_a_body_of_another_type_is_told_the_type_and_not_the_encoding(client):
    reply = client.post("/api/emails", data=b"x", content_type="text/plain")
    assert "application/json" in reply.json["detail"]
    assert "Accept-Encoding" not in reply.headers


def test_t_ct_a_byte_order_mark_is_skipped():
    body = b"\xef\xbb\xbf" + json.dumps(an_email_body()).encode()
    assert sent_raw(a_client_with_config(), body).status_code == 201


@pytest.mark.parametrize("size", [1001, 1002, 100_000])
def test_t_size_a_body_that_is_too_large_is_refused(size):
    client = a_client_with_config(max_body_bytes=1000)
    reply = sent_raw(client, b" " * size)
    assert (reply.status_code, reply.json["code"]) == (413, "too_large")


def test_t_size_a_body_of_the_size_that_is_allowed_is_taken():
    client = a_client_with_config(max_body_bytes=1000)
    body = json.dumps(an_email_body()).encode().ljust(1000)
    assert sent_raw(client, body).status_code == 201


@pytest.mark.parametrize(("size", "status"), [(1000, 201), (1001, 413), (100_000, 413)])
def test_t_size_a_chunked_body_is_never_cut_off(size, status):
    client = a_client_with_config(max_body_bytes=1000)
    reply = client.post(
        "/api/emails",
        data=json.dumps(an_email_body()).encode().ljust(size),
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
    )
    assert reply.status_code == status


def test_t_size_recipients_are_counted_over_all_three_fields():
    client = a_client_with_config(an_application(rules=rules_of_intake(max_recipients=3)))
    two = ["ada@example.org", "bob@example.org"]
    assert client.post("/api/emails", json=an_email_body(cc=two)).status_code == 201
    assert pointers(client.post("/api/emails", json=an_email_body(cc=two, bcc=["x"]))) == [
        "/recipients",
        "/bcc/0",
    ]


def test_t_size_more_than_100_recipients_are_refused():
    everybody = [f"r{number}@example.org" for number in range(101)]
    client = a_client_with_config()
    reply = client.post("/api/emails", json=an_email_body(recipients=everybody))
    assert pointers(reply) == ["/recipients"]
    reply = client.post("/api/emails", json=an_email_body(recipients=everybody[:100]))
    assert reply.status_code == 201


def test_t_size_nobody_is_no_recipient():
    reply = a_client_with_config().post("/api/emails", json=an_email_body(recipients=[]))
    assert pointers(reply) == ["/recipients"]


@pytest.mark.parametrize(("length", "status"), [(0, 400), (1, 201), (989, 201), (990, 400)])
def test_t_size_a_subject_has_1_to_989_characters(length, status):
    reply = a_client_with_config().post("/api/emails", json=an_email_body(subject="s" * length))
    assert reply.status_code == status


@pytest.mark.parametrize("field", ["html_content", "text_content"])
@pytest.mark.parametrize("letter", ["x", "ü"])
def test_t_size_more_than_10_mb_are_refused(client, field, letter):
    too_long = letter * (10 * 1024 * 1024 // len(letter.encode()) + 1)
    body = json.dumps(an_email_body(**{field: too_long}), ensure_ascii=False).encode()
    assert pointers(sent_raw(client, body)) == [f"/{field}"]


def test_t_size_a_hostile_body_builds_nothing():
    client = a_client_with_config()
    body = b'{"subject":[' + b"[]," * 1_000_000 + b"[]]}"
    tracemalloc.start()
    reply = sent_raw(client, body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert reply.status_code == 400
    assert peak < 8 * len(body)  # a million lists would be fifty times as much


# -- T-LIM, T-SQL -----


@pytest.mark.parametrize("path", ["/api/emails", "/api/emails/status/queued"])
@pytest.mark.parametrize(
    "limit",
    ["-1", "0", "501", "1000000000", "9" * 20, "9" * 5000, "abc", "1;drop", "", " 5", "5.0", "٥"],
    ids=lambda text: text[:12],
)
def test_t_lim_a_limit_is_1_to_500(client, path, limit):
    reply = client.get(path, query_string={"limit": limit})
    assert pointers(reply) == ["/limit"]


@pytest.mark.parametrize("limit", ["1", "500"])
def test_t_lim_its_ends_are_taken(client, limit):
    assert client.get("/api/emails", query_string={"limit": limit}).status_code == 200


@pytest.mark.parametrize("status", ["xyz", "SENT", "' OR 1=1 --", "queued ", "1", "%00"])
def test_t_lim_a_status_is_one_of_the_seven(client, status):
    assert pointers(client.get(f"/api/emails/status/{status}")) == ["/status"]
    assert pointers(client.get("/api/emails", query_string={"status": status})) == ["/status"]


@pytest.mark.parametrize("cursor", ["", "7", "garbage", "' OR 1=1 --", "A" * 16, "A" * 5000, "é"])
@pytest.mark.parametrize("path", ["/api/emails", "/api/emails/status/queued"])
def test_t_lim_a_made_up_cursor_is_refused(client, path, cursor):
    assert pointers(client.get(path, query_string={"cursor": cursor})) == ["/cursor"]


@pytest.mark.parametrize("value", ["0", "abc", "1 OR 1=1", str(2**63), "-1"])
def test_t_lim_an_account_is_named_by_its_id(client, value):
    reply = client.get("/api/emails", query_string={"smtp_config_id": value})
    assert pointers(reply) == ["/smtp_config_id"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/emails?sort=id",
        "/api/emails?limit=1&sort=id",
        "/api/emails/status/queued?sort=id",
        "/api/emails/status/queued?status=sent",
        "/api/emails/1?sort=id",
        "/api/smtp-configs?sort=id",
        "/api/smtp-configs/1?sort=id",
        "/healthz?sort=id",
    ],
)
def test_an_unknown_query_parameter_is_refused(client, path):
    reply = client.get(path)
    assert reply.status_code == 400
    assert reply.json["code"] == "unknown_field"
    assert reply.json["errors"][0]["message"] == "is unknown in this query"


def test_a_query_parameter_stands_once():
    assert pointers(a_client().get("/api/emails?limit=1&limit=2")) == ["/limit"]


# -- T-ADR (the whole list is a unit test) -----


@pytest.mark.parametrize("field", ["recipients", "cc", "bcc"])
@pytest.mark.parametrize(
    "address",
    [
        *["a@b.com\n", "a@b.com,c@d.com", "a@b.com> NOTIFY=NEVER", "alice@x.org)bob@evil.com"],
        *["<a@b.c>", "a b@c.de", "@a:b@c.d", "foo@bar@baz.com", ".a@b.c", "a..b@c.d", "a@-b.com"],
        *["a@b", "a" * 65 + "@b.com", "a@[169.254.169.254]", "a@localhost", "=?q?=@b.com"],
    ],
)
def test_t_adr_what_is_no_address_is_refused(client, field, address):
    body = an_email_body() | {field: ["ada@example.org", address]}
    assert pointers(client.post("/api/emails", json=body)) == [f"/{field}/1"]
    assert nothing_is_stored(client)


@pytest.mark.parametrize(
    "address", ["o'brien@x.com", "a+b@c.co", "ü@x.de", "a@x.xn--p1ai", "x@inbox.test"]
)
def test_t_adr_an_unusual_address_is_taken_as_it_is(address):
    client = a_client_with_config()
    body = an_email_body(recipients=[address])
    assert client.post("/api/emails", json=body).status_code == 201
    assert client.get("/api/emails/1").json["recipients"] == [address]


# -- T-HDR, T-BODY -----

LINE_ENDS = [
    *["\r\n", "\n", "\r", "\0", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85"],
    *["\u2028", "\u2029", "\x7f", "\u202e"],
]


@pytest.mark.parametrize("sign", LINE_ENDS, ids=repr)
def test_t_hdr_1_a_subject_holds_no_line_end(client, sign):
    reply = client.post("/api/emails", json=an_email_body(subject=f"x{sign}Bcc: e@e.com"))
    assert pointers(reply) == ["/subject"]
    assert nothing_is_stored(client)


@pytest.mark.parametrize("sign", LINE_ENDS, ids=repr)
@pytest.mark.parametrize("field", ["display_name", "name"])
def test_t_hdr_1_a_name_holds_no_line_end(client, field, sign):
    reply = client.post("/api/smtp-configs", json=a_config_body() | {field: f"x{sign}y"})
    assert pointers(reply) == [f"/{field}"]


@pytest.mark.parametrize(
    "text",
    [
        "=?utf-8?q?x=0D=0ABcc=3A_evil=40e.com?=",
        "=?utf-8?b?eA0KQmNjOiBldmlsQGUuY29t?=",
        "a =?utf-8?q?=0D=0ABcc=3A_evil=40e.com?= b",
    ],
)
def test_t_hdr_2_encoded_words_are_literal_text(text):
    sender = FakeSender()
    application = an_application(sender=sender)
    client = a_client(application)
    client.post("/api/smtp-configs", json=a_config_body(display_name=text))
    assert client.post("/api/emails", json=an_email_body(subject=text)).status_code == 201
    deliver(application)
    (accepted,) = sender.accepted
    message = BytesParser(policy=email.policy.compat32).parsebytes(accepted.octets)
    assert sorted(message.keys()) == [
        *["Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To"],
        "X-Email-Ref",
    ]
    assert len(accepted.envelope.recipients) == 1
    read = BytesParser(policy=email.policy.default).parsebytes(accepted.octets)
    assert read["Subject"] == text


@pytest.mark.parametrize(
    "name", ["Doe, John", "A <real@bank.com>", '"x" <a@b.c>, evil', "Jürgen", "a\\b", "=?x?="]
)
def test_t_hdr_3_a_display_name_never_holds_another_address(name):
    sender = FakeSender()
    application = an_application(sender=sender)
    client = a_client(application)
    client.post("/api/smtp-configs", json=a_config_body(display_name=name))
    client.post("/api/emails", json=an_email_body())
    deliver(application)
    (accepted,) = sender.accepted
    read = BytesParser(policy=email.policy.default).parsebytes(accepted.octets)
    (address,) = read["From"].addresses
    assert (address.display_name, address.addr_spec) == (name, "shop@example.com")


@pytest.mark.parametrize(
    "html", ["a\n.\r\nb", "\r.\r", "\r\n.\r\nMAIL FROM:<e@e>", "\rx", "x" * 5000, "..x\n.y"]
)
@pytest.mark.parametrize("field", ["html_content", "text_content"])
def test_t_body_1_a_body_may_say_anything(field, html):
    sender = FakeSender()
    application = an_application(sender=sender)
    client = a_client_with_config(application)
    assert client.post("/api/emails", json=an_email_body() | {field: html}).status_code == 201
    deliver(application)
    (accepted,) = sender.accepted
    read = BytesParser(policy=email.policy.default).parsebytes(accepted.octets)
    part = read.get_body([field.partition("_")[0].replace("text", "plain")])
    wanted = html.replace("\r\n", "\n").replace("\r", "\n")
    assert part.get_content().replace("\r\n", "\n").rstrip("\n") == wanted.rstrip("\n")


@pytest.mark.parametrize("field", ["subject", "html_content", "text_content"])
@pytest.mark.parametrize("escape", ["\\u0000", "\\ud800", "\\udfff\\ud800"])
def test_t_body_2_nul_and_half_characters_are_refused(client, field, escape):
    body = json.dumps(an_email_body() | {field: "@"}).replace('"@"', f'"x{escape}"')
    assert sent_raw(client, body.encode()).status_code == 400
    assert nothing_is_stored(client)
