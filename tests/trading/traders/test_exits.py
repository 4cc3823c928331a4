"""Orders that a trader cancels: a buy left behind, a sale before it gets out; and own orders that would meet."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from celery import current_app
from django.utils import timezone

from hedgehog_project.redis import connect
from hedgehog_project.venues import Venue
from tests.support.exchanges.scripted_exchange import ScriptedExchange, raises
from tests.trading.traders.test_traders import look_again
from trading import leader
from trading.core.decisions import ANY_PRICE
from trading.core.events import Recheck, TradeSeen
from trading.core.journal import Kind, Source
from trading.core.orders import OPEN, OrderReport, OrderStatus, OrderType, Side
from trading.core.position import TraderState
from trading.exchange.errors import NotFound, NotSent, OutcomeUnknown, Refused, Throttled, Why
from trading.exchange.protocol import ARRIVES_WITHIN, NewOrder, Replacement
from trading.models import JournalEntry, Listing, Order, Trader, TradingSettings
from trading.models.switch import TradingMode
from trading.models.symbols import forget_filters
from trading.risk import kill_switch
from trading.traders import acting, calls
from trading.waking import triggers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]


def at(price: str) -> TradeSeen:
    return TradeSeen("ETHUSDT", 1, D(price), 0)


def give(trader: Trader, **settings: str) -> None:
    row = fresh(trader)
    row.strategy_settings |= settings
    row.save()


def fresh(trader: Trader) -> Trader:
    return Trader.objects.select_related("symbol").get(pk=trader.pk)


def orders(trader: Trader, side: Side) -> list[Order]:
    return list(Order.objects.filter(trader=trader, side=side).order_by("id"))


@pytest.fixture
def follows(trader: Trader, exchange: ScriptedExchange) -> Trader:
    """Its buy rests at 2997, and follows a market that leaves it 1 % behind: over 3026.97."""
    give(trader, retarget_interval="0.01")
    acting.wake(trader.pk, at("3000"), exchange)
    return trader


@pytest.fixture
def stops(trader: Trader, exchange: ScriptedExchange) -> Trader:
    """It has bought at 2997, sells at 3006, and gets out under 2847.15."""
    give(trader, stop_loss_interval="0.05")
    acting.wake(trader.pk, at("3000"), exchange)
    acting.hear(exchange.fill_all(orders(trader, Side.BUY)[0].client_order_id), Source.REPORT, exchange)
    return trader


# --- retarget -------------------------------------------------------------------------------------
def test_buy_that_was_left_behind_is_placed_anew_at_the_new_price(
    follows: Trader, exchange: ScriptedExchange
) -> None:
    assert fresh(follows).wake_above == D("3026.97000001")
    acting.wake(follows.pk, at("3026.97"), exchange)
    assert [order.status for order in orders(follows, Side.BUY)] == [OrderStatus.NEW]
    acting.wake(follows.pk, at("3030"), exchange)
    assert [order.status for order in orders(follows, Side.BUY)] == [OrderStatus.CANCELED]
    assert (fresh(follows).state, fresh(follows).retry_at) == (TraderState.WAITING, None)
    acting.wake(follows.pk, at("3040"), exchange)
    assert [order.price for order in orders(follows, Side.BUY)] == [D(2997), D("3036.96")]
    # For the chart of its cycle: where it would have followed, and would now.
    assert [above for *_, above in fresh(follows).moves or () if above] == ["3026.97000001", "3067.32960001"]
    cancelled = JournalEntry.objects.get(trader=follows, kind=Kind.CANCELLED)
    assert cancelled.order == orders(follows, Side.BUY)[0]
    assert cancelled.reason == "reprice: the market, 3030, is more than 1 % above the buy"


def test_intent_is_committed_before_an_order_is_cancelled(follows: Trader, exchange: ScriptedExchange) -> None:
    seen = []
    cancel = exchange.cancel

    def look(symbol: str, client_order_id: str) -> OrderReport:
        seen.append(Order.objects.get(client_order_id=client_order_id).cancel_reason)
        return cancel(symbol, client_order_id)

    exchange.cancel = look  # type: ignore[method-assign]
    acting.wake(follows.pk, at("3030"), exchange)
    assert seen == ["reprice: the market, 3030, is more than 1 % above the buy"]


def test_cancel_that_loses_to_a_fill_is_a_fill(follows: Trader, exchange: ScriptedExchange) -> None:
    exchange.fill_all(orders(follows, Side.BUY)[0].client_order_id)  # Its report is on its way.
    acting.wake(follows.pk, at("3030"), exchange)
    assert [order.status for order in orders(follows, Side.BUY)] == [OrderStatus.FILLED]
    assert [order.quantity for order in orders(follows, Side.SELL)] == [D("0.0666")]


def test_part_filled_buy_is_not_abandoned(follows: Trader, exchange: ScriptedExchange) -> None:
    buy = orders(follows, Side.BUY)[0]
    acting.hear(exchange.fill(buy.client_order_id, D("0.03")), Source.REPORT, exchange)
    acting.wake(follows.pk, at("3030"), exchange)
    assert orders(follows, Side.BUY)[0].status == OrderStatus.CANCELED
    assert [order.quantity for order in orders(follows, Side.SELL)] == [D("0.0299")]


@pytest.mark.parametrize("error", [OutcomeUnknown("timed out"), NotFound("Unknown order sent.")])
def test_cancel_whose_outcome_is_unclear_is_asked_about(
    follows: Trader, exchange: ScriptedExchange, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(symbol: str, client_order_id: str) -> OrderReport:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(exchange, "cancel", lost)
        acting.wake(follows.pk, at("3030"), exchange)
    row = orders(follows, Side.BUY)[0]
    assert (row.status, row.cancel_reason != "") == (OrderStatus.NEW, True)
    for event in (at("3050"), Recheck("look")):
        acting.wake(follows.pk, event, exchange)
    assert len(exchange.placed) == 1  # Nothing else is placed while it may rest.
    # The leader has it cancelled for as long as it is open.
    queued: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(current_app, "send_task", lambda task, kwargs, **options: queued.append((task, kwargs)))
    leader.cancel_unwanted(timezone.now() + leader.STUCK_AFTER * 2)
    assert queued == [("trading.tasks.cancel", {"trader": follows.pk, "symbol": "ETHUSDT", "order": row.pk})]
    acting.cancel(row.pk, exchange)
    assert orders(follows, Side.BUY)[0].status == OrderStatus.CANCELED


@pytest.mark.parametrize(("mode", "is_cancelled"), [(TradingMode.REDUCING, False), (TradingMode.ACTIVE, True)])
def test_buy_is_not_cancelled_where_none_could_be_placed_in_its_stead(
    follows: Trader, exchange: ScriptedExchange, mode: TradingMode, is_cancelled: bool
) -> None:
    kill_switch.halt("anna", mode=mode)
    acting.wake(follows.pk, at("3030"), exchange)
    assert (orders(follows, Side.BUY)[0].status == OrderStatus.CANCELED) == is_cancelled


def test_sale_stays_where_a_halt_lets_none_be_placed(stops: Trader, exchange: ScriptedExchange) -> None:
    kill_switch.halt("anna")
    acting.wake(stops.pk, at("2840"), exchange)
    assert [order.status for order in orders(stops, Side.SELL)] == [OrderStatus.NEW]
    assert fresh(stops).memory == {}
    kill_switch.resume("anna")
    acting.wake(stops.pk, Recheck("it is time", is_urgent=True), exchange)
    acting.wake(stops.pk, at("2840"), exchange)
    assert orders(stops, Side.SELL)[-1].type == OrderType.MARKET


def test_cancel_that_was_throttled_keeps_the_intent(follows: Trader, exchange: ScriptedExchange) -> None:
    def throttled(symbol: str, client_order_id: str) -> OrderReport:
        raise Throttled("too many requests", 3.0)

    exchange.cancel = throttled  # type: ignore[method-assign]
    with pytest.raises(Throttled):
        acting.wake(follows.pk, at("3030"), exchange)
    assert orders(follows, Side.BUY)[0].cancel_reason
    assert "cancelling its buy" in fresh(follows).waits_for


# --- getting out ----------------------------------------------------------------------------------
def test_stop_loss_cancels_the_sell_and_sells_at_the_market(stops: Trader, exchange: ScriptedExchange) -> None:
    assert fresh(stops).wake_below == D("2847.14999999")
    acting.wake(stops.pk, at("2847.15"), exchange)
    assert len(orders(stops, Side.SELL)) == 1
    acting.wake(stops.pk, at("2840"), exchange)
    first, exit_ = orders(stops, Side.SELL)
    assert (first.status, first.type) == (OrderStatus.CANCELED, OrderType.LIMIT)
    assert (exit_.type, exit_.quantity, exit_.price) == (OrderType.MARKET, D("0.0666"), D(2840))
    assert exchange.placed[-1].type == OrderType.MARKET
    acting.hear(exchange.fill_all(exit_.client_order_id), Source.REPORT, exchange)
    ended = fresh(stops)
    assert ended.state == TraderState.FINISHED
    assert ended.profit is not None
    assert ended.profit < -10
    story = {(line.kind, line.order): line.reason for line in JournalEntry.objects.filter(trader=stops)}
    assert story[Kind.CANCELLED, orders(stops, Side.SELL)[0]] == "stop loss: 2840 is more than 5 % below the entry"
    assert story[Kind.ORDERED, exit_] == ("exits by a market order: the price fell to 2840")


def test_nothing_is_sold_before_the_sale_is_known_to_be_cancelled(
    stops: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(symbol: str, client_order_id: str) -> OrderReport:
        raise OutcomeUnknown("timed out")

    with monkeypatch.context() as patch:
        patch.setattr(exchange, "cancel", lost)
        acting.wake(stops.pk, at("2840"), exchange)
    for event in (at("2800"), Recheck("look", is_urgent=True)):
        acting.wake(stops.pk, event, exchange)
    first = orders(stops, Side.SELL)
    assert [order.status for order in first] == [OrderStatus.NEW]
    acting.hear(exchange.end(first[0].client_order_id, OrderStatus.CANCELED), Source.REPORT, exchange)
    assert [order.type for order in orders(stops, Side.SELL)] == [OrderType.LIMIT, OrderType.MARKET]


def test_late_fills_of_the_sale_count_before_the_rest_is_sold(stops: Trader, exchange: ScriptedExchange) -> None:
    sell = orders(stops, Side.SELL)[0]
    exchange.fill(sell.client_order_id, D("0.0266"))  # Its report is lost.
    acting.wake(stops.pk, at("2840"), exchange)
    assert [order.quantity for order in orders(stops, Side.SELL)] == [D("0.0666"), D("0.04")]


def test_sale_that_fills_while_it_is_cancelled_ends_the_cycle(stops: Trader, exchange: ScriptedExchange) -> None:
    exchange.fill_all(orders(stops, Side.SELL)[0].client_order_id)
    assert acting.wake(stops.pk, at("2840"), exchange)
    assert len(orders(stops, Side.SELL)) == 1
    assert fresh(stops).state == TraderState.FINISHED


def test_stop_with_a_slippage_sells_by_a_limit(stops: Trader, exchange: ScriptedExchange) -> None:
    give(stops, exit_slippage="0.01")
    acting.wake(stops.pk, at("2840"), exchange)
    exit_ = orders(stops, Side.SELL)[-1]
    assert (exit_.type, exit_.price) == (OrderType.LIMIT, D("2811.6"))
    assert fresh(stops).wake_below == D("2783.48399999")
    acting.wake(stops.pk, at("2780"), exchange)
    assert [order.price for order in orders(stops, Side.SELL)][1:] == [D("2811.6"), D("2752.2")]


def test_trailing_stop_follows_the_highest_price(trader: Trader, exchange: ScriptedExchange) -> None:
    give(trader, trailing_stop_interval="0.02", profit_interval="0.1")
    acting.wake(trader.pk, at("3000"), exchange)
    acting.hear(exchange.fill_all(orders(trader, Side.BUY)[0].client_order_id), Source.REPORT, exchange)
    # 2 % under 2997, and a tenth of that over it
    assert (fresh(trader).wake_below, fresh(trader).wake_above) == (D("2937.05999999"), D("3002.99400001"))
    acting.wake(trader.pk, at("3100"), exchange)
    assert (fresh(trader).wake_below, fresh(trader).wake_above) == (D("3037.99999999"), D("3106.20000001"))
    key_above, key_below = (key("mock", "ETHUSDT") for key in (triggers.key_above, triggers.key_below))
    assert connect().zscore(key_above, str(trader.pk)) == 3106.20000001
    assert connect().zscore(key_below, str(trader.pk)) == 3037.99999999
    acting.wake(trader.pk, at("3030"), exchange)
    assert [order.type for order in orders(trader, Side.SELL)] == [OrderType.LIMIT, OrderType.MARKET]
    assert JournalEntry.objects.filter(reason="trailing stop: 3030 is more than 2 % below the high of 3100").exists()


# --- own orders that would meet -------------------------------------------------------------------
def test_own_orders_that_would_meet_are_denied(trader: Trader, exchange: ScriptedExchange) -> None:
    """One sells at 3006 when the next would buy at 3006, or over it: Binance would end one of the two."""
    acting.wake(trader.pk, at("3000"), exchange)
    acting.hear(exchange.fill_all(orders(trader, Side.BUY)[0].client_order_id), Source.REPORT, exchange)
    settings = TradingSettings.objects.select_related("symbol").get()
    other = Trader.born(settings, Venue.MOCK, 2)
    acting.wake(other.pk, at("3009.01"), exchange)
    denied = fresh(other)
    assert orders(other, Side.BUY) == []
    assert denied.waits_for == "self-trade: it would match the sell of slot 1, 3006"
    assert denied.retry_at is not None
    Trader.objects.filter(pk=other.pk).update(retry_at=None)
    acting.wake(other.pk, at("3008.98"), exchange)  # 3005.97102
    assert [order.price for order in orders(other, Side.BUY)] == [D("3005.97")]
    # And the other way: the first is cancelled by hand, and would sell under the other's buy.
    acting.hear(
        exchange.end(orders(trader, Side.SELL)[0].client_order_id, OrderStatus.CANCELED), Source.REPORT, exchange
    )
    give(trader, profit_interval="0.0001")
    Trader.objects.filter(pk=trader.pk).update(retry_at=None)
    acting.wake(trader.pk, Recheck("sell"), exchange)
    assert len(orders(trader, Side.SELL)) == 1
    assert fresh(trader).waits_for == "self-trade: it would match the buy of slot 2, 3005.97"


@pytest.mark.parametrize("slippage", ["", "0.005"])
def test_own_buys_make_way_for_a_trader_that_gets_out(
    stops: Trader, exchange: ScriptedExchange, slippage: str
) -> None:
    """Its stop lies at 2847.15, the buy of another one rests at 2846.15, and the market falls to 2840."""
    give(stops, exit_slippage=slippage)
    other = Trader.born(TradingSettings.objects.select_related("symbol").get(), Venue.MOCK, 2)
    acting.wake(other.pk, at("2849.00"), exchange)
    (in_its_way,) = orders(other, Side.BUY)
    assert in_its_way.price == D("2846.15")
    acting.wake(stops.pk, at("2840"), exchange)
    exit_ = orders(stops, Side.SELL)[-1]
    assert (exit_.status, exit_.price) == (OrderStatus.NEW, D("2825.80") if slippage else D(2840))
    in_its_way.refresh_from_db()
    assert in_its_way.status == OrderStatus.CANCELED
    assert in_its_way.cancel_reason == "cancelled so that slot 1 can exit"
    # The other one goes on with the next trade.
    assert (fresh(other).state, fresh(other).wake_below) == (TraderState.WAITING, ANY_PRICE)


def test_exit_waits_for_an_own_buy_that_can_not_be_cancelled(stops: Trader, exchange: ScriptedExchange) -> None:
    other = Trader.born(TradingSettings.objects.select_related("symbol").get(), Venue.MOCK, 2)
    acting.wake(other.pk, at("2849.00"), exchange)
    cancel = exchange.cancel

    def loses(symbol: str, client_order_id: str) -> OrderReport:
        if client_order_id == orders(other, Side.BUY)[0].client_order_id:
            raise OutcomeUnknown("a time-out")
        return cancel(symbol, client_order_id)

    exchange.cancel = loses  # type: ignore[method-assign]
    acting.wake(stops.pk, at("2840"), exchange)
    # Its sale rests on meanwhile: nothing could take its place.
    assert [order.status for order in orders(stops, Side.SELL)] == [OrderStatus.NEW]
    assert fresh(stops).waits_for == "self-trade: it would match the buy of slot 2, 2846.15"
    assert fresh(stops).retry_at is not None
    # The leader has it cancelled until it is.
    assert [order.client_order_id for order in kill_switch.unwanted()] == [orders(other, Side.BUY)[0].client_order_id]


def test_orders_of_another_symbol_or_venue_meet_nobody(trader: Trader, exchange: ScriptedExchange) -> None:
    acting.wake(trader.pk, at("3000"), exchange)
    acting.hear(exchange.fill_all(orders(trader, Side.BUY)[0].client_order_id), Source.REPORT, exchange)
    Order.objects.filter(side=Side.SELL).update(venue=Venue.TESTNET)
    other = Trader.born(TradingSettings.objects.select_related("symbol").get(), Venue.MOCK, 2)
    acting.wake(other.pk, at("3100"), exchange)
    assert len(orders(other, Side.BUY)) == 1


def test_sold_by_a_market_order_costs_what_it_brought(stops: Trader, exchange: ScriptedExchange) -> None:
    """What it was expected to bring is only shown: the books are those of the fills."""
    acting.wake(stops.pk, at("2840"), exchange)
    exit_ = orders(stops, Side.SELL)[-1]
    there = exchange.kept[exit_.client_order_id]
    exchange.kept[exit_.client_order_id] = replace(there, price=D(2700))
    acting.hear(exchange.fill_all(exit_.client_order_id), Source.REPORT, exchange)
    assert fresh(stops).profit == (
        D("0.0666") * 2700 * D("0.999") - D("0.0666") / D("0.0666333") * D("0.0667") * 2997
    ).quantize(D("0.00000001"), rounding="ROUND_FLOOR")


# --- a sale in the place of another, in one request -----------------------------------------------
@pytest.fixture
def replaces(stops: Trader) -> Trader:
    """As `stops`; its exchange cancels and places in one request."""
    Listing.objects.update(allows_replacing=True)
    forget_filters()
    return stops


def test_stop_replaces_the_sale_in_one_request(
    replaces: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(symbol: str, client_order_id: str) -> OrderReport:
        raise AssertionError("the sale is cancelled by a request of its own")

    cancel, replaced = exchange.cancel, exchange.replace

    def in_one(order: NewOrder, resting: str) -> Replacement:
        with monkeypatch.context() as patch:
            patch.setattr(exchange, "cancel", cancel)
            return replaced(order, resting)

    monkeypatch.setattr(exchange, "cancel", never)
    monkeypatch.setattr(exchange, "replace", in_one)
    acting.wake(replaces.pk, at("2840"), exchange)
    first, exit_ = orders(replaces, Side.SELL)
    assert (first.status, exit_.status, exit_.type) == (OrderStatus.CANCELED, OrderStatus.NEW, OrderType.MARKET)
    assert exit_.replaces == first
    acting.hear(exchange.fill_all(exit_.client_order_id), Source.REPORT, exchange)
    assert fresh(replaces).state == TraderState.FINISHED


def test_stop_that_follows_replaces_the_sale_that_was_placed_in_anothers_stead(
    replaces: Trader, exchange: ScriptedExchange
) -> None:
    give(replaces, exit_slippage="0.01")
    for price in ("2840", "2780"):
        acting.wake(replaces.pk, at(price), exchange)
    assert [order.status for order in orders(replaces, Side.SELL)] == [OrderStatus.CANCELED] * 2 + [OrderStatus.NEW]
    assert [order.price for order in orders(replaces, Side.SELL)][1:] == [D("2811.6"), D("2752.2")]


def test_sale_that_traded_in_part_is_not_replaced_by_one_of_the_whole(
    replaces: Trader, exchange: ScriptedExchange
) -> None:
    """Its report is on its way: another sale of the whole would sell coins that are not the trader's."""
    exchange.fill(orders(replaces, Side.SELL)[0].client_order_id, D("0.0266"))
    acting.wake(replaces.pk, at("2840"), exchange)
    states = [(order.status, order.quantity) for order in orders(replaces, Side.SELL)]
    assert states == [
        (OrderStatus.CANCELED, D("0.0666")),
        (OrderStatus.NOT_PLACED, D("0.0666")),
        (OrderStatus.NEW, D("0.04")),
    ]


