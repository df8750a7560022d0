"""Tags and metadata of emails."""

import pytest

from tests.applications import a_client_with_config, an_email_body, pointers


def test_an_email_is_shown_with_its_labels():
    client = a_client_with_config()
    labels = {"tags": ["welcome", "Zürich"], "metadata": {"order": "1042", "a.b": ""}}
    client.post("/api/emails", json=an_email_body(**labels))
    shown = client.get("/api/emails/1").json

    assert {name: shown[name] for name in labels} == labels


def test_an_email_without_labels_is_shown_without():
    client = a_client_with_config()
    client.post("/api/emails", json=an_email_body())
    shown = client.get("/api/emails/1").json

    assert (shown["tags"], shown["metadata"]) == ([], {})


def test_a_tag_that_stands_twice_is_kept_once():
    client = a_client_with_config()
    client.post("/api/emails", json=an_email_body(tags=["b", "a", "b"]))

    assert client.get("/api/emails/1").json["tags"] == ["b", "a"]


def test_each_email_of_a_batch_has_labels_of_its_own():
    client = a_client_with_config()
    emails = [an_email_body(tags=[f"t{n}"], metadata={"n": f"{n}"}) for n in range(3)]
    for mode in ("all", "each"):
        client.post("/api/emails/batch", json={"emails": emails, "mode": mode})

    shown = [client.get(f"/api/emails/{number}").json for number in range(1, 7)]
    assert [email["tags"] for email in shown] == [["t0"], ["t1"], ["t2"]] * 2
    assert [email["metadata"]["n"] for email in shown] == ["0", "1", "2"] * 2


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"tags": ["x"] * 11}, "/tags"),
        ({"tags": ["a", ""]}, "/tags/1"),
        ({"tags": ["x" * 65]}, "/tags/0"),
        ({"tags": ["a\nb"]}, "/tags/0"),
        ({"tags": [1]}, "/tags/0"),
        ({"tags": None}, "/tags"),
        ({"tags": "a"}, "/tags"),
        ({"metadata": {f"k{n}": "" for n in range(21)}}, "/metadata"),
        ({"metadata": {"k": "x" * 501}}, "/metadata/k"),
        ({"metadata": {"k": "a\0b"}}, "/metadata/k"),
        ({"metadata": {"k": 1}}, "/metadata/k"),
        ({"metadata": None}, "/metadata"),
        ({"metadata": []}, "/metadata"),
    ],
)
def test_wrong_labels_are_refused_and_named(wrong, pointer):
    client = a_client_with_config()
    reply = client.post("/api/emails", json=an_email_body(**wrong))

    assert (reply.status_code, pointers(reply)) == (400, [pointer])
    assert client.get("/api/emails").json == []


@pytest.mark.parametrize("key", ["", "x" * 41, "a\tb"])
def test_a_wrong_key_of_the_metadata_is_refused(key):
    client = a_client_with_config()
    reply = client.post("/api/emails", json=an_email_body(metadata={key: "v"}))

    assert (reply.status_code, pointers(reply)) == (400, [f"/metadata/{key}"])


def test_a_wrong_value_is_named_by_its_key_whatever_that_is():
    client = a_client_with_config()
    reply = client.post("/api/emails", json=an_email_body(metadata={"[key]": 1}))

    assert pointers(reply) == ["/metadata/[key]"]


def test_the_longest_labels_are_accepted():
    client = a_client_with_config()
    labels = {
        "tags": [f"{n}".ljust(64, "ä") for n in range(10)],
        "metadata": {f"{n}".ljust(40, "ä"): "ä" * 500 for n in range(20)},
    }
    assert client.post("/api/emails", json=an_email_body(**labels)).status_code == 201
    shown = client.get("/api/emails/1").json
    assert {name: shown[name] for name in labels} == labels
