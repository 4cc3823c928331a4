"""`manage.py history download` against every bad day of the archive."""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from history import archive as archive_module
from history.archive import Kind
from history.columns import Candles, Trades, joined, where
from history.holes import Hole
from history.management import download
from history.models import HistoryFile
from history.rest import Filler, Found
from history.rest import Row as FoundRow
from history.shelf import Shelf
from tests.support.archive import (
    HEADER,
    ArchiveServer,
    Bucket,
    Fault,
    Row,
    aggregated,
    candles,
    in_us,
    recorded,
    spread,
)
from tests.support.machine.disk import fill, tiny_disk

pytestmark = pytest.mark.django_db

ETH = list(recorded("ETHUSDT-trades-2019"))
JANUARY = [date(2024, 1, day) for day in range(1, 32)]
DAYS = spread(ETH, JANUARY)
MONTH = [row for rows in DAYS.values() for row in rows]
Run = Callable[..., str]


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Hole]:
    """The holes that the exchange was asked for; it has nothing."""
    holes: list[Hole] = []

    def trades(self: Filler, symbol: str, hole: Hole, *_: int) -> Found:
        holes.append(hole)
        return Found([], "the exchange has none")

    monkeypatch.setattr(Filler, "trades", trades)
    monkeypatch.setattr(Filler, "aggregates", trades)
    return holes


