"""The storage that docs/building/scaling.md counts on is what a database takes."""

import pytest

from tests.benchmarks.scaling import Numbers, measure_storage


def test_storage_is_measured_on_a_store_that_has_sent(tmp_path) -> None:
    given = Numbers.read().measured

    measured = measure_storage(f"sqlite:///{tmp_path / 'empty.db'}", emails=200)

    assert measured["body_bytes"] == pytest.approx(given["body_bytes"], rel=0.05)
    assert measured["row_bytes"] == pytest.approx(given["row_bytes"], rel=0.3)
