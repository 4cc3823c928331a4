"""The leader: wanted traders exist, once each, and nobody is forgotten."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import redis
from celery import current_app
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hedgehog_project import shared_clock
from hedgehog_project.queues import ENQUEUED_AT, ENTRIES, EXITS, OF_USE_S, STALE_S
from hedgehog_project.venues import Venue
from streamer.models import StreamedSymbol
from streamer.topics import TradeEvent, encode_trade, trade_topic
from tests.support.exchanges.scripted_exchange import ScriptedExchange, answer_lost
from tests.support.rows import make_order
from tests.support.settings import give
from tests.trading.conftest import make_symbol
from trading import leader
from trading.core.events import TradeSeen
from trading.core.money import plain
from trading.core.strategy import ANY_PRICE, TraderState
from trading.models import Listing, Order, Switch, Symbol, Trader, TradingSettings
from trading.models.symbols import TradingStatus
from trading.symbols import listings, refreshing
from trading.symbols.listings import FRESH_WHILE_HALTED
from trading.traders import acting
from trading.waking import enqueue, triggers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]

TRADE = TradeSeen("ETHUSDT", 1, Decimal(3000), 0)


@pytest.fixture(autouse=True)
def wake_ups(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """The tasks that were queued."""
    fired: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(current_app, "send_task", lambda task, kwargs, **options: fired.append((task, kwargs)))
    return fired


Sent = tuple[str, dict[str, Any]]


def fired(wake_ups: list[Sent], task: str) -> list[Any]:
    return [
        kwargs.get("order") or kwargs.get("trader") for name, kwargs in wake_ups if name == f"trading.tasks.{task}"
    ]


def publish_price(client: "redis.Redis", price: str, name: str = "ETHUSDT") -> None:
    now_ms = round(timezone.now().timestamp() * 1000)
    event = TradeEvent(name, 1, price, "1", now_ms, now_ms, False)
    client.xadd(trade_topic("mock", name), {"t": encode_trade(event)}, id="1-0")


def test_every_slot_of_every_symbol_that_is_on_gets_its_trader(symbol: Symbol) -> None:
    make_symbol("BTCUSDT", max_slots=3)
    TradingSettings.objects.filter(symbol=make_symbol("XRPUSDT")).update(status=TradingStatus.OFF)
    assert leader.fill_slots() == 4
    assert leader.fill_slots() == 0
    live = Trader.objects.values_list("symbol__name", "slot").order_by("symbol__name", "slot")
    assert list(live) == [("BTCUSDT", 1), ("BTCUSDT", 2), ("BTCUSDT", 3), ("ETHUSDT", 1)]


def test_new_trader_takes_its_share_and_settings_and_waits_for_the_next_price(
    symbol: Symbol, redis_client: "redis.Redis"
) -> None:
    TradingSettings.objects.update(max_slots=3, budget=Decimal(100))
    leader.fill_slots()
    give(profit_interval=Decimal("0.5"))
    trader = Trader.objects.get(slot=1)
    assert (trader.budget, trader.strategy_settings["profit_interval"]) == (Decimal("33.33333333"), "0.001")
    assert redis_client.zscore(triggers.key_below("mock", "ETHUSDT"), str(trader.pk)) == float(ANY_PRICE)


def test_finished_trader_is_replaced_in_its_slot(trader: Trader) -> None:
    assert leader.fill_slots() == 0
    Trader.objects.update(finished_at=timezone.now(), state=TraderState.FINISHED, profit=Decimal(1))
    assert leader.fill_slots() == 1
    assert Trader.objects.filter(slot=1).count() == 2


def test_traders_without_orders_retire_when_nobody_wants_them(symbol: Symbol, exchange: ScriptedExchange) -> None:
    TradingSettings.objects.update(max_slots=3)
    leader.fill_slots()
    with_order = Trader.objects.get(slot=2)
    acting.wake(with_order.pk, TRADE, exchange)
    TradingSettings.objects.update(status=TradingStatus.OFF)
    leader.fill_slots()
    assert list(Trader.objects.filter(finished_at=None)) == [with_order]
    assert set(Trader.objects.exclude(pk=with_order.pk).values_list("state", flat=True)) == {TraderState.RETIRED}


def test_turned_switch_concerns_new_traders_only(symbol: Symbol, exchange: ScriptedExchange) -> None:
    TradingSettings.objects.update(max_slots=2)
    leader.fill_slots()
    stays = Trader.objects.get(slot=1)
    acting.wake(stays.pk, TRADE, exchange)
    Switch.objects.update(venue=Venue.TESTNET)
    leader.fill_slots()
    live = set(Trader.objects.filter(finished_at=None).values_list("venue", "slot"))
    assert live == {("mock", 1), ("testnet", 1), ("testnet", 2)}
    refreshing.follow_the_switch()
    assert StreamedSymbol.objects.filter(market="testnet", symbol="ETHUSDT", is_on=True).exists()


def test_order_that_stays_unclear_is_asked_about(
    trader: Trader, exchange: ScriptedExchange, wake_ups: list[Sent]
) -> None:
    exchange.after.append(answer_lost)
    acting.wake(trader.pk, TRADE, exchange)
    order = Order.objects.get()
    leader.ask_about_stuck_orders(timezone.now())
    assert fired(wake_ups, "ask") == []
    soon = timezone.now() + leader.STUCK_AFTER + timedelta(milliseconds=1)
    leader.ask_about_stuck_orders(soon)
    assert fired(wake_ups, "ask") == [order.pk]


def test_due_and_forgotten_traders_are_nudged(trader: Trader, wake_ups: list[Sent]) -> None:
    now = timezone.now()
    Trader.objects.update(wake_below=ANY_PRICE)
    leader.recheck_due(now)
    assert fired(wake_ups, "nudge") == []
    Trader.objects.update(wake_below=None)
    leader.recheck_due(now)
    Trader.objects.update(retry_at=now)
    leader.recheck_due(now)
    Trader.objects.update(retry_at=now + timedelta(seconds=9))
    leader.recheck_due(now)
    assert fired(wake_ups, "nudge") == [trader.pk, trader.pk]


def test_nobody_is_checked_again_while_the_workers_are_behind(
    trader: Trader, redis_client: "redis.Redis", wake_ups: list[Sent]
) -> None:
    def wait(count: int, age_s: float) -> None:
        task = json.dumps({"headers": {ENQUEUED_AT: shared_clock.now() - age_s}})
        redis_client.delete(ENTRIES)
        redis_client.rpush(ENTRIES, *[task] * count)

    for count, age_s, nudged in ((enqueue.MANY + 1, 0, 0), (1, enqueue.BEHIND_S + 0.1, 0), (enqueue.MANY, 0, 1)):
        wait(count, age_s)
        leader.lead()
        assert fired(wake_ups, "nudge") == [trader.pk] * nudged, (count, age_s)


def test_a_trader_with_a_position_is_checked_in_the_queue_of_exits_whatever_waits_for_entries(
    trader: Trader, redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    queues: list[str] = []
    triggers.rebuild(redis_client, [], "mock")
    monkeypatch.setattr(current_app, "send_task", lambda name, queue=None, **_: queues.append(queue))
    leader.recheck_due(timezone.now())
    Trader.objects.update(holds=True)
    leader.recheck_due(timezone.now())
    redis_client.zadd(triggers.FIRED, {str(trader.pk): 1.0})
    leader.enqueue_again()
    assert queues == [ENTRIES, EXITS, EXITS]
    queues.clear()
    redis_client.rpush(ENTRIES, *range(enqueue.MANY + 1))
    leader.lead()
    assert set(queues) == {EXITS}
    queues.clear()
    redis_client.rpush(EXITS, *range(enqueue.MANY + 1))
    leader.lead()
    assert queues == []


def test_nobody_begins_while_stops_wait_for_their_turn(symbol: Symbol, redis_client: "redis.Redis") -> None:
    redis_client.rpush(EXITS, "a stop")
    leader.lead()
    assert not Trader.objects.exists()
    redis_client.delete(EXITS)
    leader.lead()
    assert Trader.objects.count() == 1


def test_trader_with_an_open_order_is_left_in_peace(
    trader: Trader, exchange: ScriptedExchange, wake_ups: list[Sent]
) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    leader.lead()
    assert fired(wake_ups, "nudge") == []


def test_task_that_was_not_processed_is_queued_again(
    trader: Trader,
    redis_client: "redis.Redis",
    wake_ups: list[Sent],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leader, "UNHEARD_S", -1.0)
    redis_client.zadd(triggers.FIRED, {str(trader.pk): 1.0, "999": 1.0})
    leader.enqueue_again()
    assert fired(wake_ups, "nudge") == [trader.pk]
    assert triggers.fired_before(redis_client, -1) == [trader.pk]


def test_however_many_tasks_were_not_processed_each_trader_is_queued_again(
    trader: Trader, redis_client: "redis.Redis", wake_ups: list[Sent], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query of 300,000 values fails on both databases: then none would be queued again."""
    monkeypatch.setattr(leader, "UNHEARD_S", -1.0)
    members = {str(pk): float(pk) for pk in range(1_000_001, 1_300_001)}
    redis_client.zadd(triggers.FIRED, {**members, str(trader.pk): 9e6})
    leader.enqueue_again()
    assert fired(wake_ups, "nudge") == [trader.pk]
    assert triggers.fired_before(redis_client, -1) == [trader.pk]


