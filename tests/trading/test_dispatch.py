"""Which events become tasks, on a real Redis: only what concerns a trader, and nothing that is lost by a death."""

import json
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import redis
from celery import current_app
from django.db import OperationalError

from hedgehog_project.queues import ENTRIES, EXITS
from hedgehog_project.redis import new_client
from streamer.topics import TradeEvent, encode_trade, report_topic, trade_topic
from trading import dispatch
from trading.core.strategy import ANY_PRICE
from trading.dispatch import GROUP, Dispatcher
from trading.models import Order, Trader
from trading.waking import triggers
from trading.waking.triggers import Trigger, set_trigger

MARKETS = {"mock": ["ETHUSDT", "BTCUSDT"]}


class WakeUps(list[tuple[str, dict[str, Any]]]):
    """The tasks that were queued."""

    def of(self, task: str) -> list[dict[str, Any]]:
        return [kwargs for name, kwargs in self if name == f"trading.tasks.{task}"]

    @property
    def woken(self) -> list[int]:
        return sorted(kwargs["trader"] for kwargs in self.of("wake"))


@pytest.fixture
def wake_ups(monkeypatch: pytest.MonkeyPatch) -> WakeUps:
    fired = WakeUps()

    def send_task(task: str, kwargs: dict[str, Any], **options: Any) -> None:
        fired.append((task, kwargs))

    monkeypatch.setattr(current_app, "send_task", send_task)
    return fired


@pytest.fixture
def dispatcher(
    redis_client: "redis.Redis", wake_ups: WakeUps, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Dispatcher]:
    monkeypatch.setattr(dispatch, "BLOCK_MS", 10)
    monkeypatch.setattr(dispatch, "TAKE_OVER_MS", 0)
    yield made("one")


def made(name: str) -> Dispatcher:
    consumer = Dispatcher(new_client(), name)
    consumer.listen_to(MARKETS, ["mock"])
    return consumer


def publish(client: "redis.Redis", trade_id: int, price: str, symbol: str = "ETHUSDT") -> None:
    event = TradeEvent(symbol, trade_id, price, "1", 1000 + trade_id, 1000 + trade_id, False)
    client.xadd(trade_topic("mock", symbol), {"t": encode_trade(event)}, id=f"{trade_id}-0")


def report(client: "redis.Redis", order: str = "hh-1-b-1", kind: str = "executionReport", **fields: Any) -> str:
    data = {"e": kind, "s": "ETHUSDT", "c": order, "C": "", **fields}
    return str(client.xadd(report_topic("mock"), {"kind": "event", "data": json.dumps(data)}), "utf-8")  # type: ignore[arg-type]


def order_of(trader: Trader, **values: Any) -> Order:
    return Order.objects.create(
        trader=trader,
        symbol=trader.symbol,
        venue=trader.venue,
        side="BUY",
        price=Decimal(2997),
        quantity=Decimal("0.0667"),
        client_order_id=f"hh-{trader.pk}-b-1",
        **values,
    )


def arm(
    client: "redis.Redis",
    trader: int,
    below: Decimal | None,
    symbol: str = "ETHUSDT",
    above: Decimal | None = None,
) -> None:
    set_trigger(client, Trigger(trader, "mock", symbol, below, above=above))


def fire_at_3000(client: "redis.Redis") -> list[int]:
    keys = triggers.key_below("mock", "ETHUSDT"), triggers.key_above("mock", "ETHUSDT")
    fired = triggers.fire(client, [triggers.Seen(*keys, b"3000", b"3000", b"3000")])
    return [trader for each in fired for trader in each.others]


def test_tick_that_crosses_no_trigger_rings_nobody(
    dispatcher: Dispatcher, redis_client: "redis.Redis", wake_ups: WakeUps
) -> None:
    arm(redis_client, 1, Decimal("2999.99"))
    publish(redis_client, 1, "3000")
    assert dispatcher.step() == 1
    assert wake_ups == []
    assert dispatcher.counts.trades == 1


