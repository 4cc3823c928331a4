"""Bugs planted in the arithmetic of money: what could be written in good faith of commissions and costs."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tests.simulation.surroundings.patches import Patches
from trading.books import leftovers
from trading.core import steps
from trading.core.decisions import Finish, Wait
from trading.core.fees import USUAL_FEES, Fees
from trading.core.filters import SymbolFilters
from trading.core.money import cost_after
from trading.core.position import Position, TraderState
from trading.exchange import replies
from trading.models import Leftover, Trader
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


PLANTED = (
    takes_what_is_worth_too_little_for_dust,
    forgets_what_is_left_over,
    sells_what_is_left_over_twice,
    reads_only_the_standard_commission,
    prices_a_buy_that_took_as_a_maker,
    takes_an_unknown_commission_for_nothing,
    sells_for_ever_what_is_not_there,
)
