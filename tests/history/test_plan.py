"""Which files of the archive are downloaded."""

from collections.abc import Iterator
from datetime import date

import pytest

from history import archive as archive_module
from history import plan
from history.archive import Archive, Kind
from history.periods import Period, parse
from tests.support.archive import ArchiveServer, Bucket, Row

TODAY = date(2024, 3, 5)
ROWS: list[Row] = [("1", "2", "3", "6", "1704067200000", "True", "True")]


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def there(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    monkeypatch.setattr(archive_module, "FIRST_WAIT_S", 0.01)
    with ArchiveServer(bucket) as server:
        yield Archive(server.url, server.listing_url)


def wanted(first: str, last: str, *here: str) -> list[str]:
    return [each.name for each in plan.wanted(parse(first).first, parse(last).last, TODAY, here)]


def names(periods: list[Period]) -> list[str]:
    return [period.name for period in periods]


def made(there: Archive, *periods: str, known_absent: tuple[str, ...] = ()) -> tuple[list[str], list[str]]:
    """The names of the files to download and of what is absent."""
    found = plan.make(there, "ETHUSDT", Kind.TRADES, map(parse, periods), known_absent)
    return [file.period.name for file in found.files], names(found.absent)


def put(bucket: Bucket, *periods: str) -> list[str]:
    return [bucket.put("ETHUSDT", "trades", period, ROWS) for period in periods]


def test_a_month_that_is_over_is_one_file_and_the_rest_are_days() -> None:
    assert wanted("2024-01", "2024-03") == [
        *("2024-01", "2024-02", "2024-03-01", "2024-03-02", "2024-03-03", "2024-03-04")
    ]
    assert wanted("2024-02", "2024-02") == ["2024-02"]
    assert wanted("2024-02-28", "2030-01", "2024-03-02") == [
        *("2024-02-28", "2024-02-29", "2024-03-01", "2024-03-03", "2024-03-04")
    ]
    assert wanted("2024-04", "2024-05") == []


def test_what_is_here_is_not_wanted_again() -> None:
    assert wanted("2024-01", "2024-02", "2024-01") == ["2024-02"]
    # Its days were downloaded while it was running: the others follow.
    days = [f"2024-02-{day:02}" for day in range(1, 28)]
    assert wanted("2024-02", "2024-02", *days) == ["2024-02-28", "2024-02-29"]


def test_a_month_without_a_file_comes_by_its_days(there: Archive, bucket: Bucket) -> None:
    put(bucket, "2023-12", "2024-01-01", "2024-01-03")
    files, absent = made(there, "2023-11", "2023-12", "2024-01")
    assert files == ["2023-12", "2024-01-01", "2024-01-03"]
    assert absent[:2] == ["2023-11", "2024-01-02"] and len(absent) == 30


def test_a_large_month_comes_by_its_days_where_all_are_there(
    there: Archive, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "MAX_MONTH_BYTES", 10)
    days = [f"2024-02-{day:02}" for day in range(1, 30)]
    put(bucket, "2024-02", *days[:-1])
    assert made(there, "2024-02") == (["2024-02"], [])
    put(bucket, days[-1])
    assert made(there, "2024-02") == (days, [])


def test_what_was_absent_is_not_asked_for_again(there: Archive, bucket: Bucket) -> None:
    put(bucket, "2024-01")
    assert made(there, "2023-12", "2024-01", known_absent=("2023-12",)) == (["2024-01"], [])
    before = len(bucket.requests)
    assert made(there, "2023-12", known_absent=("2023-12",)) == ([], [])
    assert len(bucket.requests) == before
    assert plan.is_final(parse("2024-02-26"), TODAY) and not plan.is_final(parse("2024-03-04"), TODAY)


def test_without_a_list_each_file_is_asked_for(there: Archive, bucket: Bucket) -> None:
    (key,) = put(bucket, "2024-01-02")
    bucket.lists = False
    found = plan.make(there, "ETHUSDT", Kind.TRADES, [parse("2024-01")], ())
    assert [(file.key, file.size) for file in found.files] == [(key, len(bucket.files[key]))]
    assert (found.size, found.days) == (len(bucket.files[key]), 1)
    assert len([each for each in bucket.requests if each[0] == "HEAD"]) == 32
