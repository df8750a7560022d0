"""All benchmarks, in the order in which they are run and shown."""

from collections.abc import Mapping
from typing import Final

from tests.benchmarks import (
    attachments,
    fleet,
    million,
    nodemailer,
    peers,
    plain,
    searching,
    serving,
    stages,
    templates,
)
from tests.benchmarks.figures import Benchmark

BENCHMARKS: Final[tuple[Benchmark, ...]] = (
    *serving.BENCHMARKS,
    *templates.BENCHMARKS,
    *attachments.BENCHMARKS,
    *million.BENCHMARKS,
    *plain.BENCHMARKS,
    *searching.BENCHMARKS,
    *fleet.BENCHMARKS,
    *peers.BENCHMARKS,
    *nodemailer.BENCHMARKS,
    *stages.BENCHMARKS,
)
BY_NAME: Final[Mapping[str, Benchmark]] = {benchmark.name: benchmark for benchmark in BENCHMARKS}
