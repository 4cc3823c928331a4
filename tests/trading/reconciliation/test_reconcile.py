"""Reconciliation: whatever was lost on the way is learnt from the exchange's own books."""

import time
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
import redis
from celery import current_app
from celery.signals import worker_ready
from django.utils import timezone

from hedgehog_project.venues import Venue
from tests.console.test_overview import NO_REDIS
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.rows import make_trader, own_id
from tests.support.settings import give
from tests.trading.conftest import make_symbol
from trading import tasks
from trading.core.events import TradeSeen
from trading.core.journal import Kind, Source
from trading.core.orders import Fill as CoreFill
from trading.core.orders import OrderReport, OrderStatus, Side
from trading.core.strategy import TraderState
from trading.exchange.errors import NotSent, Refused, Throttled
from trading.exchange.protocol import NewOrder
from trading.models import Fill, FillMark, JournalEntry, Order, Orphan, Reconciliation, Trader, TradingSettings
from trading.models.orphans import Resolution
from trading.models.symbols import Slots
from trading.reconciliation import fill_marks
from trading.reconciliation import reconcile as module
from trading.reconciliation.reconcile import alone, last, reconcile, venues_in_use
from trading.traders import acting
from trading.traders.cycle_end import abandon

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]

TRADE = TradeSeen("ETHUSDT", 1, D(3000), 0)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_AGAIN_S", 0)


def compare(exchange: ScriptedExchange, is_dry: bool = False) -> tuple[int, int]:
    """How many differences were repaired, and how many are left."""
    row = reconcile(Venue.MOCK, exchange, is_dry=is_dry)
    assert row.stopped == ""
    return row.repaired, row.left


def buys(trader: Trader, exchange: ScriptedExchange) -> Order:
    """Its open buy."""
    acting.wake(trader.pk, TRADE, exchange)
    return Order.objects.get(trader=trader, side=Side.BUY)


def lose(*orders: Order) -> None:
    """What a backup that is older than the orders would bring back: their trader without them."""
    for order in orders:
        Fill.objects.filter(order=order).delete()
        order.delete()
        Trader.objects.filter(pk=order.trader_id).update(state=TraderState.WAITING, wake_below=D(1))


def text() -> str:
    row = last(Venue.MOCK)
    assert row is not None
    return row.text


