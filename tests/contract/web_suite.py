"""What every WebClient must do. Subclass `WebClientContract` and say how its web is played.

class TestMyWebClient(WebClientContract):
    @contextmanager
    def playing(self, handler, *, addresses): ...
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final

import attrs
import pytest

from application.ports.web import WebAnswer, WebClient, WebFailed, WebProblem, WebRequest

HOST: Final = "web.example"
URL: Final = f"https://{HOST}"
ALLOWED: Final = ("127.0.0.1",)  # by the network policy of the client under test
Handler = Callable[[WebRequest], WebAnswer | WebProblem]
# What a handler may say instead of an answer: the server is silent, closes without an answer, shows
# the certificate of a stranger, or does not listen.
PLAYED: Final = {
    WebProblem.TIMEOUT: True,
    WebProblem.PROTOCOL: True,
    WebProblem.TLS: False,
    WebProblem.UNREACHABLE: False,
}


@attrs.frozen
class Played:
    """A client, and the requests that have arrived at the one server it can reach."""

    client: WebClient
    arrived: Callable[[], Sequence[WebRequest]]

    def failure(
        self,
        url: str,
        *,
        timeout_s: float = 10.0,
        most_octets: int = 65_536,
        plain: bool = False,
    ) -> tuple[WebProblem, bool]:
        """The problem, and whether the request may have arrived."""
        with pytest.raises(WebFailed) as failed:
            self.client.fetch(
                WebRequest(url=url), timeout_s=timeout_s, most_octets=most_octets, plain=plain
            )
        return failed.value.problem, failed.value.may_have_arrived


def saying(status: int, body: bytes = b"", **headers: str) -> Handler:
    answer = WebAnswer(
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        body=body,
    )
    return lambda request: answer


class WebClientContract:
    """The contract of `application.ports.web.WebClient`."""

    def playing(
        self, handler: Handler, *, addresses: Sequence[str] = ALLOWED
    ) -> AbstractContextManager[Played]:
        """HOST stands for *addresses*, and its server answers as *handler* says."""
        raise NotImplementedError

    def test_status_headers_and_body_are_given(self) -> None:
        with self.playing(saying(201, b"a body", Content_Type="text/plain")) as web:
            answer = web.client.fetch(WebRequest(url=f"{URL}/a"))

        assert (answer.status, answer.body) == (201, b"a body")
        assert answer.headers["content-type"] == "text/plain"

    def test_method_target_headers_and_body_arrive(self) -> None:
        request = WebRequest(
            method="POST", url=f"{URL}/a?b=c%20d", headers={"X-Its": "value"}, body=b"x=1"
        )
        with self.playing(saying(200)) as web:
            web.client.fetch(request)
            (arrived,) = web.arrived()

        assert (arrived.method, arrived.url, arrived.body) == ("POST", f"{URL}/a?b=c%20d", b"x=1")
        assert {name.lower(): value for name, value in arrived.headers.items()}["x-its"] == "value"

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize("place", ["https://169.254.169.254/", f"{URL}/other", "file:///x"])
    def test_a_redirect_is_an_answer_and_is_not_followed(self, status: int, place: str) -> None:
        with self.playing(saying(status, Location=place)) as web:
            answer = web.client.fetch(WebRequest(url=f"{URL}/"))

            assert (answer.status, answer.headers["location"]) == (status, place)
            assert len(web.arrived()) == 1

    @pytest.mark.parametrize("status", [204, 304, 400, 401, 404, 429, 500, 503])
    def test_a_refusal_is_an_answer_and_is_not_tried_again(self, status: int) -> None:
        with self.playing(saying(status)) as web:
            assert web.client.fetch(WebRequest(url=f"{URL}/")).status == status
            assert len(web.arrived()) == 1

    def test_a_body_has_at_most_so_many_octets(self) -> None:
        with self.playing(saying(200, b"12345")) as web:
            answer = web.client.fetch(WebRequest(url=f"{URL}/"), most_octets=5)
            failure = web.failure(f"{URL}/", most_octets=4)

        assert answer.body == b"12345"
        assert failure == (WebProblem.TOO_LARGE, True)

    @pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP", "x-unheard-of"])
    def test_an_encoded_body_is_refused(self, encoding: str) -> None:
        with self.playing(saying(200, b"\x1f\x8b", Content_Encoding=encoding)) as web:
            assert web.failure(f"{URL}/") == (WebProblem.PROTOCOL, True)

    @pytest.mark.parametrize("status", [101, 600, 999])
    def test_a_status_that_is_none_of_an_answer_is_refused(self, status: int) -> None:
        with self.playing(saying(status)) as web:
            assert web.failure(f"{URL}/") == (WebProblem.PROTOCOL, True)

    @pytest.mark.parametrize("problem", list(PLAYED))
    def test_a_failure_says_whether_the_request_may_have_arrived(self, problem: WebProblem) -> None:
        timeout_s = 0.3 if problem is WebProblem.TIMEOUT else 10.0
        with self.playing(lambda request: problem) as web:
            assert web.failure(f"{URL}/", timeout_s=timeout_s) == (problem, PLAYED[problem])
            assert bool(web.arrived()) is PLAYED[problem]

    def test_without_time_nothing_is_sent(self) -> None:
        with self.playing(saying(200)) as web:
            assert web.failure(f"{URL}/", timeout_s=0) == (WebProblem.TIMEOUT, False)
            assert web.arrived() == []

    def test_before_is_asked_once_and_nothing_has_arrived_by_then(self) -> None:
        seen: list[int] = []
        with self.playing(saying(200)) as web:

            def before() -> bool:
                seen.append(len(web.arrived()))
                return True

            assert web.client.fetch(WebRequest(url=f"{URL}/"), before=before).status == 200
            assert len(web.arrived()) == 1
        assert seen == [0]

    def test_where_before_says_no_nothing_is_sent_and_the_next_request_is(self) -> None:
        with self.playing(saying(200)) as web:
            with pytest.raises(WebFailed) as failed:
                web.client.fetch(WebRequest(url=f"{URL}/"), before=lambda: False)
            assert (failed.value.problem, failed.value.may_have_arrived) == (
                WebProblem.STOPPED,
                False,
            )
            assert web.arrived() == []
            assert web.client.fetch(WebRequest(url=f"{URL}/")).status == 200
            assert len(web.arrived()) == 1

    def test_what_before_raises_is_passed_on_and_nothing_is_sent(self) -> None:
        def broken() -> bool:
            raise RuntimeError("the store is gone")

        with self.playing(saying(200)) as web:
            with pytest.raises(RuntimeError, match="the store is gone"):
                web.client.fetch(WebRequest(url=f"{URL}/"), before=broken)
            assert web.arrived() == []

    def test_before_is_not_asked_where_no_connection_comes_about(self) -> None:
        asked: list[None] = []
        with self.playing(saying(200)) as web, pytest.raises(WebFailed):
            web.client.fetch(
                WebRequest(url="https://other.example/"),
                before=lambda: not asked.append(None),  # type: ignore[func-returns-value]
            )
        assert asked == []

    def test_a_connection_without_time_does_not_come_about(self) -> None:
        with self.playing(saying(200)) as web:
            with pytest.raises(WebFailed) as failed:
                web.client.fetch(WebRequest(url=f"{URL}/"), connect_s=0)
            assert failed.value.problem is WebProblem.TIMEOUT
            assert web.arrived() == []

    def test_a_host_without_an_address_is_not_found(self) -> None:
        with self.playing(saying(200)) as web:
            failure = web.failure("https://other.example/")
        assert failure == (WebProblem.NOT_FOUND, False)

    @pytest.mark.parametrize(
        "addresses",
        [
            ("169.254.169.254",),
            ("127.0.0.1", "169.254.169.254"),
            ("::ffff:169.254.169.254", "127.0.0.1"),
            ("10.0.0.1",),
        ],
    )
    def test_t_ssrf_1_one_forbidden_address_forbids_the_name(
        self, addresses: Sequence[str]
    ) -> None:
        with self.playing(saying(200), addresses=addresses) as web:
            assert web.failure(f"{URL}/") == (WebProblem.FORBIDDEN, False)
            assert web.arrived() == []

    @pytest.mark.parametrize(
        "url",
        [
            "https://169.254.169.254/", "https://[::ffff:169.254.169.254]/", "https://127.1/",
            "https://0x7f000001/", "https://2130706433/", f"http://{HOST}/", f"{URL}:22/",
            "file:///etc/passwd", f"https://user:pw@{HOST}/", f"{URL}/#part", f"{URL}/\r\nX: y",
        ],
    )  # fmt: skip
    def test_t_ssrf_3_a_forbidden_url_is_not_asked(self, url: str) -> None:
        with self.playing(saying(200)) as web:
            assert web.failure(url) == (WebProblem.FORBIDDEN, False)
            assert web.arrived() == []

    def test_plain_http_is_asked_where_it_is_allowed(self) -> None:
        with self.playing(saying(200, b"plain")) as web:
            request = WebRequest(url=f"http://{HOST}/")
            assert web.client.fetch(request, plain=True).body == b"plain"

    def test_the_detail_of_a_failure_has_nothing_of_path_and_query(self) -> None:
        request = WebRequest(url=f"{URL}/secret?token=secret")
        closing = self.playing(lambda request: WebProblem.PROTOCOL)
        with closing as web, pytest.raises(WebFailed) as failed:
            web.client.fetch(request)
        assert "secret" not in failed.value.detail