def test_only_traders_whose_trigger_is_reached_are_woken(
    dispatcher: Dispatcher, redis_client: "redis.Redis", wake_ups: WakeUps
) -> None:
    for trader, below in enumerate(("3001", "3000", "2999.99", "2000"), start=1):
        arm(redis_client, trader, Decimal(below))
    arm(redis_client, 9, ANY_PRICE, "BTCUSDT")
    publish(redis_client, 7, "3000")
    dispatcher.step()
    assert wake_ups.woken == [1, 2]
    told = wake_ups.of("wake")[0]["trade"]
    assert told.pop("age_s") > 0
    assert told == {"trade_id": 7, "price": "3000", "at_ms": 1007}
    assert wake_ups.of("wake")[0]["symbol"] == "ETHUSDT"


def test_whoever_wants_the_next_price_gets_the_newest_of_a_batch(
    dispatcher: Dispatcher, redis_client: "redis.Redis", wake_ups: WakeUps
) -> None:
    arm(redis_client, 1, ANY_PRICE)
    arm(redis_client, 2, Decimal(2900))
    for trade_id, price in enumerate(("3000", "2890", "3010"), start=1):
        publish(redis_client, trade_id, price)
    dispatcher.step()
    assert {kwargs["trader"]: kwargs["trade"]["price"] for kwargs in wake_ups.of("wake")} == {1: "3010", 2: "2890"}


def test_price_at_or_over_a_trigger_above_wakes_its_trader(
    dispatcher: Dispatcher, redis_client: "redis.Redis", wake_ups: WakeUps
) -> None:
    for trader, above in enumerate(("2999", "3000", "3000.01"), start=1):
        arm(redis_client, trader, None, above=Decimal(above))
    publish(redis_client, 1, "3000")
    dispatcher.step()
    assert wake_ups.woken == [1, 2]
    publish(redis_client, 2, "3005")
    publish(redis_client, 3, "2990")
    dispatcher.step()
    assert wake_ups.woken == [1, 2, 3]
    assert wake_ups.of("wake")[-1]["trade"]["price"] == "3005"


def test_trader_with_triggers_on_both_sides_is_woken_once_by_whichever_comes_first(
    dispatcher: Dispatcher, redis_client: "redis.Redis", wake_ups: WakeUps
) -> None:
    arm(redis_client, 1, Decimal(2990), above=Decimal(3010))
    publish(redis_client, 1, "3000")
    dispatcher.step()
    assert wake_ups.woken == []
    publish(redis_client, 2, "2989")
    publish(redis_client, 3, "3011")
    dispatcher.step()
    assert wake_ups.woken == [1]
    assert wake_ups.of("wake")[0]["trade"]["price"] == "3011"
    for key in (triggers.key_below("mock", "ETHUSDT"), triggers.key_above("mock", "ETHUSDT")):
        assert redis_client.zcard(key) == 0


def test_trader_is_woken_once_until_it_is_heard(
    dispatcher: Dispatcher, redis_client: "redis.Redis", wake_ups: WakeUps
) -> None:
    arm(redis_client, 1, ANY_PRICE)
    for trade_id in (1, 2, 3):
        publish(redis_client, trade_id, "3000")
        dispatcher.step()
    assert wake_ups.woken == [1]
    assert triggers.fired_before(redis_client, -1) == [1]
    arm(redis_client, 1, ANY_PRICE)
    assert triggers.fired_before(redis_client, -1) == []
    publish(redis_client, 4, "3000")
    dispatcher.step()
    assert wake_ups.woken == [1, 1]


def test_more_crossed_traders_than_one_round_trip_holds_are_all_woken(
    dispatcher: Dispatcher, redis_client: "redis.Redis", wake_ups: WakeUps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "MAX_FIRED", 7)
    for trader in range(1, 31):
        arm(redis_client, trader, ANY_PRICE)
    publish(redis_client, 1, "3000")
    dispatcher.step()
    assert wake_ups.woken == list(range(1, 31))


