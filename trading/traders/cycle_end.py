"""How a cycle ends in its trader's row, what ends it early, and what a late report still changes there."""

from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from trading.books import leftovers, totals
from trading.books.booking import position_of
from trading.core.decisions import Finish, Triggers
from trading.core.journal import Cause, Kind, Source
from trading.core.money import plain
from trading.core.orders import UNVALUED, Side, unvalued
from trading.core.position import LEAVES_TO_THE_NEXT, Position, TraderState
from trading.models import Trader
from trading.models.journal import write
from trading.traders import neighbours
from trading.traders.rows import copy, locked, save


def retire(trader_id: int, why: str) -> bool:
    """Ends a trader that never ordered anything, because its slot is no longer wanted. Whether it did."""
    with transaction.atomic():
        trader = locked(trader_id)
        if trader is None or trader.has_ended or position_of(trader).orders:
            return False
        end(trader, Finish(TraderState.RETIRED, Decimal(0), Decimal(0), why), Position())
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
        end(trader, decision, position)
        trigger = save(trader)
        left = f"{plain(owned)} {base} stays in the account"
        write(trader, Cause(Source.PERSON, f"{by} in the admin"), Kind.ABANDONED, "abandoned", left)
    copy(trigger)
    return True


def end(trader: Trader, decision: Finish, position: Position) -> None:
    """Changes the row, which the caller saves; leaves to the symbol's next sale what could not be sold.

    To be called in the transaction that saves the row, for the cycle counts in the totals with it.
    """
    trader.state = decision.state
    trader.profit = decision.profit
    trader.leftover = decision.leftover
    trader.leftover_cost = position.cost_of_owned(trader.symbol.base_asset)
    if decision.state in LEAVES_TO_THE_NEXT:
        leftovers.add(trader, trader.leftover, trader.leftover_cost)
    trader.has_unvalued_fees = _has_unvalued_fees(trader, position)
    trader.finished_at = timezone.now()
    _take_stock(trader, position)
    totals.count(trader)
    trader.arm(Triggers())
    trader.retry_at = None
    trader.waits_for = ""
    trader.error = ""
    if position.orders:
        neighbours.has_moved(trader)
    trader.told = None


def count_again(trader: Trader, cause: Cause) -> None:
    """What comes to light after a cycle's end still counts: in its profit, and in what is left on the account.

    The row counts as changed, whatever came of it: an order of it was booked.
    """
    base, quote = trader.symbol.base_asset, trader.symbol.quote_asset
    position = position_of(trader)
    cost = position.cost_of_owned(base)
    counted = position.profit(base, quote), position.owned(base), _has_unvalued_fees(trader, position)
    before = totals.of(trader)
    has_changed = counted != (trader.profit, trader.leftover, trader.has_unvalued_fees)
    if trader.state in LEAVES_TO_THE_NEXT:
        leftovers.add(trader, counted[1] - trader.leftover, cost - trader.leftover_cost)
    trader.profit, trader.leftover, trader.has_unvalued_fees = counted
    trader.leftover_cost = cost
    _take_stock(trader, position)
    totals.count(trader, before)
    trader.version += 1
    trader.save(
        update_fields=["profit", "leftover", "leftover_cost", "has_unvalued_fees", "fees", "held_s", "version"]
    )
    if not has_changed:
        return
    unknown = f" {UNVALUED}" if trader.has_unvalued_fees else ""
    reason = f"profit {plain(counted[0])} {quote}{unknown}; {plain(counted[1])} {base} stays in the account"
    write(trader, cause, Kind.RECOUNTED, "profit recalculated", reason)


def _take_stock(trader: Trader, position: Position) -> None:
    """What its commissions come to, and for how long it held something."""
    trader.fees = position.fees_in_quote(trader.symbol.base_asset, trader.symbol.quote_asset)
    bought_ms = min((fill.at_ms for order in position.of(Side.BUY) for fill in order.fills), default=None)
    if bought_ms is not None and trader.finished_at is not None:
        trader.held_s = max(0, round(trader.finished_at.timestamp() - bought_ms / 1000))


def _has_unvalued_fees(trader: Trader, position: Position) -> bool:
    return bool(unvalued(position.orders, (trader.symbol.base_asset, trader.symbol.quote_asset)))
