"""`/metrics`: what it says of the service, to whom, and that its text is what Prometheus reads."""

from datetime import timedelta

import attrs
import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector, CollectorRegistry

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from domain.account.account import AccountState
from domain.account.limits import Window
from domain.email.status import TERMINAL, Status
from domain.outcome.verdict import Result
from domain.throughput import Via
from entrypoints.http.exposition import MOST_ACCOUNTS, exposition, families
from tests.applications import (
    a_client,
    a_config_body,
    a_keyed_client,
    an_application,
    an_email_body,
    deliver,
)
from tests.builders import an_account, an_attempt, at
from tests.dialect_ways import a_dialect_client, bearer


def samples_of(reply):
    """Each sample by its name and its labels' values, in the order of their names."""
    assert reply.status_code == 200, reply.text
    return samples_of_text(reply.text)


def samples_of_text(text):
    return {
        (one.name.removeprefix("email_service_"), *(one.labels[k] for k in sorted(one.labels))): (
            one.value
        )
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def application(clock):
    return an_application(clock=clock)


@pytest.fixture
def client(application):
    client = a_client(application)
    assert (
        client.post(
            "/api/smtp-configs", json=a_config_body(hourly_limit=3, priority_reserve=0)
        ).status_code
        == 201
    )
    return client


def send(client, number=1, **fields):
    for _ in range(number):
        assert client.post("/api/emails", json=an_email_body(**fields)).status_code == 201


def test_every_status_has_its_number_of_emails(client, application):
    send(client, 2)
    deliver(application)
    send(client, 1)
    found = samples_of(client.get("/metrics"))
    numbers = {status: found["emails", status] for status in Status}
    assert numbers == dict.fromkeys(Status, 0) | {Status.SENT: 2, Status.QUEUED: 1}


def test_accepted_emails_are_counted_by_the_way_they_came_in(application):
    body = {"from": "shop@example.com", "to": "ada@example.org", "subject": "x", "text": "x"}
    assert a_dialect_client(application, bearer).post("/emails", json=body).status_code == 200
    client = a_keyed_client(application, "admin")
    send(client, 2)
    found = samples_of(client.get("/metrics"))
    numbers = {via: found["accepted_total", via] for via in Via}
    assert numbers == dict.fromkeys(Via, 0) | {Via.API: 2, Via.DIALECT: 1}


def test_attempts_and_ends_are_counted(client, application):
    send(client, 2)
    deliver(application)
    found = samples_of(client.get("/metrics"))
    assert found["attempts_total", "1", "sent"] == 2
    assert [found["ended_total", status] for status in sorted(TERMINAL)] == [0, 0, 2]


def test_the_durations_are_a_histogram_whose_buckets_add_up(clock):
    store = MemoryStore(clock=clock)
    client = a_client(an_application(clock=clock, store=store))
    took = (timedelta(seconds=seconds) for seconds in (0.01, 0.2, 0.2, 99))
    for duration in took:
        attempt = an_attempt(ended_at=at(0), duration=duration, result=Result.SENT)
        store.write(lambda tx, one=attempt: tx.throughput.attempt(one))
    found = samples_of(client.get("/metrics"))
    buckets = {key[1]: n for key, n in found.items() if key[0] == "handoff_seconds_bucket"}
    assert [buckets[le] for le in ("0.05", "0.1", "0.25", "60.0", "+Inf")] == [1, 1, 3, 3, 4]
    assert found["handoff_seconds_count",] == 4
    assert found["handoff_seconds_sum",] == pytest.approx(99.41)


def test_an_account_that_is_removed_takes_neither_its_counter_nor_its_place_along(clock):
    """Else one of the others would get a series of its own, and their counter would fall."""
    store = MemoryStore(clock=clock)
    application = an_application(clock=clock, store=store)
    client = a_client(application)
    for number in range(1, MOST_ACCOUNTS + 2):
        account = an_account(name=f"account {number}")
        store.write(lambda tx, account=account: tx.accounts.add(account))
        attempt = an_attempt(account_id=number, ended_at=at(0), result=Result.SENT)
        if number != 2:  # which never tries anything
            store.write(lambda tx, attempt=attempt: tx.throughput.attempt(attempt))
    before = samples_of(client.get("/metrics"))
    for number in (1, 2):
        application.account_service.delete(number)
    after = samples_of(client.get("/metrics"))
    assert before["attempts_total", "other", "sent"] == 1
    assert {key: n for key, n in after.items() if key[0] == "attempts_total"} == {
        **{key: n for key, n in before.items() if key[0] == "attempts_total"},
        ("attempts_total", "2", "sent"): 0,
    }


def test_the_oldest_due_email_tells_for_how_long_it_waits(client, clock):
    assert samples_of(client.get("/metrics"))["oldest_due_seconds",] == 0
    send(client)
    clock.tick(90)
    assert samples_of(client.get("/metrics"))["oldest_due_seconds",] == 90


def test_mail_of_a_paused_account_is_not_overdue_but_the_account_is_paused(client, clock):
    send(client)
    clock.tick(90)
    assert client.post("/api/smtp-configs/1/pause").status_code == 200
    found = samples_of(client.get("/metrics"))
    assert found["oldest_due_seconds",] == 0
    assert found["account_state", "1", "paused"] == 1
    assert ("account_state", "1", "open") not in found


def test_an_account_tells_what_is_used_of_its_limits(client, application):
    send(client, 4)
    deliver(application)
    found = samples_of(client.get("/metrics"))
    assert [found["account_used", "1", window] for window in Window] == [3, 3, 3]
    assert (found["account_limit", "1", "hour"], found["account_limit", "1", "day"]) == (3, 500)
    assert ("account_limit", "1", "minute") not in found


def test_a_name_stands_in_one_metric_and_cannot_forge_a_line(client, application):
    name = 'a"} 1\nemail_service_emails{status="sent"} 9 \\'
    figures = application.metrics.figures()
    (one,) = figures.accounts
    renamed = attrs.evolve(figures, accounts=[attrs.evolve(one, name=name)])
    found = samples_of_text(exposition(renamed, version="1").decode())
    assert found["account_info", "1", name] == 1
    assert found["emails", "sent"] == 0
    assert len([key for key in found if name in key]) == 1


class Families(Collector):
    """The families of *figures*, for the library to write them."""

    def __init__(self, figures):
        self.figures = figures

    def collect(self):
        for family in families(self.figures, version="1"):
            metric = Metric(family.name.removesuffix("_total"), family.meaning, family.kind)
            for end, values, number in family.samples:
                labels = dict(zip(family.labels, values, strict=bool(values)))
                metric.add_sample(family.name + end, labels, number)
            yield metric


@pytest.mark.parametrize("name", ["main", 'a"} 1\nx{y="\\', "\\n", "Büro \u2028 \r"])
def test_the_text_is_the_one_that_the_library_writes(client, application, name):
    send(client, 3)
    deliver(application)
    figures = application.metrics.figures()
    (one,) = figures.accounts
    accounts = [attrs.evolve(one, id=number, name=name) for number in range(1, 300)]
    figures = attrs.evolve(figures, accounts=accounts, oldest_due=timedelta(seconds=1e-7))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Families(figures))
    assert exposition(figures, version="1") == generate_latest(registry)


