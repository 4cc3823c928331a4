"""How a cycle ends in its trader's row, what ends it early, and what a late report still changes there."""

from dataclasses import replace
from decimal import Decimal

from django.db import transaction

from trading.books import leftovers, totals
from trading.books.booking import position_of
from trading.core import ending
from trading.core.decisions import Finish
from trading.core.ending import End
from trading.core.journal import Cause, Kind, Source
from trading.core.money import plain
from trading.core.position import Position, TraderState
from trading.core.waits import NO_PRICE
from trading.models import Trader
from trading.models.journal import write
from trading.models.times import now_ms
from trading.traders import neighbours
from trading.traders.cycles import keep_end, keep_waits, of_position, waits_of
from trading.traders.rows import copy, locked, save


def retire(trader_id: int, why: str) -> bool:
    """Ends a trader that never ordered anything, because its slot is no longer wanted. Whether it did."""
    with transaction.atomic():
        trader = locked(trader_id)
        if trader is None or trader.has_ended or position_of(trader).orders:
            return False
        end_early(trader, Finish(TraderState.RETIRED, Decimal(0), Decimal(0), why), Position())
        trigger = save(trader)
        write(trader, Cause(Source.LEADER), Kind.RETIRED, "retired", why)
    copy(trigger)
    return True


def abandon(trader_id: int, by: str) -> bool:
    """Ends a trader that holds something, which is then its owner's to look after. Not while an order may rest."""
    with transaction.atomic():
        trader = locked(trader_id)
        if trader is None or trader.has_ended:
            return False
        position = position_of(trader)
        if position.open_order is not None:
            return False
        base, quote = trader.symbol.base_asset, trader.symbol.quote_asset
        owned = position.owned(base)
        decision = Finish(TraderState.ABANDONED, position.profit(base, quote), owned, f"abandoned by {by}")
        end_early(trader, decision, position)
        trigger = save(trader)
        left = f"{plain(owned)} {base} stays in the account"
        write(trader, Cause(Source.PERSON, f"{by} in the admin"), Kind.ABANDONED, "abandoned", left)
    copy(trigger)
    return True


def end_early(trader: Trader, decision: Finish, position: Position) -> None:
    """Ends a trader by something else than its strategy. As `end`."""
    waits = replace(waits_of(trader), triggers=NO_PRICE, retry_at_ms=None, reason="", error="")
    keep_waits(trader, waits)
    trader.told = None
    end(trader, ending.end(decision, position, assets_of(trader), now_ms()), position)


def end(trader: Trader, ended: End, position: Position) -> None:
    """Changes the row, which the caller saves; leaves to the symbol's next sale what could not be sold.

    To be called in the transaction that saves the row, for the cycle counts in the totals with it.
    """
    keep_end(trader, ended)
    if ended.leaves_to_the_next:
        leftovers.add(trader, trader.leftover, trader.leftover_cost)
    totals.count(trader)
    if position.orders:
        neighbours.has_moved(trader)


def count_again(trader: Trader, cause: Cause) -> None:
    """What comes to light after a cycle's end still counts: in its profit, and in what is left on the account.

    The row counts as changed, whatever came of it: an order of it was booked.
    """
    cycle = of_position(trader, position_of(trader))
    before, was = totals.of(trader), cycle.end
    assert was is not None
    after, note = ending.recount(was, cycle.position, assets_of(trader))
    if after.leaves_to_the_next:
        leftovers.add(trader, after.leftover - was.leftover, after.leftover_cost - was.leftover_cost)
    keep_end(trader, after)
    totals.count(trader, before)
    trader.version += 1
    trader.save(
        update_fields=["profit", "leftover", "leftover_cost", "has_unvalued_fees", "fees", "held_s", "version"]
    )
    if note is not None:
        write(trader, cause, note.kind, note.text, note.reason)


def assets_of(trader: Trader) -> ending.Assets:
    return trader.symbol.base_asset, trader.symbol.quote_asset
