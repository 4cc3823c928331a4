"""Bugs planted in the arithmetic of money: what could be written in good faith of commissions and costs."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from tests.simulation.surroundings.conditions import Conditions
from tests.simulation.surroundings.luck import Luck
from tests.simulation.surroundings.patches import Patches
from trading.books import leftovers, totals
from trading.core import filters, guard, steps
from trading.core.decisions import Cancel, Finish, Wait
from trading.core.fees import USUAL_FEES, Fees
from trading.core.filters import SymbolFilters
from trading.core.money import cost_after
from trading.core.orders import Order, Side
from trading.core.position import Position, TraderState
from trading.exchange import binance, replies
from trading.models import Leftover, Listing, Trader
from trading.models.symbols import GONE
from trading.strategies import naive
from trading.symbols import listings
from trading.traders import acting, valuing


def reads_only_the_standard_commission(patches: Patches) -> None:
    from_commission = replies.from_commission

    def standard(reply: Mapping[str, Any]) -> Fees:
        return from_commission({"standardCommission": reply["standardCommission"]})

    patches.set(replies, "from_commission", standard)


def prices_a_buy_that_took_as_a_maker(patches: Patches) -> None:
    def as_maker(position: Position, base: str, quote: str, fees: Fees = USUAL_FEES) -> Decimal | None:
        return None if position.bought_at is None else cost_after(position.bought_at, fees.buy_maker)

    patches.set(Position, "unit_cost", as_maker)


def takes_an_unknown_commission_for_nothing(patches: Patches) -> None:
    rate_of = valuing.rate_of

    def known(*asked: Any) -> valuing.Rate:
        return rate_of(*asked) or valuing.Rate(Decimal(0), "no pair: it counts as nothing")

    patches.set(valuing, "rate_of", known)


def takes_what_is_worth_too_little_for_dust(patches: Patches) -> None:
    sell_or_finish = steps.sell_or_finish

    def hasty(position: Position, filters: SymbolFilters, *args: Any, **options: Any) -> Any:
        decision = sell_or_finish(position, filters, *args, **options)
        if not isinstance(decision, Wait) or "it cannot be sold now" not in decision.reason:
            return decision
        base, quote = filters.base_asset, filters.quote_asset
        return Finish(TraderState.DUST, position.profit(base, quote), position.owned(base), "too little to sell")

    patches.everywhere(sell_or_finish, hasty)
    patches.everywhere(steps.may_buy_more, lambda *_: False)


def forgets_what_is_left_over(patches: Patches) -> None:
    patches.set(leftovers, "add", lambda trader, quantity, cost: None)


def sells_what_is_left_over_twice(patches: Patches) -> None:
    def take(trader: Trader, row: Leftover) -> None:
        trader.carried += row.quantity
        trader.carried_cost += row.cost

    patches.set(leftovers, "take", take)


def sells_for_ever_what_is_not_there(patches: Patches) -> None:
    patches.set(acting, "_ask_for_the_balance", lambda *_: [])


def cancels_a_sale_that_nothing_can_replace(patches: Patches) -> None:
    stop = naive._stop

    def reckless(position: Position, resting: Order, *rest: Any) -> Any:
        wants = stop(position, resting, *rest)
        return Cancel(resting, wants.reason, {naive.LEAVES_AT: "1"}) if isinstance(wants, Wait) else wants

    patches.set(naive, "_stop", reckless)
    patches.set(guard, "_sale_rests_on", lambda *_: None)


def cancels_a_buy_whose_part_can_not_be_sold(patches: Patches) -> None:
    patches.set(guard, "_buy_rests_on", lambda *_: None)


def replaces_a_sale_that_has_traded_in_part(patches: Patches) -> None:
    """By one of the whole: what has traded is sold a second time, of the owner's own coins."""
    replacing = binance.replacing

    def whatever_has_traded(client_order_id: str) -> dict[str, str]:
        return {k: v for k, v in replacing(client_order_id).items() if k != "cancelRestrictions"}

    patches.set(binance, "replacing", whatever_has_traded)


def believes_that_a_symbol_is_gone(patches: Patches) -> None:
    """At its first answer and for long: it cancels what rests, and sells nothing."""
    violation = filters.violation

    def believer(listed: SymbolFilters, side: Side, *order: Any) -> str | None:
        return violation(listed, side, *order) if listed.is_trading else "it is gone"

    def at_once(rows: "QuerySet[Listing]") -> int:
        return rows.update(status=GONE, refreshed_at=timezone.now())

    patches.everywhere(violation, believer)
    patches.everywhere(listings.not_listed, at_once)


def counts_no_cycle_that_was_abandoned(patches: Patches) -> None:
    count = totals.count

    def those_that_sold(trader: Trader, before: totals.Total = totals.NONE) -> None:
        if trader.state != TraderState.ABANDONED:
            count(trader, before)

    patches.set(totals, "count", those_that_sold)


PLANTED = (
    counts_no_cycle_that_was_abandoned,
    takes_what_is_worth_too_little_for_dust,
    forgets_what_is_left_over,
    sells_what_is_left_over_twice,
    reads_only_the_standard_commission,
    prices_a_buy_that_took_as_a_maker,
    takes_an_unknown_commission_for_nothing,
    sells_for_ever_what_is_not_there,
    cancels_a_sale_that_nothing_can_replace,
    cancels_a_buy_whose_part_can_not_be_sold,
    replaces_a_sale_that_has_traded_in_part,
    believes_that_a_symbol_is_gone,
)

# Where a bug does harm only in a rare moment it is hunted where that comes often: people leave everything on there.
_LEFT_ON = Luck(turned_off=0, shut_down=0, abandoned=0, halted=0, books_restored=0)
CONDITIONS = {
    # What a sale is worth falls below the minimum while it rests, and its stop is crossed then.
    cancels_a_sale_that_nothing_can_replace: Conditions(
        replace(_LEFT_ON, changes_filters=0.1),
        settings={"stop_loss_interval": Decimal("0.002"), "trailing_stop_interval": Decimal("0.003")},
        min_notionals=("5", "150", "199"),
    ),
    # A part of a budget of 200 is below the minimum, and so is what is left of it.
    cancels_a_buy_whose_part_can_not_be_sold: Conditions(
        replace(_LEFT_ON, changes_filters=0.0),
        settings={"retarget_interval": Decimal("0.001")},
        min_notional="150",
    ),
    # The market leaps through a stop right after it has filled a part of the sale, and the report is on its way.
    replaces_a_sale_that_has_traded_in_part: Conditions(
        replace(_LEFT_ON, market_crashes=0.15),
        settings={"stop_loss_interval": Decimal("0.002")},
        coins={"ETH": Decimal(1), "BTC": Decimal("0.05")},
    ),
    believes_that_a_symbol_is_gone: Conditions(Luck(symbol_not_found=0.5, halts_symbol=0.03)),
}
