"""What the gate says of an order that may not be placed now."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Rule(StrEnum):
    """What a risk limit looks at. Each denies buys; exits pass all of them."""

    SYMBOL_EXPOSURE = "symbol exposure"  # What open buys and what is held bind of a symbol's budget.
    OPEN_ORDERS = "open orders"  # Orders of a symbol that are open.
    DAILY_LOSS = "daily loss"  # What a symbol's cycles of this UTC day have lost, net.
    CONSECUTIVE_LOSSES = (
        "consecutive losses"  # Cycles of a symbol that ended at a loss one after another: stop-losses.
    )
    STALE_PRICE = "stale price"  # The age of a symbol's last trade.
    DATA_GAP = "data gap"  # Trades of a symbol that are missing and being fetched.
    ACCOUNT_EXPOSURE = "account exposure"  # What open buys and what is held bind at a venue.
    RESERVE = "reserve"  # What is to stay free of the quote asset or of BNB.
    ORDER_RATE = "order rate"  # Orders sent to a venue.


class Check(StrEnum):
    """What else the gate looks at. Those of EXITS deny sales, too."""

    MODE = "mode"  # The mode of trading.
    SYMBOL = "symbol"  # The symbol is off, or shutting down.
    PAUSE = "pause"  # A person has paused the trader or its symbol.
    COPY = "copy"  # A copy of this installation may be alive.
    RATE_LIMIT = "rate limit"  # The exchange's.
    FULL_BOOK = "full book"  # The exchange lets no more orders of the symbol rest.
    SELF_TRADE = "self-trade"  # It would match an own order.


EXITS = frozenset({Check.MODE, Check.SYMBOL, Check.COPY, Check.RATE_LIMIT, Check.SELF_TRADE})


@dataclass(frozen=True)
class Denial:
    """Why an order may not be placed now. `topic` is the reason without figures that change by the second."""

    reason: str
    wait: timedelta
    topic: str
    by: Check | Rule
    in_the_way: tuple[int, ...] = ()  # the rows of own orders that it would meet

    @property
    def is_mode(self) -> bool:
        """Whether the mode of trading is what denies it."""
        return self.by == Check.MODE
