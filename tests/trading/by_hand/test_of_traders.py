"""What people do to a trader: once, step by step, and its late fills counted."""

from decimal import Decimal as D

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from hedgehog_project.venues import Venue
from tests.support.exchanges.scripted_exchange import ScriptedExchange, answer_lost, raises
from tests.support.holders import holder_of, trades_at
from tests.support.rows import make_trader
from trading.by_hand import of_symbols, of_traders, plans
from trading.by_hand.saying import Hands
from trading.core.events import Recheck, TradeSeen
from trading.core.hand import Pause
from trading.core.journal import Kind, Source
from trading.core.orders import OrderStatus, OrderType, Side
from trading.core.strategy import TraderState
from trading.exchange.errors import NotSent
from trading.models import Fill, Instruction, JournalEntry, Order, Slot, Switch, Trader, TradingSettings
from trading.models.switch import TradingMode
from trading.models.symbols import TradingStatus
from trading.risk import kill_switch
from trading.traders import acting, cycle_end, next_cycle, slots

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]

ANNA = Hands("anna", "it falls", "key-1")
RECHECK = Recheck("anna", is_urgent=True, source=Source.PERSON)


def seen(price: str) -> TradeSeen:
    return TradeSeen("ETHUSDT", 1, D(price), 0)


@pytest.fixture(autouse=True)
def market(monkeypatch: pytest.MonkeyPatch) -> None:
    trades_at(D(3000), monkeypatch)


@pytest.fixture
def holder(trader: Trader, exchange: ScriptedExchange) -> Trader:
    """It holds 0.0666333 ETH, bought at 2997, and offers 0.0666 at 3006."""
    acting.wake(trader.pk, seen("3000"), exchange)
    acting.hear(exchange.fill_all(order(trader).client_order_id), Source.REPORT, exchange)
    return fresh(trader)


def fresh(trader: Trader) -> Trader:
    return Trader.objects.select_related("symbol").get(pk=trader.pk)


def order(trader: Trader, side: Side = Side.BUY) -> Order:
    """Its last one of that side."""
    return Order.objects.filter(trader=trader, side=side).latest("pk")


def last_words(trader: Trader) -> str:
    return JournalEntry.objects.filter(trader=trader, kind=Kind.BY_HAND).latest("pk").reason


def test_what_rests_is_cancelled_and_all_is_sold_at_once(holder: Trader, exchange: ScriptedExchange) -> None:
    resting = order(holder, Side.SELL)
    assert of_traders.sell_now(holder.pk, ANNA).is_new
    acting.wake(holder.pk, RECHECK, exchange)
    resting.refresh_from_db()
    sale = order(holder, Side.SELL)
    assert (resting.status, resting.cancel_reason) == (OrderStatus.CANCELED, "anna sells now")
    assert (sale.type, sale.price, sale.quantity) == (OrderType.IOC, D("2985"), D("0.0666"))
    acting.hear(exchange.fill_all(sale.client_order_id), Source.REPORT, exchange)
    ended = fresh(holder)
    assert (ended.state, ended.told) == (TraderState.FINISHED, None)
    assert Fill.objects.filter(order__trader=holder, order__side=Side.SELL).count() == 1
    said = JournalEntry.objects.filter(trader=holder, source=Source.PERSON).first()
    assert said is not None
    assert (said.kind, said.event, said.reason) == (Kind.BY_HAND, "anna: it falls", "it falls")


def test_what_filled_while_it_was_cancelled_is_not_sold_again(holder: Trader, exchange: ScriptedExchange) -> None:
    resting = order(holder, Side.SELL)
    of_traders.sell_now(holder.pk, ANNA)
    exchange.fill(resting.client_order_id, D("0.0100"))  # nobody has heard of it yet
    acting.wake(holder.pk, RECHECK, exchange)
    assert order(holder, Side.SELL).quantity == D("0.0566")
    assert sum(fill.quantity for fill in Fill.objects.filter(order=resting)) == D("0.0100")


