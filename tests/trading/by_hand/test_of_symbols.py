"""What people do to a symbol and to an account: one more trader, everything sold, nothing bought meanwhile."""

from decimal import Decimal as D

import pytest
from django.core.exceptions import ValidationError

from hedgehog_project.venues import Venue
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.holders import SEEN, holder_of, last_order, trades_at
from tests.trading.conftest import make_symbol
from trading.by_hand import of_symbols
from trading.by_hand.saying import Hands
from trading.core.events import Recheck
from trading.core.journal import Source
from trading.core.orders import OrderStatus, OrderType, Side
from trading.core.strategy import TraderState
from trading.models import Instruction, Order, Slot, Switch, Symbol, SymbolProtections, Trader, TradingSettings
from trading.models.switch import TradingMode
from trading.models.symbols import TradingStatus
from trading.risk import kill_switch, protections
from trading.traders import acting, slots

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]

ANNA = Hands("anna", key="key-1")
RECHECK = Recheck("anna", is_urgent=True, source=Source.PERSON)


@pytest.fixture(autouse=True)
def market(monkeypatch: pytest.MonkeyPatch) -> None:
    trades_at(D(3000), monkeypatch)


@pytest.fixture
def symbol(db: None, redis_client: object) -> Symbol:
    return make_symbol(max_slots=2)


def test_one_more_trader_buys_at_once_and_sells_by_its_strategy(symbol: Symbol, exchange: ScriptedExchange) -> None:
    trader = of_symbols.buy_now(symbol, Venue.MOCK, ANNA).trader
    assert trader is not None
    acting.wake(trader.pk, RECHECK, exchange)
    buy = last_order(trader)
    assert (buy.type, buy.price, buy.quantity) == (OrderType.IOC, D("3015"), D("0.0663"))
    acting.hear(exchange.fill_all(buy.client_order_id), Source.REPORT, exchange)
    assert (last_order(trader, Side.SELL).type, Trader.objects.get(pk=trader.pk).told) == (OrderType.LIMIT, None)


def test_pressing_twice_makes_one_trader(symbol: Symbol) -> None:
    assert of_symbols.buy_now(symbol, Venue.MOCK, ANNA).is_new
    assert not of_symbols.buy_now(symbol, Venue.MOCK, ANNA).is_new
    assert Trader.objects.count() == Instruction.objects.count() == 1


def test_what_nobody_sells_at_the_bound_is_not_bought_a_second_time(
    symbol: Symbol, exchange: ScriptedExchange
) -> None:
    trader = of_symbols.buy_now(symbol, Venue.MOCK, ANNA).trader
    assert trader is not None
    acting.wake(trader.pk, RECHECK, exchange)
    acting.hear(exchange.end(last_order(trader).client_order_id, OrderStatus.EXPIRED), Source.REPORT, exchange)
    assert (Trader.objects.get(pk=trader.pk).told, Order.objects.count()) == (None, 1)


def test_no_more_than_max_slots(symbol: Symbol) -> None:
    for number in range(2):
        of_symbols.buy_now(symbol, Venue.MOCK, Hands("anna", key=f"{number}"))
    with pytest.raises(ValidationError, match="all 2 slots are taken or closed"):
        of_symbols.buy_now(symbol, Venue.MOCK, ANNA)


def test_a_limit_denies_it_and_leaves_nothing_behind(symbol: Symbol) -> None:
    SymbolProtections.objects.create(symbol=symbol, max_exposure=D(150))
    with pytest.raises(ValidationError, match="max exposure of ETHUSDT, 150 USDT"):
        of_symbols.buy_now(symbol, Venue.MOCK, ANNA)
    assert (Trader.objects.count(), Instruction.objects.count(), Slot.objects.count()) == (0, 0, 0)


def test_a_limit_that_came_meanwhile_ends_it(symbol: Symbol, exchange: ScriptedExchange) -> None:
    trader = of_symbols.buy_now(symbol, Venue.MOCK, ANNA).trader
    assert trader is not None
    SymbolProtections.objects.create(symbol=symbol, max_exposure=D(150))
    protections.forget()
    acting.wake(trader.pk, RECHECK, exchange)
    assert (Trader.objects.get(pk=trader.pk).told, Order.objects.count()) == (None, 0)


@pytest.mark.parametrize("mode", [TradingMode.HALTED, TradingMode.REDUCING])
def test_a_halt_denies_it(symbol: Symbol, mode: TradingMode) -> None:
    kill_switch.halt("ben", "", mode)
    with pytest.raises(ValidationError, match="by ben"):
        of_symbols.buy_now(symbol, Venue.MOCK, ANNA)


def test_everything_is_sold_and_nothing_is_bought_until_it_is_resumed(
    symbol: Symbol, exchange: ScriptedExchange
) -> None:
    first, second = holder_of(symbol, 1, exchange), Trader.born(TradingSettings.objects.get(), Venue.MOCK, 2)
    acting.wake(second.pk, SEEN, exchange)  # Its buy rests.
    slots.empty_slots(Venue.MOCK)  # The leader opens both.
    done = of_symbols.sell_everything(symbol, Venue.MOCK, ANNA)
    assert done.told == (first.pk, second.pk)
    for pk in done.told:
        acting.wake(pk, RECHECK, exchange)
    assert (last_order(first, Side.SELL).type, last_order(second).status) == (OrderType.IOC, OrderStatus.CANCELED)
    acting.hear(exchange.fill_all(last_order(first, Side.SELL).client_order_id), Source.REPORT, exchange)
    next_one = Trader.objects.get(slot=1, finished_at=None)
    for trader in (next_one, second):
        acting.wake(trader.pk, SEEN, exchange)
        assert Trader.objects.get(pk=trader.pk).waits_for == "paused by anna"
    of_symbols.resume_symbol(symbol, Hands("anna"))
    acting.wake(next_one.pk, SEEN, exchange)
    assert last_order(next_one).status == OrderStatus.NEW


