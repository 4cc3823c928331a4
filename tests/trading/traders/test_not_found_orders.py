"""An exchange that denies over the wire what it has accepted: nothing is bought twice, and nothing is forgotten."""

import time
from datetime import timedelta

import pytest

from hedgehog_project.venues import Venue
from tests.support.exchanges.market import MockExchange
from tests.trading.traders.test_traders import TRADE, fresh, later, look_again, only_order
from trading.core.orders import OrderStatus
from trading.core.position import TraderState
from trading.exchange.client import exchange_at
from trading.models import Order, Trader
from trading.reconciliation.reconcile import reconcile
from trading.traders import acting, calls

pytestmark = pytest.mark.django_db(transaction=True)


def deny(mock: MockExchange, deny_s: int, everywhere: int) -> None:
    mock.fault("order_denied", count=1, deny_s=deny_s, everywhere=everywhere)


def ask_until_it_counts(order: Order) -> None:
    for now in (later(order), later(order) + timedelta(seconds=2), later(order) + calls.NOT_FOUND_FOR):
        acting.ask(order.pk, exchange_at, now=now)


def test_order_that_is_denied_by_its_name_is_found_on_a_list_and_none_is_sent_beside_it(
    trader: Trader, at_mock: MockExchange
) -> None:
    deny(at_mock, deny_s=60, everywhere=0)
    acting.wake(trader.pk, TRADE, exchange_at)
    assert only_order(trader).status == OrderStatus.SUBMITTING
    ask_until_it_counts(only_order(trader))
    assert only_order(trader).status == OrderStatus.NEW
    assert fresh(trader).state == TraderState.BUYING
    assert len(at_mock.client().open_orders()) == 1


def test_order_that_is_denied_everywhere_is_cancelled_when_it_shows(trader: Trader, at_mock: MockExchange) -> None:
    deny(at_mock, deny_s=2, everywhere=1)
    acting.wake(trader.pk, TRADE, exchange_at)
    first = only_order(trader)
    ask_until_it_counts(first)
    assert only_order(trader).status == OrderStatus.NOT_PLACED
    look_again(trader, exchange_at)
    acting.wake(trader.pk, TRADE, exchange_at)
    second = Order.objects.exclude(pk=first.pk).get()
    time.sleep(2.1)
    assert len(at_mock.client().open_orders()) == 2
    found = reconcile(Venue.MOCK, exchange_at)
    assert (found.stopped, found.left) == ("", 0)
    assert [order.client_order_id for order in at_mock.client().open_orders()] == [second.client_order_id]
    first.refresh_from_db()
    assert (first.status, first.is_late) == (OrderStatus.CANCELED, True)
