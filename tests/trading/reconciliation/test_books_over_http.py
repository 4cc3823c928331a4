"""Reconciliation, orphans and the audit against a real mock exchange, over HTTP."""

import time
from datetime import timedelta
from decimal import Decimal as D
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django.fixtures import Settings

from console.management.commands import audit as audit_command
from hedgehog_project.ports import free_port
from hedgehog_project.venues import Venue
from tests.support.exchanges.market import MockExchange, start_mock
from tests.support.machine.processes import Processes
from trading.books import account
from trading.core.events import TradeSeen
from trading.core.orders import OrderStatus, Side
from trading.core.strategy import TraderState
from trading.exchange import client as client_module
from trading.exchange.binance import BinanceExchange
from trading.exchange.client import exchange_at
from trading.exchange.protocol import NewOrder
from trading.models import Fill, FillMark, Listing, Order, Orphan, Symbol, ToldBy, Trader, Transfer
from trading.models.orphans import Resolution
from trading.models.symbols import forget_filters
from trading.reconciliation import orphans
from trading.reconciliation import reconcile as reconcile_module
from trading.reconciliation.audit import audit
from trading.reconciliation.reconcile import reconcile
from trading.traders import acting

pytestmark = pytest.mark.django_db(transaction=True)

START = {"USDT": D(10_000)}


@pytest.fixture(autouse=True)
def exchange(at_mock: MockExchange) -> BinanceExchange:
    """What earlier tests have traded on the account has been looked at."""
    client = at_mock.client()
    pairs = client.trades("ETHUSDT")
    if pairs:
        order_id, fill = pairs[-1]
        FillMark.objects.create(
            venue=Venue.MOCK, symbol="ETHUSDT", trade_id=fill.trade_id, exchange_order_id=order_id,
            looked_at=timezone.now() - timedelta(days=1),
        )  # fmt: skip
    return client


@pytest.fixture(autouse=True)
def nothing_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has just changed there counts as a difference, as it would half a minute later."""
    monkeypatch.setattr(reconcile_module, "REPORTS_TAKE", timedelta(0))


@pytest.fixture
def buy(trader: Trader, at_mock: MockExchange) -> Order:
    """The trader's buy, resting."""
    acting.wake(trader.pk, TradeSeen("ETHUSDT", 1, D(3000), 0), exchange_at)
    return Order.objects.get(side=Side.BUY)


def compare() -> tuple[int, int]:
    row = reconcile(Venue.MOCK, exchange_at)
    assert row.stopped == "", row.stopped
    return row.repaired, row.left


def place(
    exchange: BinanceExchange, key: str, side: Side = Side.BUY, price: str = "2990", quantity: str = "0.05"
) -> None:
    exchange.place(NewOrder("ETHUSDT", side, D(price), D(quantity), key, round(time.time() * 1000) + 2000))


def test_fills_that_nobody_reported_are_booked(buy: Order, exchange: BinanceExchange, at_mock: MockExchange) -> None:
    assert compare() == (0, 0)
    at_mock.trade("ETHUSDT", "2990", "0.01")
    assert compare() == (1, 0)
    at_mock.trade("ETHUSDT", "2990")
    assert compare() == (1, 0)
    assert compare() == (0, 0)
    assert Order.objects.get(side=Side.SELL).status == OrderStatus.NEW
    assert audit(Venue.MOCK, exchange, START) == []


def test_fills_of_an_order_that_we_held_for_ended_are_found_by_trade_id(
    buy: Order, exchange: BinanceExchange, at_mock: MockExchange
) -> None:
    at_mock.trade("ETHUSDT", "2990", "0.01")
    exchange.cancel("ETHUSDT", buy.client_order_id)
    Order.objects.update(status=OrderStatus.CANCELED)
    Trader.objects.update(state=TraderState.WAITING)
    assert compare() == (1, 0)
    assert Fill.objects.get().quantity == D("0.01")
    assert Order.objects.get(side=Side.SELL).quantity == D("0.0099")
    assert compare() == (0, 0)
    assert audit(Venue.MOCK, exchange, START) == []


