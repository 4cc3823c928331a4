"""A plausible order book around the last price: the market's liquidity is made up, the account's orders are real."""

from decimal import Decimal

from binance_mock.engine.amounts import ZERO, floor_to, text
from binance_mock.engine.book import SymbolBook
from binance_mock.engine.orders import Side
from binance_mock.engine.rules import SymbolRules

# The made-up book ends here on each side.
MAX_LEVELS = 500
# The made-up levels' sizes repeat with this period, so that a level does not change from one look to the next.
_PERIOD = 7

# Price and quantity, as they are sent.
Level = list[str]


class MarketDepth:
    """The market's part of a book: MAX_LEVELS a tick apart on each side of the last price.

    A level is its price in ticks. All follows from the last price and from what the symbol was listed with.
    """

    def __init__(self, listed: SymbolRules) -> None:
        self.tick = listed.tick
        self._step = listed.step
        self._notional = listed.min_notional or Decimal(5)

    def levels(self, side: Side, last: Decimal | None) -> range:
        """The levels that a side has, the lowest first; none where nothing has traded yet."""
        if last is None:
            return range(0)
        ticks, rest = divmod(last, self.tick)
        below = int(ticks)
        if side is Side.SELL:
            return range(below + 1, below + 1 + MAX_LEVELS)
        best = below if rest else below - 1
        return range(max(1, best + 1 - MAX_LEVELS), best + 1)

    def size(self, price: Decimal, levels: range) -> Decimal:
        """Some lots, worth about as much at each of the levels; 0 beside them."""
        level, rest = divmod(price, self.tick)
        if rest or int(level) not in levels:
            return ZERO
        lots = Decimal(20 * (1 + int(level) % _PERIOD)) * self._notional
        return max(floor_to(lots / price, self._step), self._step)


def best_of(levels: range, side: Side, count: int) -> range:
    """So many of a side's levels, as near to the last price as can be."""
    return levels[-count:] if side is Side.BUY else levels[:count]


def levels(book: SymbolBook, limit: int) -> tuple[list[Level], list[Level]]:
    """Bids and asks as [price, quantity], the best first; only own orders where nothing has traded yet."""
    return _side(book, Side.BUY, limit), _side(book, Side.SELL, limit)


def _side(book: SymbolBook, side: Side, limit: int) -> list[Level]:
    market, sizes = MarketDepth(book.listed), own_sizes(book, side, limit)
    best = best_of(market.levels(side, book.last_price), side, limit)
    for price in [level * market.tick for level in best]:
        sizes[price] = sizes.get(price, ZERO) + market.size(price, best)
    return best_first(sizes, side)[:limit]


def own_sizes(book: SymbolBook, side: Side, limit: int | None = None) -> dict[Decimal, Decimal]:
    """What rests at each price of own orders; of so many prices, the best ones."""
    sizes: dict[Decimal, Decimal] = {}
    for order in book.side(side):
        if order.price not in sizes and len(sizes) == limit:
            break
        sizes[order.price] = sizes.get(order.price, ZERO) + order.remaining
    return sizes


def best_first(sizes: dict[Decimal, Decimal], side: Side) -> list[Level]:
    return [[text(price), text(size)] for price, size in sorted(sizes.items(), reverse=side is Side.BUY)]
