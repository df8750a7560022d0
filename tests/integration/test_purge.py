"""What is old goes from a large file without anybody waiting long, and its room is given back."""

from pathlib import Path

from tests.benchmarks.figures import Scene
from tests.benchmarks.retention import purge_large

MOST_MB = 5.0
LONGEST_MS = 250.0
SLOWER = 5.0  # than without a purge, on a machine that is that busy


def test_20_000_emails_of_10_kb_leave_a_small_file_and_no_commit_waits_for_them(
    tmp_path: Path,
) -> None:
    reached = purge_large(Scene(folder=tmp_path, shared=tmp_path, quick=False))
    figures = {name: value or 0.0 for name, value in reached.items()}

    assert figures["file before"] > 100
    assert 0 < figures["file and log after"] < MOST_MB
    alone = figures["commits of others alone, longest"]
    assert figures["commits of others, longest"] <= max(LONGEST_MS, SLOWER * alone), figures