def test_cancel_on_the_exchanges_own_page_is_learnt(buy: Order, exchange: BinanceExchange) -> None:
    exchange.cancel("ETHUSDT", buy.client_order_id)
    assert compare() == (1, 0)
    buy.refresh_from_db()
    assert buy.status == OrderStatus.CANCELED


def test_cycle_that_the_database_forgot_goes_on(buy: Order, exchange: BinanceExchange, at_mock: MockExchange) -> None:
    at_mock.trade("ETHUSDT", "2990")
    acting.ask(buy.pk, exchange_at)
    Fill.objects.all().delete()
    Order.objects.all().delete()
    Trader.objects.update(state=TraderState.WAITING)
    assert compare() == (2, 0)
    assert Trader.objects.get().state == TraderState.SELLING
    assert compare() == (0, 0)
    at_mock.trade("ETHUSDT", "3010")
    compare()
    assert Trader.objects.get().state == TraderState.FINISHED
    assert audit(Venue.MOCK, exchange, START) == []


def test_orders_of_a_lost_database_are_adopted_with_symbol_and_all(
    exchange: BinanceExchange, at_mock: MockExchange, symbol: Symbol
) -> None:
    place(exchange, "hh-77-b-1")
    at_mock.trade("ETHUSDT", "2989", "0.02")
    Listing.objects.all().delete()
    forget_filters()
    assert compare() == (0, 1)
    orphan = Orphan.objects.get()
    assert (orphan.status, orphan.executed) == (OrderStatus.PARTIALLY_FILLED, D("0.02"))
    assert [each.invariant for each in audit(Venue.MOCK, exchange, START)] == ["I3"]
    trader = orphans.adopt(orphan, "admin", exchange_at)
    at_mock.trade("ETHUSDT", "2989")
    assert compare()[1] == 0
    trader.refresh_from_db()
    assert trader.state == TraderState.SELLING
    assert audit(Venue.MOCK, exchange, START) == []


def test_cancelled_orphan_counts_in_the_balances(
    exchange: BinanceExchange, at_mock: MockExchange, symbol: Symbol
) -> None:
    place(exchange, "hh-78-b-1")
    at_mock.trade("ETHUSDT", "2989", "0.02")
    compare()
    assert orphans.cancel(Orphan.objects.get(), "admin", exchange_at).startswith("0.02 ETH was bought")
    assert Orphan.objects.get().resolution == Resolution.CANCELED
    assert exchange.open_orders() == []
    assert compare() == (0, 0)
    assert audit(Venue.MOCK, exchange, START) == []


def test_foreign_orders_stay_as_they_are(buy: Order, exchange: BinanceExchange, at_mock: MockExchange) -> None:
    place(exchange, "web_1", price="2900")
    place(exchange, "web_2", price="2999")
    at_mock.trade("ETHUSDT", "2998")
    assert compare() == (0, 0)
    assert {report.client_order_id for report in exchange.open_orders()} == {"web_1", buy.client_order_id}
    assert not Orphan.objects.exists()


def test_coins_that_somebody_sold_are_missed(buy: Order, exchange: BinanceExchange, at_mock: MockExchange) -> None:
    at_mock.trade("ETHUSDT", "2990")
    compare()
    exchange.cancel("ETHUSDT", Order.objects.get(side=Side.SELL).client_order_id)
    place(exchange, "web_1", Side.SELL, "2990", "0.06")
    row = reconcile(Venue.MOCK, exchange_at)
    assert "0.06 ETH is missing" in row.text


