"""What the dialects have in common in reading a request."""

from time import thread_time

from entrypoints.http.dialects.reading import address


def test_an_encoded_name_before_an_address_is_decoded_once() -> None:
    hostile = "=?a?q? " * 9_000 + "<ada@example.org>"  # as much as an unknown caller may send

    began = thread_time()
    address(hostile)

    assert thread_time() - began < 2.0  # it took a quarter of a minute


def test_an_encoded_name_is_text() -> None:
    assert address("=?utf-8?q?J=C3=BCrgen?= =?utf-8?b?IEs=?= <j@example.org>") == {
        "address": "j@example.org",
        "name": "Jürgen K",
    }
