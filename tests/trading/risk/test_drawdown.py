"""A drawdown from the high of the gains halts trading, until a person resumes it."""

import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import pytest
import redis
from django.core.management import call_command
from django.utils import timezone

from console import limit_usage
from hedgehog_project.venues import Venue, default_market
from streamer.topics import TradeEvent, encode_trade, trade_topic
from tests.support.limited import limit_account
from tests.support.rows import make_cycle, make_fill, make_order, make_trader
from tests.trading.conftest import make_symbol
from trading import leader
from trading.books.equity import Standing
from trading.core.orders import OrderStatus
from trading.models import AccountProtections, HighWater, Order, Switch, Symbol, TradingSettings
from trading.models.switch import TradingMode
from trading.models.symbols import Sizing
from trading.risk import drawdown, kill_switch

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
Look = Callable[..., HighWater]


@pytest.fixture
def look(symbol: Symbol, redis_client: "redis.Redis") -> Look:
    """Lets the market trade at a price and the leader look at it, twice, as the rule wants; the marks then."""
    ids = itertools.count(1)
    clock = {"at": NOON}

    def look(price: str | None = None, after: timedelta = drawdown.EVERY, times: int = 2) -> HighWater:
        if price is not None:
            ms, trade_id = round(time.time() * 1000), next(ids)
            event = TradeEvent("ETHUSDT", trade_id, price, "1", ms, ms, True)
            redis_client.xadd(
                trade_topic(default_market(), "ETHUSDT"), {"t": encode_trade(event)}, id=f"{trade_id}-0"
            )
        for n in range(times):
            clock["at"] += after if n == 0 else drawdown.EVERY
            drawdown.watch(clock["at"])
        return HighWater.objects.get()

    return look


def hold_one(symbol: Symbol) -> None:
    """A live trader that has bought 1 at 1000, of which a thousandth was the commission."""
    order = make_order(make_trader(symbol), price=D(1000), quantity=D(1))
    make_fill(order)


def test_fall_from_the_high_reduces_says_why_and_cancels_open_buys(symbol: Symbol, look: Look) -> None:
    hold_one(symbol)
    limit_account(max_drawdown=D("0.05"), capital=D(1000))
    look("1000")
    assert look("1100").high > D(90)
    assert Switch.row().is_active
    row = look("1000")
    assert D("0.08") < row.drawdown < D("0.1")
    switch = Switch.row()
    assert (switch.mode, switch.mode_by, switch.cancel_buys) == (TradingMode.REDUCING, "risk limits", True)
    assert switch.mode_why.startswith("drawdown 9.1 % at mock: gain fell from the all-time peak of 97.8011 USDT to")
    assert "trading is reducing: sells only: drawdown 9.1 %" in switch.mode_text


def test_smaller_fall_lets_trading_go_on(symbol: Symbol, look: Look) -> None:
    hold_one(symbol)
    limit_account(max_drawdown=D("0.1"), capital=D(1000))
    look("1100")
    assert D("0.08") < look("1000").drawdown < D("0.1")
    assert Switch.row().is_active


def test_drawdown_may_halt_and_leave_resting_buys_alone(symbol: Symbol, look: Look) -> None:
    hold_one(symbol)
    limit_account(
        max_drawdown=D("0.05"), capital=D(1000), drawdown_mode=TradingMode.HALTED, drawdown_cancels_buys=False
    )
    look("1100")
    look("1000")
    assert (Switch.row().mode, Switch.row().cancel_buys) == (TradingMode.HALTED, False)


def test_realised_losses_count_as_well(symbol: Symbol, look: Look) -> None:
    make_cycle(symbol, "200")
    limit_account(max_drawdown=D("0.05"), capital=D(800))
    assert look().high == D(200)
    make_cycle(symbol, "-50")
    assert look().drawdown == D("0.05")
    assert Switch.row().mode == TradingMode.REDUCING


