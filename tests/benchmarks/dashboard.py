"""Benchmarks of the dashboard: how long a page takes, and what open pages cost everybody else."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from threading import Event, Thread
from typing import Final

from adapters.clock import SystemClock
from entrypoints.stores import open_store
from tests.benchmarks.client import an_email, volley
from tests.benchmarks.figures import Benchmark, Figure, Reached, Scene, percentile
from tests.benchmarks.filling import Filling, fill
from tests.benchmarks.searching import fill as fill_with_labels
from tests.benchmarks.serving import database, sent_rate, service, wait_for_sent
from tests.benchmarks.sink import sink
from tests.dashboard import a_browser, pages_of
from tests.running import Running
from tests.world import World

EMAILS: Final = 1_000_000
DASHBOARDS: Final = 40
EVERY_S: Final = 3.0  # as dashboard.js asks
PAIRS: Final = 5
_IDS: Final = {
    "email_id": 1000,  # one that failed
    "account_id": 1,
    "config_id": 1,
    "template_id": 1,
    "webhook_id": 1,
    "suppression_id": 1,
    "name": "welcome",
    "prefix": "00000000",
    "change": "retry",
}
# those that search as people do: for who has much mail, little or none
_SEARCHES: Final = (
    "recipient=r7%40example.org",
    "recipient=nobody%40example.org",
    "recipient=everybody%40example.org",
    "tag=t7",
    "status=failed",
    "subject=invoice+77",
)


def pages(scene: Scene) -> Reached:
    """Every page that there is, of a file with a million emails; in one process, no server."""
    store = open_store(f"sqlite:///{scene.folder / 'pages.db'}", clock=SystemClock())
    try:
        store.migrate()
        fill_with_labels(store, scene.emails or scene.size(EMAILS, 2000))
        application = World(store=store, clock=SystemClock()).application
        browser = a_browser(application)
        asked = dict(pages_of(_IDS))
        asked |= {search: f"/dashboard/emails?{search}" for search in _SEARCHES}
        slowest, worst = "", 0.0
        for name, path in asked.items():
            times = []
            for _ in range(scene.size(20, 2)):
                started = time.perf_counter()
                browser.get(path)
                times.append((time.perf_counter() - started) * 1000)
            p95 = percentile(times, 0.95)
            print(f"{name}: {p95:.1f} ms", flush=True) if not scene.quick else None
            slowest, worst = max((slowest, worst), (name, p95), key=lambda pair: pair[1])
    finally:
        store.close()
    return {"dashboard, slowest page, p95": worst}


def forty(scene: Scene) -> Reached:
    """POST and hand-off with and without 40 open overviews; and without them twice (A/A)."""
    shares: dict[str, list[float]] = {"post": [], "post a/a": [], "sent": [], "sent a/a": []}
    for number in range(scene.size(PAIRS, 1)):
        without, beside, again = (
            _measured(scene, f"{number}-{name}", dashboards=dashboards)
            for name, dashboards in (("without", 0), ("beside", DASHBOARDS), ("again", 0))
        )
        shares["post"].append(beside[0] / without[0])
        shares["post a/a"].append(again[0] / without[0])
        shares["sent"].append(beside[1] / without[1])
        shares["sent a/a"].append(again[1] / without[1])
    median = {name: percentile(values, 0.5) * 100 for name, values in shares.items()}
    return {
        "POST p99 beside 40 dashboards, of that without": median["post"],
        "POST p99 without, twice": median["post a/a"],
        "hand-off beside 40 dashboards, of that without": median["sent"],
        "hand-off without, twice": median["sent a/a"],
    }


def _measured(scene: Scene, name: str, *, dashboards: int) -> tuple[float, float]:
    """The 99th percentile of POST in seconds, and emails handed off a second."""
    folder = scene.folder / name
    folder.mkdir()
    apart = Scene(folder=folder, shared=scene.shared, quick=scene.quick)
    fill(folder / "service.db", Filling(emails=0, port=2525))
    with service(apart, DISPATCHER="none") as running, _open(running, dashboards):
        volley(running.url, number=scene.size(300, 20), clients=16, body=an_email())
        done = volley(running.url, number=scene.size(6000, 60), clients=16, body=an_email())
    (folder / "service.db").unlink()
    number = scene.size(20_000, 300)
    with sink() as target:
        fill(folder / "service.db", Filling(emails=number, port=target.port, accounts=4))
        with service(apart) as running, _open(running, dashboards), database(apart) as looking:
            wait_for_sent(running, looking, number)
            rate = sent_rate(looking)
    return percentile(done.times, 0.99), rate


@contextmanager
def _open(running: Running, dashboards: int) -> Iterator[None]:
    """So many browsers look at the overview, each of which asks as its script does."""
    over = Event()
    refused: list[int] = []

    def look() -> None:
        pages = [HTTPConnection("127.0.0.1", running.port, timeout=30) for _ in range(dashboards)]
        tags = [""] * dashboards
        number = 0
        while not over.wait(EVERY_S / dashboards):
            which = number % dashboards
            number += 1
            headers = {"HX-Request": "true", "If-None-Match": tags[which] or '""'}
            pages[which].request("GET", "/dashboard", headers=headers)
            reply = pages[which].getresponse()
            reply.read()
            if reply.status not in (200, 304):
                refused.append(reply.status)
            tags[which] = reply.headers["ETag"]
        for page in pages:
            page.close()

    thread = Thread(target=look)
    if dashboards:
        thread.start()
    try:
        yield
    finally:
        over.set()
        if dashboards:
            thread.join()
    assert not refused, refused


BENCHMARKS: Final = (
    Benchmark(
        name="dashboard-pages",
        about=f"each page of the dashboard among {EMAILS:,} emails or --emails, in one process",
        figures=(Figure(name="dashboard, slowest page, p95", unit="ms", most=100),),
        run=pages,
    ),
    Benchmark(
        name="dashboards",
        about=f"{DASHBOARDS} open overviews beside 6,000 POSTs, and beside a backlog of 20,000;"
        f" medians of {PAIRS} pairs",
        figures=(
            Figure(name="POST p99 beside 40 dashboards, of that without", unit="%", most=110),
            Figure(name="POST p99 without, twice", unit="%"),
            Figure(name="hand-off beside 40 dashboards, of that without", unit="%", least=95),
            Figure(name="hand-off without, twice", unit="%"),
        ),
        run=forty,
    ),
)
