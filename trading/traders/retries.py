"""When a trader tries again, in its row: what core/waits.py says. Saves nothing but lines of the journal."""

from datetime import timedelta

from trading.core import waits as core
from trading.core.decisions import Triggers, Wait
from trading.core.denials import Denial
from trading.core.events import Event
from trading.core.journal import Cause, Note
from trading.core.orders import UNASKED_ENDS
from trading.core.position import Position
from trading.core.waits import Waits
from trading.models import Trader
from trading.models.journal import write, write_once
from trading.models.times import at_of, ms_of, now_ms

FILLS_COME_WITHIN = timedelta(milliseconds=core.FILLS_COME_WITHIN_MS)
# A time further ahead than this is one of before the clock was set back.
MAX_WAIT = timedelta(milliseconds=core.MAX_WAIT_MS)
MAX_WAIT_WITH_SPREAD = MAX_WAIT + timedelta(milliseconds=core.MAX_SPREAD_MS)


def waits_of(trader: Trader) -> Waits:
    """What its row says."""
    return Waits(
        Triggers(trader.wake_below, trader.wake_above),
        None if trader.retry_at is None else ms_of(trader.retry_at),
        trader.waits_for,
        trader.error,
        trader.failures,
    )


def keep(trader: Trader, waits: Waits) -> None:
    """Changes the row; the caller saves it."""
    trader.arm(waits.triggers)
    trader.retry_at = None if waits.retry_at_ms is None else at_of(waits.retry_at_ms)
    trader.waits_for, trader.error, trader.failures = waits.reason, waits.error, waits.failures


def wait(trader: Trader, position: Position, decision: Wait, triggers: Triggers, event: Event, cause: Cause) -> None:
    """Shows why nothing happens, and says what wakes the trader: a report, a price, or the clock."""

    def unasked_ends() -> int:
        return trader.orders.filter(status__in=UNASKED_ENDS).count()

    waits, note = core.wait(waits_of(trader), position, decision, triggers, event, now_ms(), unasked_ends)
    keep(trader, waits)
    if note is not None:
        put_down(trader, note, cause)


def look_again(trader: Trader, decision: Wait, cause: Cause) -> None:
    """Shows why nothing happens, and has the trader look again soon."""
    waits, note = core.look_again(waits_of(trader), decision.reason, now_ms())
    keep(trader, waits)
    put_down(trader, note, cause)


def deny(trader: Trader, denial: Denial, cause: Cause) -> None:
    """Shows what the gate says, and has the trader try again once that may have changed."""
    waits, note = core.deny(waits_of(trader), denial, now_ms(), spread_ms(trader))
    keep(trader, waits)
    put_down(trader, note, cause)


def back_off(trader: Trader, text: str, wait: timedelta | None = None) -> None:
    """Shows the error on the trader and has it tried again: after a growing wait, or after one that is known."""
    keep(trader, core.fail(waits_of(trader), text, now_ms(), spread_ms(trader), wait))


def put_down(trader: Trader, note: Note, cause: Cause) -> None:
    """Writes a line that names no order."""
    writer = write_once if note.is_once else write
    writer(trader, cause, note.kind, note.text, note.reason, denied_by=note.by)


def spread_ms(trader: Trader) -> int:
    """Up to a second, each trader its own."""
    return trader.pk * 137 % core.MAX_SPREAD_MS
