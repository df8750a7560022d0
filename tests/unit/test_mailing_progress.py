"""The file that tells how far a mailing has come, as another process finds it."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from entrypoints.cli.mailing.progress import Begun, Progress
from entrypoints.client.failures import WrongUsage

AT = datetime(2026, 1, 5, 9, tzinfo=UTC)
TERMS = {"file": "ab", "version": 3}


def test_another_process_finds_what_was_noted(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    with closing(Progress(path)) as progress:
        progress.start(TERMS)
        for rows in ((2, 501), (502, 1001), (1002, 1501)):
            progress.begin(rows, at=AT, key="es_1")
        progress.accept((2, 501), [1, 2])
        progress.refuse((502, 1001), {600: "no"})

    with closing(Progress(path)) as found:
        assert (found.terms, found.is_fresh) == (TERMS, False)
        assert {rows: list(ids) for rows, ids in found.accepted.items()} == {(2, 501): [1, 2]}
        assert found.refused == {600: "no"}
        assert found.under_way == {(1002, 1501): Begun(AT, "es_1")}


def test_a_line_that_was_not_finished_is_as_if_it_had_not_been_begun(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    with closing(Progress(path)) as progress:
        progress.start(TERMS)
        progress.begin((2, 501), at=AT, key="")
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"accepted": [2, 501], "ids": [1,')

    with closing(Progress(path)) as found:
        assert list(found.under_way) == [(2, 501)]
        found.accept((2, 501), [1])
    with closing(Progress(path)) as again:
        assert list(again.accepted) == [(2, 501)]


def test_the_first_time_of_a_call_counts_but_not_with_another_key(tmp_path: Path) -> None:
    with closing(Progress(tmp_path / "progress")) as progress:
        progress.start(TERMS)
        for at, key in ((AT, "es_1"), (AT.replace(hour=20), "es_1")):
            progress.begin((2, 501), at=at, key=key)
        assert progress.under_way[2, 501] == Begun(AT, "es_1")

        progress.begin((2, 501), at=None, key="es_2")
        assert progress.under_way[2, 501] == Begun(None, "es_2")


def test_terms_may_be_replaced_while_nothing_was_sent(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    with closing(Progress(path)) as progress:
        progress.start(TERMS)
    with closing(Progress(path)) as second:
        assert second.is_fresh
        second.start({"file": "cd"})
    with closing(Progress(path)) as third:
        assert third.terms == {"file": "cd"}


def test_rows_that_were_refused_under_other_terms_are_not_refused_now(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    with closing(Progress(path)) as progress:
        progress.start(TERMS)
        progress.begin((2, 3), at=AT, key="")
        progress.refuse((2, 3), {2: "the subject has a line end"})
    with closing(Progress(path)) as second:
        assert second.is_fresh
        second.start({"file": "cd"})

        assert second.refused == {}


def test_it_knows_of_which_rows_a_part_was_begun(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    with closing(Progress(path)) as progress:
        progress.start(TERMS)
        progress.begin((2, 501), at=AT, key="")
        assert not progress.is_split((2, 501))
        progress.refuse((2, 501), {})
        progress.begin((2, 251), at=AT, key="")
        progress.accept((2, 251), [1])
    with closing(Progress(path)) as found:
        split = [found.is_split(rows) for rows in ((2, 501), (2, 251), (252, 501))]

        assert split == [True, False, False]


def test_without_terms_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    with closing(Progress(path)):
        assert path.exists()

    assert not path.exists()


@pytest.mark.parametrize(
    "text", ["email,name\n", "email,name", '{"a": 1}\n', "[]\n", '{"terms": 1}\nx\n']
)
def test_another_file_is_refused_and_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "people.csv"
    path.write_text(text)

    with pytest.raises(WrongUsage, match="is no file of this command"):
        Progress(path)
    assert path.read_text() == text


def test_only_one_has_it_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    with closing(Progress(path)), pytest.raises(WrongUsage, match="another process is sending"):
        Progress(path)
    Progress(path).close()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="Name another file with --progress"):
        Progress(tmp_path / "none" / "progress")
