"""A host's clock is set, by hours: every wait goes on for no longer than it could have been meant to."""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import redis
from celery import current_app
from django.utils import timezone

from hedgehog_project import shared_clock
from hedgehog_project.redis import give_back, take
from hedgehog_project.venues import Venue
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.rows import make_order, make_trader
from trading import leader, set_clocks
from trading.books import totals
from trading.core.denials import Rule
from trading.core.events import Recheck
from trading.core.orders import OrderStatus
from trading.core.position import TraderState
from trading.models import Balance, DeniedOrder, FillMark, HighWater, Listing, Order, Orphan, Symbol, Trader
from trading.risk import balances
from trading.traders import acting, cycles
from trading.waking import enqueue, triggers

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

HOURS = timedelta(hours=6)
SOON = timedelta(seconds=5)


@pytest.fixture(autouse=True)
def look_at_once() -> None:
    set_clocks.forget()


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, **_: names.append(name.rpartition(".")[2]))
    return names


Rows = Callable[[Symbol, datetime], tuple[type[Any], str]]


def trader_to_be_tried_again(symbol: Symbol, at: datetime) -> tuple[type[Any], str]:
    make_trader(symbol, retry_at=at)
    return Trader, "retry_at"


def armed_trader(symbol: Symbol, at: datetime) -> tuple[type[Any], str]:
    make_trader(symbol, armed_at=at, wake_below=Decimal(1))
    return Trader, "armed_at"


def ended_trader(symbol: Symbol, at: datetime) -> tuple[type[Any], str]:
    make_trader(symbol, state="FINISHED", finished_at=at)
    return Trader, "finished_at"


def unclear_order(symbol: Symbol, at: datetime) -> tuple[type[Any], str]:
    make_order(make_trader(symbol), status=OrderStatus.SUBMITTING, submitted_at=at)
    return Order, "submitted_at"


def filled_order(symbol: Symbol, at: datetime) -> tuple[type[Any], str]:
    make_order(make_trader(symbol), status=OrderStatus.FILLED, submitted_at=at)
    return Order, "submitted_at"


def asked_order(symbol: Symbol, at: datetime) -> tuple[type[Any], str]:
    make_order(make_trader(symbol), asked_at=at)
    return Order, "asked_at"


def not_found_order(symbol: Symbol, at: datetime) -> tuple[type[Any], str]:
    make_order(make_trader(symbol), not_found_at=at)
    return Order, "not_found_at"


def moved_order(symbol: Symbol, at: datetime) -> tuple[type[Any], str]:
    make_order(make_trader(symbol))
    Order.objects.update(updated_at=at)
    return Order, "updated_at"


def listing(symbol: Symbol, at: datetime) -> tuple[type[Any], str]:
    Listing.objects.update(refreshed_at=at)
    return Listing, "refreshed_at"


def fee(symbol: Symbol, at: datetime) -> tuple[type[Any], str]:
    Listing.objects.update(fee_asked_at=at)
    return Listing, "fee_asked_at"


def drawdown(symbol: Symbol, at: datetime) -> tuple[type[Any], str]:
    HighWater.objects.create(venue="mock", quote_asset="USDT", day=at.date(), looked_at=at)
    return HighWater, "looked_at"


def denied_row(symbol: Symbol, at: datetime) -> tuple[type[Any], str]:
    DeniedOrder.objects.create(
        venue="mock", symbol=symbol, rule=Rule.SYMBOL_EXPOSURE, day=at.date(), last_at=at, denies_until=at
    )
    return DeniedOrder, "denies_until"


def fill_mark(symbol: Symbol, at: datetime) -> tuple[type[Any], str]:
    FillMark.objects.create(venue="mock", symbol="ETHUSDT", looked_at=at)
    return FillMark, "looked_at"


def orphan(symbol: Symbol, at: datetime) -> tuple[type[Any], str]:
    Orphan.objects.create(
        venue="mock", symbol="ETHUSDT", client_order_id="hh-1-b-1", exchange_order_id=1, side="BUY",
        price=Decimal(1), quantity=Decimal(1), status="NEW", last_seen=at,
    )  # fmt: skip
    return Orphan, "last_seen"


ALL = [trader_to_be_tried_again, armed_trader, ended_trader, unclear_order, filled_order, asked_order,
       not_found_order, moved_order, listing, fee, drawdown, denied_row, fill_mark, orphan]  # fmt: skip


@pytest.mark.parametrize("make", ALL)
def test_a_time_in_the_future_is_made_to_be_now(symbol: Symbol, make: Rows, caplog: pytest.LogCaptureFixture) -> None:
    now = timezone.now()
    model, field = make(symbol, now + HOURS)
    with caplog.at_level(logging.WARNING, "trading"):
        set_clocks.mend(now)
    assert set(model.objects.values_list(field, flat=True)) == {now}
    assert f" {field}" in caplog.text
    assert totals.differences(Venue.MOCK) == []  # An ended cycle counts by its time.


@pytest.mark.parametrize("make", ALL)
def test_a_time_that_may_be_ahead_or_is_past_stays(symbol: Symbol, make: Rows) -> None:
    now = timezone.now()
    for at in (now + SOON, now - HOURS):
        set_clocks.forget()
        model, field = make(symbol, at)
        set_clocks.mend(now)
        assert at in set(model.objects.values_list(field, flat=True))
        for rows in (Order, Trader, HighWater, DeniedOrder, FillMark, Orphan):
            rows.objects.all().delete()