def test_the_version_is_told(client):
    assert samples_of(client.get("/metrics"))["build_info", "1.2.3"] == 1


def test_the_text_is_what_prometheus_asks_for_and_is_not_kept(client):
    reply = client.get("/metrics")
    assert reply.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert reply.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("scope", "status"), [("metrics", 200), ("admin", 200), ("read", 403), ("send", 403)]
)
def test_the_scope_metrics_is_needed_and_admin_has_it(scope, status):
    client = a_keyed_client(an_application(closed=True), scope)
    assert client.get("/metrics").status_code == status


def test_without_a_key_a_closed_service_tells_nothing():
    assert a_client(an_application(closed=True)).get("/metrics").status_code == 401


def test_a_key_with_the_scope_metrics_alone_sees_no_email_and_no_account():
    client = a_keyed_client(an_application(closed=True), "metrics")
    for path in ("/api/emails", "/api/smtp-configs", "/api/events"):
        assert client.get(path).status_code == 403


def test_a_key_of_some_accounts_does_not_learn_how_the_others_fare():
    application = an_application()
    assert a_client(application).post("/api/smtp-configs", json=a_config_body()).status_code == 201
    client = a_keyed_client(application, "metrics", accounts=frozenset({1}))
    assert client.get("/metrics").status_code == 403


def test_accounts_behind_the_first_two_hundred_are_told_together(clock):
    store = MemoryStore(clock=clock)
    application = an_application(clock=clock, store=store)
    now = clock.now()
    for number in range(MOST_ACCOUNTS + 3):
        account = an_account(name=f"account {number}", active=number != MOST_ACCOUNTS)
        store.write(lambda tx, account=account: tx.accounts.add(account))
    found = samples_of(a_client(application).get("/metrics"))
    named = {one[1] for one in found if one[0] == "account_info"}
    assert named == {str(number) for number in range(1, MOST_ACCOUNTS + 1)}
    assert found["account_state", "other", "open"] == 2
    assert found["account_state", "other", "inactive"] == 1
    assert found["account_used", "other", "day"] == 0
    assert now == clock.now()


def test_every_process_tells_the_same(clock):
    """Each answers from the store: it matters not which one a scrape reaches, or that one ended."""
    store = MemoryStore(clock=clock)
    one = an_application(clock=clock, store=store)
    client = a_client(one)
    assert client.post("/api/smtp-configs", json=a_config_body()).status_code == 201
    send(client, 3)
    deliver(one)
    other = an_application(clock=clock, store=store)
    assert client.get("/metrics").text == a_client(other).get("/metrics").text


def test_a_thousand_accounts_cost_no_more_series_than_two_hundred(application, client):
    (one,) = application.metrics.figures().accounts
    many = [attrs.evolve(one, id=number) for number in range(1, 1001)]
    figures = attrs.evolve(
        application.metrics.figures(), accounts=many, oldest_due=timedelta(seconds=1.5)
    )
    lines = exposition(figures, version="1").decode().splitlines()
    most = MOST_ACCOUNTS * (1 + 1 + 2 * len(Window)) + len(AccountState) + len(Window)
    assert len(lines) < most + 40
