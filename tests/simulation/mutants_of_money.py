"""Bugs planted in the arithmetic of money: what could be written in good faith of commissions and costs."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tests.simulation.surroundings import Patches
from trading import valuing
from trading.core.fees import USUAL_FEES, Fees
from trading.core.money import cost_after
from trading.core.position import Position
from trading.exchange import replies


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


PLANTED = (
    reads_only_the_standard_commission,
    prices_a_buy_that_took_as_a_maker,
    takes_an_unknown_commission_for_nothing,
)