def test_a_part_of_its_buy_is_sold_once_the_rest_is_cancelled(trader: Trader, exchange: ScriptedExchange) -> None:
    acting.wake(trader.pk, seen("3000"), exchange)
    buy = order(trader)
    acting.hear(exchange.fill(buy.client_order_id, D("0.0300")), Source.REPORT, exchange)
    of_traders.sell_now(trader.pk, ANNA)
    acting.wake(trader.pk, RECHECK, exchange)
    buy.refresh_from_db()
    assert buy.status == OrderStatus.CANCELED
    assert order(trader, Side.SELL).quantity == D("0.0299")


def test_pressing_twice_sells_once(holder: Trader, exchange: ScriptedExchange) -> None:
    first, again = of_traders.sell_now(holder.pk, ANNA), of_traders.sell_now(holder.pk, ANNA)
    assert (first.is_new, again.is_new) == (True, False)
    assert first.instruction == again.instruction
    with pytest.raises(ValidationError, match="it has been told to sell by anna"):
        of_traders.sell_now(holder.pk, Hands("ben"))
    acting.wake(holder.pk, RECHECK, exchange)
    sale = order(holder, Side.SELL)
    acting.wake(holder.pk, RECHECK, exchange)
    assert order(holder, Side.SELL) == sale
    acting.hear(exchange.fill_all(sale.client_order_id), Source.REPORT, exchange)
    assert not of_traders.sell_now(holder.pk, ANNA).is_new
    assert Instruction.objects.count() == 1


def test_a_process_that_died_after_saving_is_followed_by_the_next_look(
    holder: Trader, exchange: ScriptedExchange
) -> None:
    of_traders.sell_now(holder.pk, ANNA)
    exchange.after.append(answer_lost)
    acting.wake(holder.pk, RECHECK, exchange)
    sale = order(holder, Side.SELL)
    assert sale.status == OrderStatus.SUBMITTING
    acting.wake(holder.pk, RECHECK, exchange)
    assert order(holder, Side.SELL) == sale  # nothing is sent again before the exchange was asked
    exchange.fill_all(sale.client_order_id)
    acting.ask(sale.pk, exchange)
    assert fresh(holder).state == TraderState.FINISHED


def test_a_sale_that_was_never_sent_is_tried_again(holder: Trader, exchange: ScriptedExchange) -> None:
    of_traders.sell_now(holder.pk, ANNA)
    exchange.before.append(raises(NotSent("no line")))
    acting.wake(holder.pk, RECHECK, exchange)
    assert order(holder, Side.SELL).status == OrderStatus.NOT_PLACED
    acting.wake(holder.pk, RECHECK, exchange)
    assert (order(holder, Side.SELL).status, order(holder, Side.SELL).type) == (OrderStatus.NEW, OrderType.IOC)


def test_what_nobody_takes_above_the_bound_stays_and_is_told(holder: Trader, exchange: ScriptedExchange) -> None:
    of_traders.sell_now(holder.pk, ANNA)
    acting.wake(holder.pk, RECHECK, exchange)
    sale = order(holder, Side.SELL)
    acting.hear(exchange.fill(sale.client_order_id, D("0.0200")), Source.REPORT, exchange)
    acting.hear(exchange.end(sale.client_order_id, OrderStatus.EXPIRED), Source.REPORT, exchange)
    assert (fresh(holder).told, fresh(holder).state) == (None, TraderState.HOLDING)
    assert last_words(holder) == "0.0466333 ETH left: no more could be had at 2985 or above"
    acting.wake(holder.pk, RECHECK, exchange)
    assert (order(holder, Side.SELL).type, order(holder, Side.SELL).quantity) == (OrderType.LIMIT, D("0.0466"))


def test_at_any_price_it_is_a_market_order(holder: Trader, exchange: ScriptedExchange) -> None:
    of_traders.sell_now(holder.pk, ANNA, slippage=None)
    acting.wake(holder.pk, RECHECK, exchange)
    assert order(holder, Side.SELL).type == OrderType.MARKET


def test_a_halt_and_a_symbol_that_is_off_say_what_to_do(holder: Trader) -> None:
    kill_switch.halt("ben", "", TradingMode.HALTED)
    with pytest.raises(ValidationError, match=r"`manage.py halt --reduce` lets sales pass"):
        of_traders.sell_now(holder.pk, ANNA)
    assert Instruction.objects.count() == 0
    kill_switch.resume("ben")
    TradingSettings.objects.update(status=TradingStatus.OFF)
    with pytest.raises(ValidationError, match=r"`manage.py trade ETHUSDT shutdown` lets what is held be sold"):
        of_traders.sell_now(holder.pk, ANNA)


