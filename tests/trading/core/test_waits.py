"""When a trader tries again: what it waits for is a function of what it was told, and never longer than a minute."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.core import waits
from trading.core.decisions import ANY_PRICE, Triggers, Wait
from trading.core.denials import Denial, Rule
from trading.core.events import OrderReported, Recheck, TradeSeen
from trading.core.journal import Kind, Source
from trading.core.orders import Order, OrderReport, OrderStatus, Side
from trading.core.position import Position
from trading.core.waits import Waits

NOW_MS = 1_800_000_000_000
TRADE = TradeSeen("ETHUSDT", 7, D(100), NOW_MS)
RECHECK = Recheck("retry is due")
BUY = Order("b", Side.BUY, D(100), D(1), OrderStatus.FILLED, D(1))
REPORT = OrderReported(
    OrderReport("b", 1, "ETHUSDT", Side.BUY, OrderStatus.FILLED, D(100), D(1), D(1)), Source.REPORT
)


def never_asked() -> int:
    raise AssertionError("nobody pauses")


@pytest.mark.parametrize(
    ("decision", "triggers", "event", "position", "after"),
    [
        (Wait("w", needs_values=("BNB",)), Triggers(), TRADE, Position(), Waits(retry_at_ms=NOW_MS + 10_000)),
        (Wait("w", needs_fills=BUY), Triggers(), RECHECK, Position(), Waits(retry_at_ms=NOW_MS + 10_000)),
        (Wait("w", needs_fills=BUY), Triggers(), REPORT, Position(), Waits(retry_at_ms=NOW_MS + 1_000)),
        (Wait("w"), Triggers(), TRADE, Position((BUY,)), Waits(retry_at_ms=NOW_MS + 5_000)),
        (Wait("w"), Triggers(below=ANY_PRICE), TRADE, Position(), Waits(retry_at_ms=NOW_MS + 5_000)),
        (Wait("w"), Triggers(below=D(90)), TRADE, Position(), Waits(Triggers(below=D(90)))),
    ],
)
def test_a_price_a_report_or_the_clock_wakes_it(
    decision: Wait,
    triggers: Triggers,
    event: TradeSeen | Recheck | OrderReported,
    position: Position,
    after: Waits,
) -> None:
    found, note = waits.wait(Waits(), position, decision, triggers, event, NOW_MS, never_asked)
    assert found == replace(after, reason="w")
    assert (note is None) == (after.retry_at_ms != NOW_MS + 5_000)


def test_a_pause_doubles_with_each_order_that_ended_unasked() -> None:
    pauses = [waits.pause_ms(count) for count in range(9)]
    assert pauses == [5_000, 5_000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000, 60_000]
    decision = Wait("its buy ended", pauses=True)
    found, note = waits.wait(Waits(), Position(), decision, Triggers(), REPORT, NOW_MS, lambda: 3)
    assert found.retry_at_ms == NOW_MS + 20_000
    assert note is not None and note.kind == Kind.PAUSED


def test_failures_wait_longer_each_time() -> None:
    state, delays = Waits(), []
    for _ in range(8):
        state = waits.fail(state, "away", NOW_MS, spread_ms=999)
        delays.append((state.retry_at_ms or 0) - NOW_MS)
    assert delays == [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]
    assert (state.failures, state.error) == (8, "away")


@given(st.timedeltas(timedelta(0), timedelta(days=30)), st.integers(0, 999), st.integers(0, 2**53))
def test_no_known_wait_is_shorter_than_said_or_longer_than_a_minute(
    known: timedelta, spread_ms: int, now_ms: int
) -> None:
    denial = Denial("full: 3 of 3", known, "full", Rule.OPEN_ORDERS)
    denied, note = waits.deny(Waits(Triggers(below=D(1))), denial, now_ms, spread_ms)
    failed = waits.fail(Waits(Triggers(below=D(1))), "banned", now_ms, spread_ms, known)
    for found in (denied, failed):
        assert found.triggers == Triggers()
        waited = timedelta(milliseconds=(found.retry_at_ms or 0) - now_ms - spread_ms)
        assert min(known, timedelta(seconds=60)) <= waited <= timedelta(seconds=60)
    assert (note.reason, note.by) == ("full", Rule.OPEN_ORDERS)


def test_who_waits_for_a_retry_hears_reports_and_what_is_urgent() -> None:
    state = Waits(retry_at_ms=NOW_MS + 1)
    assert state.hold_back(TRADE, NOW_MS)
    assert state.hold_back(RECHECK, NOW_MS)
    assert not state.hold_back(RECHECK, NOW_MS + 1)
    assert not state.hold_back(replace(TRADE, is_urgent=True), NOW_MS)
    assert not state.hold_back(REPORT, NOW_MS)
    assert not Waits().hold_back(TRADE, NOW_MS)