def test_said_again_it_tells_those_that_were_not_told_yet(symbol: Symbol, exchange: ScriptedExchange) -> None:
    first = holder_of(symbol, 1, exchange)
    assert of_symbols.sell_everything(symbol, Venue.MOCK, ANNA).told == (first.pk,)
    acting.wake(first.pk, RECHECK, exchange)
    acting.hear(
        exchange.end(last_order(first, Side.SELL).client_order_id, OrderStatus.EXPIRED), Source.REPORT, exchange
    )
    version = Trader.objects.get(pk=first.pk).version
    again = of_symbols.sell_everything(symbol, Venue.MOCK, ANNA)
    assert (again.outcome.is_new, Trader.objects.get(pk=first.pk).version) == (False, version)


def test_a_pause_reaches_an_order_that_is_about_to_be_sent(
    symbol: Symbol, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    trader = Trader.born(TradingSettings.objects.get(), Venue.MOCK, 1)
    last_look = acting.gate.last_look

    def paused_before(order: object) -> object:
        of_symbols.pause_symbol(symbol, ANNA)
        return last_look(order)  # type: ignore[arg-type]

    monkeypatch.setattr(acting.gate, "last_look", paused_before)
    acting.wake(trader.pk, SEEN, exchange)
    assert (last_order(trader).status, exchange.placed) == (OrderStatus.NOT_PLACED, [])


def test_get_out_of_everything_denies_buys_first_and_sells_what_is_off_as_well(
    symbol: Symbol, exchange: ScriptedExchange
) -> None:
    trader = holder_of(symbol, 1, exchange)
    TradingSettings.objects.update(status=TradingStatus.OFF)
    done = of_symbols.flatten(Venue.MOCK, ANNA)
    assert (done.told, done.not_told) == ((trader.pk,), {})
    assert (Switch.row().mode, Switch.row().cancel_buys) == (TradingMode.REDUCING, True)
    acting.wake(trader.pk, RECHECK, exchange)
    acting.hear(exchange.fill_all(last_order(trader, Side.SELL).client_order_id), Source.REPORT, exchange)
    assert Trader.objects.get(pk=trader.pk).state == TraderState.FINISHED
    assert not Trader.objects.filter(finished_at=None).exists()


def test_a_slot_that_is_not_closed_cannot_be_opened(symbol: Symbol) -> None:
    with pytest.raises(ValidationError, match="is not closed"):
        of_symbols.open_slot(symbol, Venue.MOCK, 1, ANNA)


def test_said_again_with_its_key_it_sells_nobody_who_began_later(symbol: Symbol, exchange: ScriptedExchange) -> None:
    first = holder_of(symbol, 1, exchange)
    assert of_symbols.flatten(Venue.MOCK, ANNA).told == (first.pk,)
    kill_switch.resume("ben")
    later = holder_of(symbol, 2, exchange)
    again = of_symbols.flatten(Venue.MOCK, ANNA)
    assert (again.outcome.is_new, later.pk in again.told) == (False, False)
    assert Trader.objects.get(pk=later.pk).told is None
    assert Switch.row().is_active
    hands = Hands("anna", key="key-2")
    of_symbols.sell_everything(symbol, Venue.MOCK, hands)
    of_symbols.resume_symbol(symbol, Hands("ben"))
    third = holder_of(symbol, 3, exchange)
    assert third.pk not in of_symbols.sell_everything(symbol, Venue.MOCK, hands).told
    assert TradingSettings.objects.get().paused_by == ""


def test_who_was_not_told_when_it_was_cut_short_is_told_when_it_is_said_again(
    symbol: Symbol, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = holder_of(symbol, 1, exchange), holder_of(symbol, 2, exchange)
    tell = of_symbols.tell_to_sell
    told: list[int] = []

    def dies(trader: Trader, *rest: object) -> None:
        if told:
            raise KeyboardInterrupt
        told.append(trader.pk)
        tell(trader, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(of_symbols, "tell_to_sell", dies)
    with pytest.raises(KeyboardInterrupt):
        of_symbols.flatten(Venue.MOCK, ANNA)
    monkeypatch.undo()
    trades_at(D(3000), monkeypatch)
    assert Trader.objects.get(pk=two.pk).told is None
    again = of_symbols.flatten(Venue.MOCK, ANNA)
    assert (again.told, list(again.not_told)) == ((two.pk,), [one.pk])
    assert Trader.objects.get(pk=two.pk).told is not None


def test_what_was_bought_is_said_in_whole_words(symbol: Symbol) -> None:
    text = of_symbols.buy_now(symbol, Venue.MOCK, ANNA).instruction.text
    assert text == "buy 0.0663 ETH in slot 1, at 3015 or below"