def test_batches_of_several_symbols_wake_each_with_its_own_price_and_exits_in_their_queue(
    dispatcher: Dispatcher, redis_client: "redis.Redis", wake_ups: WakeUps
) -> None:
    arm(redis_client, 1, Decimal(2990))
    arm(redis_client, 2, None, "BTCUSDT", above=Decimal(91000))
    set_trigger(redis_client, Trigger(3, "mock", "BTCUSDT", Decimal(89000), holds=True))
    arm(redis_client, 4, Decimal(80000), "BTCUSDT")
    publish(redis_client, 1, "2990")
    for trade_id, price in enumerate(("89000", "91000", "89000", "90000"), start=1):
        publish(redis_client, trade_id, price, "BTCUSDT")
    assert dispatcher.step() == 5
    told = {kwargs["trader"]: (kwargs["symbol"], kwargs["trade"]["trade_id"]) for kwargs in wake_ups.of("wake")}
    assert told == {1: ("ETHUSDT", 1), 2: ("BTCUSDT", 2), 3: ("BTCUSDT", 3)}, "the newest of equal prices"
    assert dispatcher.counts.woken == 3


@pytest.mark.parametrize(
    ("cpu_s", "batch", "rest_s"),
    [
        (0.00001, 500, dispatch.PACE_S),
        (0.0005, 500, 0.0005 / dispatch.SHARE),
        (0.1, 500, dispatch.MAX_PACE_S),
        (0.1, 1, 0.0),
    ],
)
def test_what_costs_more_is_read_less_often_unless_more_waits(
    dispatcher: Dispatcher,
    redis_client: "redis.Redis",
    monkeypatch: pytest.MonkeyPatch,
    cpu_s: float,
    batch: int,
    rest_s: float,
) -> None:
    cpu = iter((1.0, 1.0 + cpu_s))
    monkeypatch.setattr(time, "thread_time", lambda: next(cpu))
    monkeypatch.setattr(dispatch, "BATCH", batch)
    publish(redis_client, 1, "3000")
    before = time.monotonic()
    dispatcher.step()
    assert before <= dispatcher._next_at - rest_s <= time.monotonic()


