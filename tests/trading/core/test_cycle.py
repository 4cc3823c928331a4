"""The step of a cycle by itself: no row, no clock, nothing around it but what a test says."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from itertools import count

import pytest

from trading.core.cycle import AT_FIRST, CancelOrder, Cycle, DeniedByMode, LeftOver, SendOrder, Step, not_placed, step
from trading.core.decisions import ANY_PRICE, Triggers
from trading.core.denials import Check, Denial
from trading.core.events import OrderReported, Recheck, TradeSeen
from trading.core.filters import SymbolFilters
from trading.core.journal import Kind, Source
from trading.core.ladder import Rung
from trading.core.orders import Fill, OrderReport, OrderStatus, Side
from trading.core.position import Position, TraderState
from trading.core.waits import MAX_SPREAD_MS, spread_ms
from trading.strategies import naive
from trading.strategies.registry import find

FILTERS = SymbolFilters("ETHUSDT", "ETH", "USDT", Decimal("0.01"), Decimal("0.0001"), min_notional=Decimal(5))
NAIVE = find("naive")
SETTINGS = NAIVE.Settings()
NOW = 1_767_000_000_000
FULL = Denial("full", timedelta(seconds=10), "full", Check.FULL_BOOK)


@dataclass
class Around:
    """Nobody else trades, and nothing is denied."""

    denied: Denial | None = None
    others: Sequence[Rung] = ()
    left: LeftOver | None = None
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    def ladder_step(self) -> Decimal | None:
        return Decimal("0.01") if self.others else None

    def rungs(self, *, is_buying: bool) -> Sequence[Rung]:
        return self.others

    def denial(self, side: Side, price: Decimal, quantity: Decimal) -> Denial | None:
        return self.denied

    def cancel_denial(self, side: Side, *, is_told: bool) -> Denial | None:
        return self.denied

    def left_over(self) -> LeftOver | None:
        return self.left

    def has_copy(self) -> bool:
        return False

    def unasked_ends(self) -> int:
        return 1

    def new_id(self, side: Side) -> str:
        return f"{side}-{next(self.numbers)}"


def begun() -> Cycle:
    return Cycle(1, Position(budget=Decimal(200)), AT_FIRST)


def after(cycle: Cycle, event: TradeSeen | Recheck | OrderReported, around: Around, now_ms: int = NOW) -> Step:
    return step(cycle, event, FILTERS, NAIVE, SETTINGS, around, now_ms)


def trade(price: str, number: int = 1) -> TradeSeen:
    return TradeSeen("ETHUSDT", number, Decimal(price), NOW)


def told(sent: SendOrder, status: OrderStatus, executed: str = "0") -> OrderReported:
    order, quantity = sent.order, Decimal(executed)
    fill = Fill(7, order.price, quantity, order.price * quantity, Decimal(0), "ETH", is_maker=True, at_ms=NOW)
    report = OrderReport(
        order.client_order_id,
        1,
        "ETHUSDT",
        order.side,
        status,
        order.price,
        order.quantity,
        quantity,
        (fill,) if quantity else (),
    )
    return OrderReported(report, Source.REPORT)


def bought(around: Around) -> tuple[Step, SendOrder]:
    first = after(begun(), trade("3000"), around)
    assert first.order is not None
    resting = after(first.cycle, told(first.order, OrderStatus.NEW), around)
    full = told(first.order, OrderStatus.FILLED, str(first.order.order.quantity))
    return after(resting.cycle, full, around), first.order


def test_a_cycle_buys_below_the_market_sells_above_what_it_paid_and_ends() -> None:
    around = Around()
    sale, buy = bought(around)
    assert buy.order.side == Side.BUY
    assert buy.order.price < 3000
    assert sale.order is not None
    assert sale.order.order.side == Side.SELL
    assert sale.order.order.price > buy.order.price
    assert sale.first_bought_at == buy.order.price
    assert sale.cycle.state == TraderState.SELLING
    end = after(sale.cycle, told(sale.order, OrderStatus.FILLED, str(sale.order.order.quantity)), around)
    assert end.has_ended
    assert end.makes_room
    assert end.cycle.end is not None
    assert end.cycle.end.profit > 0
    assert end.notes[-1].kind == Kind.ENDED


def test_the_same_step_gives_the_same() -> None:
    assert after(begun(), trade("3000"), Around()) == after(begun(), trade("3000"), Around())


def test_a_report_that_tells_nothing_new_changes_nothing() -> None:
    around = Around()
    first = after(begun(), trade("3000"), around)
    assert first.order is not None
    resting = after(first.cycle, told(first.order, OrderStatus.NEW), around)
    again = after(resting.cycle, told(first.order, OrderStatus.NEW), around)
    assert again == Step(resting.cycle)


def test_what_is_denied_waits_and_hears_no_price_meanwhile() -> None:
    around = Around(denied=FULL)
    denied = after(replace(begun(), spread_ms=123), trade("3000"), around)
    assert denied.action is None
    assert denied.notes[-1].kind == Kind.DENIED
    assert denied.cycle.waits.retry_at_ms == NOW + 10_000 + 123
    assert after(denied.cycle, trade("2000"), around) == Step(denied.cycle)
    later = after(denied.cycle, Recheck("retry is due"), Around(), NOW + 10_123)
    assert later.cycle.waits.retry_at_ms is None


def test_a_mode_that_denies_is_looked_at_once_more_after_the_commit() -> None:
    mode = Denial("halted", timedelta(seconds=60), "halted", Check.MODE)
    assert after(begun(), trade("3000"), Around(denied=mode)).action == DeniedByMode(Side.BUY)


def test_a_buy_too_near_to_another_slot_waits_for_a_price_of_its_own() -> None:
    near = Around(others=[Rung(2, Decimal(2990), is_held=True)])
    waits = after(begun(), trade("3000"), near)
    assert waits.action is None
    assert waits.cycle.waits.triggers.below is not None
    assert waits.cycle.waits.triggers.below < Decimal(2990)


def test_a_sale_takes_along_what_was_left_over() -> None:
    left = LeftOver(Decimal("0.00019"), Decimal("0.57"))
    with_it, without = bought(Around(left=left))[0], bought(Around())[0]
    assert with_it.takes_left_over
    assert with_it.cycle.position.carried == left.quantity
    assert with_it.order is not None
    assert without.order is not None
    assert with_it.order.order.quantity == without.order.order.quantity + Decimal("0.0001")


def test_what_shows_after_it_was_given_up_is_to_be_cancelled() -> None:
    around = Around()
    first = after(begun(), trade("3000"), around)
    assert first.order is not None
    report = replace(told(first.order, OrderStatus.NOT_PLACED).report, reason="no line")
    failed = not_placed(first.cycle, report, NOW)
    assert failed.makes_room
    assert failed.cycle.waits.failures == 1
    second = after(failed.cycle, Recheck("retry is due"), around, NOW + 1_000)
    placed = after(second.cycle, trade("3000", 2), around, NOW + 1_500)
    assert placed.order is not None
    old = replace(first.order.order, status=OrderStatus.NOT_PLACED)
    position = replace(placed.cycle.position, orders=(old, *placed.cycle.position.orders))
    late = after(replace(placed.cycle, position=position), told(first.order, OrderStatus.NEW), around)
    assert isinstance(late.action, CancelOrder)
    assert late.action.order.client_order_id == first.order.order.client_order_id


def test_a_failing_strategy_books_what_was_reported_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    around = Around()
    first = after(begun(), trade("3000"), around)
    assert first.order is not None

    def fails(*_: object) -> None:
        raise ValueError("no idea")

    monkeypatch.setattr(naive, "decide", fails)
    full = told(first.order, OrderStatus.FILLED, str(first.order.order.quantity))
    after_it = after(first.cycle, full, around)
    assert after_it.cycle.position.orders[0].status == OrderStatus.FILLED
    assert after_it.cycle.waits.failures == 1
    assert after_it.cycle.waits.retry_at_ms == NOW + 1_000


def test_a_cycle_begins_with_any_price() -> None:
    assert AT_FIRST.triggers == Triggers(below=ANY_PRICE)


def test_retries_are_spread_by_where_and_when_a_cycle_began() -> None:
    spreads = {spread_ms(name, slot, NOW) for name in ("ETHUSDT", "XRPUSDT", "BTCUSDT") for slot in range(1, 11)}
    assert len(spreads) > 25
    assert all(0 <= each < MAX_SPREAD_MS for each in spreads)
    assert spread_ms("ETHUSDT", 1, NOW) == spread_ms("ETHUSDT", 1, NOW)