def test_one_look_alone_neither_raises_the_high_nor_trips(symbol: Symbol, look: Look) -> None:
    """A price may slip, and a fill may be booked between two queries."""
    hold_one(symbol)
    limit_account(max_drawdown=D("0.05"), capital=D(1000))
    high = look("1000").high
    assert look("2000", times=1).high == high
    assert look("1000").high == high
    assert look("500", times=1).drawdown == 0
    assert look("1000").drawdown == 0
    assert Switch.row().is_active
    look("500")
    assert not Switch.row().is_active


def test_a_price_that_nobody_knows_is_no_loss(symbol: Symbol, look: Look, redis_client: "redis.Redis") -> None:
    hold_one(symbol)
    limit_account(max_drawdown=D("0.01"), capital=D(1000))
    before = look("1100")
    redis_client.flushall()
    after = look()
    assert (after.gain, after.looked_at) == (before.gain, before.looked_at)
    assert Switch.row().is_active


def test_the_days_high_begins_anew_at_midnight_utc_and_that_of_all_time_does_not(symbol: Symbol, look: Look) -> None:
    make_cycle(symbol, "300")
    limit_account(max_drawdown=D("0.5"), capital=D(700), drawdown_from="day")
    look()
    make_cycle(symbol, "-100")
    assert look().drawdown == D("0.1")
    row = look(after=timedelta(days=1))
    assert (row.drawdown, row.day_high, row.high) == (D(0), D(200), D(300))
    AccountProtections.objects.update(drawdown_from="all time")
    assert look().drawdown == D("0.1")


def test_after_a_person_has_resumed_the_high_begins_anew(symbol: Symbol, look: Look) -> None:
    make_cycle(symbol, "100")
    limit_account(max_drawdown=D("0.05"), capital=D(900))
    look()
    make_cycle(symbol, "-100")
    look()
    assert not Switch.row().is_active
    look()
    assert not Switch.row().is_active, "nobody but a person resumes"
    call_command("resume")
    row = look()
    assert Switch.row().is_active
    assert (row.high, row.day_high) == (D(0), D(0))
    assert row.tripped_at is None
    make_cycle(symbol, "-45")
    look()
    assert not Switch.row().is_active


def test_what_a_person_has_halted_stays_halted(symbol: Symbol, look: Look) -> None:
    make_cycle(symbol, "100")
    limit_account(max_drawdown=D("0.05"), capital=D(900))
    look()
    kill_switch.halt("anna", "lunch")
    make_cycle(symbol, "-100")
    look()
    assert (Switch.row().mode, Switch.row().mode_by) == (TradingMode.HALTED, "anna")


def test_whoever_resumes_from_a_halt_of_theirs_is_told_of_a_drawdown_that_came_meanwhile(
    symbol: Symbol, look: Look
) -> None:
    make_cycle(symbol, "100")
    limit_account(max_drawdown=D("0.05"), capital=D(900))
    look()
    kill_switch.halt("anna", "lunch")
    make_cycle(symbol, "-100")
    assert look().tripped_at is None
    HighWater.objects.update(looked_at=timezone.now())
    assert list(limit_usage.drawdown_problems(Venue.MOCK)) == [
        "The drawdown at mock is 10 %, above the max of 5 %: resuming will stop trading again."
    ]
    kill_switch.resume("anna")
    HighWater.objects.update(looked_at=NOON)
    assert look().high == D(100), "nobody has resumed knowing of it"
    assert (Switch.row().mode, Switch.row().mode_by) == (TradingMode.REDUCING, "risk limits")
    HighWater.objects.update(looked_at=timezone.now())
    assert list(limit_usage.drawdown_problems(Venue.MOCK)) == [], "the mode says it"
    HighWater.objects.update(looked_at=NOON)
    kill_switch.resume("anna")
    assert look().high == D(0)
    assert Switch.row().is_active


