"""Reconciliation: whatever was lost on the way is learnt from the exchange's own books."""

from decimal import Decimal

import pytest

from hedgehog_project.venues import Venue
from tests.support.scripted_exchange import ScriptedExchange
from trading import traders
from trading.core.events import TradeSeen
from trading.core.orders import OrderStatus
from trading.models import Order, Trader
from trading.reconcile import reconcile

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]

TRADE = TradeSeen("ETHUSDT", 1, Decimal(3000), 0)


def test_reconciliation_books_what_no_report_told(trader: Trader, exchange: ScriptedExchange) -> None:
    traders.wake(trader.pk, TRADE, exchange)
    assert reconcile(Venue.MOCK, exchange) == 0
    exchange.fill(Order.objects.get().client_order_id, Decimal("0.01"))
    assert reconcile(Venue.MOCK, exchange) == 1
    assert Order.objects.get().executed == Decimal("0.01")
    exchange.fill_all(Order.objects.get().client_order_id)
    reconcile(Venue.MOCK, exchange)
    assert list(Order.objects.order_by("id").values_list("side", "status")) == [
        ("BUY", OrderStatus.FILLED),
        ("SELL", OrderStatus.NEW),
    ]
