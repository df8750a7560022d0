"""All benchmarks, in the order in which they are run and shown."""

from collections.abc import Mapping
from typing import Final

from tests.benchmarks import (
    attachments,
    dashboard,
    dialects,
    feed,
    fleet,
    intake_peers,
    mailing,
    million,
    nodemailer,
    peers,
    plain,
    retention,
    searching,
    serving,
    stages,
    submission,
    suppressions,
    templates,
    watching,
    webhooks,
)
from tests.benchmarks.figures import Benchmark

BENCHMARKS: Final[tuple[Benchmark, ...]] = (
    *serving.BENCHMARKS,
    *dialects.BENCHMARKS,
    *templates.BENCHMARKS,
    *mailing.BENCHMARKS,
    *webhooks.BENCHMARKS,
    *attachments.BENCHMARKS,
    *million.BENCHMARKS,
    *plain.BENCHMARKS,
    *retention.BENCHMARKS,
    *searching.BENCHMARKS,
    *dashboard.BENCHMARKS,
    *watching.BENCHMARKS,
    *feed.BENCHMARKS,
    *fleet.BENCHMARKS,
    *peers.BENCHMARKS,
    *nodemailer.BENCHMARKS,
    *stages.BENCHMARKS,
    *submission.BENCHMARKS,
    *intake_peers.BENCHMARKS,
    *suppressions.BENCHMARKS,
)
BY_NAME: Final[Mapping[str, Benchmark]] = {benchmark.name: benchmark for benchmark in BENCHMARKS}
