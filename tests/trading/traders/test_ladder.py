"""The ladder between traders: who buys, who rests, who is woken, whoever decides at the same moment."""

import threading
from decimal import Decimal as D

import pytest
import redis
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hedgehog_project.venues import Venue
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.settings import give
from tests.trading.conftest import make_symbol
from trading import leader
from trading.core.decisions import ANY_PRICE
from trading.core.events import Recheck, TradeSeen
from trading.core.journal import Kind, Source
from trading.core.orders import OrderStatus, Side
from trading.core.position import TraderState
from trading.models import JournalEntry, Leftover, Order, Slot, Symbol, Trader, symbols
from trading.models.symbols import Slots
from trading.risk import protections
from trading.traders import acting, cycle_end, looks

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]


@pytest.fixture
def symbol(db: None, redis_client: "redis.Redis") -> Symbol:
    """Three open slots with a trader each, a ladder step of 1 %, buys 0.1 % below the market."""
    made = make_symbol(max_slots=3)
    give(rebuy_interval=D("0.01"))
    for number in (1, 2, 3):
        Slot.objects.create(symbol=made, venue=Venue.MOCK, number=number)
    assert leader.fill_slots() == 3
    return made


def at(price: str) -> TradeSeen:
    return TradeSeen("ETHUSDT", 1, D(price), 0)


def in_slot(slot: int) -> Trader:
    return Trader.objects.get(slot=slot, finished_at=None)


def sees(slot: int, price: str, exchange: ScriptedExchange) -> Trader:
    acting.wake(in_slot(slot).pk, at(price), exchange)
    return in_slot(slot)


def fill(slot: int, side: Side, exchange: ScriptedExchange) -> None:
    order = Order.objects.get(trader=in_slot(slot), side=side, status__is_open=True)
    acting.hear(exchange.fill_all(order.client_order_id), Source.REPORT, exchange)


def buys() -> list[tuple[int, D]]:
    return list(Order.objects.filter(side=Side.BUY).order_by("pk").values_list("trader__slot", "price"))


def is_due(slot: int) -> bool:
    retry_at = in_slot(slot).retry_at
    return retry_at is not None and retry_at <= timezone.now()


def looks_again(slot: int, price: str, exchange: ScriptedExchange) -> Trader:
    """What the leader and the next trade do for a trader that is due."""
    assert is_due(slot)
    acting.wake(in_slot(slot).pk, Recheck(leader.DUE), exchange)
    assert in_slot(slot).wake_below in (ANY_PRICE, None)
    return sees(slot, price, exchange)


def test_slot_waits_a_step_below_a_buy_that_is_open(symbol: Symbol, exchange: ScriptedExchange) -> None:
    sees(1, "3000", exchange)
    second = sees(2, "3000", exchange)
    assert buys() == [(1, D("2997"))]
    assert second.state == TraderState.WAITING
    assert second.waits_for == (
        "ladder step, 1 %: slot 1's buy at 2997 is in the way, this slot buys at 2967.03 or below, "
        "or at 3027.28 or above as long as that has not filled"
    )
    assert second.wake_below is not None
    assert second.wake_above is not None
    assert second.wake_below.quantize(D("0.01")) == D("2970")
    assert second.wake_above.quantize(D("0.01")) == D("3030.31")
    assert second.retry_at is None


def test_it_buys_where_the_price_has_fallen_by_a_step(symbol: Symbol, exchange: ScriptedExchange) -> None:
    sees(1, "3000", exchange)
    fill(1, Side.BUY, exchange)
    trigger = sees(2, "2990", exchange).wake_below
    assert trigger is not None
    sees(2, str(trigger), exchange)
    assert buys() == [(1, D("2997")), (2, D("2967.03"))] or buys()[1][1] == D("2967.02")
    assert "slot 2's buy at" in sees(3, "2960", exchange).waits_for


