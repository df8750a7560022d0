"""Random histories of the queue with crashes at every commit point, against a pure model."""

from hypothesis import HealthCheck, settings

from tests.faults.queue_machine import QueueInMemory, QueueOnSqlite

SUPPRESSED = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)

TestQueueInMemory = QueueInMemory.TestCase
TestQueueInMemory.settings = settings(
    max_examples=20, stateful_step_count=50, deadline=None, suppress_health_check=SUPPRESSED
)
TestQueueOnSqlite = QueueOnSqlite.TestCase
TestQueueOnSqlite.settings = settings(
    max_examples=8, stateful_step_count=50, deadline=None, suppress_health_check=SUPPRESSED
)
