"""How a cycle ends in its trader's row, what ends it early, and what a late report still changes there."""

from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from trading import leftovers
from trading.books.booking import position_of
from trading.core.decisions import Finish, Triggers
from trading.core.money import ZERO, plain, quote_of
from trading.core.position import LEAVES_TO_THE_NEXT, Position, TraderState
from trading.models import Fill, Trader
from trading.models.journal import write
from trading.saving import copy, locked, save


def retire(trader_id: int, why: str) -> bool:
    """Ends a trader that never ordered anything, because its slot is no longer wanted. Whether it did."""
    with transaction.atomic():
        trader = locked(trader_id)
        if trader is None or trader.has_ended or position_of(trader).orders:
            return False
        end(trader, Finish(TraderState.RETIRED, Decimal(0), Decimal(0), why), Position())
        trigger = save(trader)
        write(trader, "leader", "retires", why)
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
        write(trader, f"{by} in the admin", "is abandoned", f"{plain(owned)} {base} is left on the account")
    copy(trigger)
    return True


def end(trader: Trader, decision: Finish, position: Position) -> None:
    """Changes the row, which the caller saves, and leaves to the symbol's next sale what could not be sold."""
    trader.state = decision.state
    trader.profit = decision.profit
    trader.leftover = decision.leftover
    trader.leftover_cost = position.cost_of_owned(trader.symbol.base_asset)
    if decision.state in LEAVES_TO_THE_NEXT:
        leftovers.add(trader, trader.leftover, trader.leftover_cost)
    trader.finished_at = timezone.now()
    trader.arm(Triggers())
    trader.retry_at = None
    trader.waits_for = ""
    trader.error = ""


def count_again(trader: Trader, event: str, task_id: str) -> None:
    """What comes to light after a cycle's end still counts: in its profit, and in what is left on the account.

    The row counts as changed, whatever came of it: an order of it was booked.
    """
    base, quote = trader.symbol.base_asset, trader.symbol.quote_asset
    position = position_of(trader)
    profit, leftover = position.profit(base, quote), position.owned(base)
    cost = position.cost_of_owned(base)
    has_changed = (profit, leftover) != (trader.profit, trader.leftover)
    if trader.state in LEAVES_TO_THE_NEXT:
        leftovers.add(trader, leftover - trader.leftover, cost - trader.leftover_cost)
    trader.profit, trader.leftover, trader.leftover_cost = profit, leftover, cost
    trader.turn += 1
    trader.save(update_fields=["profit", "leftover", "leftover_cost", "turn"])
    if not has_changed:
        return
    reason = f"profit {plain(profit)} {quote}; {plain(leftover)} {base} is left on the account"
    write(trader, event, "counts again", reason, task_id=task_id)


def value_commissions(trader: Trader, asset: str, pair: str, price: Decimal | None, task_id: str) -> None:
    """Values its commissions in a third asset at this price; as nothing where the exchange has no such pair."""
    fills = list(Fill.objects.filter(order__trader=trader, commission_asset=asset, commission_quote=None))
    for fill in fills:
        fill.commission_quote = ZERO if price is None else quote_of(fill.commission, price)
    Fill.objects.bulk_update(fills, ["commission_quote"])
    total = sum((fill.commission for fill in fills), ZERO)
    why = (
        f"there is no {pair} to value them by: they count as nothing"
        if price is None
        else f"{pair} at {plain(price)}"
    )
    write(trader, "answer", f"values commissions of {plain(total)} {asset}", why, task_id=task_id)
