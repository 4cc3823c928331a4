"""Rows of files follow the files."""

from pathlib import Path

import pytest

from history import index, rows
from history.index import check, follow
from history.kinds import Kind
from history.models import FileState, HistoryFile
from history.periods import parse
from history.shelf import Shelf
from tests.support.trades import trades

pytestmark = [pytest.mark.django_db, pytest.mark.databases]
OF = ("ETHUSDT", Kind.TRADES)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    shelf = Shelf(tmp_path)
    shelf.put(*OF, parse("2024-01-15"), trades(1, 2, 5), (), "import a.csv")
    follow(shelf, *OF)
    return shelf


def test_a_row_says_what_the_footer_says(shelf: Shelf) -> None:
    row = HistoryFile.objects.get()
    (path,) = shelf.paths(*OF)
    assert (row.market, row.symbol, row.kind, row.name, row.period) == ("live", *OF, "2024-01-15", "2024-01-15")
    assert (row.rows, row.first_id, row.last_id, row.holes, row.state) == (3, 1, 5, [[3, 4]], FileState.HOLES)
    assert (row.bytes, row.sha256) == (path.stat().st_size, index.sha256(path))
    assert (row.origin, row.checked_at) == ("import a.csv", None)
    assert rows.row(row).holes[0].size == 2


def test_the_check_reads_all_and_makes_rows_anew(shelf: Shelf) -> None:
    HistoryFile.objects.all().delete()
    assert list(check(shelf, *OF)) == []
    row = HistoryFile.objects.get()
    assert row.checked_at is not None
    follow(shelf, *OF)
    assert HistoryFile.objects.get().checked_at == row.checked_at, "it did not change"


def test_a_damaged_file_is_suspect_until_it_is_right_again(shelf: Shelf) -> None:
    (path,) = shelf.paths(*OF)
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + bytes([whole[100] ^ 0xFF]) + whole[101:])
    (line,) = check(shelf, *OF)
    assert line.startswith(f"{path}: ")
    assert HistoryFile.objects.get().state == FileState.SUSPECT
    path.write_bytes(whole)
    assert list(check(shelf, *OF)) == []
    assert HistoryFile.objects.get().state == FileState.HOLES


def test_rows_of_files_that_are_gone_go(shelf: Shelf) -> None:
    shelf.put(*OF, parse("2024-01-16"), trades(86_400), ())
    follow(shelf, *OF)
    assert HistoryFile.objects.count() == 2
    shelf.remove(*OF, shelf.pieces(*OF)[:1])
    follow(shelf, *OF)
    assert HistoryFile.objects.get().name == "2024-01-16"
    shelf.remove(*OF, shelf.pieces(*OF))
    assert index.symbols(shelf, Kind.TRADES) == ["ETHUSDT"]
    assert list(check(shelf, *OF)) == []
    assert not HistoryFile.objects.exists()


def test_a_file_named_as_none_of_ours_is_suspect(shelf: Shelf) -> None:
    (path,) = shelf.paths(*OF)
    path.rename(path.with_name("2024-13.parquet"))
    assert len(list(check(shelf, *OF))) == 1
    assert (HistoryFile.objects.get().period, HistoryFile.objects.get().state) == ("", FileState.SUSPECT)
