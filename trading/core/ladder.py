"""The ladder: how far apart the slots of a symbol buy, at all times.

A slot buys only a step or more below the lowest price that another slot holds. From an open buy of another slot,
which is not held yet, it keeps a step away as well, on either side: below it as if it were held, or above it where
the market has risen by a step and more, for then that buy is far enough below. So whatever fills, and in which order,
no two slots bought within a step of each other, and where all is sold somebody buys near the market again.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from trading.core.decisions import Cancel, PlaceBuy, Triggers, Wait
from trading.core.money import EXACT, ONE, ceil_to, floor_to, plain, round_down, round_up
from trading.core.orders import OrderStatus, Side
from trading.core.position import Position


@dataclass(frozen=True)
class Rung:
    """A price at which another slot of the symbol holds something, or has an open buy."""

    slot: int
    price: Decimal
    is_held: bool

    def __str__(self) -> str:
        return f"slot {self.slot}'s buy at {plain(self.price)}"


def step_of(settings: Any) -> Decimal | None:
    """The ladder step of a strategy's settings, a fraction; None where its slots keep no distance."""
    step = getattr(settings, "rebuy_interval", None)
    return step if isinstance(step, Decimal) and 0 < step < 1 else None


def in_the_way(price: Decimal, rungs: Iterable[Rung], step: Decimal) -> Rung | None:
    """The lowest rung that denies a buy at this price; None where none does."""
    return min((rung for rung in rungs if _denies(rung, price, step)), key=lambda rung: rung.price, default=None)


def rest(
    buy: PlaceBuy, market: Decimal, rungs: Iterable[Rung], step: Decimal, tick: Decimal
) -> tuple[Wait, Triggers] | None:
    """What a slot does instead of a buy that the ladder denies, and what wakes it; None where the ladder allows it.

    `market`: the price for which the strategy has decided on this buy. It is woken where the market has moved so far
    that a buy as far from it stands on free ground.
    """
    rungs = tuple(rungs)
    rung = in_the_way(buy.price, rungs, step)
    if rung is None:
        return None
    below, above = _free_below(buy.price, rungs, step, tick), _free_above(buy.price, rungs, step, tick)
    distance = EXACT.divide(market, buy.price)
    triggers = Triggers(
        below=round_down(EXACT.multiply(below, distance)) if below > 0 else None,
        above=None if above is None else round_up(EXACT.multiply(above, distance)),
    )
    # Still true once that buy has filled: nobody looks again for the words' sake.
    where = f"{plain(below)} or below"
    if above is not None:
        where += f", or at {plain(above)} or above as long as that has not filled"
    return Wait(f"ladder step, {_words(step)}: {rung} is in the way, this slot buys at {where}"), triggers


def can_be_withdrawn(position: Position) -> bool:
    """Whether it has an open buy of which nothing has filled: what has filled is held, and stays."""
    buy = position.open_order
    if buy is None or buy.side != Side.BUY or position.bought:
        return False
    return buy.status != OrderStatus.SUBMITTING and not buy.cancel_reason


def withdrawal(position: Position, rungs: Iterable[Rung], step: Decimal) -> Cancel | None:
    """Cancels an open buy that stands above what the ladder allows by now: its ground is gone.

    Only what other slots hold takes it away: of two open buys each kept its distance when it was placed.
    """
    buy = position.open_order
    if buy is None or not can_be_withdrawn(position):
        return None
    rung = in_the_way(buy.price, (rung for rung in rungs if rung.is_held), step)
    return None if rung is None else Cancel(buy, f"ladder step, {_words(step)}: {rung}")


def _words(step: Decimal) -> str:
    return f"{plain(step.scaleb(2))} %"


def _denies(rung: Rung, price: Decimal, step: Decimal) -> bool:
    if price <= _under(rung.price, step):
        return False
    return rung.is_held or rung.price > _under(price, step)


def _under(price: Decimal, step: Decimal) -> Decimal:
    return EXACT.multiply(price, ONE - step)


def _free_below(price: Decimal, rungs: Iterable[Rung], step: Decimal, tick: Decimal) -> Decimal:
    """The highest price below this one at which the ladder allows a buy; 0 where there is none."""
    while (rung := in_the_way(price, rungs, step)) is not None:
        price = floor_to(_under(rung.price, step), tick)
    return price


def _free_above(price: Decimal, rungs: Iterable[Rung], step: Decimal, tick: Decimal) -> Decimal | None:
    """The lowest price above this one at which the ladder allows a buy; None where something held is below it."""
    while (rung := in_the_way(price, rungs, step)) is not None:
        if rung.is_held:
            return None
        price = ceil_to(EXACT.divide(rung.price, ONE - step), tick)
    return price