@pytest.mark.parametrize(
    ("of", "switch_at", "holds"),
    [
        (Venue.MOCK, Venue.LIVE, False),
        (Venue.TESTNET, Venue.MOCK, False),
        (Venue.MOCK, Venue.MOCK, True),
        (Venue.LIVE, Venue.MOCK, True),
    ],
    ids=str,
)
def test_play_money_that_is_left_at_another_venue_does_not_stop_real_moneys_traders(
    symbol: Symbol, of: Venue, switch_at: Venue, holds: bool
) -> None:
    Switch.objects.update_or_create(pk=1, defaults={"venue": switch_at})
    make_cycle(symbol, "100", venue=of)
    limit_account(of, max_drawdown=D("0.05"), capital=D(900))
    drawdown.watch(NOON)
    make_cycle(symbol, "-100", venue=of)
    for n in (1, 2, 3):
        drawdown.watch(NOON + n * drawdown.EVERY)
    assert HighWater.objects.get().drawdown == D("0.1")
    assert Switch.row().is_active != holds


def test_a_drawdown_that_nobody_can_know_is_told(symbol: Symbol, look: Look, redis_client: "redis.Redis") -> None:
    limits = limit_account(max_drawdown=D("0.05"), capital=D(900))
    hold_one(symbol)
    assert list(limit_usage.drawdown_problems(Venue.MOCK)) == [
        "The drawdown at mock is not known yet: a position may have no price."
    ]
    row = look("1000")
    HighWater.objects.update(looked_at=timezone.now())
    assert list(limit_usage.drawdown_problems(Venue.MOCK)) == []
    redis_client.flushall()
    long_ago = timezone.now() - timedelta(minutes=3)
    HighWater.objects.update(looked_at=long_ago)
    drawdown.watch(timezone.now())
    assert HighWater.objects.get().gain == row.gain
    since = f"unknown since {long_ago:%d %b %H:%M:%S} UTC"
    assert [hint for hint in list(limit_usage.drawdown_problems(Venue.MOCK)) if since in hint]
    assert [gauge for gauge in limit_usage.account_gauges(limits) if since in gauge.text]


def test_what_trades_a_share_of_the_balance_counts_with_what_its_traders_were_given(symbol: Symbol) -> None:
    limits = limit_account(max_drawdown=D("0.05"))
    other = make_symbol("XRPUSDT")
    TradingSettings.objects.filter(symbol=symbol).update(budget=D(300), max_slots=2)
    TradingSettings.objects.filter(symbol=other).update(
        status="on", budget=D(9_999), max_slots=5, sizing=Sizing.SHARE
    )
    make_trader(other, 1, budget=D(40))
    make_trader(other, 2, budget=D(60))
    assert drawdown.capital_of(limits, Standing()) == D(300) + D(250)


def test_changed_budgets_are_no_gain_and_no_loss(symbol: Symbol, look: Look) -> None:
    make_cycle(symbol, "100")
    limit_account(max_drawdown=D("0.05"))
    look()
    TradingSettings.objects.update(budget=D(50))
    assert look().drawdown == 0
    make_cycle(symbol, "-3")
    assert look().drawdown == D("0.02"), "of the budgets of what is on, and the gain: 50 + 100"


def test_where_no_drawdown_is_wanted_its_high_is_forgotten(symbol: Symbol, look: Look) -> None:
    row = limit_account(max_drawdown=D("0.05"), capital=D(900))
    look()
    row.max_drawdown = None
    row.save()
    assert not HighWater.objects.exists()


def test_the_leader_watches_and_has_resting_buys_cancelled(symbol: Symbol, monkeypatch: pytest.MonkeyPatch) -> None:
    make_cycle(symbol, "100")
    order = make_order(make_trader(symbol, 9))
    Order.objects.filter(pk=order.pk).update(status=OrderStatus.NEW, asked_at=None)
    limit_account(max_drawdown=D("0.05"), capital=D(900))
    cancelled: list[int] = []
    monkeypatch.setattr(leader.enqueue, "cancel", lambda order_id, *_: cancelled.append(order_id))
    leader.lead(NOON)
    make_cycle(symbol, "-100")
    for n in (1, 2, 3):
        leader.lead(NOON + n * drawdown.EVERY)
    assert not Switch.row().is_active
    assert order.pk in cancelled
    assert HighWater.objects.get().venue == Venue.MOCK
