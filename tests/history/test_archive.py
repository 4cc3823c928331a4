"""The archive's list, checksums and files, over a line that fails in every way."""

import hashlib
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from history import archive
from history.archive import Archive, Kind, Missing, RemoteFile, Stopped, Unavailable
from history.periods import parse
from tests.support.archive import ArchiveServer, Bucket, Fault, recorded, spread

JANUARY = [date(2024, 1, day) for day in range(1, 6)]


@pytest.fixture
def bucket() -> Bucket:
    bucket = Bucket()
    for day, rows in spread(recorded("ETHUSDT-trades-2019"), JANUARY).items():
        bucket.put("ETHUSDT", "trades", day.isoformat(), rows)
    bucket.put("ETHUSDT", "trades", "2023-12", recorded("ETHUSDT-trades-2019"))
    bucket.put("LUNAUSDT", "trades", "2022-05-12", recorded("XRPUSDT-trades-2019"))
    return bucket


@pytest.fixture
def server(bucket: Bucket) -> Iterator[ArchiveServer]:
    with ArchiveServer(bucket) as server:
        yield server


@pytest.fixture
def there(server: ArchiveServer, monkeypatch: pytest.MonkeyPatch) -> Archive:
    monkeypatch.setattr(archive, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(archive, "MAX_WAIT_S", 0.02)
    return Archive(server.url, server.listing_url)


def file_of(period: str, symbol: str = "ETHUSDT", kind: Kind = Kind.TRADES, size: int | None = None) -> RemoteFile:
    return RemoteFile(symbol, kind, parse(period), size)


def test_files_are_where_binance_has_them() -> None:
    keys = [file_of(*each).key for each in (("2024-01",), ("2024-01-15", "BTCUSDT", Kind.AGG_TRADES))]
    assert keys == [
        "data/spot/monthly/trades/ETHUSDT/ETHUSDT-trades-2024-01.zip",
        "data/spot/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-01-15.zip",
    ]
    klines = file_of("2024-01", kind=Kind.KLINES).key
    assert klines == "data/spot/monthly/klines/ETHUSDT/1m/ETHUSDT-1m-2024-01.zip"


@pytest.mark.parametrize("keys_in_a_list", [1, 3, 1000])
def test_the_list_tells_sizes_however_many_pages_it_has(there: Archive, bucket: Bucket, keys_in_a_list: int) -> None:
    bucket.keys_in_a_list = keys_in_a_list
    found = there.sizes("ETHUSDT", Kind.TRADES, parse("2024-01-02"), parse("2024-01-04"))
    days = [file_of(f"2024-01-0{day}").key for day in (2, 3, 4)]
    assert found == {key: len(bucket.files[key]) for key in days}
    assert list(there.sizes("ETHUSDT", Kind.TRADES, parse("2017-01"), parse("2025-01"))) == [file_of("2023-12").key]
    assert there.symbols(Kind.TRADES) == ["ETHUSDT", "LUNAUSDT"]  # delisted, and still there


def test_size_and_checksum_are_asked_of_a_file(there: Archive, bucket: Bucket) -> None:
    day = file_of("2024-01-01")
    assert there.size(day) == len(bucket.files[day.key])
    assert there.checksum(day) == hashlib.sha256(bucket.files[day.key]).hexdigest()
    assert there.size(file_of("2024-01-09")) is None
    assert there.checksum(file_of("2024-01-09")) == ""


def test_a_list_that_is_none_is_said(there: Archive, bucket: Bucket) -> None:
    bucket.lists = False
    with pytest.raises(Unavailable, match="has no list of files"):
        there.symbols(Kind.TRADES)
    bucket.files["list"] = b"<html>"
    with pytest.raises(Unavailable, match="does not answer with a list"):
        there.symbols(Kind.TRADES)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_archive_is_asked_again(there: Archive, bucket: Bucket, tmp_path: Path, status: int) -> None:
    day = file_of("2024-01-01")
    bucket.faults = {day.key: Fault(2, status), f"{day.key}.CHECKSUM": Fault(2, status)}
    there.fetch(day, tmp_path / "part")
    assert there.checksum(day) == archive.sha256_of(tmp_path / "part")
    assert bucket.asked()[day.key] == 3


def test_one_that_stays_busy_is_given_up(there: Archive, bucket: Bucket, tmp_path: Path) -> None:
    day = file_of("2024-01-01")
    bucket.faults = {day.key: Fault(1000, 503)}
    with pytest.raises(Unavailable, match="answers with status 503"):
        there.fetch(day, tmp_path / "part")
    assert bucket.asked()[day.key] == archive.TRIES


def test_what_is_refused_is_not_asked_again(there: Archive, bucket: Bucket, tmp_path: Path) -> None:
    day = file_of("2024-01-01")
    bucket.faults = {day.key: Fault(1000, 403)}
    with pytest.raises(Unavailable, match="status 403"):
        there.fetch(day, tmp_path / "part")
    with pytest.raises(Missing):
        there.fetch(file_of("2024-01-09"), tmp_path / "part")
    assert len(bucket.asked()) == 2


def test_a_line_that_breaks_goes_on_where_it_was(there: Archive, bucket: Bucket, tmp_path: Path) -> None:
    day = file_of("2024-01-01")
    size = len(bucket.files[day.key])
    bucket.faults = {day.key: Fault(8, cut_after=size // 10)}
    seen: list[int] = []
    there.fetch(day, tmp_path / "part", seen.append)
    assert (tmp_path / "part").read_bytes() == bucket.files[day.key]
    assert seen == sorted(seen) and seen[-1] == size
    assert len(bucket.ranges) == 8  # more failures than TRIES: each brought some bytes


def test_without_ranges_it_begins_anew(there: Archive, bucket: Bucket, tmp_path: Path) -> None:
    bucket.knows_ranges = False
    day = file_of("2024-01-01")
    size = len(bucket.files[day.key])
    bucket.faults = {day.key: Fault(3, cut_after=size // 2)}
    there.fetch(day, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == bucket.files[day.key]
    bucket.faults = {day.key: Fault(1000, cut_after=size // 2)}
    (tmp_path / "part").unlink()
    with pytest.raises(Unavailable):
        there.fetch(day, tmp_path / "part")


def test_a_silent_server_is_left(
    there: Archive, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "READ_S", 0.1)
    day = file_of("2024-01-01")
    bucket.faults = {day.key: Fault(2, stall_s=0.4)}
    there.fetch(day, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == bucket.files[day.key]


def test_what_is_complete_is_not_asked_for(there: Archive, bucket: Bucket, tmp_path: Path) -> None:
    day = file_of("2024-01-01")
    (tmp_path / "part").write_bytes(bucket.files[day.key])
    there.fetch(file_of("2024-01-01", size=len(bucket.files[day.key])), tmp_path / "part")
    assert not bucket.requests
    there.fetch(day, tmp_path / "part")  # its size is not known: the server says that there is no more
    assert (tmp_path / "part").read_bytes() == bucket.files[day.key]
    (tmp_path / "part").write_bytes(bucket.files[day.key] + b"more")
    there.fetch(day, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == bucket.files[day.key]


def test_who_has_stopped_waits_for_nothing(there: Archive, bucket: Bucket, tmp_path: Path) -> None:
    day = file_of("2024-01-01")
    bucket.faults = {day.key: Fault(1000, 503)}
    archive.FIRST_WAIT_S = archive.MAX_WAIT_S = 60.0  # the fixture puts them back
    threading.Timer(0.2, there.stop.set).start()
    with pytest.raises(Stopped):
        there.fetch(day, tmp_path / "part")
