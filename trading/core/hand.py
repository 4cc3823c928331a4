"""What a person wants of a trader. It goes before what the strategy decides: see by_hand.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from trading.core.money import plain
from trading.core.orders import OrderStatus


class Deed(StrEnum):
    """What a trader is told to do at once, step by step, in place of what its strategy decides."""

    SELL = "SELL"  # All that it holds; what rests is cancelled first.
    BUY = "BUY"  # For its whole budget, once.
    CANCEL = "CANCEL"  # Its open buy.
    REOFFER = "REOFFER"  # Cancel the sale that rests at a price set by hand: its strategy offers it anew.


class Pause(StrEnum):
    NONE = ""
    BUYS = "buys"  # It buys nothing; what it holds is sold as ever, and its stops act.
    ALL = "all"  # It places nothing of itself: its stops don't act either. What rests stays.


@dataclass(frozen=True)
class Told:
    """`price`: the last one when it was told. `bound`: sells for no less, or buys for no more; None: at the market.

    `order`: by its client order id the last order placed for it, of this `status`; empty: there was none yet.
    """

    deed: Deed
    by: str
    price: Decimal
    bound: Decimal | None = None
    order: str = ""
    status: OrderStatus | None = None

    @classmethod
    def from_texts(cls, texts: Mapping[str, str]) -> "Told":
        """As a trader's row keeps it."""
        bound = texts.get("bound")
        return cls(
            Deed(texts["deed"]),
            texts["by"],
            Decimal(texts["price"]),
            Decimal(bound) if bound else None,
            texts.get("order", ""),
        )

    def to_texts(self) -> dict[str, str]:
        texts = {"deed": self.deed.value, "by": self.by, "price": plain(self.price)}
        return texts if self.bound is None else {**texts, "bound": plain(self.bound)}


@dataclass(frozen=True)
class Hand:
    """`target`: what it holds is offered at this price, whatever its strategy says. `stop`: it gets out where the
    market trades below this price, and its strategy's own stops don't act above it.
    """

    told: Told | None = None
    target: Decimal | None = None
    stop: Decimal | None = None
    pause: Pause = Pause.NONE


NO_HAND = Hand()