def test_stop_whose_task_was_not_processed_is_woken_by_the_newest_price(
    trader: Trader, redis_client: "redis.Redis", wake_ups: list[Sent]
) -> None:
    """A look that brings no price would decide nothing, and wait for a trade that a quiet market never makes."""
    publish_price(redis_client, "2790")
    Trader.objects.update(holds=True, wake_below=Decimal(2850), wake_above=None)
    redis_client.zadd(triggers.FIRED, {str(trader.pk): 1.0})
    leader.enqueue_again()
    assert fired(wake_ups, "wake") == [trader.pk]
    assert wake_ups[-1][1]["trade"]["price"] == "2790"
    assert fired(wake_ups, "nudge") == []
    leader.enqueue_again()
    assert len(fired(wake_ups, "wake")) == 1, "not each second: it may be waiting in the queue"
    Trader.objects.update(wake_below=Decimal(2700))
    redis_client.zadd(triggers.FIRED, {str(trader.pk): 1.0})
    leader.enqueue_again()
    assert fired(wake_ups, "nudge") == [trader.pk], "the market is not there any more"


def test_stop_that_was_armed_after_the_market_had_crossed_it_needs_no_other_trade(
    trader: Trader, redis_client: "redis.Redis", wake_ups: list[Sent]
) -> None:
    publish_price(redis_client, "2790")
    now = timezone.now() + timedelta(minutes=5)
    Trader.objects.update(holds=False, wake_below=Decimal(2850), armed_at=now - timedelta(minutes=1))
    leader.rearm_sleepers(now)
    assert fired(wake_ups, "wake") == [], "who would buy waits for the next trade"
    Trader.objects.update(holds=True)
    leader.rearm_sleepers(now, {EXITS})
    assert fired(wake_ups, "wake") == []
    leader.rearm_sleepers(now)
    leader.rearm_sleepers(now)
    assert fired(wake_ups, "wake") == [trader.pk]


