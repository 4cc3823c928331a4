"""Slots: one trader to begin with, another for each rebuy, and a new one for each that has ended."""

import threading
from collections.abc import Callable
from decimal import Decimal as D
from random import Random

import pytest
import redis
from django.conf import settings
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from hedgehog_project.venues import Venue
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.settings import give
from tests.trading.conftest import make_symbol
from trading import leader
from trading.core import slots as core
from trading.core.events import Recheck, TradeSeen
from trading.core.journal import Kind, Source
from trading.core.orders import Side
from trading.core.position import TraderState
from trading.models import JournalEntry, Order, Slot, Switch, Symbol, Trader, TradingSettings
from trading.models.symbols import TradingStatus
from trading.traders import acting, cycle_end, slots
from trading.waking import triggers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]


@pytest.fixture
def symbol(db: None, redis_client: "redis.Redis") -> Symbol:
    """Three slots; another trader for each 1 % that the price falls under a buy."""
    made = make_symbol(max_slots=3)
    give(rebuy_interval=D("0.01"))
    return made


def at(price: str, number: int = 1) -> TradeSeen:
    return TradeSeen("ETHUSDT", number, D(price), 0)


def live() -> list[int]:
    return sorted(Trader.objects.filter(finished_at=None).values_list("slot", flat=True))


def in_slot(slot: int) -> Trader:
    return Trader.objects.get(slot=slot, finished_at=None)


def buys(slot: int, price: str, exchange: ScriptedExchange) -> Order:
    """The trader's buy rests 0.1 % under this price."""
    trader = in_slot(slot)
    acting.wake(trader.pk, at(price), exchange)
    return Order.objects.get(trader=trader, side=Side.BUY)


def ends(slot: int, exchange: ScriptedExchange, told_by: Source = Source.REPORT) -> bool:
    """Its buy and its sale fill. Whether the leader should run."""
    trader = in_slot(slot)
    for side in Side:
        order = Order.objects.get(trader=trader, side=side)
        needs_leader = acting.hear(exchange.fill_all(order.client_order_id), told_by, exchange)
    return needs_leader


def test_symbol_that_is_turned_on_begins_with_one_trader(symbol: Symbol) -> None:
    assert leader.fill_slots() == 1
    assert leader.fill_slots() == 0
    assert live() == [1]


def test_without_rebuys_all_begin_at_once(symbol: Symbol) -> None:
    give(rebuy_interval=None)
    assert leader.fill_slots() == 3
    assert live() == [1, 2, 3]


def test_rebuy_opens_the_next_slot_once(symbol: Symbol, exchange: ScriptedExchange) -> None:
    leader.fill_slots()
    buys(1, "3000", exchange)  # at 2997; 1 % under it is 2967.03
    first = in_slot(1)
    assert (first.wake_below, first.wake_above) == (D("2967.02999999"), None)
    assert not acting.wake(first.pk, at("2967.03"), exchange)
    assert live() == [1]
    assert acting.wake(first.pk, at("2967.02"), exchange)
    for _ in range(3):
        leader.fill_slots()
    assert live() == [1, 2]
    assert not acting.wake(first.pk, at("2000"), exchange)
    leader.fill_slots()
    assert live() == [1, 2]
    told = JournalEntry.objects.filter(trader=first).values_list("kind", "reason")
    assert (Kind.SLOT_REQUESTED, "2967.02 is more than 1 % below its buy") in told
    assert (Kind.SLOT_OPENED, "slot 2 of 3 opened") in told


def test_each_of_them_asks_for_the_next_up_to_max_slots(symbol: Symbol, exchange: ScriptedExchange) -> None:
    for slot, price in ((1, "3000"), (2, "2900"), (3, "2800")):
        leader.fill_slots()
        buys(slot, price, exchange)
        assert acting.wake(in_slot(slot).pk, at(str(D(price) - 50)), exchange)
    assert leader.fill_slots() == 0
    assert live() == [1, 2, 3]
    # More slots: the one who asked in vain is heard after all.
    TradingSettings.objects.update(max_slots=4)
    assert leader.fill_slots() == 1
    assert live() == [1, 2, 3, 4]


