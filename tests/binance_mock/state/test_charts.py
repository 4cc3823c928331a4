"""Candles never contradict each other, the trades or what they were before, whatever restarts lie between."""

import sqlite3
from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from binance_mock.engine.amounts import times
from binance_mock.engine.orders import MarketTrade, PublicTrade
from binance_mock.market.simulated import SimulatedMarket
from binance_mock.state.charts import Charts
from binance_mock.state.context import Context, open_context
from binance_mock.state.exchange import Exchange, open_exchange
from binance_mock.state.listings import LISTINGS, exchange_info
from binance_mock.state.security import Account
from binance_mock.state.store import Store
from candles.fold import Candle
from candles.intervals import DAY_MS, HOUR_MS, INTERVALS, MINUTE_MS, SECOND_MS, bounds
from tests.binance_mock.support import INFO, NOW

BEGIN = NOW // DAY_MS * DAY_MS - 5 * HOUR_MS
ALL = 100_000
EAST = 345 * MINUTE_MS  # Nepal


def opened(path: Path, now_ms: int = BEGIN) -> Exchange:
    return open_exchange(Store(path), INFO, {}, now_ms)


def trade(exchange: Exchange, price: str, now_ms: int, quantity: str = "1", is_sold: bool = False) -> None:
    exchange.trade([MarketTrade("ETHUSDT", Decimal(price), Decimal(quantity), is_sold)], now_ms)


def shown(charts: Charts, interval: str, now_ms: int, limit: int = ALL, **asked: int) -> list[Candle]:
    return charts.candles("ETHUSDT", interval, now_ms, limit=limit, **asked)


def summed(parts: Iterable[Candle]) -> tuple[Decimal | int, ...]:
    """What candles come to together: those without trades add nothing."""
    each = list(parts)
    each = [part for part in each if part.count] or each
    return (
        each[0].open, max(c.high for c in each), min(c.low for c in each), each[-1].close, sum(c.base for c in each),
        sum(c.quote for c in each), sum(c.count for c in each), sum(c.taker_buy_base for c in each),
        sum(c.taker_buy_quote for c in each),
    )  # fmt: skip


def of_trades(trades: list[PublicTrade]) -> tuple[Decimal | int, ...]:
    prices, worth = [t.price for t in trades], {t.trade_id: times(t.price, t.quantity) for t in trades}
    bought = [t for t in trades if not t.buyer_is_maker]
    return (
        prices[0], max(prices), min(prices), prices[-1], sum(t.quantity for t in trades), sum(worth.values()),
        len(trades), sum(t.quantity for t in bought), sum(worth[t.trade_id] for t in bought),
    )  # fmt: skip


def traded_for_days(exchange: Exchange, random: Random, path: Path, trades: list[PublicTrade]) -> Exchange:
    """Trades in bursts and after silences, with a restart now and then."""
    now_ms = BEGIN
    exchange.listeners.append(lambda changes: trades.extend(changes.trades))
    while now_ms < BEGIN + 50 * HOUR_MS:
        now_ms += random.choice([0, 5, 300, 1_500, 40_000, 900_000, 3 * HOUR_MS])
        price = f"{random.uniform(2_900, 3_100):.2f}"
        trade(exchange, price, now_ms, f"{random.uniform(0.0001, 3):.4f}", random.random() < 0.5)
        if random.random() < 0.02:
            exchange.store.close()
            exchange = opened(path, now_ms)
            exchange.listeners.append(lambda changes: trades.extend(changes.trades))
    return exchange


@pytest.mark.parametrize("seed", range(2))
def test_all_intervals_come_to_the_same_as_the_trades(tmp_path: Path, seed: int) -> None:
    trades: list[PublicTrade] = []
    exchange = traded_for_days(opened(tmp_path / "file"), Random(seed), tmp_path / "file", trades)
    now_ms = trades[-1].time_ms + 500
    for zone_ms in (0, EAST, -37 * MINUTE_MS):
        minutes = shown(exchange.charts, "1m", now_ms, zone_ms=zone_ms)
        for interval in INTERVALS:
            candles = shown(exchange.charts, interval, now_ms, zone_ms=zone_ms)
            opens = [candle.opens_ms for candle in candles]
            # Without a hole, up to now.
            assert opens[1:] == [candle.closes_ms + 1 for candle in candles[:-1]]
            assert candles[-1].opens_ms <= now_ms <= candles[-1].closes_ms
            for candle in candles:
                window = candle.opens_ms, candle.closes_ms
                assert bounds(interval, window[0], zone_ms) == window
                within = [t for t in trades if window[0] <= t.time_ms <= window[1]]
                if within:
                    assert summed([candle]) == of_trades(within)
                    assert (candle.first_id, candle.last_id) == (within[0].trade_id, within[-1].trade_id)
                elif interval != "1s":
                    before = [t for t in trades if t.time_ms < window[0]][-1].price
                    assert summed([candle]) == (before, before, before, before, 0, 0, 0, 0, 0)
                    assert (candle.first_id, candle.last_id) == (-1, -1)
                if interval != "1s" and window[0] >= minutes[0].opens_ms:
                    parts = [each for each in minutes if window[0] <= each.opens_ms <= window[1]]
                    assert summed(parts) == summed([candle])