@pytest.mark.parametrize(
    "error",
    [Refused("Market is closed. (-1013)", -1013, Why.MARKET_CLOSED), Throttled("wait", 3), NotSent("no line")],
)
def test_sale_rests_on_where_the_exchange_refuses_another_in_its_place(
    replaces: Trader, exchange: ScriptedExchange, error: Exception
) -> None:
    exchange.before.append(raises(error))
    acting.wake(replaces.pk, at("2840"), exchange)
    first, refused = orders(replaces, Side.SELL)
    ended = OrderStatus.REJECTED if isinstance(error, Refused) else OrderStatus.NOT_PLACED
    assert (first.status, first.cancel_reason, refused.status) == (OrderStatus.NEW, "", ended)
    assert not kill_switch.unwanted().exists()
    look_again(replaces, exchange)
    acting.wake(replaces.pk, at("2840"), exchange)
    assert [order.status for order in orders(replaces, Side.SELL)][-1] == OrderStatus.NEW
    assert orders(replaces, Side.SELL)[0].status == OrderStatus.CANCELED


def test_sale_that_was_cancelled_and_not_replaced_is_placed_again(
    replaces: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(order: NewOrder, resting: str) -> Replacement:
        refused = Refused("Too much (-1013)", -1013, Why.FILTER)
        return Replacement(exchange.cancel(order.symbol, resting), None, refused)

    with monkeypatch.context() as patch:
        patch.setattr(exchange, "replace", half)
        acting.wake(replaces.pk, at("2840"), exchange)
    # Once more at once, and then after growing waits: it holds what nothing sells.
    states = [(order.status, order.type) for order in orders(replaces, Side.SELL)[1:]]
    assert states == [(OrderStatus.REJECTED, OrderType.MARKET), (OrderStatus.NEW, OrderType.MARKET)]


@pytest.mark.parametrize("was_done", [True, False])
def test_replacing_whose_outcome_is_unclear_is_asked_about(
    replaces: Trader, exchange: ScriptedExchange, was_done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced = exchange.replace

    def lost(order: NewOrder, resting: str) -> Replacement:
        if was_done:
            replaced(order, resting)
        raise OutcomeUnknown("timed out")

    monkeypatch.setattr(exchange, "replace", lost)
    acting.wake(replaces.pk, at("2840"), exchange)
    first, unclear = orders(replaces, Side.SELL)
    assert (first.status, unclear.status) == (OrderStatus.NEW, OrderStatus.SUBMITTING)
    # While it is unclear nobody cancels the one that it was to replace: that would undo what may be under way.
    assert not kill_switch.unwanted().exists()
    for event in (at("2800"), Recheck("look", is_urgent=True)):
        acting.wake(replaces.pk, event, exchange)
    assert len(orders(replaces, Side.SELL)) == 2
    late = unclear.submitted_at + ARRIVES_WITHIN + timedelta(seconds=1)
    for now in (late, late + calls.NOT_FOUND_FOR):
        acting.ask(unclear.pk, exchange, now=now)
    unclear.refresh_from_db()
    assert unclear.status == (OrderStatus.NEW if was_done else OrderStatus.NOT_PLACED)
    # Now the other is known to be unwanted: the leader has it cancelled, and what is left is sold.
    assert [order.pk for order in kill_switch.unwanted()] == [first.pk]
    acting.cancel(first.pk, exchange)
    assert [order.status for order in orders(replaces, Side.SELL) if order.status in OPEN] == [OrderStatus.NEW]
    assert len([order for order in exchange.kept.values() if order.status.is_open]) == 1