def test_what_a_dead_dispatcher_read_is_taken_over(
    dispatcher: Dispatcher, redis_client: "redis.Redis", wake_ups: WakeUps, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = made("dead")
    publish(redis_client, 1, "3000")
    report(redis_client)
    monkeypatch.setattr(dead, "_handle", lambda batches: None)
    monkeypatch.setattr(dead, "_handle_reports", lambda topic, entries: None)
    assert dead.step() == 2
    arm(redis_client, 1, ANY_PRICE)
    assert dispatcher.step() == 0
    assert dispatcher.take_over() == 2
    assert wake_ups.woken == [1]
    assert len(wake_ups.of("report")) == 1


def test_report_is_queued_again_until_it_is_booked(
    dispatcher: Dispatcher, redis_client: "redis.Redis", wake_ups: WakeUps
) -> None:
    entry = report(redis_client)
    dispatcher.step()
    dispatcher.take_over()
    assert [kwargs["entry"] for kwargs in wake_ups.of("report")] == [entry, entry]
    dispatch.acknowledge(redis_client, "mock", entry)
    assert dispatcher.take_over() == 0


def test_trades_are_acknowledged_once_handed_on(dispatcher: Dispatcher, redis_client: "redis.Redis") -> None:
    publish(redis_client, 1, "3000")
    dispatcher.step()
    dispatcher.flush()
    assert redis_client.xpending(trade_topic("mock", "ETHUSDT"), GROUP)["pending"] == 0


@pytest.mark.parametrize(
    ("fields", "is_ours"),
    [
        ({"order": "hh-1-b-1"}, True),
        ({"order": "cancel-id", "C": "hh-1-b-1"}, True),
        ({"order": "web_123"}, False),
        ({"kind": "outboundAccountPosition"}, False),
    ],
)
def test_only_reports_of_own_orders_become_tasks(
    dispatcher: Dispatcher, redis_client: "redis.Redis", wake_ups: WakeUps, fields: dict[str, str], is_ours: bool
) -> None:
    report(redis_client, **fields)
    dispatcher.step()
    assert len(wake_ups.of("report")) == is_ours
    dispatcher.flush()
    assert redis_client.xpending(report_topic("mock"), GROUP)["pending"] == is_ours


def test_transfer_becomes_a_task_until_it_is_recorded(
    dispatcher: Dispatcher, redis_client: "redis.Redis", wake_ups: WakeUps
) -> None:
    entry = report(redis_client, kind="balanceUpdate")
    dispatcher.step()
    dispatcher.take_over()
    assert [kwargs["entry"] for kwargs in wake_ups.of("transfer")] == [entry, entry]
    dispatch.acknowledge(redis_client, "mock", entry)
    assert dispatcher.take_over() == 0


def new_order(client: "redis.Redis", row: Order, **fields: Any) -> str:
    amounts = {"p": "2997", "q": "0.0667", "z": "0"}
    facts = {"x": "NEW", "X": "NEW", "i": 5, "S": "BUY", "T": 1, "r": "NONE"}
    return report(client, row.client_order_id, **{**amounts, **facts, **fields})


@pytest.mark.parametrize(
    ("status", "fields", "is_handed_on"),
    [
        ("NEW", {}, False),
        ("FILLED", {}, False),
        ("SUBMITTING", {}, True),
        ("NOT_PLACED", {}, True),
        ("NEW", {"x": "CANCELED", "X": "CANCELED"}, True),
        ("NEW", {"q": "NaN"}, True),
    ],
)
def test_report_of_a_new_order_becomes_a_task_only_if_its_row_does_not_say_the_same_soon(
    dispatcher: Dispatcher,
    redis_client: "redis.Redis",
    wake_ups: WakeUps,
    trader: Trader,
    status: str,
    fields: dict[str, Any],
    is_handed_on: bool,
) -> None:
    row = order_of(
        trader, exchange_order_id=None if status in ("SUBMITTING", "NOT_PLACED") else 5, status="SUBMITTING"
    )
    entry = new_order(redis_client, row, **fields)
    dispatcher.step()
    assert len(wake_ups.of("report")) == bool(fields), "only a new order's report waits for the answer"
    # The answer is booked meanwhile.
    Order.objects.filter(pk=row.pk).update(status=status)
    give_up = time.monotonic() + 5
    while dispatcher._held and time.monotonic() < give_up:
        dispatcher.step()
    dispatcher.flush()
    assert [kwargs["entry"] for kwargs in wake_ups.of("report")] == [entry] * is_handed_on
    assert redis_client.xpending(report_topic("mock"), GROUP)["pending"] == is_handed_on


def test_report_of_an_unknown_new_order_is_handed_on(
    dispatcher: Dispatcher, redis_client: "redis.Redis", wake_ups: WakeUps, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "HELD_S", 0.0)
    new_order(redis_client, Order(client_order_id="hh-1-b-9"))
    dispatcher.step()
    assert len(wake_ups.of("report")) == 1


def test_reports_are_handed_on_while_the_database_is_away(
    dispatcher: Dispatcher,
    redis_client: "redis.Redis",
    wake_ups: WakeUps,
    trader: Trader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(dispatch, "HELD_S", 0.0)
    monkeypatch.setattr(dispatch.Order.objects, "filter", away)
    new_order(redis_client, order_of(trader, exchange_order_id=5, status="NEW"))
    dispatcher.step()
    assert len(wake_ups.of("report")) == 1


def test_held_report_of_a_dispatcher_that_dies_is_taken_over(
    dispatcher: Dispatcher, redis_client: "redis.Redis", wake_ups: WakeUps, trader: Trader
) -> None:
    dead = made("dead")
    new_order(redis_client, order_of(trader, exchange_order_id=None, status="SUBMITTING"))
    assert (dead.step(), wake_ups) == (1, [])
    assert dispatcher.take_over() == 1
    while dispatcher._held:
        dispatcher.step()
    assert len(wake_ups.of("report")) == 1


@pytest.mark.parametrize("data", ["", "{", "[]", "null", '{"e": "executionReport"}', '"text"'])
def test_rubbish_in_the_topic_is_skipped(
    dispatcher: Dispatcher, redis_client: "redis.Redis", wake_ups: WakeUps, data: str
) -> None:
    redis_client.xadd(report_topic("mock"), {"kind": "event", "data": data})
    dispatcher.step()
    dispatcher.flush()
    assert wake_ups == []
    assert redis_client.xpending(report_topic("mock"), GROUP)["pending"] == 0


def test_connection_of_the_user_stream_asks_for_a_reconciliation(
    dispatcher: Dispatcher, redis_client: "redis.Redis", wake_ups: WakeUps
) -> None:
    redis_client.xadd(report_topic("mock"), {"kind": "connected", "data": "{}"})
    dispatcher.step()
    assert [kwargs["venue"] for kwargs in wake_ups.of("reconcile")] == ["mock"]
    assert dispatcher.take_over() == 1


def test_topic_that_was_begun_anew_is_read_from_its_beginning(
    dispatcher: Dispatcher, redis_client: "redis.Redis", wake_ups: WakeUps
) -> None:
    arm(redis_client, 1, ANY_PRICE)
    redis_client.delete(trade_topic("mock", "ETHUSDT"))
    publish(redis_client, 1, "3000")
    for _ in range(3):
        dispatcher.step()
    publish(redis_client, 2, "3000")
    dispatcher.step()
    assert wake_ups.woken == [1]


def test_redis_that_loads_its_data_when_topics_are_chosen_is_read_once_it_is_back(
    redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatcher = Dispatcher(redis_client, "late")

    def loads(*args: object) -> None:
        raise redis.exceptions.BusyLoadingError("Valkey is loading the dataset in memory")

    monkeypatch.setattr(dispatcher, "_make_groups", loads)
    with pytest.raises(redis.RedisError):
        dispatcher.listen_to({"mock": ["ETHUSDT"]}, ["mock"])
    monkeypatch.undo()
    dispatcher.step()  # Makes the groups that were missing.
    publish(redis_client, 1, "3000")
    assert dispatcher.step() == 1


def test_emptied_redis_gets_its_groups_back(
    dispatcher: Dispatcher, redis_client: "redis.Redis", wake_ups: WakeUps
) -> None:
    redis_client.flushall()
    dispatcher.step()
    report(redis_client)
    dispatcher.step()
    assert len(wake_ups.of("report")) == 1


def test_emptied_redis_gets_its_groups_back_when_leftovers_are_looked_for_first(
    dispatcher: Dispatcher, redis_client: "redis.Redis", wake_ups: WakeUps
) -> None:
    redis_client.flushall()
    assert dispatcher.take_over() == 0
    report(redis_client)
    dispatcher.step()
    assert len(wake_ups.of("report")) == 1


def test_two_dispatchers_share_the_work(
    dispatcher: Dispatcher, redis_client: "redis.Redis", wake_ups: WakeUps
) -> None:
    other = made("two")
    for order in range(20):
        report(redis_client, f"hh-{order}-b-1")
        (dispatcher if order % 2 else other).step()
    assert len(wake_ups.of("report")) == 20


def test_who_holds_something_is_woken_first_and_in_the_queue_of_exits(
    dispatcher: Dispatcher, redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[tuple[int, str]] = []
    monkeypatch.setattr(
        current_app, "send_task", lambda name, kwargs, queue, **_: woken.append((kwargs["trader"], queue))
    )
    for trader in range(1, 7):
        holds = trader in (3, 5)
        set_trigger(redis_client, Trigger(trader, "mock", "ETHUSDT", Decimal(3000), version=1, holds=holds))
    # It has sold: the next one that wakes it is none of its exits.
    set_trigger(redis_client, Trigger(5, "mock", "ETHUSDT", Decimal(3000), version=2))
    publish(redis_client, 1, "2999")
    dispatcher.step()
    assert woken == [(3, EXITS), *((trader, ENTRIES) for trader in (1, 2, 4, 5, 6))]
    set_trigger(redis_client, Trigger(3, "mock", "ETHUSDT", None, version=2, has_ended=True, holds=True))
    assert not redis_client.exists(triggers.HOLDING)


def test_late_copy_of_an_older_version_changes_no_trigger(redis_client: "redis.Redis") -> None:
    armed = Trigger(1, "mock", "ETHUSDT", ANY_PRICE, version=8)
    assert set_trigger(redis_client, armed)
    assert not set_trigger(redis_client, Trigger(1, "mock", "ETHUSDT", None, version=7))
    assert fire_at_3000(redis_client) == [1]
    assert set_trigger(redis_client, armed)
    assert set_trigger(redis_client, Trigger(1, "mock", "ETHUSDT", None, version=9))
    assert len(fire_at_3000(redis_client)) == 0


ENDS = Trigger(1, "mock", "ETHUSDT", None, version=9, has_ended=True)


@pytest.mark.parametrize("price", [ANY_PRICE, None])
def test_late_copy_never_arms_a_trader_that_has_ended(redis_client: "redis.Redis", price: Decimal | None) -> None:
    late = Trigger(1, "mock", "ETHUSDT", price, version=8)
    set_trigger(redis_client, ENDS)
    assert not set_trigger(redis_client, late)
    assert triggers.rebuild(redis_client, [late], "mock") == (late.below is not None)
    assert len(fire_at_3000(redis_client)) == 0
    assert not redis_client.exists(triggers.VERSIONS)


def test_trader_of_a_restored_database_is_armed_though_redis_remembers_its_end(redis_client: "redis.Redis") -> None:
    set_trigger(redis_client, ENDS)
    armed = Trigger(1, "mock", "ETHUSDT", ANY_PRICE, version=1)
    was_seen = triggers.seen(redis_client, 1)
    assert triggers.overrule(redis_client, armed, was_seen)
    # Whoever saw an older state overrules nothing: the trader may have ended since.
    set_trigger(redis_client, ENDS)
    assert not triggers.overrule(redis_client, armed, (b"1", b""))
    assert len(fire_at_3000(redis_client)) == 0


def test_what_has_no_live_trader_is_taken_away_and_ends_are_forgotten_in_time(
    redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    for trader in range(1, 5):
        set_trigger(redis_client, Trigger(trader, "mock", "ETHUSDT", ANY_PRICE, version=3, above=Decimal(4000)))
    redis_client.zadd(triggers.FIRED, {"5": 1.0})
    assert triggers.prune(redis_client, lambda: {1, 2}) == 3
    assert redis_client.hkeys(triggers.VERSIONS) == [b"1", b"2"]
    assert redis_client.zrange(triggers.key_above("mock", "ETHUSDT"), 0, -1) == [b"1", b"2"]
    assert not redis_client.exists(triggers.FIRED)
    assert not set_trigger(redis_client, Trigger(3, "mock", "ETHUSDT", ANY_PRICE, version=3))
    monkeypatch.setattr(triggers, "ENDED_KEPT_S", -1)
    assert triggers.prune(redis_client, lambda: {1, 2}) == 0
    assert not redis_client.exists(triggers.ENDED)
