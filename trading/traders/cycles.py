"""A trader's row and its cycle (core/cycle.py), each made of the other. Saves nothing."""

from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone

from trading.books.booking import position_with
from trading.core import waits as waiting
from trading.core.cycle import Cycle, Step
from trading.core.decisions import Triggers
from trading.core.ending import End
from trading.core.hand import Told
from trading.core.money import ZERO
from trading.core.orders import Order
from trading.core.position import Position, TraderState
from trading.core.waits import Waits
from trading.models import Trader
from trading.models.times import at_of, ms_of, now_ms

MAX_WAIT = timedelta(milliseconds=waiting.MAX_WAIT_MS)
# A time further ahead than this is one of before the clock was set back.
MAX_WAIT_WITH_SPREAD = MAX_WAIT + timedelta(milliseconds=waiting.MAX_SPREAD_MS)


def cycle_of(trader: Trader, orders: Sequence[Order]) -> Cycle:
    """How the trader stands with these orders, oldest first."""
    return of_position(trader, position_with(trader, orders))


def of_position(trader: Trader, position: Position) -> Cycle:
    return Cycle(trader.slot, position, waits_of(trader), trader.holds, _end_of(trader), spread_ms(trader))


def waits_of(trader: Trader) -> Waits:
    return Waits(
        Triggers(trader.wake_below, trader.wake_above),
        None if trader.retry_at is None else ms_of(trader.retry_at),
        trader.waits_for,
        trader.error,
        trader.failures,
    )


def _end_of(trader: Trader) -> End | None:
    if trader.finished_at is None:
        return None
    return End(
        TraderState(trader.state),
        ms_of(trader.finished_at),
        trader.profit or ZERO,
        trader.leftover,
        trader.leftover_cost,
        trader.has_unvalued_fees,
        trader.fees or ZERO,
        trader.held_s,
    )


def keep(trader: Trader, step: Step) -> None:
    """Changes the row to what a step has made of its cycle, but for its end: see cycle_end.py."""
    cycle = step.cycle
    position = cycle.position
    trader.state, trader.holds = cycle.state, cycle.holds
    trader.memory = dict(position.memory)
    trader.carried, trader.carried_cost, trader.missing = position.carried, position.carried_cost, position.missing
    trader.target = position.hand.target
    trader.told = _texts(position.hand.told, trader.told)
    if step.requests_slot:
        trader.slot_requested_at = timezone.now()
    keep_waits(trader, cycle.waits)


def _texts(told: Told | None, kept: dict[str, str] | None) -> dict[str, str] | None:
    if told is None:
        return None
    if kept is not None and kept.get("order", "") == told.order:
        return kept
    texts = told.to_texts()
    return {**texts, "order": told.order} if told.order else texts


def keep_waits(trader: Trader, waits: Waits) -> None:
    trader.arm(waits.triggers)
    trader.retry_at = None if waits.retry_at_ms is None else at_of(waits.retry_at_ms)
    trader.waits_for, trader.error, trader.failures = waits.reason, waits.error, waits.failures


def keep_end(trader: Trader, end: End) -> None:
    trader.state, trader.finished_at = end.state, at_of(end.at_ms)
    trader.profit, trader.leftover, trader.leftover_cost = end.profit, end.leftover, end.leftover_cost
    trader.has_unvalued_fees, trader.fees, trader.held_s = end.has_unvalued_fees, end.fees, end.held_s


def back_off(trader: Trader, text: str, wait: timedelta | None = None) -> None:
    """Shows the error on the trader and has it tried again: after a growing wait, or after one that is known."""
    keep_waits(trader, waiting.fail(waits_of(trader), text, now_ms(), spread_ms(trader), wait))


def spread_ms(trader: Trader) -> int:
    """See core/waits.py."""
    return waiting.spread_ms(trader.symbol.name, trader.slot, ms_of(trader.created_at))