@pytest.fixture
def run(
    bucket: Bucket, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[Hole]
) -> Iterator[Run]:
    monkeypatch.setattr(archive_module, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(archive_module, "MAX_WAIT_S", 0.02)
    monkeypatch.setattr(timezone, "now", lambda: datetime(2024, 2, 20, 12, tzinfo=UTC))
    settings.HEDGEHOG_HOME = tmp_path / "home"
    settings.HEDGEHOG_HOME.mkdir()

    def command(*arguments: str) -> str:
        out = io.StringIO()
        call_command("history", "download", *arguments, stdout=out)
        return out.getvalue()

    with ArchiveServer(bucket) as server:
        settings.ARCHIVE_URL, settings.ARCHIVE_LISTING_URL = server.url, server.listing_url
        yield command


def put_days(bucket: Bucket, days: dict[date, list[Row]] = DAYS) -> list[str]:
    return [bucket.put("ETHUSDT", "trades", day.isoformat(), rows) for day, rows in days.items()]


def ids(home: Path, symbol: str = "ETHUSDT") -> list[str]:
    """All ids that are kept, as they stand in the files."""
    shelf = Shelf(home)
    pieces = shelf.pieces(symbol, Kind.TRADES)
    return (
        [str(each) for each in joined([shelf.read(piece, Trades) for piece in pieces]).id.tolist()] if pieces else []
    )


def states(home: Path) -> dict[str, str]:
    return {piece.period.name: piece.state for piece in Shelf(home).pieces("ETHUSDT", Kind.TRADES)}


ALL = [row[0] for row in MONTH]


def test_a_month_and_the_days_after_it(run: Run, bucket: Bucket, settings: Any) -> None:
    parts = spread(ETH, [*JANUARY, date(2024, 2, 1), date(2024, 2, 2)])
    bucket.put("ETHUSDT", "trades", "2024-01", [row for day in JANUARY for row in parts[day]], HEADER)
    for day in (date(2024, 2, 1), date(2024, 2, 2)):
        bucket.put("ETHUSDT", "trades", day.isoformat(), in_us(parts[day]))
    said = run("ethusdt", "--from", "2024-01", "--to", "2024-02-02")
    assert ids(settings.HEDGEHOG_HOME) == ALL
    assert states(settings.HEDGEHOG_HOME) == dict.fromkeys(("2024-01", "2024-02-01", "2024-02-02"), "FULL")
    assert "3 files downloaded; 500 trades from 2024-01-01 to 2024-02-02 here." in said
    before = bucket.asked()
    assert "0 files downloaded; 500 trades" in run("ETHUSDT", "--from", "2024-01", "--to", "2024-02-02")
    assert {key for key, count in (bucket.asked() - before).items() if key.endswith("zip")} == set()
    assert list((settings.HEDGEHOG_HOME / "history" / "incoming").glob("*.part")) == []


def test_a_dry_run_tells_files_days_and_sizes_and_changes_nothing(run: Run, bucket: Bucket, settings: Any) -> None:
    bucket.put("ETHUSDT", "trades", "2024-01", MONTH)
    said = run("ETHUSDT", "--from", "2023-12", "--to", "2024-01", "--dry-run")
    assert "ETHUSDT-trades-2024-01.zip" in said and "ETHUSDT: 1 file, 31 days, " in said
    assert "no file of 2023-12" in said
    assert list(settings.HEDGEHOG_HOME.iterdir()) == []


def test_a_missing_month_comes_by_its_days(run: Run, bucket: Bucket, settings: Any) -> None:
    put_days(bucket)
    run("ETHUSDT", "--from", "2024-01", "--to", "2024-01")
    assert ids(settings.HEDGEHOG_HOME) == ALL and len(states(settings.HEDGEHOG_HOME)) == len(DAYS)


def test_a_month_that_is_listed_and_gone_comes_by_its_days(run: Run, bucket: Bucket, settings: Any) -> None:
    key = bucket.put("ETHUSDT", "trades", "2024-01", MONTH)
    put_days(bucket)
    bucket.faults = {key: Fault(100, 404)}
    assert "Its days are downloaded instead" in run("ETHUSDT", "--from", "2024-01", "--to", "2024-01")
    assert ids(settings.HEDGEHOG_HOME) == ALL


def test_a_truncated_zip_of_a_month_comes_by_its_days(run: Run, bucket: Bucket, settings: Any) -> None:
    key = bucket.put("ETHUSDT", "trades", "2024-01", MONTH)
    put_days(bucket)
    bucket.files[key] = bucket.files[key][:-1000]
    bucket.check(key)  # the archive's checksum is that of the broken file
    assert "is no whole zip" in run("ETHUSDT", "--from", "2024-01", "--to", "2024-01")
    assert ids(settings.HEDGEHOG_HOME) == ALL


def test_a_truncated_zip_of_a_day_is_said_and_the_rest_is_kept(run: Run, bucket: Bucket, settings: Any) -> None:
    keys = put_days(bucket)
    bucket.files[keys[3]] = bucket.files[keys[3]][:-100]
    with pytest.raises(CommandError, match="1 file could not be had"):
        run("ETHUSDT", "--from", "2024-01", "--to", "2024-01")
    assert len(states(settings.HEDGEHOG_HOME)) == len(DAYS) - 1
    put_days(bucket)
    run("ETHUSDT", "--from", "2024-01", "--to", "2024-01")
    assert ids(settings.HEDGEHOG_HOME) == ALL


def test_a_wrong_checksum_is_kept_as_suspect(run: Run, bucket: Bucket, settings: Any) -> None:
    bucket.check(bucket.put("ETHUSDT", "trades", "2024-01", MONTH), "0" * 64)
    said = run("ETHUSDT", "--from", "2024-01", "--to", "2024-01")
    assert "does not fit its checksum" in said and "suspect: 2024-01" in said
    assert states(settings.HEDGEHOG_HOME) == {"2024-01": "SUSPECT"}
    assert ids(settings.HEDGEHOG_HOME) == ALL


def test_rows_that_are_not_sorted_or_there_twice_are_sorted(run: Run, bucket: Bucket, settings: Any) -> None:
    bucket.put("ETHUSDT", "trades", "2024-01", [*MONTH[250:], *MONTH[:250], *MONTH[:3]])
    run("ETHUSDT", "--from", "2024-01", "--to", "2024-01")
    assert ids(settings.HEDGEHOG_HOME) == ALL
    assert states(settings.HEDGEHOG_HOME) == {"2024-01": "FULL"}


def test_a_trade_of_another_time_or_with_two_values_is_doubtful(run: Run, bucket: Bucket, settings: Any) -> None:
    late = (*MONTH[-1][:4], "1709300000000", *MONTH[-1][5:])
    other = (MONTH[5][0], "1.0", *MONTH[5][2:])
    bucket.put("ETHUSDT", "trades", "2024-01", [*MONTH[:-1], late, other])
    said = run("ETHUSDT", "--from", "2024-01", "--to", "2024-01")
    assert "1 row not of 2024-01" in said and "1 id twice" in said
    assert states(settings.HEDGEHOG_HOME) == {"2024-01": "SUSPECT"}


@pytest.mark.parametrize("lacking", [slice(100, 104), slice(0, 20), slice(480, 500), slice(255, 256)])
def test_what_a_month_lacks_comes_from_its_days(run: Run, bucket: Bucket, settings: Any, lacking: slice) -> None:
    rows = list(MONTH)
    del rows[lacking]
    bucket.put("ETHUSDT", "trades", "2024-01", rows)
    put_days(bucket)
    run("ETHUSDT", "--from", "2024-01", "--to", "2024-01")
    assert ids(settings.HEDGEHOG_HOME) == ALL
    assert states(settings.HEDGEHOG_HOME) == {"2024-01": "FULL"}


def test_what_the_days_lack_too_comes_from_the_exchange(
    run: Run, bucket: Bucket, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = {day: [row for row in rows if row not in MONTH[98:110]] for day, rows in DAYS.items()}
    put_days(bucket, days)

    def trades(self: Filler, symbol: str, hole: Hole, from_us: int, to_us: int) -> Found:
        rows = [row for row in MONTH if hole.first <= int(row[0]) <= hole.last]
        assert all(from_us <= int(row[4]) * 1000 <= to_us for row in rows)
        return Found([FoundRow(int(r[0]), 10**8, 10**8, int(r[4]) * 1000, r[5] == "True") for r in rows])

    monkeypatch.setattr(Filler, "trades", trades)
    said = run("ETHUSDT", "--from", "2024-01", "--to", "2024-01")
    assert "12 trades missing in 1 hole, 12 filled." in said
    assert ids(settings.HEDGEHOG_HOME) == ALL


def test_what_nobody_has_is_a_hole_and_not_asked_for_each_day(
    run: Run, bucket: Bucket, settings: Any, asked: list[Hole]
) -> None:
    bucket.put("ETHUSDT", "trades", "2024-01", [*MONTH[:100], *MONTH[105:]])
    said = run("ETHUSDT", "--from", "2024-01", "--to", "2024-01")
    assert "5 stay missing: the exchange has none" in said
    assert states(settings.HEDGEHOG_HOME) == {"2024-01": "HOLES"}
    assert asked == [Hole(int(MONTH[100][0]), int(MONTH[104][0]))]
    run("ETHUSDT", "--from", "2024-01", "--to", "2024-01")
    assert len(asked) == 1


def test_before_the_listing_and_after_the_delisting_nothing_is_asked_twice(
    run: Run, bucket: Bucket, settings: Any
) -> None:
    bucket.put("LUNAUSDT", "trades", "2023-11", spread(ETH, [date(2023, 11, 5)])[date(2023, 11, 5)])
    said = run("LUNAUSDT", "--from", "2023-09", "--to", "2024-01")
    assert "the archive has no file of 2023-09 to 2023-10, 2023-12 to 2024-01" in said
    assert len(ids(settings.HEDGEHOG_HOME, "LUNAUSDT")) == 500
    before = len(bucket.requests)
    run("LUNAUSDT", "--from", "2023-09", "--to", "2024-01")
    assert len(bucket.requests) == before
    with pytest.raises(CommandError, match=r"no symbol LUNAUSD\. Did you mean LUNAUSDT\?"):
        run("LUNAUSD", "--from", "2023-09", "--to", "2024-01")


def test_yesterdays_file_may_only_be_late(run: Run, bucket: Bucket, settings: Any) -> None:
    bucket.put("ETHUSDT", "trades", "2024-02-18", DAYS[JANUARY[0]])
    run("ETHUSDT", "--from", "2024-02-18")
    bucket.put("ETHUSDT", "trades", "2024-02-19", DAYS[JANUARY[1]])
    run("ETHUSDT", "--from", "2024-02-18")
    assert list(states(settings.HEDGEHOG_HOME)) == ["2024-02-18", "2024-02-19"]


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_busy_servers_and_bad_lines_are_survived(run: Run, bucket: Bucket, settings: Any, knows_ranges: bool) -> None:
    keys = put_days(bucket)
    bucket.knows_ranges = knows_ranges
    kinds = (lambda: Fault(2, 503), lambda: Fault(1, 429), lambda: Fault(2, cut_after=300))
    bucket.faults = {key: kinds[number % 3]() for number, key in enumerate(keys)}
    run("ETHUSDT", "--from", "2024-01", "--to", "2024-01")
    assert ids(settings.HEDGEHOG_HOME) == ALL


def test_candles_are_kept_and_compared_with_trades(run: Run, bucket: Bucket, settings: Any) -> None:
    bucket.put("ETHUSDT", "trades", "2024-01", MONTH)
    key = bucket.put("ETHUSDT", "klines", "2024-01", candles(MONTH))
    run("ETHUSDT", "--from", "2024-01", "--to", "2024-01")
    assert "differ" not in run("ETHUSDT", "--from", "2024-01", "--to", "2024-01", "--kind", "klines")
    shelf = Shelf(settings.HEDGEHOG_HOME)
    (piece,) = shelf.pieces("ETHUSDT", Kind.KLINES)
    assert len(shelf.read(piece, Candles)) == len(candles(MONTH))
    piece.path.unlink()
    bucket.remove(key)
    wrong = candles([*MONTH[:40], *MONTH[41:]])
    bucket.put("ETHUSDT", "klines", "2024-01", wrong)
    said = run("ETHUSDT", "--from", "2024-01", "--to", "2024-01", "--kind", "klines")
    assert "trades and candles differ in 1 minute, first at 2024-01-0" in said


def test_aggregate_trades_are_kept_by_their_own_ids(run: Run, bucket: Bucket, settings: Any) -> None:
    rows = aggregated(MONTH)
    bucket.put("ETHUSDT", "aggTrades", "2024-01", rows)
    run("ETHUSDT", "--from", "2024-01", "--to", "2024-01", "--kind", "aggTrades")
    (piece,) = Shelf(settings.HEDGEHOG_HOME).pieces("ETHUSDT", Kind.AGG_TRADES)
    assert (piece.first_id, piece.rows, piece.state) == (int(rows[0][0]), len(rows), "FULL")


def test_a_full_disk_is_one_line_and_nothing_is_lost(run: Run, bucket: Bucket, settings: Any, tmp_path: Path) -> None:
    keys = put_days(bucket)
    bucket.files[keys[-1]] = bucket.files[keys[-1]] + b"\0" * 3_000_000
    settings.HEDGEHOG_HOME = tmp_path / "disk"
    with tiny_disk(tmp_path / "disk", "1m"):
        with pytest.raises(CommandError, match=r"No room on the disk of .* run the same again"):
            run("ETHUSDT", "--from", "2024-01", "--to", "2024-01")
        put_days(bucket)
        run("ETHUSDT", "--from", "2024-01", "--to", "2024-01")
        assert ids(settings.HEDGEHOG_HOME) == ALL
        fill(settings.HEDGEHOG_HOME)


@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_a_damaged_file_is_named(run: Run, bucket: Bucket, settings: Any, place: float) -> None:
    bucket.put("ETHUSDT", "trades", "2024-01", [*MONTH[:100], *MONTH[105:]])
    run("ETHUSDT", "--from", "2024-01", "--to", "2024-01")
    (piece,) = Shelf(settings.HEDGEHOG_HOME).pieces("ETHUSDT", Kind.TRADES)
    (piece.path.parent / "asked.json").unlink()  # so that the hole is looked at again
    content = bytearray(piece.path.read_bytes())
    at = int(place * (len(content) - 40))
    content[at : at + 40] = b"?" * 40
    piece.path.write_bytes(content)
    with pytest.raises(CommandError, match=r"2024-01.parquet: cannot be read|2024-01.parquet: is no"):
        run("ETHUSDT", "--from", "2024-01", "--to", "2024-01")


def test_a_folder_that_cannot_be_written_is_said(run: Run, bucket: Bucket, settings: Any) -> None:
    bucket.put("ETHUSDT", "trades", "2024-01", MONTH)
    (settings.HEDGEHOG_HOME / "history").write_text("no folder")
    with pytest.raises(CommandError, match=r"Not a directory|File exists"):
        run("ETHUSDT", "--from", "2024-01", "--to", "2024-01")


def test_what_was_recorded_of_a_day_stays_and_the_rest_is_added(run: Run, bucket: Bucket, settings: Any) -> None:
    put_days(bucket)
    run("ETHUSDT", "--from", "2024-01-02", "--to", "2024-01-02")
    shelf = Shelf(settings.HEDGEHOG_HOME)
    (piece,) = shelf.pieces("ETHUSDT", Kind.TRADES)
    recorded_part = where(shelf.read(piece, Trades), slice(2, 6))
    shelf.remove("ETHUSDT", Kind.TRADES, [piece])
    shelf.append("ETHUSDT", Kind.TRADES, recorded_part, "recorder")
    run("ETHUSDT", "--from", "2024-01-02", "--to", "2024-01-02")
    assert ids(settings.HEDGEHOG_HOME) == [row[0] for row in DAYS[JANUARY[1]]]
    (piece,) = shelf.pieces("ETHUSDT", Kind.TRADES)
    assert piece.origins[0] == "recorder" and piece.origins[1].startswith("archive ")


def test_what_was_recorded_otherwise_is_said_and_kept(run: Run, bucket: Bucket, settings: Any) -> None:
    put_days(bucket)
    run("ETHUSDT", "--from", "2024-01-02", "--to", "2024-01-02")
    shelf = Shelf(settings.HEDGEHOG_HOME)
    (piece,) = shelf.pieces("ETHUSDT", Kind.TRADES)
    trades = shelf.read(piece, Trades)
    shelf.remove("ETHUSDT", Kind.TRADES, [piece])
    shelf.append("ETHUSDT", Kind.TRADES, replace(trades, price=trades.price + 1), "recorder")
    with pytest.raises(CommandError, match="1 file could not be had"):
        run("ETHUSDT", "--from", "2024-01-02", "--to", "2024-01-02")
    (piece,) = shelf.pieces("ETHUSDT", Kind.TRADES)
    assert piece.origins == ("recorder",)


def test_the_list_of_files_has_what_was_downloaded(run: Run, bucket: Bucket) -> None:
    put_days(bucket)
    run("ETHUSDT", "--from", "2024-01-02", "--to", "2024-01-03")
    assert HistoryFile.objects.filter(symbol="ETHUSDT", market="live").count() == 2


def test_one_download_at_a_time(run: Run, bucket: Bucket, settings: Any) -> None:
    bucket.put("ETHUSDT", "trades", "2024-01", MONTH)
    shelf = Shelf(settings.HEDGEHOG_HOME)
    with download._only_one(shelf.incoming), pytest.raises(CommandError, match="Another download runs"):
        run("ETHUSDT", "--from", "2024-01")


@pytest.mark.parametrize("symbol", ["../x", "ETH/USDT", "", "ETH_USDT"])
def test_what_is_no_symbol_is_refused(run: Run, bucket: Bucket, symbol: str) -> None:
    with pytest.raises(CommandError, match="is no symbol"):
        run(symbol, "--from", "2024-01")
    assert not bucket.requests
