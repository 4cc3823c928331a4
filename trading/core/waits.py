"""Why a trader does nothing just now, what wakes it again, and when it tries again."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from zlib import crc32

from trading.core.decisions import Triggers, Wait
from trading.core.denials import Denial
from trading.core.events import Event, Recheck, TradeSeen
from trading.core.journal import Kind, Note
from trading.core.position import Position

# A trader that can't buy at this trade looks again after a while, not at the next of twenty trades a second.
LOOK_AGAIN_MS = 5_000
FILLS_COME_WITHIN_MS = 1_000
# A question to the exchange is tried for so long at most: nobody else shall ask the same meanwhile.
ANSWERS_COME_WITHIN_MS = 10_000
# However long the reason for it lasts: who has to wait longer looks again, and waits on.
MAX_WAIT_MS = 60_000
# All wait for one moment, but need not all come in it: each comes up to so much later.
MAX_SPREAD_MS = 1_000
MAX_REASON, MAX_ERROR = 300, 500
NO_PRICE = Triggers()


@dataclass(frozen=True)
class Waits:
    """What wakes a trader, a price or the clock, and what is shown of why it waits.

    `failures`: how often it has failed in a row.
    """

    triggers: Triggers = NO_PRICE
    retry_at_ms: int | None = None
    reason: str = ""
    error: str = ""
    failures: int = 0

    def hold_back(self, event: Event, now_ms: int) -> bool:
        """Whether it does not hear this now: it waits for its next try. A report it always hears."""
        can_wait = isinstance(event, TradeSeen | Recheck) and not event.is_urgent
        return can_wait and self.retry_at_ms is not None and self.retry_at_ms > now_ms


def wait(
    waits: Waits,
    position: Position,
    decision: Wait,
    triggers: Triggers,
    event: Event,
    now_ms: int,
    unasked_ends: Callable[[], int],
) -> tuple[Waits, Note | None]:
    """Why nothing happens, and what wakes the trader: a report, a price, or the clock.

    `unasked_ends` counts the orders of this cycle that ended without our asking; it is asked only for a pause.
    """
    waits = replace(waits, reason=decision.reason[:MAX_REASON])
    if decision.needs_values or (decision.needs_fills is not None and isinstance(event, Recheck)):
        # It is asked for now. Should this process die meanwhile, the leader has it asked again.
        return replace(waits, retry_at_ms=now_ms + ANSWERS_COME_WITHIN_MS), None
    if decision.needs_fills is not None:
        # The report that carries them is usually on its way; the next look fetches them.
        return replace(waits, retry_at_ms=now_ms + FILLS_COME_WITHIN_MS), None
    if decision.pauses:
        note = Note(Kind.PAUSED, "paused", decision.reason, is_once=True)
        return replace(waits, retry_at_ms=now_ms + pause_ms(unasked_ends())), note
    if triggers == NO_PRICE and position.bought and position.open_order is None:
        return look_again(waits, decision.reason, now_ms)
    if isinstance(event, TradeSeen) and triggers.are_crossed_by(event.price):
        # The next of twenty trades a second would wake it again, for nothing.
        return look_again(waits, decision.reason, now_ms)
    # Where an order rests its reports wake the trader as well; the leader and reconciliation ask for lost ones.
    return replace(waits, triggers=triggers), None


def look_again(waits: Waits, reason: str, now_ms: int) -> tuple[Waits, Note]:
    """It can do nothing now, and looks again soon."""
    waits = replace(waits, reason=reason[:MAX_REASON], retry_at_ms=now_ms + LOOK_AGAIN_MS)
    return waits, Note(Kind.WAITED, "waiting", reason, is_once=True)


def deny(waits: Waits, denial: Denial, now_ms: int, spread_ms: int) -> tuple[Waits, Note]:
    """What the gate says. A price does not wake the trader meanwhile: it could do nothing with it."""
    retry_at_ms = now_ms + min(MAX_WAIT_MS, whole_ms(denial.wait)) + spread_ms
    waits = replace(waits, reason=denial.reason[:MAX_REASON], triggers=NO_PRICE, retry_at_ms=retry_at_ms)
    return waits, Note(Kind.DENIED, "denied", denial.topic, by=denial.by, is_once=True)


def fail(waits: Waits, error: str, now_ms: int, spread_ms: int, wait: timedelta | None = None) -> Waits:
    """It failed, and tries again: after 1, 2, 4 ... 60 s, or after a wait that is known."""
    failures = waits.failures + 1
    if wait is None:
        after_ms = min(MAX_WAIT_MS, 1_000 * 2 ** min(failures - 1, 6))
    else:
        after_ms = min(MAX_WAIT_MS, whole_ms(wait)) + spread_ms
    return replace(
        waits, error=error[:MAX_ERROR], failures=failures, triggers=NO_PRICE, retry_at_ms=now_ms + after_ms
    )


def pause_ms(unasked_ends: int) -> int:
    """5, 10, 20 ... 60 s: twice as long for each order of a cycle that ended without our asking."""
    return min(MAX_WAIT_MS, int(LOOK_AGAIN_MS * 2 ** min(max(unasked_ends - 1, 0), 6)))


def spread_ms(symbol: str, slot: int, born_ms: int) -> int:
    """By how much later than others a cycle tries again, up to a second.

    Told by where and when it began, and by no row's number: the same past gives the same, whoever runs it.
    """
    return (crc32(symbol.encode()) + slot * 137 + born_ms) % MAX_SPREAD_MS


def whole_ms(wait: timedelta) -> int:
    """No less than the wait."""
    return -(-wait // timedelta(milliseconds=1))
