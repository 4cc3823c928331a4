"""Symbols whose filters are off or missing, at a real mock exchange, over HTTP: they are traded all the same."""

import json
import threading
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest
import redis
from pytest_django import Settings

from binance_mock.state.listings import LISTINGS, symbol_info
from hedgehog_project.venues import Venue
from tests.support.exchanges.market import KEY, SECRET, start_mock
from tests.support.machine.processes import Processes
from tests.support.settings import give
from trading.core.events import TradeSeen
from trading.core.orders import OrderStatus, OrderType, Side
from trading.core.strategy import TraderState
from trading.exchange import client as client_module
from trading.exchange.client import exchange_at
from trading.models import Listing, Order, Trader, TradingSettings
from trading.reconciliation.audit import audit
from trading.reconciliation.reconcile import reconcile
from trading.symbols import listings
from trading.traders import acting

pytestmark = pytest.mark.django_db(transaction=True)

OFF: dict[str, Any] = {
    "PRICE_FILTER": {"minPrice": "0", "maxPrice": "0", "tickSize": "0.00000000"},
    "LOT_SIZE": {"minQty": "0.00000000", "maxQty": "0", "stepSize": "0"},
    "MARKET_LOT_SIZE": {"minQty": "0", "maxQty": "0", "stepSize": "0"},
    "PERCENT_PRICE_BY_SIDE": {
        "bidMultiplierUp": "0", "bidMultiplierDown": "0", "askMultiplierUp": "0", "askMultiplierDown": "0",
    },
    "NOTIONAL": {"minNotional": "0", "maxNotional": "0", "applyMaxToMarket": True},
    "MAX_NUM_ORDERS": {"maxNumOrders": 0},
    "MAX_POSITION": {"maxPosition": "0"},
}  # fmt: skip
ALL_OFF = [{"filterType": name, **bounds} for name, bounds in OFF.items()]


@pytest.mark.parametrize("ends_by", ["its profit", "a stop"])
@pytest.mark.parametrize(
    ("entry", "tick", "step"),
    [
        ({"filters": ALL_OFF}, "0.00000001", "0.00000001"),
        ({"filters": [], "quoteAssetPrecision": 2, "baseAssetPrecision": 3}, "0.01", "0.001"),
    ],
    ids=["0", "no filters"],
)
def test_a_symbol_without_bounds_is_bought_and_sold(
    redis_client: "redis.Redis", processes: Processes, tmp_path: Path, settings: Settings,
    monkeypatch: pytest.MonkeyPatch, entry: dict[str, Any], tick: str, step: str, ends_by: str,
) -> None:  # fmt: skip
    file = tmp_path / "exchange_info.json"
    file.write_text(json.dumps({"symbols": [{**symbol_info(LISTINGS["ETHUSDT"]), **entry}]}))
    mock = start_mock(processes, str(tmp_path), MOCK_BALANCES="USDT:10000", MOCK_EXCHANGE_INFO=file)[0]
    settings.MOCK_PORT, settings.MOCK_API_KEY, settings.MOCK_API_SECRET = mock.port, KEY, SECRET
    monkeypatch.setattr(client_module, "_of_thread", threading.local())
    mock.trade("ETHUSDT", "3000")
    symbol = listings.add("ETHUSDT")
    listing = Listing.objects.get()
    assert (listing.tick_size, listing.step_size, listing.min_notional) == (D(tick), D(step), D(0))
    give(
        TradingSettings.objects.filter(symbol=symbol), status="on", max_slots=1, budget=D(700),
        buy_down_interval=D("0.0017"), profit_interval=D("0.0013"),
        rebuy_interval=None, stop_loss_interval=D("0.02"),
    )  # fmt: skip
    trader = Trader.born(TradingSettings.objects.select_related("symbol").get(), Venue.MOCK, 1)
    acting.wake(trader.pk, TradeSeen("ETHUSDT", 1, D("3000.123"), 0), exchange_at)

    def trade(price: str) -> None:
        mock.trade("ETHUSDT", price)
        assert reconcile(Venue.MOCK, exchange_at).stopped == ""

    trade("2990")
    assert Trader.objects.get().state == TraderState.SELLING, Trader.objects.get().error
    if ends_by == "a stop":
        mock.trade("ETHUSDT", "2900")
        acting.wake(trader.pk, TradeSeen("ETHUSDT", 2, D(2900), 0), exchange_at)
        exit_ = Order.objects.get(type=OrderType.MARKET)
        assert exit_.status == OrderStatus.FILLED
    else:
        trade("3020")
    ended = Trader.objects.get()
    assert ended.state == TraderState.FINISHED
    assert not Order.objects.filter(status=OrderStatus.REJECTED).exists()
    buy, *_, sale = Order.objects.order_by("pk")
    for amount, unit in ((buy.price, tick), (buy.quantity, step), (sale.quantity, step)):
        assert amount % D(unit) == 0
    assert (buy.side, sale.side) == (Side.BUY, Side.SELL)
    assert ended.leftover < D(step)
    assert audit(Venue.MOCK, mock.client(), {"USDT": D(10_000)}) == []