def test_it_looks_every_ten_seconds_only(symbol: Symbol, monkeypatch: pytest.MonkeyPatch) -> None:
    steady = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: steady)
    now = timezone.now()
    set_clocks.mend(now)
    trader = make_trader(symbol, retry_at=now + HOURS)
    steady += set_clocks.EVERY_S - 1
    set_clocks.mend(now)
    trader.refresh_from_db()
    assert trader.retry_at == now + HOURS
    steady += 1
    set_clocks.mend(now)
    trader.refresh_from_db()
    assert trader.retry_at == now


def test_after_the_clock_was_set_back_the_leader_rings_for_all_that_was_due(
    symbol: Symbol, redis_client: "redis.Redis", queued: list[str]
) -> None:
    later = timezone.now() + HOURS
    make_trader(symbol, 1, retry_at=later)
    make_order(make_trader(symbol, 2), status=OrderStatus.SUBMITTING, submitted_at=later)
    leader.lead()
    assert "nudge" in queued
    leader.lead(timezone.now() + leader.STUCK_AFTER + timedelta(seconds=1))
    assert "ask" in queued


def test_no_wait_is_longer_than_a_minute_however_long_its_reason_lasts(symbol: Symbol) -> None:
    trader = make_trader(symbol)
    hour = timedelta(hours=1)
    cycles.back_off(trader, "banned", hour)
    assert trader.retry_at is not None
    assert timedelta(seconds=59) < trader.retry_at - timezone.now() <= cycles.MAX_WAIT_WITH_SPREAD


def test_an_order_is_not_taken_for_never_placed_because_the_clock_was_set_forward(
    symbol: Symbol, exchange: ScriptedExchange
) -> None:
    now = timezone.now()
    order = make_order(make_trader(symbol), status=OrderStatus.SUBMITTING, submitted_at=now)

    def asked(after_s: float) -> str:
        acting.ask(order.pk, exchange, now=now + timedelta(seconds=after_s))
        order.refresh_from_db()
        return order.status

    assert asked(6) == OrderStatus.SUBMITTING
    # Six hours by the clock, and a moment later.
    assert asked(6 * 3600) == OrderStatus.SUBMITTING
    assert asked(6 * 3600 + 2) == OrderStatus.SUBMITTING
    assert asked(6 * 3600 + 6) == OrderStatus.NOT_PLACED


@pytest.mark.parametrize("hours", [-6, 6])
def test_what_is_free_is_not_known_when_it_was_asked_in_another_time(symbol: Symbol, hours: int) -> None:
    now = timezone.now()
    Balance.objects.create(venue="mock", asset="USDT", free=Decimal(100), asked_at=now - timedelta(hours=hours))
    assert balances.free_of("mock", "USDT", now).amount is None
    Balance.objects.update(asked_at=now + timedelta(seconds=1))
    assert balances.free_of("mock", "USDT", now).amount == Decimal(100)


@pytest.mark.parametrize("hours", [-6, 6])
def test_a_task_that_was_not_processed_is_queued_again_when_redis_clock_was_set(
    redis_client: "redis.Redis", hours: int
) -> None:
    now = shared_clock.now()
    redis_client.zadd(triggers.FIRED, {"1": now - hours * 3600, "2": now})
    assert triggers.fired_before(redis_client, 3) == [1]


def test_a_key_that_is_taken_for_a_while_is_free_again_when_redis_clock_was_set_back(
    redis_client: "redis.Redis",
) -> None:
    assert take(redis_client, "key", 5)
    assert not take(redis_client, "key", 5)
    redis_client.pexpire("key", 6 * 3600 * 1000)
    token = take(redis_client, "key", 5)
    assert token
    assert 0 < redis_client.pttl("key") <= 5000
    give_back(redis_client, "key", "another's")
    assert not take(redis_client, "key", 5), "nobody gives back what another one has"
    give_back(redis_client, "key", token)
    assert take(redis_client, "key", 5)


def test_a_trader_of_before_the_clock_was_set_back_looks_again_at_the_next_beat(
    symbol: Symbol, exchange: ScriptedExchange, redis_client: "redis.Redis"
) -> None:
    trader = make_trader(symbol, retry_at=timezone.now() + HOURS)
    nudge = Recheck("test")
    acting.wake(trader.pk, nudge, exchange)
    trader.refresh_from_db()
    assert trader.retry_at is not None, "it waits for its next try"
    set_clocks.mend(timezone.now())
    acting.wake(trader.pk, nudge, exchange)
    trader.refresh_from_db()
    assert trader.retry_at is None or trader.retry_at < timezone.now() + cycles.MAX_WAIT_WITH_SPREAD


def test_a_trader_with_a_position_looks_again_also_where_only_the_standby_leads(symbol: Symbol) -> None:
    trader = make_trader(symbol, state=TraderState.HOLDING, holds=True, retry_at=timezone.now() + HOURS)
    queued: list[tuple[str, dict[str, Any]]] = []
    enqueue.answer_here(lambda task, kwargs: queued.append((task, kwargs)))
    try:
        leader.stand_in(timezone.now(), lambda pairs: iter(()))
        leader.stand_in(timezone.now() + timedelta(seconds=1), lambda pairs: iter(()))
    finally:
        enqueue.answer_here(None)
    assert ("trading.tasks.nudge", trader.pk) in [(task, kwargs.get("trader")) for task, kwargs in queued]