def test_while_trading_is_reduced_it_sells(holder: Trader, exchange: ScriptedExchange) -> None:
    kill_switch.halt("ben", "", TradingMode.REDUCING)
    of_traders.sell_now(holder.pk, ANNA)
    acting.wake(holder.pk, RECHECK, exchange)
    assert order(holder, Side.SELL).type == OrderType.IOC


def test_a_moved_target_takes_the_place_of_its_sale_and_stays(holder: Trader, exchange: ScriptedExchange) -> None:
    of_traders.move(holder.pk, ANNA, target=D("3100"))
    acting.wake(holder.pk, RECHECK, exchange)
    assert order(holder, Side.SELL).price == D("3100")
    acting.wake(holder.pk, seen("3050"), exchange)
    assert (order(holder, Side.SELL).price, order(holder, Side.SELL).status) == (D("3100"), OrderStatus.NEW)
    # Left to its strategy it is offered at the strategy's own price again.
    of_traders.move(holder.pk, Hands("anna"), target=None)
    acting.wake(holder.pk, RECHECK, exchange)
    acting.wake(holder.pk, RECHECK, exchange)
    assert (order(holder, Side.SELL).price, order(holder, Side.SELL).status) == (D("3006"), OrderStatus.NEW)
    assert (fresh(holder).told, fresh(holder).target) == (None, None)


def test_a_key_that_was_used_for_another_trader_is_refused(holder: Trader, exchange: ScriptedExchange) -> None:
    other = holder_of(holder.symbol, 2, exchange)
    of_traders.sell_now(holder.pk, ANNA)
    for deed in (of_traders.sell_now, of_traders.pause):
        with pytest.raises(ValidationError, match="belongs to something else"):
            deed(other.pk, ANNA)
    assert (fresh(other).told, fresh(other).pause) == (None, "")
    with pytest.raises(ValidationError, match="belongs to something else"):
        of_symbols.pause_symbol(holder.symbol, ANNA)


def test_a_key_said_again_means_the_trader_that_the_slot_had_then(holder: Trader) -> None:
    assert of_traders.pause(holder.pk, ANNA).is_new
    end = {"state": TraderState.FINISHED, "finished_at": timezone.now(), "profit": D(0)}
    Trader.objects.filter(pk=holder.pk).update(**end)
    follower = make_trader(holder.symbol, holder.slot)
    assert not of_traders.pause(follower.pk, ANNA).is_new
    assert fresh(follower).pause == ""


def test_a_key_may_be_of_any_length(holder: Trader) -> None:
    for key in ("k" * 64, "k" * 500):
        assert of_traders.pause(holder.pk, Hands("anna", key=key)).is_new
        assert not of_traders.pause(holder.pk, Hands("anna", key=key)).is_new


def test_a_moved_stop_wakes_it_and_sells(holder: Trader, exchange: ScriptedExchange) -> None:
    of_traders.move(holder.pk, ANNA, stop=D("2950"))
    acting.wake(holder.pk, RECHECK, exchange)
    assert fresh(holder).wake_below == D("2949.99999999")
    acting.wake(holder.pk, seen("2950"), exchange)
    assert order(holder, Side.SELL).type == OrderType.LIMIT
    acting.wake(holder.pk, seen("2949"), exchange)
    assert order(holder, Side.SELL).type == OrderType.MARKET


def test_a_stop_is_below_the_market_and_a_target_on_a_tick(holder: Trader) -> None:
    with pytest.raises(ValidationError, match="sell now instead"):
        of_traders.move(holder.pk, ANNA, stop=D("3000"))
    with pytest.raises(ValidationError, match="tick size"):
        of_traders.move(holder.pk, ANNA, target=D("3100.005"))


