"""A plausible order book around the last price: the market's liquidity is made up, the account's orders are real."""

from decimal import Decimal

from binance_mock.engine.amounts import ZERO, floor_to, text
from binance_mock.engine.book import SymbolBook
from binance_mock.engine.orders import Side

# The made-up book ends here on each side.
MAX_LEVELS = 500
# The made-up levels' sizes repeat with this period, so that a level does not change from one look to the next.
_PERIOD = 7


def levels(book: SymbolBook, limit: int) -> tuple[list[list[str]], list[list[str]]]:
    """Bids and asks as [price, quantity], the best first; only own orders where nothing has traded yet."""
    return _side(book, Side.BUY, limit), _side(book, Side.SELL, limit)


def _side(book: SymbolBook, side: Side, limit: int) -> list[list[str]]:
    own: dict[Decimal, Decimal] = {}
    for order in book.side(side):
        own[order.price] = own.get(order.price, ZERO) + order.remaining
    sign = -1 if side is Side.BUY else 1
    at = dict(own)
    tick, last = book.rules.tick, book.last
    if last is not None:
        for step in range(1, min(limit, MAX_LEVELS) + 1):
            price = last.price + sign * step * tick
            if price <= 0:
                break
            at[price] = at.get(price, ZERO) + _made_up(book, price, tick)
    best_first = sorted(at.items(), reverse=side is Side.BUY)
    return [[text(price), text(quantity)] for price, quantity in best_first[:limit]]


def _made_up(book: SymbolBook, price: Decimal, tick: Decimal) -> Decimal:
    """Some lots, worth about as much at each level; the same again for the same price."""
    minimum = book.rules.min_notional or Decimal(5)
    lots = Decimal(20 * (1 + int(price / tick) % _PERIOD)) * minimum
    return max(floor_to(lots / price, book.rules.step), book.rules.step)