def test_slot_that_has_sold_rests_until_its_ground_is_free(symbol: Symbol, exchange: ScriptedExchange) -> None:
    """What a rebuy has opened stays open: the next fall finds it waiting, and not in the market at any price."""
    sees(1, "3000", exchange)
    fill(1, Side.BUY, exchange)
    sees(2, "2960", exchange)
    fill(2, Side.BUY, exchange)
    fill(2, Side.SELL, exchange)
    assert sees(2, "2965", exchange).state == TraderState.BUYING
    assert Order.objects.latest("pk").price == D("2962.03")
    fill(2, Side.BUY, exchange)
    fill(2, Side.SELL, exchange)
    rests = sees(2, "2990", exchange)
    assert rests.waits_for.startswith(
        "ladder step, 1 %: slot 1's buy at 2997 is in the way, this slot buys at 2967.03 or below"
    )


def test_where_all_is_sold_a_slot_buys_near_the_market_again(symbol: Symbol, exchange: ScriptedExchange) -> None:
    sees(1, "3000", exchange)
    fill(1, Side.BUY, exchange)
    sees(2, "2960", exchange)  # It rests at 2957.04.
    sees(3, "2990", exchange)
    fill(1, Side.SELL, exchange)
    assert is_due(3)
    assert not is_due(1)
    sees(1, "3050", exchange)
    assert buys()[-1] == (1, D("3046.95"))
    rests = looks_again(3, "3050", exchange)
    assert "slot 1's buy at 3046.95" in rests.waits_for


def test_lowest_fill_counts_and_not_the_buy_s_own_price(symbol: Symbol, exchange: ScriptedExchange) -> None:
    """In a fall a buy fills below its price: the next one keeps its distance from there."""
    sees(1, "3000", exchange)
    order = Order.objects.get()
    report = exchange.fill_all(order.client_order_id)
    cheap = tuple(
        type(each)(**{**each.__dict__, "price": D("2900"), "quote": D("2900") * each.quantity})
        for each in report.fills
    )
    acting.hear(type(report)(**{**report.__dict__, "fills": cheap}), Source.REPORT, exchange)
    assert (
        "slot 1's buy at 2900 is in the way, this slot buys at 2871 or below" in sees(2, "2950", exchange).waits_for
    )


def test_all_together_as_it_was(symbol: Symbol, exchange: ScriptedExchange) -> None:
    give(slots=Slots.TOGETHER)
    for slot in (1, 2, 3):
        sees(slot, "3000", exchange)
    assert buys() == [(slot, D("2997")) for slot in (1, 2, 3)]


def test_without_a_ladder_step_all_buy_at_once(symbol: Symbol, exchange: ScriptedExchange) -> None:
    give(rebuy_interval=None)
    for trader in Trader.objects.all():
        cycle_end.retire(trader.pk, "anew")
    leader.fill_slots()
    for slot in (1, 2, 3):
        sees(slot, "3000", exchange)
    assert len(buys()) == 3


def test_other_symbols_and_ended_cycles_leave_the_ground_free(symbol: Symbol, exchange: ScriptedExchange) -> None:
    other = make_symbol("BTCUSDT")
    give(rebuy_interval=D("0.01"))
    leader.fill_slots()
    acting.wake(Trader.objects.get(symbol=other).pk, TradeSeen("BTCUSDT", 1, D("3000"), 0), exchange)
    Trader.objects.filter(symbol=other).update(slot=9)
    sees(1, "3000", exchange)
    fill(1, Side.BUY, exchange)
    fill(1, Side.SELL, exchange)
    assert sees(2, "3000", exchange).state == TraderState.BUYING


@pytest.mark.parametrize("how", ["rejected", "cancelled"])
def test_buy_that_comes_to_nothing_frees_the_ground(symbol: Symbol, exchange: ScriptedExchange, how: str) -> None:
    sees(1, "3000", exchange)
    sees(2, "3000", exchange)
    order = Order.objects.get()
    status = OrderStatus.CANCELED if how == "cancelled" else OrderStatus.EXPIRED
    acting.hear(exchange.end(order.client_order_id, status), Source.REPORT, exchange)
    assert looks_again(2, "3000", exchange).state == TraderState.BUYING
    assert buys()[-1] == (2, D("2997"))


