"""Every benchmark works, in sizes of a test. How fast it is, is not judged here."""

import smtplib
from pathlib import Path

import pytest

from tests.benchmarks.catalogue import BENCHMARKS
from tests.benchmarks.figures import Benchmark, Scene
from tests.benchmarks.sink import sink
from tests.running import wait_until

REQUIRED = [benchmark for benchmark in BENCHMARKS if not benchmark.optional]


@pytest.mark.parametrize("benchmark_", REQUIRED, ids=lambda benchmark: benchmark.name)
def test_it_gives_every_figure_it_names(benchmark_: Benchmark, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    reached = benchmark_.run(Scene(folder=tmp_path, shared=shared, quick=True))
    named = {figure.name for figure in benchmark_.figures}
    assert set(reached) == named


@pytest.mark.parametrize("latency_s", [0.0, 0.001], ids=["the sink that is there", "our own"])
def test_a_sink_counts_what_it_took(latency_s: float, tmp_path: Path) -> None:
    with sink(latency_s=latency_s, count=tmp_path / "count") as target:
        assert target.taken() == 0
        with smtplib.SMTP("127.0.0.1", target.port) as server:
            for number in range(11):
                server.sendmail("me@example.com", ["ada@example.org"], f"Subject: {number}\n\nHi")
        wait_until(lambda: target.taken() == 11)
