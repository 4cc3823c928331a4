"""Files of the past: whole or not there, found by their footers, merged by ids."""

import hashlib
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from history import shelf as shelves
from history.columns import Candles, Trades, are_equal, joined
from history.holes import Hole
from history.kinds import Kind
from history.periods import Period, parse
from history.shelf import BadPiece, Refused, Shelf
from tests.support.trades import MIDNIGHT_US, trades

DAY_US = 86_400_000_000
TODAY = date(2024, 3, 1)
DAY, MONTH = parse("2024-01-15"), parse("2024-01")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def put(shelf: Shelf, period: Period, rows: Trades, origin: str = "import a.csv") -> None:
    shelf.put("ETHUSDT", Kind.TRADES, period, rows, (), origin)


def names(shelf: Shelf) -> list[str]:
    return [path.name for path in shelf.paths("ETHUSDT", Kind.TRADES)]


def all_of(shelf: Shelf) -> Trades:
    """Everything of the symbol, as readers see it."""
    found: list[Trades] = list(shelf.between("ETHUSDT", Kind.TRADES, 0, 2**62))
    return joined(found)


def compact(shelf: Shelf, today: date = TODAY) -> list[str]:
    return [piece.name for piece in shelf.compact("ETHUSDT", Kind.TRADES, today)]


def test_what_is_written_is_read_and_stands_in_the_footer(shelf: Shelf) -> None:
    rows = trades(10, 11, 14)
    shelf.put("ETHUSDT", Kind.TRADES, DAY, rows, ("a doubt",), "archive abc", "import b.csv def")
    (piece,) = shelf.pieces("ETHUSDT", Kind.TRADES)
    assert piece.path == shelf.home / "history/trades/live/ETHUSDT/2024-01-15.parquet"
    assert (piece.period, piece.rows, piece.first_id, piece.last_id) == (DAY, 3, 10, 14)
    assert (piece.first_us, piece.last_us) == (MIDNIGHT_US + 10_000_000, MIDNIGHT_US + 14_000_000)
    assert (piece.holes, piece.doubts, piece.state) == ((Hole(12, 13),), ("a doubt",), "SUSPECT")
    assert piece.origins == ("archive abc", "import b.csv def")
    assert are_equal(shelf.read(piece, Trades), rows)
    assert [list(each) for each in shelf.columns(piece, ["id", "price"])] == [list(rows.id), list(rows.price)]
    assert shelf.symbols(Kind.TRADES) == ["ETHUSDT"]
    shelves.check(piece, Kind.TRADES)


def test_the_same_rows_make_the_same_file(shelf: Shelf) -> None:
    hashes = []
    for _ in range(2):
        put(shelf, DAY, trades(*range(1000)))
        hashes.append(hashlib.sha256(shelf.paths("ETHUSDT", Kind.TRADES)[0].read_bytes()).hexdigest())
    assert hashes[0] == hashes[1]


def test_rows_stand_in_groups_and_close_together(shelf: Shelf) -> None:
    put(shelf, DAY, trades(*range(300_000)))
    metadata = pq.read_metadata(shelf.paths("ETHUSDT", Kind.TRADES)[0])
    assert [metadata.row_group(each).num_rows for each in range(3)] == [131_072, 131_072, 37_856]
    column = metadata.row_group(0).column(0)
    assert (column.compression, "DELTA_BINARY_PACKED" in column.encodings) == ("ZSTD", True)


def test_candles_are_kept_as_trades_are(shelf: Shelf) -> None:
    minutes = trades(*range(5)).id * 60_000_000 + MIDNIGHT_US
    candles = Candles(minutes, *[minutes] * 7)
    shelf.put("ETHUSDT", Kind.KLINES, DAY, candles, (), "archive")
    (piece,) = shelf.pieces("ETHUSDT", Kind.KLINES)
    assert are_equal(shelf.read(piece, Candles), candles)
    assert piece.holes == ()


def test_markets_are_apart(tmp_path: Path) -> None:
    put(Shelf(tmp_path, "testnet"), DAY, trades(1))
    assert Shelf(tmp_path).pieces("ETHUSDT", Kind.TRADES) == []
    assert len(Shelf(tmp_path, "testnet").pieces("ETHUSDT", Kind.TRADES)) == 1


def test_segments_become_days_and_days_a_month(shelf: Shelf) -> None:
    shelf.append("ETHUSDT", Kind.TRADES, trades(1, 2, 3), "recorder")
    shelf.append("ETHUSDT", Kind.TRADES, trades(4, 5, 86_400, 86_401), "recorder")
    assert names(shelf) == ["2024-01-15.1.parquet", "2024-01-15.4.parquet", "2024-01-16.86400.parquet"]
    before = all_of(shelf)
    assert compact(shelf, date(2024, 1, 16)) == ["2024-01-15"], "the running day may get more"
    assert compact(shelf, date(2024, 1, 17)) == ["2024-01-16"]
    assert compact(shelf) == [], "nothing is known of the month's other days"
    for day, first in (("2024-01-01", -14 * 86_400), ("2024-01-31", 16 * 86_400)):
        put(shelf, parse(day), trades(first, first + 1), "archive")
    whole = all_of(shelf)
    assert compact(shelf) == ["2024-01"]
    assert names(shelf) == ["2024-01.parquet"]
    assert are_equal(all_of(shelf), whole)
    assert len(whole) == len(before) + 4
    assert shelf.pieces("ETHUSDT", Kind.TRADES)[0].origins == ("archive", "recorder")
    assert compact(shelf) == []