def test_given_up_position_frees_the_ground(symbol: Symbol, exchange: ScriptedExchange) -> None:
    sees(1, "3000", exchange)
    fill(1, Side.BUY, exchange)
    sees(2, "3000", exchange)
    sale = Order.objects.get(side=Side.SELL)
    acting.hear(exchange.end(sale.client_order_id, OrderStatus.CANCELED), Source.REPORT, exchange)
    assert cycle_end.abandon(in_slot(1).pk, "anna")
    assert looks_again(2, "3000", exchange).state == TraderState.BUYING


def test_open_buy_whose_ground_is_gone_is_withdrawn(symbol: Symbol, exchange: ScriptedExchange) -> None:
    """As where something was taken over below it, or an order came to light late."""
    sees(1, "3000", exchange)
    second = in_slot(2)
    give(slots=Slots.TOGETHER)
    sees(2, "2990", exchange)  # rests at 2987.01
    give(slots=Slots.LADDER)
    fill(2, Side.BUY, exchange)
    assert is_due(1)
    acting.wake(in_slot(1).pk, Recheck(leader.DUE), exchange)
    withdrawn = Order.objects.get(trader=in_slot(1))
    assert withdrawn.status == OrderStatus.CANCELED
    assert withdrawn.cancel_reason == "ladder step, 1 %: slot 2's buy at 2987.01"
    assert JournalEntry.objects.filter(order=withdrawn, kind=Kind.CANCELLED).exists()
    rests = sees(1, "2990", exchange)
    assert "slot 2's buy at 2987.01 is in the way, this slot buys at 2957.13 or below" in rests.waits_for
    assert second.pk == in_slot(2).pk


def test_open_buy_on_its_ground_stays(symbol: Symbol, exchange: ScriptedExchange) -> None:
    sees(1, "3000", exchange)
    sees(2, "2960", exchange)
    fill(1, Side.BUY, exchange)
    assert not is_due(2)
    acting.wake(in_slot(2).pk, Recheck(leader.DUE), exchange)
    assert Order.objects.get(trader=in_slot(2)).status == OrderStatus.NEW


def test_only_a_buy_asks_for_the_others(
    symbol: Symbol, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One question more where a buy is placed, one where it has filled, and one at the end of the cycle."""
    for module, name in ((symbols, "FILTERS_KEPT_S"), (protections, "KEPT_S")):
        monkeypatch.setattr(module, name, 3600.0)  # However slow the machine is.
    counts = []
    for way in (Slots.TOGETHER, Slots.LADDER):
        give(slots=way)
        for warm in (True, False):  # The first cycle builds SQL, and reads what is kept.
            Leftover.objects.all().delete()
            with CaptureQueriesContext(connection) as queries:
                sees(1, "3000", exchange)
                fill(1, Side.BUY, exchange)
                fill(1, Side.SELL, exchange)
            if not warm:
                counts.append(len(queries))
    is_postgres = connection.vendor == "postgresql"  # It locks the symbol's row.
    assert counts[1] == counts[0] + 3 + is_postgres, counts


@pytest.mark.skipif(
    "postgresql" not in settings.DATABASES["default"]["ENGINE"],
    reason="SQLite lets one write at a time, and its database in memory makes the others fail",
)
@pytest.mark.parametrize("attempt", range(5))
def test_two_that_decide_at_the_same_moment_keep_their_distance(
    symbol: Symbol, monkeypatch: pytest.MonkeyPatch, attempt: int
) -> None:
    """Each has decided to buy before the other has saved anything."""
    think, decided = looks.think, threading.Barrier(3, timeout=20)
    first_looks: set[int] = set()

    def together(snapshot: looks.Snapshot) -> looks.Thought:
        thought = think(snapshot)
        if snapshot.trader.pk not in first_looks and snapshot.trader.state == TraderState.WAITING:
            first_looks.add(snapshot.trader.pk)
            decided.wait()
        return thought

    monkeypatch.setattr(looks, "think", together)
    exchange = ScriptedExchange()
    pks = list(Trader.objects.values_list("pk", flat=True))

    def decide(pk: int) -> None:
        try:
            acting.wake(pk, at("3000"), exchange)
        finally:
            connection.close()

    threads = [threading.Thread(target=decide, args=(pk,)) for pk in pks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(first_looks) == 3
    assert len(buys()) == 1
    assert Trader.objects.filter(state=TraderState.WAITING, waits_for__startswith="ladder step").count() == 2