def test_whoever_asks_in_vain_costs_no_transaction_each_second(
    symbol: Symbol, exchange: ScriptedExchange, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """After a long fall that is the last trader of every symbol."""
    TradingSettings.objects.update(max_slots=1)
    leader.fill_slots()
    buys(1, "3000", exchange)
    assert acting.wake(in_slot(1).pk, at("2900"), exchange)
    with django_assert_num_queries(4):  # who asks (two), who lives, what is open: for all
        assert slots.open_requested_slots(Venue.MOCK) == 0
    assert in_slot(1).slot_opened_at is None


def test_trader_that_holds_asks_as_well(symbol: Symbol, exchange: ScriptedExchange) -> None:
    leader.fill_slots()
    buy = buys(1, "3000", exchange)
    acting.hear(exchange.fill_all(buy.client_order_id), Source.REPORT, exchange)
    assert in_slot(1).state == TraderState.SELLING
    assert acting.wake(in_slot(1).pk, at("2900"), exchange)
    leader.fill_slots()
    assert live() == [1, 2]


@pytest.mark.parametrize(("told_by", "is_leaders"), [(Source.REPORT, False), (Source.ANSWER, True)])
def test_ended_trader_is_replaced_in_its_slot(
    symbol: Symbol, exchange: ScriptedExchange, redis_client: "redis.Redis", told_by: Source, is_leaders: bool
) -> None:
    leader.fill_slots()
    buys(1, "3000", exchange)
    acting.wake(in_slot(1).pk, at("2900"), exchange)
    leader.fill_slots()
    first = Order.objects.get(side=Side.BUY)
    acting.hear(exchange.fill_all(first.client_order_id), Source.REPORT, exchange)
    buys(2, "2900", exchange)
    before = in_slot(2).pk
    assert ends(2, exchange, told_by) == is_leaders
    assert live() == ([1] if is_leaders else [1, 2])
    assert leader.fill_slots() == is_leaders
    assert live() == [1, 2]
    assert in_slot(2).pk != before
    # The next trade wakes it.
    keys = triggers.key_below("mock", "ETHUSDT"), triggers.key_above("mock", "ETHUSDT")
    (fired,) = triggers.fire(redis_client, [triggers.Seen(*keys, b"3000", b"3000", b"3000")])
    assert fired.others == [in_slot(2).pk]


@pytest.mark.parametrize(
    "change",
    [
        lambda: TradingSettings.objects.update(status=TradingStatus.OFF),
        lambda: TradingSettings.objects.update(strategy="gone"),
        lambda: Slot.objects.all().delete(),
        lambda: Switch.objects.update(venue=Venue.TESTNET),
    ],
)
def test_no_trader_follows_where_none_is_wanted(
    symbol: Symbol, exchange: ScriptedExchange, change: Callable[[], object]
) -> None:
    leader.fill_slots()
    buys(1, "3000", exchange)
    trader = in_slot(1)
    buy = Order.objects.get(trader=trader)
    acting.hear(exchange.fill_all(buy.client_order_id), Source.REPORT, exchange)
    change()
    sale = Order.objects.get(trader=trader, side=Side.SELL)
    assert acting.hear(exchange.fill_all(sale.client_order_id), Source.REPORT, exchange), "the leader decides"
    trader.refresh_from_db()
    assert trader.state == TraderState.FINISHED
    assert live() == []


def test_what_was_asked_before_a_crash_is_heard_after_it(symbol: Symbol, exchange: ScriptedExchange) -> None:
    leader.fill_slots()
    buys(1, "3000", exchange)
    acting.wake(in_slot(1).pk, at("2900"), exchange)
    # Nobody told the leader, and it was away; then two of them come at once.
    assert slots.open_requested_slots(Venue.MOCK) == 1
    assert slots.open_requested_slots(Venue.MOCK) == 0
    leader.fill_slots()
    assert live() == [1, 2]


@pytest.mark.skipif(
    "postgresql" not in settings.DATABASES["default"]["ENGINE"],
    reason="SQLite lets one write at a time, and its database in memory makes the others fail",
)
def test_leaders_side_by_side_open_one_slot_for_one_rebuy(symbol: Symbol, exchange: ScriptedExchange) -> None:
    leader.fill_slots()
    buys(1, "3000", exchange)
    acting.wake(in_slot(1).pk, at("2900"), exchange)
    start = threading.Barrier(4)

    def lead() -> None:
        try:
            start.wait()
            for _ in range(5):
                leader.fill_slots()
        finally:
            connection.close()

    threads = [threading.Thread(target=lead) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert live() == [1, 2]


@pytest.mark.parametrize("status", [TradingStatus.SHUTDOWN, TradingStatus.OFF])
def test_turned_off_nothing_follows_and_no_rebuy_is_heard(
    symbol: Symbol, exchange: ScriptedExchange, status: TradingStatus
) -> None:
    leader.fill_slots()
    buys(1, "3000", exchange)
    acting.wake(in_slot(1).pk, at("2900"), exchange)
    TradingSettings.objects.update(status=status)
    leader.fill_slots()
    assert live() == [1]
    assert not Slot.objects.exists()
    TradingSettings.objects.update(status=TradingStatus.ON)
    leader.fill_slots()
    assert live() == [1]


def test_sold_under_shutdown_ends_and_under_on_begins_anew(symbol: Symbol, exchange: ScriptedExchange) -> None:
    leader.fill_slots()
    buys(1, "3000", exchange)
    TradingSettings.objects.update(status=TradingStatus.SHUTDOWN)
    ends(1, exchange)
    assert leader.fill_slots() == 0
    assert live() == []
    assert TradingSettings.objects.get().status == TradingStatus.OFF
    TradingSettings.objects.update(status=TradingStatus.ON)
    leader.fill_slots()
    buys(1, "3000", exchange)
    ends(1, exchange)
    assert live() == [1]


def test_traders_that_wait_retire_under_shutdown(symbol: Symbol, exchange: ScriptedExchange) -> None:
    leader.fill_slots()
    waiting = in_slot(1)
    TradingSettings.objects.update(status=TradingStatus.SHUTDOWN)
    assert acting.wake(waiting.pk, at("3000"), exchange)
    waiting.refresh_from_db()
    assert waiting.state == TraderState.RETIRED
    assert exchange.placed == []


def test_turned_on_again_it_begins_with_one_beside_those_that_still_trade(
    symbol: Symbol, exchange: ScriptedExchange
) -> None:
    leader.fill_slots()
    buys(1, "3000", exchange)
    acting.wake(in_slot(1).pk, at("2900"), exchange)
    leader.fill_slots()
    buys(2, "2900", exchange)
    TradingSettings.objects.update(status=TradingStatus.OFF)
    leader.fill_slots()
    Trader.objects.filter(slot=1).update(finished_at=timezone.now(), state=TraderState.FINISHED)
    TradingSettings.objects.update(status=TradingStatus.ON)
    leader.fill_slots()
    assert live() == [2]


def test_switch_that_is_turned_begins_with_one_at_the_new_venue(symbol: Symbol, exchange: ScriptedExchange) -> None:
    leader.fill_slots()
    buys(1, "3000", exchange)
    acting.wake(in_slot(1).pk, at("2900"), exchange)
    leader.fill_slots()
    buys(2, "2900", exchange)
    Switch.objects.update(venue=Venue.TESTNET)
    leader.fill_slots()
    there = Trader.objects.filter(finished_at=None, venue=Venue.TESTNET).values_list("slot", flat=True)
    assert list(there) == [1]


def test_settings_that_no_trader_could_live_by_make_none_and_say_so(
    symbol: Symbol, caplog: pytest.LogCaptureFixture
) -> None:
    TradingSettings.objects.update(strategy="gone")
    assert leader.fill_slots() == 0
    assert "unknown strategy 'gone'" in caplog.text


def test_trader_whose_strategy_is_gone_says_so_and_does_nothing(symbol: Symbol, exchange: ScriptedExchange) -> None:
    leader.fill_slots()
    Trader.objects.update(strategy="gone")
    acting.wake(in_slot(1).pk, at("3000"), exchange)
    assert exchange.placed == []
    assert "unknown strategy 'gone'" in in_slot(1).waits_for
    Trader.objects.update(strategy="naive", retry_at=timezone.now())
    acting.wake(in_slot(1).pk, Recheck("look again"), exchange)
    acting.wake(in_slot(1).pk, at("3000"), exchange)
    assert len(exchange.placed) == 1


def test_abandoned_trader_is_replaced(symbol: Symbol, exchange: ScriptedExchange) -> None:
    leader.fill_slots()
    assert cycle_end.abandon(in_slot(1).pk, "anna")
    assert leader.fill_slots() == 1


# --- the queries say of sets what core says -------------------------------------------------------


def some(chance: Random) -> frozenset[int]:
    return frozenset(number for number in range(1, 6) if chance.random() < 0.4)


def make_slots(symbol: Symbol, has: core.Slots, is_on: bool, asking: int) -> int:
    """The rows of that; how many traders ask."""
    Trader.objects.all().delete()
    Slot.objects.all().delete()
    status = TradingStatus.ON if is_on else TradingStatus.OFF
    rebuy = "0.01" if has.begins_with_one else None
    give(TradingSettings.objects.filter(symbol=symbol), status=status, max_slots=has.max_slots, rebuy_interval=rebuy)
    settings = TradingSettings.objects.get(symbol=symbol)
    for number in has.open:
        Slot.objects.create(symbol=symbol, venue=Venue.MOCK, number=number, is_closed=number in has.closed)
    for number in has.taken:
        # They hold something: nobody ends them.
        asked = {"slot_requested_at": timezone.now()} if asking else {}
        Trader.born(settings, Venue.MOCK, number, state="HOLDING", holds=True, **asked)
        asking -= bool(asked)
    return Trader.objects.filter(slot_requested_at__isnull=False).count()


@pytest.mark.parametrize("seed", range(30))
def test_a_beat_of_the_leader_does_what_core_says(seed: int, symbol: Symbol) -> None:
    chance = Random(seed)
    has = core.Slots(chance.randint(1, 4), chance.random() < 0.7, some(chance), some(chance), some(chance))
    is_on = chance.random() < 0.8
    asking = make_slots(symbol, has, is_on, chance.randint(0, 2))
    filled = core.fill(has, is_on, asking)
    leader.fill_slots()
    assert set(Slot.objects.values_list("number", flat=True)) == filled.slots.open
    assert set(Trader.objects.values_list("slot", flat=True)) == has.taken | set(filled.births)
    assert Trader.objects.filter(slot_opened_at__isnull=False).count() == (filled.heard if is_on else asking)
