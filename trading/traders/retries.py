"""Why a trader does nothing just now: what is shown of it, and what wakes the trader again. Saves nothing."""

from datetime import timedelta

from django.utils import timezone

from trading.core.decisions import Triggers, Wait
from trading.core.denials import Denial
from trading.core.events import Event, Recheck, TradeSeen
from trading.core.journal import Cause, Kind
from trading.core.orders import UNASKED_ENDS
from trading.core.position import Position
from trading.models import Trader
from trading.models.journal import write_once

# A trader that can't buy at this trade looks again after a while, not at the next of twenty trades a second.
LOOK_AGAIN = timedelta(seconds=5)
FILLS_COME_WITHIN = timedelta(seconds=1)
# A question to the exchange is tried for so long at most: nobody else shall ask the same meanwhile.
ANSWERS_COME_WITHIN = timedelta(seconds=10)
# However long the reason for it lasts: who has to wait longer looks again, and waits on. A time further ahead than
# this is one of before the clock was set back.
MAX_WAIT = timedelta(seconds=60)
MAX_WAIT_WITH_SPREAD = MAX_WAIT + timedelta(seconds=1)


def wait(trader: Trader, position: Position, decision: Wait, triggers: Triggers, event: Event, cause: Cause) -> None:
    """Shows why nothing happens, and says what wakes the trader: a report, a price, or the clock."""
    trader.waits_for = decision.reason[:300]
    if decision.needs_values or (decision.needs_fills is not None and isinstance(event, Recheck)):
        # It is asked for now. Should this process die meanwhile, the leader has it asked again.
        trader.retry_at = timezone.now() + ANSWERS_COME_WITHIN
    elif decision.needs_fills is not None:
        # The report that carries them is usually on its way; the next look fetches them.
        trader.retry_at = timezone.now() + FILLS_COME_WITHIN
    elif decision.pauses:
        trader.retry_at = timezone.now() + _pause(trader)
        write_once(trader, cause, Kind.PAUSED, "paused", decision.reason)
    elif triggers == Triggers() and position.bought and position.open_order is None:
        look_again(trader, decision, cause)
    elif isinstance(event, TradeSeen) and triggers.are_crossed_by(event.price):
        # The next of twenty trades a second would wake it again, for nothing.
        look_again(trader, decision, cause)
    else:
        # Where an order rests its reports wake the trader as well; the leader and reconciliation ask for lost ones.
        trader.arm(triggers)


def look_again(trader: Trader, decision: Wait, cause: Cause) -> None:
    """Shows why nothing happens, and has the trader look again soon."""
    trader.waits_for = decision.reason[:300]
    trader.retry_at = timezone.now() + LOOK_AGAIN
    write_once(trader, cause, Kind.WAITED, "waiting", decision.reason)


def deny(trader: Trader, denial: Denial, cause: Cause) -> None:
    """Shows what the gate says. A price does not wake the trader meanwhile: it could do nothing with it."""
    trader.waits_for = denial.reason[:300]
    trader.arm(Triggers())
    trader.retry_at = timezone.now() + min(MAX_WAIT, denial.wait) + _spread(trader)
    write_once(trader, cause, Kind.DENIED, "denied", denial.topic, denial.by)


def back_off(trader: Trader, text: str, wait: timedelta | None = None) -> None:
    """Shows the error on the trader and has it tried again: after 1, 2, 4 ... 60 s, or after a wait that is known."""
    trader.error = text[:500]
    trader.failures += 1
    trader.arm(Triggers())
    if wait is None:
        wait = min(MAX_WAIT, timedelta(seconds=2 ** min(trader.failures - 1, 6)))
    else:
        wait = min(MAX_WAIT, wait) + _spread(trader)
    trader.retry_at = timezone.now() + wait


def _pause(trader: Trader) -> timedelta:
    """5, 10, 20 ... 60 s: twice as long for each order of this cycle that ended without our asking."""
    ended = trader.orders.filter(status__in=UNASKED_ENDS).count()
    times: int = 2 ** min(max(ended - 1, 0), 6)
    return min(MAX_WAIT, LOOK_AGAIN * times)


def _spread(trader: Trader) -> timedelta:
    """Up to a second, each trader its own: all wait for one moment, but need not all come in it."""
    return timedelta(milliseconds=trader.pk * 137 % 1000)
