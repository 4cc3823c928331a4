"""Several files at once: their order, their checksums, and what is left where somebody ends it."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from history import archive as archive_module
from history.archive import Archive, Kind, RemoteFile
from history.fetching import AHEAD, Fetched, Fetcher, Lacking
from history.periods import parse
from tests.support.archive import ArchiveServer, Bucket, Fault, recorded, spread

DAYS = [date(2024, 1, day) for day in range(1, 11)]


@pytest.fixture
def bucket() -> Bucket:
    bucket = Bucket()
    for day, rows in spread(recorded("ETHUSDT-trades-2019"), DAYS).items():
        bucket.put("ETHUSDT", "trades", day.isoformat(), rows)
    return bucket


@pytest.fixture
def there(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    monkeypatch.setattr(archive_module, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(archive_module, "MAX_WAIT_S", 0.02)
    with ArchiveServer(bucket) as server:
        yield Archive(server.url, server.listing_url)


def file_of(period: str) -> RemoteFile:
    return RemoteFile("ETHUSDT", Kind.TRADES, parse(period))


FILES = [file_of(day.isoformat()) for day in DAYS]


def test_files_come_in_order_whichever_is_here_first(there: Archive, bucket: Bucket, tmp_path: Path) -> None:
    bucket.faults = {FILES[0].key: Fault(stall_s=0.3), FILES[4].key: Fault(2, 503)}
    found = list(Fetcher(there, tmp_path).each(FILES))
    assert [each.file for each in found] == FILES
    assert all(isinstance(each, Fetched) and each.is_as_told for each in found)
    assert all(each.path.read_bytes() == bucket.files[each.file.key] for each in found if isinstance(each, Fetched))


def test_what_is_missing_is_told_and_others_may_come_instead(there: Archive, bucket: Bucket, tmp_path: Path) -> None:
    bucket.remove(FILES[1].key)
    bucket.faults = {FILES[2].key: Fault(100, 500)}
    fetcher = Fetcher(there, tmp_path)
    found: list[Fetched | Lacking] = []
    for each in fetcher.each([*FILES[:3], file_of("2024-01"), FILES[9]]):
        found.append(each)
        if each.file.period.is_month:
            fetcher.first(FILES[3:9])
    assert [each.file.period.name for each in found] == [
        *(day.isoformat() for day in DAYS[:3]),
        "2024-01",
        *(day.isoformat() for day in DAYS[3:]),
    ]
    lacking = [each for each in found if isinstance(each, Lacking)]
    assert [each.is_missing for each in lacking] == [True, False, True]


def test_a_wrong_checksum_is_fetched_once_more_and_then_kept(there: Archive, bucket: Bucket, tmp_path: Path) -> None:
    bucket.check(FILES[0].key, "0" * 64)
    (found,) = Fetcher(there, tmp_path).each(FILES[:1])
    assert isinstance(found, Fetched) and not found.is_as_told
    assert bucket.asked()[FILES[0].key] == 2
    assert found.path.read_bytes() == bucket.files[FILES[0].key]


def test_bytes_that_were_damaged_on_the_way_are_fetched_again(there: Archive, bucket: Bucket, tmp_path: Path) -> None:
    right = bucket.files[FILES[0].key]
    told = there.checksum(FILES[0])
    (tmp_path / f"{FILES[0].name}.{told[:12]}.part").write_bytes(b"x" * (len(right) // 2))
    (found,) = Fetcher(there, tmp_path).each(FILES[:1])
    assert isinstance(found, Fetched) and found.is_as_told and found.path.read_bytes() == right


def test_a_file_without_a_checksum_is_taken(there: Archive, bucket: Bucket, tmp_path: Path) -> None:
    del bucket.files[f"{FILES[0].key}.CHECKSUM"]
    (found,) = Fetcher(there, tmp_path).each(FILES[:1])
    assert isinstance(found, Fetched) and found.is_as_told and found.told == ""


def test_what_was_complete_is_not_fetched_again(there: Archive, bucket: Bucket, tmp_path: Path) -> None:
    list(Fetcher(there, tmp_path).each(FILES[:2]))
    again = Archive(there.url, there.listing_url)
    list(Fetcher(again, tmp_path).each(FILES[:2]))
    assert [bucket.asked()[file.key] for file in FILES[:2]] == [1, 1]


def test_a_part_of_an_older_file_is_dropped(there: Archive, bucket: Bucket, tmp_path: Path) -> None:
    old = tmp_path / f"{FILES[0].name}.0123456789ab.part"
    old.write_bytes(b"old")
    (found,) = Fetcher(there, tmp_path).each(FILES[:1])
    assert isinstance(found, Fetched) and found.is_as_told
    assert not old.exists()


def test_not_more_is_fetched_ahead_than_there_is_room_for(there: Archive, bucket: Bucket, tmp_path: Path) -> None:
    with closing(Fetcher(there, tmp_path).each(FILES)) as each:
        next(each)
        time.sleep(0.3)
        assert len(list(tmp_path.iterdir())) <= AHEAD


def test_who_leaves_waits_for_no_silent_server(there: Archive, bucket: Bucket, tmp_path: Path) -> None:
    bucket.faults = {file.key: Fault(100, stall_s=4) for file in FILES[1:]}
    began = time.monotonic()
    with closing(Fetcher(there, tmp_path).each(FILES)) as each:
        next(each)
    assert time.monotonic() - began < 3
    assert there.stop.is_set()


def test_a_full_disk_is_said_by_whoever_waits(there: Archive, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        folder = tmp_path / "file"
        folder.write_text("no folder")
    else:
        folder = tmp_path / "locked"
        folder.mkdir(mode=0o500)
    with pytest.raises(OSError, match=r"file|denied"):
        list(Fetcher(there, folder).each(FILES[:1]))
    assert threading.active_count() < 20