class TestOrdersThatWeKnow:
    def test_lost_reports_are_made_up_for(self, trader: Trader, exchange: ScriptedExchange) -> None:
        buy = buys(trader, exchange)
        assert compare(exchange) == (0, 0)
        exchange.fill(buy.client_order_id, D("0.01"))
        assert compare(exchange) == (1, 0)
        assert Order.objects.get().executed == D("0.01")
        exchange.fill_all(buy.client_order_id)
        assert compare(exchange) == (1, 0)
        assert list(Order.objects.order_by("id").values_list("side", "status")) == [
            ("BUY", OrderStatus.FILLED),
            ("SELL", OrderStatus.NEW),
        ]
        assert compare(exchange) == (0, 0)

    def test_repair_stands_in_the_traders_journal(self, trader: Trader, exchange: ScriptedExchange) -> None:
        exchange.fill_all(buys(trader, exchange).client_order_id)
        compare(exchange)
        repairs = JournalEntry.objects.filter(trader=trader, kind=Kind.BOOKED, source=Source.RECONCILIATION)
        assert list(repairs.values_list("order__side", "status")) == [(Side.BUY, OrderStatus.FILLED)]

    def test_cancel_by_its_owner_on_the_exchanges_page(self, trader: Trader, exchange: ScriptedExchange) -> None:
        buy = buys(trader, exchange)
        exchange.end(buy.client_order_id, OrderStatus.CANCELED)
        assert compare(exchange) == (1, 0)
        buy.refresh_from_db()
        trader.refresh_from_db()
        assert (buy.status, trader.state) == (OrderStatus.CANCELED, TraderState.WAITING)

    def test_fill_of_an_order_that_we_hold_for_ended_is_booked(
        self, trader: Trader, exchange: ScriptedExchange
    ) -> None:
        buy = buys(trader, exchange)
        exchange.end(buy.client_order_id, OrderStatus.CANCELED)
        acting.ask(buy.pk, exchange)
        exchange.fill(buy.client_order_id, D("0.01"))
        exchange.end(buy.client_order_id, OrderStatus.CANCELED)
        assert compare(exchange) == (1, 0)
        assert Fill.objects.get().order == buy
        assert Order.objects.get(side=Side.SELL).quantity == D("0.0099")

    def test_late_fill_counts_on_a_trader_that_has_ended(self, trader: Trader, exchange: ScriptedExchange) -> None:
        buy = buys(trader, exchange)
        exchange.end(buy.client_order_id, OrderStatus.CANCELED)
        acting.ask(buy.pk, exchange)
        assert abandon(trader.pk, "admin")
        exchange.fill(buy.client_order_id, D("0.01"))
        exchange.end(buy.client_order_id, OrderStatus.CANCELED)
        assert compare(exchange) == (1, 0)
        trader.refresh_from_db()
        assert (trader.leftover, trader.profit) == (D("0.00999"), D(0))
        assert compare(exchange) == (0, 0)

    def test_list_that_is_older_than_our_books_changes_nothing(
        self, trader: Trader, exchange: ScriptedExchange
    ) -> None:
        buy = buys(trader, exchange)
        old = exchange.open_orders()
        acting.hear(exchange.fill_all(buy.client_order_id), Source.REPORT, exchange)
        sale = exchange.kept[Order.objects.get(side=Side.SELL).client_order_id]
        exchange.open_orders = lambda symbol="": [*old, sale]  # type: ignore[method-assign]
        assert compare(exchange) == (0, 0)
        buy.refresh_from_db()
        assert (buy.status, buy.fills.count()) == (OrderStatus.FILLED, 1)

    def test_report_that_comes_between_the_list_and_the_repair_is_not_undone(
        self, trader: Trader, exchange: ScriptedExchange
    ) -> None:
        buy = buys(trader, exchange)
        ask = exchange.open_orders

        def open_orders(symbol: str = "") -> list[OrderReport]:
            found = ask()  # NEW on the list, FILLED in our books by the time that they are compared.
            acting.hear(exchange.fill_all(buy.client_order_id), Source.REPORT, exchange)
            return found

        exchange.open_orders = open_orders  # type: ignore[method-assign]
        assert compare(exchange)[1] == 0
        buy.refresh_from_db()
        assert buy.status == OrderStatus.FILLED
        assert Order.objects.filter(side=Side.SELL).count() == 1

    def test_order_that_ended_only_here_is_shown(self, trader: Trader, exchange: ScriptedExchange) -> None:
        Order.objects.filter(pk=buys(trader, exchange).pk).update(status=OrderStatus.CANCELED)
        assert compare(exchange) == (0, 1)
        assert "still open at mock: cancel it there" in text()

    def test_order_that_was_thought_never_placed_lives_again(
        self, trader: Trader, exchange: ScriptedExchange
    ) -> None:
        Order.objects.filter(pk=buys(trader, exchange).pk).update(status=OrderStatus.NOT_PLACED)
        assert compare(exchange) == (1, 0)
        assert Order.objects.get().status == OrderStatus.NEW

    def test_ended_traders_open_order_keeps_its_venue_in_use(self, trader: Trader) -> None:
        Trader.objects.update(venue=Venue.TESTNET, finished_at=timezone.now(), state=TraderState.FINISHED)
        assert venues_in_use() == [Venue.MOCK]
        Order.objects.create(
            trader=trader, symbol=trader.symbol, venue=Venue.TESTNET, side=Side.SELL, price=D(1), quantity=D(1),
            client_order_id="hh-1-s-1", status=OrderStatus.NEW,
        )  # fmt: skip
        assert venues_in_use() == [Venue.MOCK, Venue.TESTNET]


