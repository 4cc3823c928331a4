"""A hole, filled from a real exchange of ours over the wire: from the archive's file to the last id."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from history.archive import Kind
from history.columns import Trades
from history.shelf import Shelf
from tests.binance_mock import running
from tests.support.archive import ArchiveServer, Bucket, Row
from tests.support.machine.processes import Processes

pytestmark = pytest.mark.django_db


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[running.Mock]:
    processes = Processes(tmp_path)
    try:
        yield running.start(processes, tmp_path / "mock")
    finally:
        processes.stop_all()


def row(trade: dict[str, Any]) -> Row:
    maker = str(trade["isBuyerMaker"])
    return str(trade["id"]), trade["price"], trade["qty"], trade["quoteQty"], str(trade["time"]), maker, "True"


def columns(home: Path) -> list[tuple[Any, ...]]:
    (piece,) = Shelf(home).pieces("ETHUSDT", Kind.TRADES)
    trades = Shelf(home).read(piece, Trades)
    found = (trades.id, trades.price, trades.quantity, trades.time_us, trades.maker)
    return list(zip(*(each.tolist() for each in found), strict=True))


@pytest.mark.parametrize("api_key", ["", running.KEY])
def test_a_hole_comes_from_the_exchange_as_the_archive_would_have_had_it(
    mock: running.Mock, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api_key: str
) -> None:
    for price in range(3000, 3020):
        mock.trade(str(price), "0.1")
    trades = [row(trade) for trade in mock.get("trades", symbol="ETHUSDT", limit=20)]
    day = datetime.fromtimestamp(int(trades[-1][4]) / 1000, UTC)
    same_day = [each for each in trades if datetime.fromtimestamp(int(each[4]) / 1000, UTC).date() == day.date()]
    if len(same_day) < 20:
        pytest.skip("it is midnight in UTC")
    monkeypatch.setattr(timezone, "now", lambda: day + timedelta(days=1))
    settings.LIVE_REST_URL = mock.url
    settings.BINANCE_API_KEY, settings.BINANCE_API_SECRET = api_key, running.SECRET if api_key else ""

    def download(home: Path, rows: list[Row]) -> str:
        out, settings.HEDGEHOG_HOME = io.StringIO(), home
        bucket = Bucket()
        bucket.put("ETHUSDT", "trades", f"{day:%Y-%m-%d}", rows)
        with ArchiveServer(bucket) as server:
            settings.ARCHIVE_URL, settings.ARCHIVE_LISTING_URL = server.url, server.listing_url
            call_command("history", "download", "ETHUSDT", "--from", f"{day:%Y-%m-%d}", stdout=out)
        return out.getvalue()

    whole, lacking = tmp_path / "whole", tmp_path / "lacking"
    whole.mkdir()
    lacking.mkdir()
    download(whole, trades)
    said = download(lacking, [*trades[:5], *trades[9:]])
    assert "4 trades missing in 1 hole, 4 filled." in said
    assert columns(lacking) == columns(whole)
    assert running.SECRET not in said and running.KEY not in said
