"""Candles of columns are those of candles.fold."""

from decimal import Decimal
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candles.fold import Candle, Trade, fold_trades
from candles.intervals import INTERVALS, bounds
from history import folding
from history.columns import Trades, where
from history.importing import read
from tests.support.archive import recorded, zipped

GAPS_US = st.one_of(st.integers(0, 90_000_000), st.integers(-120_000_000, 10**10), st.just(2 * 86_400_000_000))
AMOUNTS = st.one_of(st.integers(1, 10**6), st.integers(1, 10**13))


@st.composite
def tapes(draw: st.DrawFn) -> Trades:
    rows, time_us = [], draw(st.integers(10**15, 10**15 + 86_400_000_000))
    for gap in draw(st.lists(GAPS_US, min_size=1, max_size=50)):
        time_us += gap
        rows.append((draw(AMOUNTS), draw(AMOUNTS), time_us, draw(st.booleans())))
    prices, quantities, times, makers = zip(*rows, strict=True)
    price, quantity, time = (np.array(each, np.int64) for each in (prices, quantities, times))
    return Trades(np.arange(len(rows)), price, quantity, time, np.array(makers, np.bool_))


def pure(trades: Trades, interval: str) -> list[Candle]:
    columns = (trades.id, trades.price, trades.quantity, trades.time_us, trades.maker)
    rows: list[Trade] = [
        ("", number, Decimal(price).scaleb(-8), Decimal(quantity).scaleb(-8), time_us // 1000, maker)
        for number, price, quantity, time_us, maker in zip(*(each.tolist() for each in columns), strict=True)
    ]
    return list(fold_trades(rows, partial(bounds, interval)))


@given(tapes(), st.sampled_from([*INTERVALS]), st.integers(0, 50))
def test_columns_fold_as_trades_do_also_in_pieces(trades: Trades, interval: str, cut: int) -> None:
    expected = pure(trades, interval)
    assert list(folding.candles([trades], interval)) == expected
    pieces = [where(trades, slice(None, cut)), where(trades, slice(cut, None))]
    assert list(folding.candles(pieces, interval)) == expected


@pytest.mark.parametrize("name", ["ETHUSDT-trades-2019", "XRPUSDT-trades-2019", "ETHUSDT-trades-2024-08-08_09"])
def test_recorded_trades_fold_as_trades_do(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped("a", recorded(name)))
    trades = read(path).trades
    for interval in ("1s", "1m", "1h", "1w"):
        assert list(folding.candles([trades], interval)) == pure(trades, interval)


def test_what_is_too_large_is_said() -> None:
    huge = np.array([10**18], np.int64)
    trades = Trades(np.array([1]), huge, huge, np.array([10**15]), np.array([True]))
    with pytest.raises(OverflowError, match="46 billion"):
        list(folding.of_columns(trades, "1m"))


def test_nothing_has_no_candles() -> None:
    assert list(folding.candles([], "1h")) == []