def test_its_buy_is_cancelled_and_it_is_paused_until_it_is_resumed(
    trader: Trader, exchange: ScriptedExchange
) -> None:
    acting.wake(trader.pk, seen("3000"), exchange)
    buy = order(trader)
    of_traders.cancel_buy(trader.pk, ANNA)
    acting.wake(trader.pk, RECHECK, exchange)
    buy.refresh_from_db()
    assert (buy.status, buy.cancel_reason) == (OrderStatus.CANCELED, "cancelled by anna")
    acting.wake(trader.pk, TradeSeen("ETHUSDT", 2, D(3000), 0, is_urgent=True), exchange)
    assert (order(trader), fresh(trader).waits_for) == (buy, "paused by anna")
    of_traders.resume(trader.pk, Hands("anna"))
    acting.wake(trader.pk, TradeSeen("ETHUSDT", 3, D(3000), 0, is_urgent=True), exchange)
    assert order(trader) != buy


def test_a_paused_trader_sells_what_it_holds(trader: Trader, exchange: ScriptedExchange) -> None:
    acting.wake(trader.pk, seen("3000"), exchange)
    of_traders.pause(trader.pk, ANNA)
    acting.hear(exchange.fill_all(order(trader).client_order_id), Source.REPORT, exchange)
    assert order(trader, Side.SELL).status == OrderStatus.NEW


def test_a_pause_of_sales_holds_back_the_stop_as_well(holder: Trader, exchange: ScriptedExchange) -> None:
    of_traders.move(holder.pk, ANNA, stop=D("2950"))
    of_traders.pause(holder.pk, Hands("anna"), with_sales=True)
    resting = order(holder, Side.SELL)
    acting.wake(holder.pk, seen("2900"), exchange)
    assert order(holder, Side.SELL) == resting
    assert fresh(holder).pause == Pause.ALL


def test_after_this_cycle_nobody_follows_until_the_slot_is_opened(holder: Trader, exchange: ScriptedExchange) -> None:
    slots.empty_slots(Switch.current())  # The leader keeps it open.
    of_traders.close_slot(holder.pk, ANNA)
    assert not fresh(holder).has_ended
    acting.hear(exchange.fill_all(order(holder, Side.SELL).client_order_id), Source.REPORT, exchange)
    assert Trader.objects.filter(finished_at=None).count() == 0
    assert slots.empty_slots(Switch.current()) == []
    Slot.objects.update(is_closed=False)
    assert [number for _, number in slots.empty_slots(Switch.current())] == [1]


def test_one_that_holds_nothing_ends_at_once(trader: Trader) -> None:
    of_traders.close_slot(trader.pk, ANNA)
    assert fresh(trader).state == TraderState.RETIRED
    assert next_cycle.follow(fresh(trader)) is None


def test_nothing_can_be_told_to_one_that_has_ended(trader: Trader) -> None:
    cycle_end.retire(trader.pk, "test")
    with pytest.raises(ValidationError, match="has finished"):
        of_traders.pause(trader.pk, ANNA)


def test_a_plan_says_in_numbers_what_a_sale_does(holder: Trader) -> None:
    plan = plans.plan_sale(holder)
    assert list(plan.lines()) == [
        "ETHUSDT #1 at mock:",
        "  cancels sell 0.0666 at 3006",
        "  sells 0.0666 ETH at 2985 or above",
        "  last price 3000, 2 s ago",
        "  at 3000: 199.80 USDT less 0.20 commission and 199.80 cost: -0.20 USDT, -0.10 %",
        "  at worst, at 2985: 198.80 USDT less 0.20 commission and 199.80 cost: -1.20 USDT, -0.60 %",
    ]


def test_while_trading_is_reduced_its_buy_can_be_cancelled(trader: Trader, exchange: ScriptedExchange) -> None:
    acting.wake(trader.pk, seen("3000"), exchange)
    kill_switch.halt("ben", "", TradingMode.REDUCING)
    of_traders.sell_now(trader.pk, ANNA)
    acting.wake(trader.pk, RECHECK, exchange)
    assert (order(trader).status, fresh(trader).told) == (OrderStatus.CANCELED, fresh(trader).told)
    acting.wake(trader.pk, RECHECK, exchange)
    assert fresh(trader).told is None


def test_a_closed_slot_stays_closed_while_another_world_runs(holder: Trader) -> None:
    slots.empty_slots(Switch.current())
    of_traders.close_slot(holder.pk, ANNA)
    slots.close_unwanted(Venue("mock/paper"))
    assert list(Slot.objects.values_list("number", "is_closed")) == [(1, True)]
