"""What a strategy is, and all the words that its author needs.

A strategy is a module (or an object) of pure functions: no clock, no database, no network, no state of its own.
"""

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from trading.core import old_names
from trading.core.decisions import (
    ANY_PRICE,
    Cancel,
    Decision,
    Finish,
    Level,
    LevelKind,
    Memory,
    PlaceBuy,
    PlaceSell,
    Replace,
    RequestSlot,
    Triggers,
    Wait,
)
from trading.core.events import BalanceSeen, Event, OrderReported, Recheck, TradeSeen
from trading.core.filters import SymbolFilters
from trading.core.orders import Order, OrderStatus, Side
from trading.core.position import ENDED, Mode, Position, TraderState, state_of

__all__ = [
    "ANY_PRICE",
    "ENDED",
    "BalanceSeen",
    "Cancel",
    "Decision",
    "Event",
    "Finish",
    "HasLevels",
    "Level",
    "LevelKind",
    "Memory",
    "Mode",
    "Order",
    "OrderReported",
    "OrderStatus",
    "PlaceBuy",
    "PlaceSell",
    "Position",
    "Recheck",
    "Replace",
    "RequestSlot",
    "Side",
    "Strategy",
    "SymbolFilters",
    "TradeSeen",
    "TraderState",
    "Triggers",
    "Wait",
    "state_of",
]


class Strategy(Protocol):
    """`trading.core.guard` stands between it and its trader: modes, unknown fills, pauses and budgets are seen to."""

    @property
    def name(self) -> str:
        """By which a symbol's settings name it."""

    @property
    def Settings(self) -> type:  # noqa: N802 a class
        """A frozen dataclass of Decimal, int and bool; their metadata: trading/strategies/typed.py."""

    def decide(self, position: Position, event: Event, filters: SymbolFilters, settings: Any, /) -> Decision:
        """What to do next. Whatever happened before, the same position and event give the same decision."""

    def triggers(self, position: Position, filters: SymbolFilters, settings: Any, /) -> Triggers:
        """The prices that concern the trader as it stands now.

        While it holds something and no order of it is open, Triggers() says that time, not a price, is to wake it.
        """


@runtime_checkable
class HasLevels(Protocol):
    """A strategy that also tells, for pages alone, which prices it has in mind."""

    def levels(self, position: Position, filters: SymbolFilters, settings: Any, /) -> tuple[Level, ...]:
        """Where it sells, buys or asks for a slot as the trader stands now: pure, as `triggers` is."""


if not TYPE_CHECKING:  # A type checker should miss the old names.
    __getattr__ = old_names.of(__name__, {"Nudged": "Recheck", "Rules": "SymbolFilters", "TellRebuy": "RequestSlot"})
