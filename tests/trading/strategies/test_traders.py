"""Traders by other strategies than the naive one: what they remember, and what they do when theirs is gone."""

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from django.utils import timezone

from hedgehog_project.venues import Venue
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.settings import give
from tests.trading.conftest import make_symbol
from trading import leader
from trading.core import guard
from trading.core.decisions import Decision, Finish, PlaceSell, Wait
from trading.core.events import Recheck, TradeSeen
from trading.core.journal import Kind, Source
from trading.core.orders import OrderStatus, Side
from trading.core.position import Mode, Position
from trading.core.strategy import ANY_PRICE, TraderState
from trading.exchange.protocol import NewOrder
from trading.models import JournalEntry, Order, Symbol, Trader, TradingSettings
from trading.models.symbols import TradingStatus
from trading.strategies import registry
from trading.traders import acting

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]


def born(symbol: Symbol, strategy: str, **own: str) -> Trader:
    give(TradingSettings.objects.filter(symbol=symbol), strategy=strategy, **own)
    settings = TradingSettings.objects.get(symbol=symbol)
    return Trader.born(settings, Venue.MOCK, 1, wake_below=ANY_PRICE, armed_at=timezone.now() - timedelta(seconds=60))


def see(trader: Trader, price: str, exchange: ScriptedExchange) -> Trader:
    acting.wake(trader.pk, TradeSeen("ETHUSDT", 1, D(price), 0), exchange)
    return Trader.objects.get(pk=trader.pk)


def resting(trader: Trader, side: Side) -> Order:
    return Order.objects.get(trader=trader, side=side, status=OrderStatus.NEW)


def test_trailing_follows_in_its_row_and_completes_a_cycle(symbol: Symbol, exchange: ScriptedExchange) -> None:
    trader = born(symbol, "trailing", trail_interval="0.01")
    after = see(trader, "3000", exchange)
    assert (after.memory, after.wake_below, after.wake_above) == ({"low": "3000"}, D(2997), D(3030))
    after = see(trader, "2900", exchange)
    assert (after.memory, after.wake_below, after.wake_above) == ({"low": "2900"}, D("2897.1"), D(2929))
    assert not exchange.placed
    assert see(trader, "2930", exchange).state == TraderState.BUYING
    buy = resting(trader, Side.BUY)
    assert buy.price == D(2930)
    acting.hear(exchange.fill_all(buy.client_order_id), Source.REPORT, exchange)
    holds = Trader.objects.get(pk=trader.pk)
    floor = D("2938.8")  # 0.1 % over what 2930 and its commission cost, after that of the sale, in whole ticks
    assert (holds.state, holds.wake_above, holds.retry_at) == (TraderState.HOLDING, floor, None)
    assert see(trader, "3000", exchange).memory["high"] == "3000"
    assert see(trader, "2980", exchange).state == TraderState.HOLDING
    assert see(trader, "2970", exchange).state == TraderState.SELLING
    sale = resting(trader, Side.SELL)
    assert sale.price == D("2967.03")
    assert acting.hear(exchange.fill_all(sale.client_order_id), Source.REPORT, exchange)
    ended = Trader.objects.get(pk=trader.pk)
    assert ended.state == TraderState.FINISHED
    assert ended.profit is not None and ended.profit > D(2)
    reasons = JournalEntry.objects.filter(trader=trader, kind=Kind.ORDERED).values_list("reason", flat=True)
    assert list(reasons) == ["2930 is 1 % above the low of 2900", "2970 is 1 % below the high of 3000"]


def test_buy_that_the_market_left_is_cancelled_and_the_price_followed_anew(
    symbol: Symbol, exchange: ScriptedExchange
) -> None:
    trader = born(symbol, "trailing", trail_interval="0.01")
    for price in ("3000", "3030"):
        see(trader, price, exchange)
    buy = resting(trader, Side.BUY)
    see(trader, "3061", exchange)
    if Order.objects.get(pk=buy.pk).status == OrderStatus.NEW:  # Cancelled by a task of its own.
        acting.cancel(buy.pk, exchange)
    assert Order.objects.get(pk=buy.pk).status == OrderStatus.CANCELED
    after = see(trader, "3050", exchange)
    assert (after.state, after.memory) == (TraderState.WAITING, {"low": "3050"})