def test_no_candle_that_has_closed_changes_over_restarts(tmp_path: Path) -> None:
    random, path, now_ms = Random(1), tmp_path / "file", BEGIN
    exchange = opened(path)
    known: dict[tuple[str, int], Candle] = {}
    for _ in range(300):
        now_ms += random.choice([1, 800, 1_100, 61_000, 1_000_000])
        for _ in range(random.randrange(4)):
            trade(exchange, f"{random.uniform(2_900, 3_100):.2f}", now_ms)
        if random.random() < 0.2:
            exchange.store.close()
            exchange = opened(path, now_ms)
        for interval in ("1s", "1m", "5m", "15m", "1h", "1d"):
            for candle in shown(exchange.charts, interval, now_ms, limit=50):
                if candle.closes_ms < now_ms:
                    assert known.setdefault((interval, candle.opens_ms), candle) == candle


def test_candles_are_asked_for_by_start_end_and_limit(tmp_path: Path) -> None:
    exchange, first = opened(tmp_path / "file"), BEGIN
    for minute in range(0, 20, 2):
        trade(exchange, f"{3000 + minute}", first + minute * MINUTE_MS + 7)
    now_ms = first + 19 * MINUTE_MS

    def minutes(**asked: int) -> list[int]:
        return [(each.opens_ms - first) // MINUTE_MS for each in shown(exchange.charts, "1m", now_ms, **asked)]

    assert minutes() == list(range(20))
    assert minutes(limit=3) == [17, 18, 19]
    assert minutes(start_ms=0, limit=3) == [0, 1, 2]
    # Both bounds are those of the opening.
    assert minutes(start_ms=first + 3 * MINUTE_MS, end_ms=first + 5 * MINUTE_MS) == [3, 4, 5]
    assert minutes(start_ms=first + 3 * MINUTE_MS + 1, end_ms=first + 5 * MINUTE_MS - 1) == [4]
    assert minutes(end_ms=first + 5 * MINUTE_MS, limit=2) == [4, 5]
    assert minutes(end_ms=first - 1) == minutes(start_ms=now_ms + 1) == minutes(start_ms=2**62) == []
    assert exchange.charts.candles("BTCUSDT", "1m", now_ms, limit=ALL) == []


def test_statistics_are_those_of_the_minutes_and_of_the_price_before(tmp_path: Path) -> None:
    trades: list[PublicTrade] = []
    exchange = traded_for_days(opened(tmp_path / "file"), Random(5), tmp_path / "file", trades)
    for now_ms in range(trades[-1].time_ms, trades[-1].time_ms + 30 * HOUR_MS, 7 * HOUR_MS + 12_345):
        for length_ms in (59 * MINUTE_MS, DAY_MS, 7 * DAY_MS):
            found = exchange.charts.statistics("ETHUSDT", now_ms - length_ms, now_ms, now_ms)
            assert found is not None
            begin = -(-(now_ms - length_ms) // MINUTE_MS) * MINUTE_MS
            within = [t for t in trades if t.time_ms >= begin]
            before = [t.price for t in trades if t.time_ms < begin]
            assert found.before == (before[-1] if before else trades[0].price)
            if within:
                assert summed([found.candle]) == of_trades(within)
            else:
                assert (found.candle.count, found.candle.close) == (0, trades[-1].price)
                assert not found.change


def test_a_symbol_that_never_traded_has_no_statistics(tmp_path: Path) -> None:
    assert opened(tmp_path / "file").charts.statistics("ETHUSDT", BEGIN, BEGIN + DAY_MS, BEGIN) is None


def test_a_file_from_before_candles_were_kept_shows_those_of_its_trades(tmp_path: Path) -> None:
    trades: list[PublicTrade] = []
    exchange = traded_for_days(opened(tmp_path / "file"), Random(2), tmp_path / "file", trades)
    now_ms = trades[-1].time_ms
    before = {interval: shown(exchange.charts, interval, now_ms) for interval in INTERVALS}
    exchange.store.close()
    with sqlite3.connect(tmp_path / "file") as connection:
        connection.executescript("DROP TABLE candles; DELETE FROM marks WHERE name LIKE 'begins:%';")
    connection.close()
    for _ in range(2):
        exchange = opened(tmp_path / "file", now_ms)
        assert {interval: shown(exchange.charts, interval, now_ms) for interval in INTERVALS} == before
        exchange.store.close()


def test_old_seconds_fall_away_and_minutes_stay(tmp_path: Path) -> None:
    exchange = opened(tmp_path / "file")
    for minute in range(300):
        trade(exchange, f"{3000 + minute}", BEGIN + minute * MINUTE_MS)
    now_ms = BEGIN + 300 * MINUTE_MS - 1
    seconds, minutes = shown(exchange.charts, "1s", now_ms), shown(exchange.charts, "1m", now_ms)
    assert (len(seconds), len(minutes)) == (7_201, 300)
    assert sum(each.count for each in seconds) == 120
    # Kept for a while longer than shown: looked at once in a quarter of an hour.
    assert 120 <= len(exchange.store.candles("ETHUSDT", SECOND_MS, 0)) < 120 + 60 + 2 * 15 + 1


# --- with a past -----------------------------------------------------------------------------------


def simulated(path: Path, now_ms: int, seed: int = 1) -> tuple[Context, SimulatedMarket]:
    listings = {name: LISTINGS[name] for name in ("ETHUSDT", "BTCUSDT")}
    exchange = open_exchange(Store(path), exchange_info(listings.values()), {}, now_ms)
    market = SimulatedMarket(seed, listings)
    return open_context(exchange, market, Account("key", "secret"), now_ms=lambda: now_ms), market


def test_a_first_start_has_a_past_that_the_simulation_goes_on_from(tmp_path: Path) -> None:
    context, market = simulated(tmp_path / "file", NOW)
    exchange = context.exchange
    exchange.interest("ETHUSDT")
    now_ms = NOW
    while now_ms < NOW + 150_000:
        now_ms += 100
        exchange.trade(market.until(now_ms, 500), now_ms)
    charts = exchange.charts
    days, minutes = shown(charts, "1d", now_ms), shown(charts, "1m", now_ms, limit=3_000)
    assert len(days) == 366
    (oldest,) = shown(charts, "1m", now_ms, start_ms=0, limit=1)
    assert minutes[-1].closes_ms + 1 - oldest.opens_ms == 90 * DAY_MS + MINUTE_MS
    for candles in (days, minutes):
        assert all(b.first_id == a.last_id + 1 for a, b in pairwise(candles))
        # From one to the next the price walks, and nowhere it jumps.
        assert all(abs(b.open / a.close - 1) < Decimal("0.025") for a, b in pairwise(candles))
    for interval in ("3m", "1h", "12h", "1d", "1w"):
        for each in shown(charts, interval, now_ms, limit=2):
            parts = shown(charts, "1m", now_ms, start_ms=each.opens_ms, end_ms=each.closes_ms)
            assert summed(parts) == summed([each])
    stored = exchange.store.trades("ETHUSDT", from_id=1)
    assert stored[0].trade_id == shown(charts, "1m", now_ms, end_ms=NOW - MINUTE_MS, limit=1)[0].last_id + 1
    day = charts.statistics("ETHUSDT", now_ms - DAY_MS, now_ms, now_ms)
    assert day is not None and day.candle.count == day.candle.last_id - day.candle.first_id + 1 > 1_000_000


def test_a_past_stays_what_it_was_over_a_restart_with_another_seed_and_another_listing(tmp_path: Path) -> None:
    context, _ = simulated(tmp_path / "file", NOW)
    before = {interval: shown(context.exchange.charts, interval, NOW, limit=200) for interval in INTERVALS}
    context.exchange.store.close()
    context, _ = simulated(tmp_path / "file", NOW + 400_000, seed=2)
    assert {i: shown(context.exchange.charts, i, NOW, limit=200) for i in INTERVALS} == before
    context.exchange.store.close()
    charts = open_exchange(Store(tmp_path / "file"), INFO, {}, NOW).charts
    assert {i: shown(charts, i, NOW, limit=200) for i in INTERVALS} == before
