"""Closed orders and their fills are kept for a while; open ones, balances and ids stay for good."""

from decimal import Decimal
from pathlib import Path

import pytest

from binance_mock.engine.errors import Refused
from binance_mock.engine.orders import MarketTrade
from binance_mock.state.exchange import Exchange, open_exchange
from binance_mock.state.store import _DROP_EVERY, Store
from candles.intervals import DAY_MS
from tests.binance_mock.support import INFO, NOW, amounts, limit, market

CANCELED, OPEN, FILLED = 1, 2, 3


def opened(path: Path) -> Exchange:
    return open_exchange(Store(path), INFO, amounts(USDT="100000", ETH="10"), NOW)


@pytest.fixture
def exchange(tmp_path: Path) -> Exchange:
    """With a cancelled order, an open one, and a filled one."""
    exchange = opened(tmp_path / "file")
    exchange.trade([MarketTrade("ETHUSDT", Decimal(3000), Decimal(1), False)], NOW)
    for new in (limit("BUY", "2000", "1"), limit("BUY", "2001", "1"), market("BUY", "0.01")):
        exchange.place(new, NOW)
    exchange.cancel("ETHUSDT", CANCELED, None, NOW)
    return exchange


def busy_after(exchange: Exchange, days: int) -> None:
    """Trades as much as it takes for old orders to be looked for."""
    for _ in range(_DROP_EVERY):
        exchange.place(market("BUY", "0.01"), NOW + days * DAY_MS)


def old_ones(exchange: Exchange) -> tuple[set[int], set[int]]:
    """Which of the first three orders are kept, and which of them have fills."""
    orders = exchange.store.orders("ETHUSDT", from_id=1, start_ms=None, end_ms=None, limit=1000)
    fills = exchange.store.fills("ETHUSDT", from_id=1, order_id=None, start_ms=None, end_ms=None, limit=1000)
    first = {CANCELED, OPEN, FILLED}
    return {each.order_id for each in orders} & first, {each.order_id for each in fills} & first


@pytest.mark.parametrize(
    ("days", "kept", "filled"),
    [(89, {1, 2, 3}, {3}), (91, {2, 3}, {3}), (399, {2, 3}, {3}), (401, {2}, set[int]())],
)
def test_an_order_goes_the_later_if_it_has_traded_and_never_while_open(
    exchange: Exchange, days: int, kept: set[int], filled: set[int]
) -> None:
    busy_after(exchange, days)
    assert old_ones(exchange) == (kept, filled)
    assert [each.order_id for each in exchange.engine.open_orders()] == [OPEN]
    assert all(holding.missing == 0 for holding in exchange.engine.ledger.holdings.values())


def test_who_asks_for_a_dropped_order_is_told_so(exchange: Exchange) -> None:
    busy_after(exchange, 91)
    with pytest.raises(Refused, match=r"-2026: .*archived"):
        exchange.order("ETHUSDT", CANCELED, None)
    # One that never was, and one of another symbol, are none.
    for symbol, order_id in (("ETHUSDT", 10_000), ("BTCUSDT", FILLED)):
        with pytest.raises(Refused, match="-2013"):
            exchange.order(symbol, order_id, None)


def test_ids_go_on_rising_when_the_newest_order_was_dropped(exchange: Exchange, tmp_path: Path) -> None:
    exchange.cancel("ETHUSDT", OPEN, None, NOW)
    exchange.store._drop_orders(NOW + 401 * DAY_MS)
    assert old_ones(exchange) == (set(), set())
    exchange.store.close()
    again = opened(tmp_path / "file")
    assert again.place(limit("BUY", "2000", "1"), NOW).reports[0].order.order_id == FILLED + 1