def test_a_sealed_month_takes_in_what_arrives_late(shelf: Shelf) -> None:
    put(shelf, MONTH, trades(1, 2, 5, 6))
    put(shelf, DAY, trades(2, 3, 4, 5))
    assert list(all_of(shelf).id) == [1, 2, 3, 4, 5, 6], "each once, before they are one file"
    assert compact(shelf) == ["2024-01"]
    assert list(all_of(shelf).id) == [1, 2, 3, 4, 5, 6]
    assert [piece.state for piece in shelf.pieces("ETHUSDT", Kind.TRADES)] == ["FULL"]


def test_rows_that_differ_are_refused_and_both_files_stay(shelf: Shelf) -> None:
    other = trades(2, 3)
    other.price[0] += 1
    put(shelf, MONTH, trades(1, 2))
    put(shelf, DAY, other)
    with pytest.raises(Refused, match=r"^id 2 is not the same in 2024-01\.parquet and 2024-01-15\.parquet$"):
        compact(shelf)
    assert names(shelf) == ["2024-01-15.parquet", "2024-01.parquet"]
    with pytest.raises(Refused):
        all_of(shelf)


def test_adding_says_how_much_is_new(shelf: Shelf) -> None:
    def add(rows: Trades, period: Period = DAY) -> int:
        return shelf.add("ETHUSDT", Kind.TRADES, period, rows, (), "import a")

    assert add(trades(1, 2)) == 2
    written = shelf.paths("ETHUSDT", Kind.TRADES)[0].stat().st_ino
    assert add(trades(1, 2)) == 0
    assert shelf.paths("ETHUSDT", Kind.TRADES)[0].stat().st_ino == written, "nothing is written again"
    assert add(trades(2, 3, 4)) == 2
    other = trades(3)
    other.quantity[0] += 1
    with pytest.raises(Refused, match=r"^id 3 is not what 2024-01-15\.parquet has$"):
        add(other)
    assert add(trades(5), MONTH) == 1
    assert names(shelf) == ["2024-01.parquet"], "the month takes in its days"
    assert add(trades(6)) == 1
    assert names(shelf) == ["2024-01.parquet"]
    assert list(all_of(shelf).id) == [1, 2, 3, 4, 5, 6]


def test_rows_of_a_time_are_found(shelf: Shelf) -> None:
    put(shelf, DAY, trades(*range(100)))
    put(shelf, parse("2024-01-16"), trades(*range(86_400, 86_500)))
    found = list(shelf.between("ETHUSDT", Kind.TRADES, MIDNIGHT_US + 90_000_000, MIDNIGHT_US + DAY_US + 10_000_000))
    assert [list(each.id) for each in found] == [list(range(90, 100)), list(range(86_400, 86_410))]
    assert list(shelf.between("ETHUSDT", Kind.TRADES, 0, MIDNIGHT_US)) == []


def test_a_draft_of_one_who_died_is_no_file_and_goes(shelf: Shelf) -> None:
    put(shelf, DAY, trades(1))
    draft = shelf.folder("ETHUSDT", Kind.TRADES) / ".2024-01-15.draft"
    draft.write_bytes(b"half")
    assert len(shelf.pieces("ETHUSDT", Kind.TRADES)) == 1
    put(shelf, DAY, trades(1, 2))
    assert not draft.exists()


@pytest.mark.parametrize("content", [b"", b"PAR1 nothing PAR1", b"x" * 10_000])
def test_a_file_that_is_none_is_said(shelf: Shelf, content: bytes) -> None:
    put(shelf, DAY, trades(1))
    (path,) = shelf.paths("ETHUSDT", Kind.TRADES)
    path.write_bytes(content)
    with pytest.raises(BadPiece, match=r"2024-01-15\.parquet: cannot be read \("):
        shelf.pieces("ETHUSDT", Kind.TRADES)


def test_damage_within_a_file_is_found_by_the_check(shelf: Shelf) -> None:
    put(shelf, DAY, trades(*range(10_000)))
    (piece,) = shelf.pieces("ETHUSDT", Kind.TRADES)
    whole = piece.path.read_bytes()
    missed = []
    for place in range(10, len(whole) - 3000, len(whole) // 25):
        piece.path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            shelves.check(shelf.pieces("ETHUSDT", Kind.TRADES)[0], Kind.TRADES)
        except BadPiece:
            continue
        missed.append(place)
    assert missed == []


def test_a_file_of_another_name_or_origin_is_none_of_ours(shelf: Shelf, tmp_path: Path) -> None:
    put(shelf, DAY, trades(1))
    (path,) = shelf.paths("ETHUSDT", Kind.TRADES)
    path.rename(path.with_name("2024-01-16.parquet"))
    with pytest.raises(BadPiece, match="is not what its footer says"):
        shelf.pieces("ETHUSDT", Kind.TRADES)


def test_a_compaction_while_files_are_listed_hides_no_row(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = trades(1, 2, 3)
    shelf.append("ETHUSDT", Kind.TRADES, rows)
    listed = shelf.paths("ETHUSDT", Kind.TRADES)
    compact(shelf)
    paths, answers = shelf.paths, [listed]
    monkeypatch.setattr(shelf, "paths", lambda *of: answers.pop() if answers else paths(*of))
    assert are_equal(all_of(shelf), rows)