def test_a_wake_is_of_use_for_as_long_as_it_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, float] = {}
    monkeypatch.setattr(
        current_app, "send_task", lambda task, kwargs, queue, headers, **_: told.update({queue: headers[OF_USE_S]})
    )
    enqueue.wake(1, "ETHUSDT", TRADE)
    enqueue.wake(1, "ETHUSDT", TRADE, EXITS)
    assert told == {ENTRIES: STALE_S, EXITS: STALE_S}


def test_emptied_redis_gets_its_triggers_back_and_the_books_are_compared(
    symbol: Symbol, redis_client: "redis.Redis", wake_ups: list[Sent]
) -> None:
    leader.fill_slots()
    redis_client.flushall()
    leader.watch_triggers()
    assert redis_client.zcard(triggers.key_below("mock", "ETHUSDT")) == 1
    assert ("trading.tasks.reconcile", {"venue": "mock", "entry": None}) in wake_ups


def test_traders_that_have_ended_are_taken_out_of_redis_each_minute(
    trader: Trader, redis_client: "redis.Redis", wake_ups: list[Sent]
) -> None:
    """Seventy-nine of them were left there after some hundred cycles."""
    triggers.set_trigger(redis_client, triggers.Trigger(trader.pk, "mock", "ETHUSDT", ANY_PRICE, version=1))
    for ended in range(trader.pk + 1, trader.pk + 80):
        triggers.set_trigger(redis_client, triggers.Trigger(ended, "mock", "ETHUSDT", ANY_PRICE, version=1))
    leader.lead()
    assert redis_client.hkeys(triggers.VERSIONS) == [str(trader.pk).encode()]
    assert redis_client.zcard(triggers.key_below("mock", "ETHUSDT")) == 1
    triggers.set_trigger(redis_client, triggers.Trigger(trader.pk + 100, "mock", "ETHUSDT", ANY_PRICE, version=1))
    leader.lead()
    assert redis_client.hlen(triggers.VERSIONS) == 2
    redis_client.delete("triggers:pruned")
    leader.lead()
    assert redis_client.hlen(triggers.VERSIONS) == 1


