"""Benchmarks of the dialects: how their calls compare with our own, for the same email."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Final
from urllib.parse import urlencode

from tests.benchmarks.client import volley
from tests.benchmarks.figures import Benchmark, Figure, Reached, Scene
from tests.benchmarks.filling import TEN_KB_HTML, TEN_KB_TEXT, Filling, fill
from tests.benchmarks.serving import processor_s, service
from tests.dialect_ways import DIALECTS, WAYS

ROUNDS: Final = 5
LEAST: Final = 80  # % of our own call's rate
_RATE: Final = "{}, rate against our own call"
_COST: Final = "{}, processor time against our own call"
FROM, TO = "sender@example.com", "ada@example.org"
# what is not measured here may not bound it
UNBOUNDED: Final = {
    "RATE_LIMIT": 100_000,
    "RATE_BURST": 1_000_000,
    "KEY_DAILY_RECIPIENTS": 10**9,
}
TEXTS: Final = {"html": TEN_KB_HTML, "text": TEN_KB_TEXT}
# 10 KB of HTML and text, to one recipient
BODIES: Final[Mapping[str, Any]] = {
    "ours": {
        "from": FROM,
        "recipients": [TO],
        "subject": "Hi",
        "html_content": TEN_KB_HTML,
        "text_content": TEN_KB_TEXT,
    },
    "resend": {"from": FROM, "to": [TO], "subject": "Hi", **TEXTS},
    "sendgrid": {
        "personalizations": [{"to": [{"email": TO}]}],
        "from": {"email": FROM},
        "subject": "Hi",
        "content": [
            {"type": "text/plain", "value": TEN_KB_TEXT},
            {"type": "text/html", "value": TEN_KB_HTML},
        ],
    },
    "postmark": {
        "From": FROM,
        "To": TO,
        "Subject": "Hi",
        "HtmlBody": TEN_KB_HTML,
        "TextBody": TEN_KB_TEXT,
    },
    "mailgun": urlencode({"from": FROM, "to": TO, "subject": "Hi", **TEXTS}),
}


def dialects(scene: Scene) -> Reached:
    """All calls in turn, several times: what slows one round down slows all of its calls."""
    fill(scene.folder / "service.db", Filling(emails=0, port=2525))
    rates: dict[str, list[float]] = {name: [] for name in WAYS}
    costs: dict[str, list[float]] = {name: [] for name in WAYS}
    with service(scene, DISPATCHER="none", **UNBOUNDED) as running:
        key = running.with_key("send").key or ""
        for _ in range(scene.size(ROUNDS, 1)):
            for name, way in WAYS.items():
                before = processor_s(running)
                done = volley(
                    running.url,
                    number=scene.size(1000, 20),
                    clients=4,
                    path=way.path,
                    body=BODIES[name],
                    headers=way.key(key),
                )
                assert set(done.statuses) == {str(way.accepted)}, done.statuses
                rates[name].append(done.rate)
                costs[name].append((processor_s(running) - before) / len(done.times))
    return {
        "our own call, with a key": median(rates["ours"]),
        **{_RATE.format(name): share for name, share in _shares(rates).items()},
        **{_COST.format(name): share for name, share in _shares(costs).items()},
    }


def _shares(found: Mapping[str, Sequence[float]]) -> Mapping[str, float]:
    """What each dialect reached in % of our own call, in the same round."""
    return {
        name: median(100 * one / ours for one, ours in zip(reached, found["ours"], strict=True))
        for name, reached in found.items()
        if name != "ours"
    }


BENCHMARKS: Final = (
    Benchmark(
        name="dialects",
        about="5 rounds of 1,000 calls of each dialect and of our own, 4 clients",
        figures=(
            Figure(name="our own call, with a key", unit="/s"),
            *(Figure(name=_RATE.format(name), unit="%", least=LEAST) for name in DIALECTS),
            *(Figure(name=_COST.format(name), unit="%") for name in DIALECTS),
        ),
        run=dialects,
    ),
)