class TestQuestionsThatFail:
    def test_one_failing_question_does_not_stop_the_rest(
        self, trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        give(slots=Slots.TOGETHER)
        second = make_trader(trader.symbol, slot=2)
        lost, found = buys(trader, exchange), buys(second, exchange)
        for each in (lost, found):
            exchange.end(each.client_order_id, OrderStatus.CANCELED)
        ask = exchange.order

        def order(symbol: str, client_order_id: str) -> OrderReport:
            if client_order_id == lost.client_order_id:
                raise NotSent("no line")
            return ask(symbol, client_order_id)

        monkeypatch.setattr(exchange, "order", order)
        assert compare(exchange) == (1, 1)
        found.refresh_from_db()
        assert found.status == OrderStatus.CANCELED
        assert "no line" in text()

    def test_throttling_stops_it_and_is_said(
        self, trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(exchange, "open_orders", _throttled)
        row = reconcile(Venue.MOCK, exchange)
        assert row.stopped == "Too many requests"
        assert not row.is_well

    def test_fills_that_could_not_be_booked_are_looked_at_again(
        self, trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        exchange.fill_all(buys(trader, exchange).client_order_id)

        def fails(*args: object, **kwargs: object) -> bool:
            raise NotSent("no line")

        with monkeypatch.context() as patch:
            patch.setattr(acting, "hear", fails)
            assert compare(exchange) == (0, 1)
        assert not FillMark.objects.exists()
        assert compare(exchange) == (1, 0)
        assert FillMark.objects.get().trade_id == Fill.objects.get().trade_id


class TestReportsThatAreOnTheirWay:
    """What the exchange has said a moment ago was not lost: its report is just not booked yet."""

    @staticmethod
    def changed(exchange: ScriptedExchange, key: str, ago_s: float) -> None:
        at_ms = round((time.time() - ago_s) * 1000)
        exchange.kept[key] = replace(exchange.kept[key], at_ms=at_ms)

    def test_fill_of_a_second_ago_is_taken_in_and_called_no_difference(
        self, trader: Trader, exchange: ScriptedExchange, caplog: pytest.LogCaptureFixture
    ) -> None:
        buy = buys(trader, exchange)
        exchange.fill_all(buy.client_order_id)
        self.changed(exchange, buy.client_order_id, ago_s=1)
        row = reconcile(Venue.MOCK, exchange)
        assert (row.repaired, row.left, row.late, row.text) == (0, 0, 1, "")
        assert row.told().endswith("records match, 1 report on its way")
        assert Order.objects.get(side=Side.SELL).status == OrderStatus.NEW
        assert not [record for record in caplog.records if record.name == module.__name__]

    def test_cancel_of_a_second_ago_is_as_well(self, trader: Trader, exchange: ScriptedExchange) -> None:
        buy = buys(trader, exchange)
        exchange.end(buy.client_order_id, OrderStatus.CANCELED)
        self.changed(exchange, buy.client_order_id, ago_s=1)
        row = reconcile(Venue.MOCK, exchange)
        assert (row.repaired, row.late) == (0, 1)
        buy.refresh_from_db()
        assert buy.status == OrderStatus.CANCELED

    @pytest.mark.parametrize(("ago_s", "counts"), [(45, (0, 1)), (75, (1, 0))])
    def test_only_what_a_minute_could_not_heal_is_called_repaired(
        self, trader: Trader, exchange: ScriptedExchange, ago_s: float, counts: tuple[int, int]
    ) -> None:
        buy = buys(trader, exchange)
        exchange.end(buy.client_order_id, OrderStatus.CANCELED)
        self.changed(exchange, buy.client_order_id, ago_s)
        row = reconcile(Venue.MOCK, exchange)
        assert (row.repaired, row.late) == counts

    def test_what_changed_longer_ago_than_reports_take_was_lost_and_is_repaired(
        self, trader: Trader, exchange: ScriptedExchange
    ) -> None:
        buy = buys(trader, exchange)
        exchange.fill_all(buy.client_order_id)
        self.changed(exchange, buy.client_order_id, ago_s=module.REPORTS_TAKE.total_seconds() + 1)
        row = reconcile(Venue.MOCK, exchange)
        assert (row.repaired, row.late) == (1, 0)
        assert row.told().endswith("1 difference repaired")

    def test_dry_run_calls_it_late_as_well(self, trader: Trader, exchange: ScriptedExchange) -> None:
        buy = buys(trader, exchange)
        exchange.end(buy.client_order_id, OrderStatus.CANCELED)
        self.changed(exchange, buy.client_order_id, ago_s=1)
        row = reconcile(Venue.MOCK, exchange, is_dry=True)
        assert (row.differences, row.late) == (0, 1)
        assert row.told(is_dry=True).endswith("records match, 1 report on its way")
        buy.refresh_from_db()
        assert buy.status == OrderStatus.NEW


class TestSymbolsThatCanNotBeAskedAbout:
    """A symbol that the exchange lists no more: every question about it is refused, for good."""

    @pytest.fixture
    def refused(self, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The symbols whose fills were asked for; those that begin with OLD are refused."""
        asked: list[str] = []
        answer = exchange.trades

        def trades(symbol: str, from_id: int = 0) -> list[tuple[int, CoreFill]]:
            asked.append(symbol)
            if symbol.startswith("OLD"):
                raise Refused("Invalid symbol. (-1121)", -1121)
            return answer(symbol, from_id)

        monkeypatch.setattr(exchange, "trades", trades)
        return asked

    @staticmethod
    def traded_once(*names: str) -> None:
        for number, name in enumerate(names):
            make_symbol(name)
            looked_at = timezone.now() - fill_marks.EVERY - timedelta(hours=1, minutes=number)
            FillMark.objects.create(venue=Venue.MOCK, symbol=name, looked_at=looked_at)

    def test_its_failing_concerns_it_alone(
        self, trader: Trader, exchange: ScriptedExchange, refused: list[str]
    ) -> None:
        self.traded_once("OLDUSDT")
        buy = buys(trader, exchange)
        exchange.fill_all(buy.client_order_id)
        row = reconcile(Venue.MOCK, exchange)
        assert (row.repaired, row.left, row.unchecked) == (1, 0, 1)
        assert "fills of OLDUSDT cannot be checked: Invalid symbol. (-1121)" in row.text
        assert row.told().endswith("1 difference repaired; 1 symbol not checked")
        assert not row.told().endswith("agree")

    def test_it_is_asked_again_after_a_wait_that_grows_and_is_shown_meanwhile(
        self, trader: Trader, exchange: ScriptedExchange, refused: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.traded_once("OLDUSDT")
        now, waits = timezone.now(), []
        monkeypatch.setattr(timezone, "now", lambda: now)
        for _ in range(10):
            refused.clear()
            row = reconcile(Venue.MOCK, exchange)
            assert "OLDUSDT" in refused
            mark = FillMark.objects.get(symbol="OLDUSDT")
            assert mark.retry_at is not None
            waits.append(round((mark.retry_at - now).total_seconds()))
            now += timedelta(seconds=waits[-1] - 1)
            refused.clear()
            row = reconcile(Venue.MOCK, exchange)
            assert ("OLDUSDT" in refused, row.unchecked) == (False, 1)
            now += timedelta(seconds=1)
        assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]

    def test_many_of_them_starve_nobody(
        self, trader: Trader, exchange: ScriptedExchange, refused: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fill_marks, "MAX_SYMBOLS", 3)
        self.traded_once("OLD1USDT", "OLD2USDT", "OLD3USDT", "OLD4USDT")
        make_symbol("ADAUSDT")
        FillMark.objects.create(
            venue=Venue.MOCK, symbol="ADAUSDT", looked_at=timezone.now() - fill_marks.EVERY - timedelta(seconds=1)
        )
        for _ in range(2):
            reconcile(Venue.MOCK, exchange)
        assert {"ADAUSDT", "ETHUSDT"} <= set(refused)
        FillMark.objects.update(retry_at=None)
        assert fill_marks.due(Venue.MOCK, set(), False) == ["OLD4USDT", "OLD3USDT", "OLD2USDT"]

    def test_unknown_order_in_it_takes_no_turn_from_the_others(
        self, trader: Trader, exchange: ScriptedExchange, refused: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fill_marks, "MAX_SYMBOLS", 1)
        self.traded_once("OLDUSDT")
        reconcile(Venue.MOCK, exchange)
        make_symbol("ADAUSDT")
        FillMark.objects.create(venue=Venue.MOCK, symbol="ADAUSDT")
        assert fill_marks.due(Venue.MOCK, {"OLDUSDT"}, False) == ["ADAUSDT"]

    def test_it_is_looked_at_again_once_it_is_listed_again(
        self, trader: Trader, exchange: ScriptedExchange, refused: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.traded_once("OLDUSDT")
        reconcile(Venue.MOCK, exchange)
        monkeypatch.undo()
        monkeypatch.setattr(module, "LOOK_AGAIN_S", 0)
        FillMark.objects.update(retry_at=timezone.now() - timedelta(seconds=1))
        row = reconcile(Venue.MOCK, exchange)
        assert (row.unchecked, row.text) == (0, "")
        mark = FillMark.objects.get(symbol="OLDUSDT")
        assert (mark.failures, mark.error, mark.retry_at) == (0, "", None)

    def test_thorough_comparison_asks_in_any_case(
        self, trader: Trader, exchange: ScriptedExchange, refused: list[str]
    ) -> None:
        self.traded_once("OLDUSDT")
        for _ in range(2):
            reconcile(Venue.MOCK, exchange, is_thorough=True)
        assert refused.count("OLDUSDT") == 2

    def test_comparison_that_is_told_to_wait_comes_further_next_time(
        self, trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.traded_once(*(f"A{number}USDT" for number in range(4)))
        asked: list[str] = []

        def trades(symbol: str, from_id: int = 0) -> list[tuple[int, CoreFill]]:
            if len(asked) % 3 == 2:
                asked.append("")
                raise Throttled("Too many requests", 30)
            asked.append(symbol)
            return []

        monkeypatch.setattr(exchange, "trades", trades)
        stopped = [reconcile(Venue.MOCK, exchange).stopped for _ in range(3)]
        assert stopped == ["Too many requests", "Too many requests", ""]
        assert sorted(filter(None, asked)) == ["A0USDT", "A1USDT", "A2USDT", "A3USDT", "ETHUSDT"]

    def test_exchange_that_does_not_answer_makes_no_symbol_wait(
        self, trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nor is each of many symbols asked for seconds in vain."""
        names = [f"A{number}USDT" for number in range(6)]
        self.traded_once(*names)
        asked: list[str] = []

        def silent(symbol: str, from_id: int = 0) -> list[tuple[int, CoreFill]]:
            asked.append(symbol)
            raise NotSent("no line")

        with monkeypatch.context() as patch:
            patch.setattr(exchange, "trades", silent)
            row = reconcile(Venue.MOCK, exchange)
        assert (len(asked), row.left) == (fill_marks.MAX_UNANSWERED, 1)
        assert "the exchange does not answer" in row.text
        assert not FillMark.objects.filter(retry_at__isnull=False).exists()
        assert reconcile(Venue.MOCK, exchange).unchecked == 0
        assert not FillMark.objects.filter(failures__gt=0).exists()


class TestFills:
    def test_only_fills_after_the_last_one_are_asked_for(
        self, trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[int] = []
        answer = exchange.trades

        def trades(symbol: str, from_id: int = 0) -> list[tuple[int, CoreFill]]:
            asked.append(from_id)
            return answer(symbol, from_id)

        monkeypatch.setattr(exchange, "trades", trades)
        buy = buys(trader, exchange)
        acting.hear(exchange.fill_all(buy.client_order_id), Source.REPORT, exchange)
        compare(exchange)
        compare(exchange)
        assert asked == [0]  # Nothing has moved since.
        Order.objects.get(side=Side.SELL).save()
        compare(exchange)
        assert asked == [0, Fill.objects.get().trade_id]
        FillMark.objects.update(looked_at=timezone.now() - fill_marks.EVERY - timedelta(seconds=1))
        compare(exchange)
        assert len(asked) == 3

    def test_exchange_that_began_anew_is_read_from_its_beginning(
        self, trader: Trader, exchange: ScriptedExchange
    ) -> None:
        FillMark.objects.create(
            venue=Venue.MOCK, symbol="ETHUSDT", trade_id=999, exchange_order_id=998, looked_at=timezone.now()
        )
        buy = buys(trader, exchange)
        exchange.fill_all(buy.client_order_id)
        assert compare(exchange) == (1, 0)
        assert FillMark.objects.get().trade_id == Fill.objects.get().trade_id

    def test_symbols_wait_their_turn_where_many_have_moved(
        self, trader: Trader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fill_marks, "MAX_SYMBOLS", 2)
        for number, name in enumerate(("AUSDT", "BUSDT", "CUSDT")):
            make_symbol(name)
            looked_at = timezone.now() - timedelta(hours=5 - number)
            FillMark.objects.create(venue=Venue.MOCK, symbol=name, looked_at=looked_at)
        assert fill_marks.due(Venue.MOCK, set(), False) == ["AUSDT", "BUSDT"]
        assert fill_marks.due(Venue.MOCK, {"NEWUSDT"}, False) == ["NEWUSDT", "AUSDT"]
        assert fill_marks.due(Venue.MOCK, set(), True) == ["AUSDT", "BUSDT", "CUSDT", "ETHUSDT"]


class TestOrdersThatTheDatabaseLacks:
    def test_order_goes_back_to_its_trader(self, trader: Trader, exchange: ScriptedExchange) -> None:
        buy = buys(trader, exchange)
        lose(buy)
        assert compare(exchange) == (1, 0)
        again = Order.objects.get()
        trader.refresh_from_db()
        assert (again.client_order_id, again.trader, again.status) == (buy.client_order_id, trader, OrderStatus.NEW)
        assert (trader.state, trader.wake_below) == (TraderState.BUYING, None)
        assert not Orphan.objects.exists()
        assert compare(exchange) == (0, 0)
        acting.hear(exchange.fill_all(buy.client_order_id), Source.REPORT, exchange)
        assert Order.objects.get(side=Side.SELL).status == OrderStatus.NEW

    def test_whole_cycle_goes_back_with_its_fills(self, trader: Trader, exchange: ScriptedExchange) -> None:
        buy = buys(trader, exchange)
        acting.hear(exchange.fill_all(buy.client_order_id), Source.REPORT, exchange)
        sell = Order.objects.get(side=Side.SELL)
        lose(buy, sell)
        assert compare(exchange) == (2, 0)
        trader.refresh_from_db()
        assert trader.state == TraderState.SELLING
        acting.hear(exchange.fill_all(sell.client_order_id), Source.REPORT, exchange)
        trader.refresh_from_db()
        assert trader.state == TraderState.FINISHED
        assert trader.profit is not None
        assert trader.profit > 0
        assert len(exchange.placed) == 2

    def test_sale_is_cancelled_before_its_buy_is_repaired(self, trader: Trader, exchange: ScriptedExchange) -> None:
        buy = buys(trader, exchange)
        acting.hear(exchange.fill_all(buy.client_order_id), Source.REPORT, exchange)
        lose(Order.objects.get(side=Side.SELL))
        Fill.objects.all().delete()
        Order.objects.update(status=OrderStatus.NEW, executed=D(0))
        Trader.objects.update(state=TraderState.BUYING)
        assert compare(exchange) == (2, 0)
        assert list(Order.objects.order_by("side").values_list("side", "status")) == [
            ("BUY", "FILLED"),
            ("SELL", "NEW"),
        ]
        assert len(exchange.placed) == 2

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"created_at": timedelta(minutes=5)}, "started after the order was placed"),
            ({"finished_at": timedelta(0), "state": TraderState.RETIRED}, "has finished"),
            ({"venue": Venue.TESTNET}, "it is a different trader"),
            ({"budget": D(10)}, "exceeds the budget"),
        ],
    )
    def test_trader_that_can_not_be_its_own_does_not_claim_it(
        self, trader: Trader, exchange: ScriptedExchange, change: dict[str, object], why: str
    ) -> None:
        lose(buys(trader, exchange))
        # Times are from now on: what is collected may run many minutes later.
        now = timezone.now()
        values = {name: now + value if isinstance(value, timedelta) else value for name, value in change.items()}
        Trader.objects.filter(pk=trader.pk).update(**values)
        assert compare(exchange) == (0, 1)
        orphan = Orphan.objects.get()
        assert why in orphan.why
        assert (orphan.resolution, orphan.status) == (Resolution.UNRESOLVED, OrderStatus.NEW)
        assert not Order.objects.exists()
        assert compare(exchange) == (0, 1)
        assert Orphan.objects.count() == 1

    def test_second_open_buy_is_not_claimed(self, trader: Trader, exchange: ScriptedExchange) -> None:
        lose(buys(trader, exchange))
        buys(trader, exchange)
        assert compare(exchange) == (0, 1)
        assert "has another open buy" in Orphan.objects.get().why

    def test_later_sale_goes_back_though_an_earlier_one_is_still_held_open(
        self, trader: Trader, exchange: ScriptedExchange
    ) -> None:
        """As after an old backup: its sale was cancelled since, and the next one has sold everything."""
        acting.hear(exchange.fill_all(buys(trader, exchange).client_order_id), Source.REPORT, exchange)
        sale = Order.objects.get(side=Side.SELL)
        exchange.end(sale.client_order_id, OrderStatus.CANCELED)
        later = NewOrder("ETHUSDT", Side.SELL, sale.price, sale.quantity, own_id(trader, "s-later"), 0)
        exchange.place(later)
        exchange.fill_all(later.client_order_id)
        compare(exchange)
        trader.refresh_from_db()
        assert trader.state == TraderState.FINISHED
        assert sorted(trader.orders.filter(side=Side.SELL).values_list("status", flat=True)) == ["CANCELED", "FILLED"]
        assert len(exchange.kept) == 3
        assert not Orphan.objects.exists()

    def test_sale_without_its_buy_is_not_claimed(self, trader: Trader, exchange: ScriptedExchange) -> None:
        exchange.place(NewOrder("ETHUSDT", Side.SELL, D(3100), D("0.1"), own_id(trader, "s-1"), 0))
        assert compare(exchange) == (0, 1)
        assert "exceeds the position of its trader" in Orphan.objects.get().why

    def test_foreign_orders_are_left_alone(self, trader: Trader, exchange: ScriptedExchange) -> None:
        exchange.place(NewOrder("ETHUSDT", Side.BUY, D(2900), D("0.1"), "web_1", 0))
        exchange.place(NewOrder("ETHUSDT", Side.BUY, D(2900), D("0.1"), "web_2", 0))
        exchange.fill_all("web_2")
        assert compare(exchange) == (0, 0)
        assert not Orphan.objects.exists()
        assert exchange.kept["web_1"].status == OrderStatus.NEW

    def test_ended_order_that_traded_is_found_by_its_fills(self, trader: Trader, exchange: ScriptedExchange) -> None:
        exchange.place(NewOrder("ETHUSDT", Side.BUY, D(2900), D("0.1"), own_id(77), 0))
        exchange.fill_all(own_id(77))
        assert compare(exchange) == (0, 1)
        orphan = Orphan.objects.get()
        assert (orphan.status, orphan.executed, orphan.why) == (
            "FILLED",
            D("0.1"),
            "its trader is not in the database",
        )

    def test_finished_cycle_of_another_database_needs_nobody(
        self, trader: Trader, exchange: ScriptedExchange
    ) -> None:
        exchange.place(NewOrder("ETHUSDT", Side.BUY, D(2900), D("0.1"), "hh-77-b-1", 0))
        exchange.place(NewOrder("ETHUSDT", Side.SELL, D(2910), D("0.0999"), "hh-77-s-1", 0))
        for key in ("hh-77-b-1", "hh-77-s-1"):
            exchange.fill_all(key)
        assert compare(exchange) == (0, 0)
        assert set(Orphan.objects.values_list("resolution", flat=True)) == {Resolution.CLOSED}

    def test_orphan_that_ends_by_itself_is_followed(self, trader: Trader, exchange: ScriptedExchange) -> None:
        for number in (1, 2):
            exchange.place(NewOrder("ETHUSDT", Side.BUY, D(2900), D("0.1"), f"hh-7{number}-b-1", 0))
        assert compare(exchange) == (0, 2)
        exchange.fill("hh-71-b-1", D("0.04"))
        for number in (1, 2):
            exchange.end(f"hh-7{number}-b-1", OrderStatus.CANCELED)
        assert compare(exchange) == (0, 1)
        assert list(Orphan.objects.order_by("id").values_list("executed", "status", "resolution")) == [
            (D("0.04"), "CANCELED", Resolution.UNRESOLVED),
            (D(0), "CANCELED", Resolution.ENDED),
        ]


class TestBalances:
    def test_shortage_says_what_is_missing_and_what_to_do(self, trader: Trader, exchange: ScriptedExchange) -> None:
        buy = buys(trader, exchange)
        acting.hear(exchange.fill_all(buy.client_order_id), Source.REPORT, exchange)
        assert compare(exchange) == (0, 0)
        exchange.money["ETH"] = D("-0.01")
        assert compare(exchange) == (0, 1)
        assert "0.01 ETH is missing" in text()
        assert "ETHUSDT #1" in text()

    def test_coins_of_the_owner_are_not_looked_at(self, trader: Trader, exchange: ScriptedExchange) -> None:
        exchange.money |= {"ETH": D(5), "DOGE": D(1)}
        buys(trader, exchange)
        assert compare(exchange) == (0, 0)

    def test_what_other_orders_hold_is_told_apart(
        self, trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        buy = buys(trader, exchange)
        acting.hear(exchange.fill_all(buy.client_order_id), Source.REPORT, exchange)
        sell = Order.objects.get(side=Side.SELL)
        exchange.end(sell.client_order_id, OrderStatus.CANCELED)
        Order.objects.filter(pk=sell.pk).update(status=OrderStatus.CANCELED)
        monkeypatch.setattr(exchange, "balances", lambda: {"ETH": (D("0.01"), D("0.06"))})
        assert compare(exchange) == (0, 1)
        assert "only 0.01 is free" in text()


class TestFaults:
    def test_one_order_that_can_not_be_repaired_keeps_no_other_from_it(
        self, trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mended = buys(trader, exchange)
        other = Trader.born(TradingSettings.objects.get(symbol=make_symbol("BTCUSDT")), Venue.MOCK, 1)
        acting.wake(other.pk, TradeSeen("BTCUSDT", 1, D(3000), 0), exchange)
        exchange.fill_all(mended.client_order_id)
        exchange.fill_all(Order.objects.get(trader=other).client_order_id)
        hears = acting.hear

        def fails(report: OrderReport, *args: Any, **kwargs: Any) -> bool:
            if report.symbol == "BTCUSDT":
                raise ValueError("a fault of ours")
            return hears(report, *args, **kwargs)

        monkeypatch.setattr(acting, "hear", fails)
        compare(exchange)
        assert Order.objects.get(pk=mended.pk).status == OrderStatus.FILLED
        assert "ValueError: a fault of ours" in text()


class TestWhatIsKept:
    def test_dry_run_changes_nothing(self, trader: Trader, exchange: ScriptedExchange) -> None:
        buy = buys(trader, exchange)
        exchange.fill_all(buy.client_order_id)
        exchange.place(NewOrder("ETHUSDT", Side.BUY, D(2900), D("0.01"), "hh-77-b-1", 0))
        exchange.place(NewOrder("ETHUSDT", Side.BUY, D(2900), D("0.01"), "hh-78-b-1", 0))
        exchange.fill_all("hh-78-b-1")
        assert compare(exchange, is_dry=True) == (1, 2)
        assert Order.objects.get().status == OrderStatus.NEW
        assert not (Orphan.objects.exists() or FillMark.objects.exists() or Reconciliation.objects.exists())

    def test_same_news_every_minute_keep_one_row(self, trader: Trader, exchange: ScriptedExchange) -> None:
        for _ in range(3):
            compare(exchange)
        assert Reconciliation.objects.count() == 1
        exchange.fill_all(buys(trader, exchange).client_order_id)
        for _ in range(3):
            compare(exchange)
        assert list(Reconciliation.objects.order_by("id").values_list("repaired", flat=True)) == [0, 1, 0]

    def test_rows_are_bounded(
        self, trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("trading.models.reconciliations.MAX_KEPT", 2)
        for number in range(4):
            Reconciliation(venue=Venue.MOCK, text=str(number)).keep()
        assert list(Reconciliation.objects.values_list("text", flat=True)) == ["3", "2"]


class TestAlone:
    def test_second_one_at_the_same_time_is_skipped(self, redis_client: "redis.Redis") -> None:
        with alone(Venue.MOCK) as first, alone(Venue.MOCK) as second, alone(Venue.TESTNET) as elsewhere:
            assert (first, second, elsewhere) == (True, False, True)
        with alone(Venue.MOCK) as again:
            assert again

    def test_without_redis_nobody_is_kept_away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        nowhere = redis.Redis.from_url(NO_REDIS)
        monkeypatch.setattr(module, "connect", lambda: nowhere)
        with alone(Venue.MOCK) as first, alone(Venue.MOCK) as second:
            assert (first, second) == (True, True)


class TestWhatRingsForIt:
    @pytest.fixture(autouse=True)
    def queued(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The tasks that were queued."""
        queued: list[str] = []
        monkeypatch.setattr(
            current_app, "send_task", lambda task, **_: queued.append(task.removeprefix("trading.tasks."))
        )
        return queued

    def test_report_of_an_unknown_order_rings_once(
        self, trader: Trader, exchange: ScriptedExchange, queued: list[str]
    ) -> None:
        exchange.place(NewOrder("ETHUSDT", Side.BUY, D(2900), D("0.1"), "hh-77-b-1", 0))
        for report in (exchange.fill("hh-77-b-1", D("0.01")), exchange.fill_all("hh-77-b-1")):
            acting.hear(report, Source.REPORT, exchange, venue=Venue.MOCK)
        assert queued == ["reconcile"]

    def test_worker_that_begins_has_all_books_compared(self, queued: list[str]) -> None:
        worker_ready.send(sender=None)
        assert queued == ["reconcile_all"]

    def test_connection_is_done_with_once_the_books_were_compared(
        self, trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done: list[str] = []
        monkeypatch.setattr(tasks, "exchange_at", exchange)
        monkeypatch.setattr(tasks, "acknowledge", lambda client, venue, entry: done.append(entry))
        with alone(Venue.MOCK):
            tasks.reconcile("mock", "1-0")
        assert done == []
        with monkeypatch.context() as patch:
            patch.setattr(exchange, "open_orders", _throttled)
            tasks.reconcile("mock", "1-0")
        assert done == []
        tasks.reconcile("mock", "1-0")
        assert done == ["1-0"]


def _throttled() -> list[OrderReport]:
    raise Throttled("Too many requests", 30)