def test_trigger_that_redis_lost_is_armed_anew_when_the_price_is_past_it(
    trader: Trader, redis_client: "redis.Redis"
) -> None:
    key = triggers.key_below("mock", "ETHUSDT")
    publish_price(redis_client, "3000")
    Trader.objects.update(wake_below=Decimal(2999))
    assert leader.rearm_sleepers(timezone.now()) == 0
    Trader.objects.update(wake_below=Decimal(3000))
    assert leader.rearm_sleepers(timezone.now()) == 1
    assert redis_client.zscore(key, str(trader.pk)) == 3000.0


def test_trader_whose_task_still_waits_is_not_armed_for_another(trader: Trader, redis_client: "redis.Redis") -> None:
    publish_price(redis_client, "3000")
    Trader.objects.update(wake_below=Decimal(3000))
    redis_client.zadd(triggers.FIRED, {str(trader.pk): 1.0})
    assert leader.rearm_sleepers(timezone.now()) == 0
    assert redis_client.zscore(triggers.FIRED, str(trader.pk)) == 1.0
    redis_client.delete(triggers.FIRED)
    assert leader.rearm_sleepers(timezone.now()) == 1


def test_resting_order_that_the_market_has_passed_is_asked_about_again_and_again(
    trader: Trader,
    exchange: ScriptedExchange,
    redis_client: "redis.Redis",
    wake_ups: list[Sent],
) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    order = Order.objects.get()
    now = timezone.now()
    Order.objects.update(submitted_at=now - leader.UNHEARD - timedelta(seconds=1))
    publish_price(redis_client, plain(order.price))
    leader.ask_about_passed_orders(now)
    assert fired(wake_ups, "ask") == []  # The market has only reached it: others may be ahead in the book.
    redis_client.flushall()
    publish_price(redis_client, plain(order.price - 1))
    leader.ask_about_passed_orders(now)
    Order.objects.update(asked_at=now)
    leader.ask_about_passed_orders(now)
    leader.ask_about_passed_orders(now + leader.UNHEARD + timedelta(milliseconds=1))
    assert fired(wake_ups, "ask") == [order.pk, order.pk]


def test_order_that_is_younger_than_the_last_trade_is_left_in_peace(
    trader: Trader,
    exchange: ScriptedExchange,
    redis_client: "redis.Redis",
    wake_ups: list[Sent],
) -> None:
    publish_price(redis_client, "1")
    acting.wake(trader.pk, TRADE, exchange)
    leader.ask_about_passed_orders(timezone.now() + timedelta(minutes=1))
    assert fired(wake_ups, "ask") == []


@pytest.mark.parametrize(("status", "asked"), [("TRADING", []), ("HALT", ["ETHUSDT"])])
def test_symbol_that_is_halted_is_asked_about_again_soon(
    symbol: Symbol, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch, status: str, asked: list[str]
) -> None:
    told: list[str] = []
    monkeypatch.setattr(listings, "refresh", lambda symbol, venue, exchange: told.append(symbol.name))
    TradingSettings.objects.update(status=TradingStatus.ON)
    Listing.objects.update(status=status, refreshed_at=timezone.now())
    refreshing.refresh_listings(exchange)
    assert told == []
    Listing.objects.update(refreshed_at=timezone.now() - FRESH_WHILE_HALTED)
    refreshing.refresh_listings(exchange)
    assert told == asked


def test_beat_asks_the_database_as_often_with_many_symbols_as_with_one(redis_client: "redis.Redis") -> None:
    def asked(names: list[str]) -> int:
        for name in names:
            TradingSettings.objects.filter(symbol=make_symbol(name, max_slots=2)).update(status=TradingStatus.ON)
        leader.fill_slots()
        long_ago = timezone.now() - timedelta(minutes=1)
        for trader in Trader.objects.filter(orders=None):
            # Halves of each: resting far from the market, or waiting for a price that does not come.
            if trader.slot == 1:
                make_order(trader, price=Decimal(1), submitted_at=long_ago)
            Trader.objects.filter(pk=trader.pk).update(
                state=TraderState.BUYING, wake_below=None if trader.slot == 1 else Decimal(1), armed_at=long_ago
            )
        for name in names:
            publish_price(redis_client, "3000", name)
        leader.lead()
        with CaptureQueriesContext(connection) as queries:
            leader.lead()
        return len(queries)

    assert asked(["ETHUSDT"]) == asked([f"A{number}USDT" for number in range(20)])