class TestCommands:
    def test_dry_run_tells_and_changes_nothing(self, buy: Order, at_mock: MockExchange) -> None:
        at_mock.trade("ETHUSDT", "2990")
        out = StringIO()
        with pytest.raises(CommandError, match="nothing was changed"):
            call_command("reconcile", "--dry-run", stdout=out)
        assert "mock: 1 open order and 1 new fill compared; 1 difference to repair" in out.getvalue()
        assert buy.client_order_id in out.getvalue()
        buy.refresh_from_db()
        assert buy.status == OrderStatus.NEW
        out = StringIO()
        call_command("reconcile", stdout=out)
        assert "1 difference repaired" in out.getvalue()
        out = StringIO()
        call_command("reconcile", "mock", "--dry-run", stdout=out)
        assert out.getvalue().endswith("records match\n")

    def test_orphans_are_told_and_fail_it(
        self, symbol: Symbol, exchange: BinanceExchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place(exchange, "hh-79-b-1")
        out, errors = StringIO(), StringIO()
        with pytest.raises(CommandError, match=r"manage\.py orphans"):
            call_command("reconcile", stdout=out)
        assert "orphan hh-79-b-1" in out.getvalue()
        monkeypatch.setattr(audit_command, "LOOK_AGAIN_S", 0)
        with pytest.raises(CommandError, match="records differ"):
            call_command("audit", stderr=errors)
        assert "I3: orphan hh-79-b-1" in errors.getvalue()

    def test_missing_exchange_is_said(self, symbol: Symbol, settings: Settings) -> None:
        settings.MOCK_PORT = free_port()
        client_module._of_thread.__dict__.clear()
        out = StringIO()
        with pytest.raises(CommandError, match="mock: reconciliation stopped early: Exchange unreachable"):
            call_command("reconcile", stdout=out)
        assert "stopped: " in out.getvalue()


def test_commissions_in_a_third_asset_count_in_the_balances(
    processes: Processes, tmp_path: Path, settings: Settings, trader: Trader
) -> None:
    mock = start_mock(processes, str(tmp_path), MOCK_BALANCES="USDT:10000,BNB:1", MOCK_FEES_IN_BNB=1)[0]
    settings.MOCK_PORT = mock.port
    client_module._of_thread.__dict__.clear()
    mock.trade("BNBUSDT", "600")
    mock.trade("ETHUSDT", "3000")
    acting.wake(trader.pk, TradeSeen("ETHUSDT", 1, D(3000), 0), exchange_at)
    for price in ("2990", "3010"):
        mock.trade("ETHUSDT", price)
        compare()
    assert set(Fill.objects.values_list("commission_asset", flat=True)) == {"BNB"}
    assert Trader.objects.get(pk=trader.pk).state == TraderState.FINISHED
    assert audit(Venue.MOCK, mock.client(), {"USDT": D(10_000), "BNB": D(1)}) == []
    wrong = audit(Venue.MOCK, mock.client(), {"USDT": D(10_000), "BNB": D(2)})
    assert [(each.invariant, each.what[:4]) for each in wrong] == [("I5", "BNB:")]


def test_money_that_comes_and_goes_is_a_transfer_and_no_gain(
    mock: MockExchange, symbol: Symbol, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rest_of_three_minutes() -> None:
        for minutes in (1, 2, 3):
            monkeypatch.setattr(timezone, "now", lambda at=begin + timedelta(minutes=minutes): at)
            reconcile(Venue.MOCK, exchange_at)

    begin = timezone.now()
    reconcile(Venue.MOCK, exchange_at)
    first = account.last(Venue.MOCK)
    assert first is not None
    assert (first.value, first.put_in, first.free) == (D(10_000), D(10_000), D(10_000))
    by_hand = NewOrder("ETHUSDT", Side.BUY, D(3000), D("0.5"), "web_1", round(begin.timestamp() * 1000) + 60_000)
    mock.client().place(by_hand)
    mock.trade("ETHUSDT", "2990")
    rest_of_three_minutes()
    assert {row.asset for row in Transfer.objects.filter(told_by=ToldBy.DIFFERENCE)} == {"ETH", "USDT"}
    row = account.last(Venue.MOCK)
    assert row is not None
    # 0.5 ETH less 0.1 % at 2990, for 1500.
    assert row.value == D("8500") + D("0.4995") * D(2990)
    assert abs(row.value - row.put_in) < 1
    assert (row.realised, row.unrealised) == (D(0), D(0))