def test_trader_whose_strategy_is_gone_says_so_places_nothing_and_goes_on_when_it_is_back(
    symbol: Symbol, exchange: ScriptedExchange, patient: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trader = born(symbol, patient)
    with monkeypatch.context() as gone:
        gone.setattr("django.conf.settings.HEDGEHOG_STRATEGIES", [])
        registry.known.cache_clear()
        after = see(trader, "3000", exchange)
        assert "unknown strategy 'patient'" in after.waits_for
        assert not Order.objects.exists()
        assert leader.fill_slots() == 0  # Nor does another begin by it.
    registry.known.cache_clear()
    Trader.objects.update(retry_at=timezone.now())
    acting.wake(trader.pk, Recheck("test"), exchange)
    assert see(trader, "3000", exchange).state == TraderState.BUYING


def test_sale_of_a_strategy_that_is_gone_rests_and_its_fill_counts(
    symbol: Symbol, exchange: ScriptedExchange, patient: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trader = born(symbol, patient)
    see(trader, "3000", exchange)
    acting.hear(exchange.fill_all(resting(trader, Side.BUY).client_order_id), Source.REPORT, exchange)
    with monkeypatch.context() as gone:
        gone.setattr("django.conf.settings.HEDGEHOG_STRATEGIES", [])
        registry.known.cache_clear()
        sale = resting(trader, Side.SELL)
        acting.hear(exchange.fill_all(sale.client_order_id), Source.REPORT, exchange)
        assert Order.objects.get(pk=sale.pk).status == OrderStatus.FILLED
        assert Trader.objects.get(pk=trader.pk).state == TraderState.HOLDING
    registry.known.cache_clear()
    Trader.objects.update(retry_at=timezone.now())
    acting.wake(trader.pk, Recheck("test"), exchange)
    assert Trader.objects.get(pk=trader.pk).state == TraderState.FINISHED


def test_fill_is_booked_though_the_strategy_fails_over_it(
    symbol: Symbol, exchange: ScriptedExchange, patient: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trader = born(symbol, patient)
    see(trader, "3000", exchange)
    buy = resting(trader, Side.BUY)
    with monkeypatch.context() as broken:
        broken.setattr(registry.find(patient), "decide", lambda position, *_: position.memory["highest"])
        acting.hear(exchange.fill_all(buy.client_order_id), Source.REPORT, exchange)
    after = Trader.objects.get(pk=trader.pk)
    assert Order.objects.get(pk=buy.pk).status == OrderStatus.FILLED
    assert (after.state, after.error) == (TraderState.HOLDING, "patient.decide raised KeyError: 'highest'")
    assert after.retry_at is not None
    assert after.retry_at > timezone.now()
    told = JournalEntry.objects.filter(trader=trader).values_list("kind", "reason").last()
    assert told == (Kind.FAILED, after.error)
    # Mended, it goes on.
    acting.wake(trader.pk, Recheck("test", is_urgent=True), exchange)
    assert Trader.objects.get(pk=trader.pk).state == TraderState.SELLING


@pytest.mark.parametrize(
    "answer",
    [
        PlaceSell(D(3100) / 7, D("0.01"), "a price of 28 digits"),
        Finish(TraderState.FINISHED, D(1) / 3, D(0), "a profit of 28 digits"),
        Finish("DONE", D(1), D(0), "no such end"),  # type: ignore[arg-type]
        Wait(None),  # type: ignore[arg-type]
        Wait("a text that PostgreSQL does not take \0"),
    ],
)
def test_fill_is_booked_though_what_the_strategy_answers_can_not_be_stored(
    symbol: Symbol, exchange: ScriptedExchange, patient: str, monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    trader = born(symbol, patient)
    see(trader, "3000", exchange)
    buy = resting(trader, Side.BUY)
    with monkeypatch.context() as broken:
        broken.setattr(registry.find(patient), "decide", lambda *_: answer)
        acting.hear(exchange.fill_all(buy.client_order_id), Source.REPORT, exchange)
    after, bought = Trader.objects.get(pk=trader.pk), Order.objects.get(pk=buy.pk)
    assert (bought.status, bought.fills.count()) == (OrderStatus.FILLED, 1)
    assert after.state == TraderState.HOLDING
    assert after.error.startswith(f"patient.decide returned a {type(answer).__name__} with")


def test_fill_is_booked_though_the_guard_has_not_foreseen_what_is_wrong_with_an_answer(
    symbol: Symbol, exchange: ScriptedExchange, patient: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trader = born(symbol, patient)
    see(trader, "3000", exchange)
    buy = resting(trader, Side.BUY)
    with monkeypatch.context() as broken:
        broken.setattr(guard, "_check", lambda *_: None)
        broken.setattr(registry.find(patient), "decide", lambda *_: PlaceSell(D(3100) / 7, D("0.01"), "unforeseen"))
        acting.hear(exchange.fill_all(buy.client_order_id), Source.REPORT, exchange)
    after, bought = Trader.objects.get(pk=trader.pk), Order.objects.get(pk=buy.pk)
    assert (bought.status, bought.fills.count()) == (OrderStatus.FILLED, 1)
    assert (after.state, after.waits_for) == (TraderState.HOLDING, after.error)
    assert after.error.startswith("PlaceSell cannot be used: ")
    acting.wake(trader.pk, Recheck("test", is_urgent=True), exchange)
    assert Trader.objects.get(pk=trader.pk).state == TraderState.SELLING


def test_symbol_that_is_turned_off_while_the_exchange_answers_is_off_for_the_next_look(
    symbol: Symbol, exchange: ScriptedExchange, patient: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trader, modes = born(symbol, patient), list[Mode]()
    decides = registry.find(patient).decide

    def decide(position: Position, *more: Any) -> Decision:
        modes.append(position.mode)
        return decides(position, *more)

    def turn_off(order: NewOrder) -> None:
        TradingSettings.objects.update(status=TradingStatus.OFF)
        modes.clear()

    monkeypatch.setattr(registry.find(patient), "decide", decide)
    exchange.after = [turn_off]
    see(trader, "3000", exchange)
    assert modes[-1] == Mode.OFF, "what counts is decided while off"
    assert Order.objects.get().status == OrderStatus.NEW


def test_symbol_that_is_turned_off_while_a_strategy_thinks_is_off_when_its_answer_counts(
    symbol: Symbol, exchange: ScriptedExchange, patient: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trader = born(symbol, patient)
    decides = registry.find(patient).decide

    def decide(*args: Any) -> Decision:
        TradingSettings.objects.update(status=TradingStatus.OFF)
        return decides(*args)

    monkeypatch.setattr(registry.find(patient), "decide", decide)
    assert see(trader, "3000", exchange).waits_for == "trading is off for this symbol"
    assert not Order.objects.exists()


def test_traders_that_ask_for_nobody_begin_all_at_once(redis_client: object, patient: str) -> None:
    symbol = make_symbol(max_slots=3)
    give(TradingSettings.objects.filter(symbol=symbol), strategy="trailing", rebuy_interval=D("0.005"))
    assert leader.fill_slots() == 1
    TradingSettings.objects.filter(symbol=symbol).update(strategy=patient)
    assert leader.fill_slots() == 2
