"""A trader that has bought and whose sell rests, and the last trade that plans go by."""

from decimal import Decimal

import pytest

from hedgehog_project.venues import Venue
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from trading.by_hand import plans
from trading.core.events import TradeSeen
from trading.core.journal import Source
from trading.core.orders import Side
from trading.models import Order, Symbol, Trader, TradingSettings
from trading.traders import acting
from trading.waking.prices import LastTrade

SEEN = TradeSeen("ETHUSDT", 1, Decimal(3000), 0, is_urgent=True)


def holder_of(symbol: Symbol, slot: int, exchange: ScriptedExchange) -> Trader:
    """It bought at 2997, a thousandth under 3000."""
    trader = Trader.born(TradingSettings.objects.get(symbol=symbol), Venue.MOCK, slot)
    acting.wake(trader.pk, SEEN, exchange)
    acting.hear(exchange.fill_all(last_order(trader).client_order_id), Source.REPORT, exchange)
    return Trader.objects.select_related("symbol").get(pk=trader.pk)


def last_order(trader: Trader, side: Side = Side.BUY) -> Order:
    return Order.objects.filter(trader=trader, side=side).latest("pk")


def trades_at(price: Decimal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every symbol was last traded at this price, two seconds ago."""
    monkeypatch.setattr(plans, "last_trades", lambda names, venue: {name: LastTrade(price, 2.0) for name in names})
