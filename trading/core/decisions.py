"""What a strategy may answer: the words that it and its trader share.

`memory` is what the strategy wants to find in the position at the next look; None leaves it as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from trading.core import old_names
from trading.core.money import MAX_AMOUNT
from trading.core.orders import Order
from trading.core.position import TraderState

# Any price lies below this: the trigger of a trader that wants the next one.
ANY_PRICE = MAX_AMOUNT

Memory = Mapping[str, str]


@dataclass(frozen=True)
class PlaceBuy:
    price: Decimal
    quantity: Decimal
    reason: str
    memory: Memory | None = None
    is_ioc: bool = False  # What is not bought at once expires.


@dataclass(frozen=True)
class PlaceSell:
    """A limit order; with `is_market` it takes what the market gives, and `price` is what that probably is.

    `is_exit`: it gets out at a loss if need be, and should not be kept waiting.
    """

    price: Decimal
    quantity: Decimal
    reason: str
    is_market: bool = False
    is_exit: bool = False
    memory: Memory | None = None
    is_ioc: bool = False  # What is not sold at once expires.


@dataclass(frozen=True)
class Cancel:
    """Cancels an open order. Its outcome comes as the order's end, with whatever has filled by then."""

    order: Order
    reason: str
    memory: Memory | None = None


@dataclass(frozen=True)
class Replace:
    """Places a sale in the stead of a resting one, in one step where the exchange offers that.

    Where the request is refused as a whole, the resting one rests on.
    """

    order: Order
    by: PlaceSell
    reason: str

    @property
    def memory(self) -> Memory | None:
        return self.by.memory


@dataclass(frozen=True)
class RequestSlot:
    """Asks the leader, once in a trader's life, for another trader beside it."""

    reason: str
    memory: Memory | None = None


@dataclass(frozen=True)
class Finish:
    """The cycle is over; `state` is one of ENDED."""

    state: TraderState
    profit: Decimal  # realised, in quote
    leftover: Decimal  # still owned, in base: less than can be sold
    reason: str


@dataclass(frozen=True)
class Wait:
    """Nothing to do. `needs_fills`: an ended order's fills must be fetched first; `needs_values`: what commissions in
    these assets are worth in quote must be asked first, `values_can_wait` where that can't be told now; `pauses`: not
    before a pause, the longer the more often.
    """

    reason: str
    needs_fills: Order | None = None
    needs_values: tuple[str, ...] = ()
    values_can_wait: bool = False
    pauses: bool = False
    memory: Memory | None = None


Decision = PlaceBuy | PlaceSell | Cancel | Replace | RequestSlot | Finish | Wait


@dataclass(frozen=True)
class Triggers:
    """The prices that wake a trader: a trade at `below` or under it, at `above` or over it. None: no price does."""

    below: Decimal | None = None
    above: Decimal | None = None

    def are_crossed_by(self, price: Decimal) -> bool:
        return (self.below is not None and price <= self.below) or (self.above is not None and price >= self.above)


class LevelKind(StrEnum):
    """What happens at a price that a strategy has in mind."""

    TARGET = "target"  # It takes its profit.
    STOP_LOSS = "stop_loss"
    TRAILING_STOP = "trailing_stop"
    SELL = "sell"  # It sells what has gone up, at whatever the market then gives.
    BUY = "buy"
    NEXT_SLOT = "next_slot"  # It asks for another trader beside it.
    REPRICE = "reprice"  # It cancels its buy and places another.


# At these it acts where the price is so low or lower; at the others where it is so high or higher.
FROM_ABOVE = frozenset({LevelKind.STOP_LOSS, LevelKind.TRAILING_STOP, LevelKind.SELL, LevelKind.NEXT_SLOT})


@dataclass(frozen=True)
class Level:
    """A price that a strategy has in mind, for people: pages draw it, and nothing is decided by it."""

    kind: LevelKind
    price: Decimal


if not TYPE_CHECKING:  # A type checker should miss the old names.
    __getattr__ = old_names.of(__name__, {"TellRebuy": "RequestSlot"})
