"""Candles of trades and of shorter candles: the same whatever they are made of."""

from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candles.fold import Fold, Trade, TradeFold, fold, fold_trades
from candles.intervals import DAY_MS, HOUR_MS, INTERVALS, MINUTE_MS, bounds

MINUTE, HOUR, WEEK = (partial(bounds, interval) for interval in ("1m", "1h", "1w"))


def trade(number: int, time_ms: int, price: int = 100, lots: int = 1, is_maker: bool = False) -> Trade:
    return "ETHUSDT", number, Decimal(price) / 100, Decimal(lots) / 1000, time_ms, is_maker


# Gaps of nothing up to days, and now and then back: as where a clock was set, or a file is sorted by ids.
GAPS = st.one_of(st.integers(0, 90_000), st.integers(-120_000, 3 * HOUR_MS), st.just(2 * DAY_MS))


@st.composite
def tapes(draw: st.DrawFn) -> list[Trade]:
    time_ms, tape = draw(st.integers(10**12, 10**12 + DAY_MS)), []
    for number, gap in enumerate(draw(st.lists(GAPS, max_size=60))):
        time_ms += gap
        lots, price = draw(st.integers(1, 10**6)), draw(st.integers(1, 10**6))
        tape.append(trade(number, time_ms, price, lots, draw(st.booleans())))
    return tape


@given(tapes(), st.sampled_from(["1m", "5m", "1h", "4h", "1d", "1w", "1M"]))
def test_folding_shorter_candles_is_folding_the_trades(tape: list[Trade], interval: str) -> None:
    whole = partial(bounds, interval)
    assert list(fold(fold_trades(tape, MINUTE), whole)) == list(fold_trades(tape, whole))


@given(tapes())
def test_an_hour_of_minutes_is_an_hour_of_seconds(tape: list[Trade]) -> None:
    seconds = fold_trades(tape, partial(bounds, "1s"))
    assert list(fold(fold(seconds, MINUTE), HOUR)) == list(fold_trades(tape, HOUR))


@given(tapes(), st.integers(0, 60))
def test_what_has_closed_does_not_change_whatever_follows(tape: list[Trade], cut: int) -> None:
    def closed(trades: list[Trade]) -> list[object]:
        folding = TradeFold(MINUTE)
        return [each for trade in trades if (each := folding.add(trade)) is not None]

    early = closed(tape[:cut])
    assert closed(tape)[: len(early)] == early


def test_a_candle_closes_by_the_first_trade_at_or_after_its_end() -> None:
    folding = TradeFold(MINUTE)
    assert folding.add(trade(1, 10 * MINUTE_MS)) is None
    assert folding.add(trade(2, 11 * MINUTE_MS - 1, price=120)) is None
    closed = folding.add(trade(3, 11 * MINUTE_MS))
    assert closed is not None
    assert (closed.opens_ms, closed.closes_ms) == (10 * MINUTE_MS, 11 * MINUTE_MS - 1)
    assert (closed.first_id, closed.last_id, closed.close) == (1, 2, Decimal("1.2"))
    assert folding.add(trade(4, 10 * MINUTE_MS)) is None, "a trade of before counts as one of now"
    assert folding.open is not None
    assert (folding.open.first_id, folding.open.last_id) == (3, 4)
    assert Fold(HOUR).add(closed) is None


@pytest.mark.parametrize("interval", INTERVALS)
def test_candles_lie_side_by_side(interval: str) -> None:
    opens_ms, closes_ms = bounds(interval, 1_700_000_000_000)
    assert opens_ms <= 1_700_000_000_000 <= closes_ms
    assert bounds(interval, opens_ms) == bounds(interval, closes_ms) == (opens_ms, closes_ms)
    assert bounds(interval, closes_ms + 1)[0] == closes_ms + 1


def test_weeks_begin_on_mondays() -> None:
    assert datetime.fromtimestamp(WEEK(1_700_000_000_000)[0] / 1000, UTC).strftime("%A %H:%M") == "Monday 00:00"
