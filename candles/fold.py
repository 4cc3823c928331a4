"""What a candle is, and how it is made of trades and of shorter ones."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from candles.worth import ZERO, times

# A symbol, an id, a price, a quantity, a time in ms, and whether the buyer's order was there first.
Trade = tuple[str, int, Decimal, Decimal, int, bool]
# When the candle around a time opens, and its last ms.
Window = Callable[[int], tuple[int, int]]
# The id of a first and last trade where there is none.
NO_TRADE = -1


@dataclass(slots=True)
class Candle:
    opens_ms: int
    closes_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    first_id: int
    last_id: int
    base: Decimal = ZERO
    quote: Decimal = ZERO
    taker_buy_base: Decimal = ZERO
    taker_buy_quote: Decimal = ZERO

    @property
    def count(self) -> int:
        return 0 if self.first_id == NO_TRADE else self.last_id - self.first_id + 1

    def extend(self, later: "Candle") -> None:
        """Takes in a candle of trades that follow."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.last_id = later.last_id
        self.base += later.base
        self.quote += later.quote
        self.taker_buy_base += later.taker_buy_base
        self.taker_buy_quote += later.taker_buy_quote

    def within(self, opens_ms: int, closes_ms: int) -> "Candle":
        """Its trades as those of a longer candle."""
        return replace(self, opens_ms=opens_ms, closes_ms=closes_ms)


def of_trades(trades: Sequence[Trade], opens_ms: int, closes_ms: int) -> Candle:
    """The candle of trades in their order."""
    _, first_id, opened, *_ = trades[0]
    _, last_id, close, *_ = trades[-1]
    high = low = opened
    base = quote = taker_buy_base = taker_buy_quote = ZERO
    for _, _, price, quantity, _, buyer_is_maker in trades:
        worth = times(price, quantity)
        if price > high:
            high = price
        elif price < low:
            low = price
        base += quantity
        quote += worth
        if not buyer_is_maker:
            taker_buy_base += quantity
            taker_buy_quote += worth
    return Candle(
        opens_ms, closes_ms, opened, high, low, close, first_id, last_id, base, quote, taker_buy_base, taker_buy_quote
    )


class TradeFold:
    """Trades into candles. One that closes does so by the first trade at or after its end.

    There is no clock: what is closed is the same live and years later. A trade of before, as after a clock was set,
    counts as one of now: what has closed does not change.
    """

    def __init__(self, window: Window) -> None:
        self._window = window
        # Cheaper than a candle that changes with each.
        self._trades: list[Trade] = []
        self._opens_ms, self._closes_ms = 0, -1

    def add(self, trade: Trade) -> Candle | None:
        """The candle that it closes."""
        closed = None
        time_ms = trade[4]
        if time_ms > self._closes_ms:
            closed = self.open
            self._trades = []
            self._opens_ms, self._closes_ms = self._window(time_ms)
        self._trades.append(trade)
        return closed

    @property
    def open(self) -> Candle | None:
        return of_trades(self._trades, self._opens_ms, self._closes_ms) if self._trades else None


class Fold:
    """Candles into longer ones, each closed by the first at or after its end."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self.open: Candle | None = None

    def add(self, part: Candle) -> Candle | None:
        """The candle that it closes."""
        if self.open is not None and part.opens_ms <= self.open.closes_ms:
            self.open.extend(part)
            return None
        closed, self.open = self.open, part.within(*self._window(part.opens_ms))
        return closed


def fold(parts: Iterable[Candle], window: Window) -> Iterator[Candle]:
    """Longer candles, the last of them as far as it goes. Those without a trade are left out."""
    whole = Fold(window)
    for part in parts:
        if (closed := whole.add(part)) is not None:
            yield closed
    if whole.open is not None:
        yield whole.open


def fold_trades(trades: Iterable[Trade], window: Window) -> Iterator[Candle]:
    """Candles of trades, the last of them as far as it goes."""
    whole = TradeFold(window)
    for trade in trades:
        if (closed := whole.add(trade)) is not None:
            yield closed
    if whole.open is not None:
        yield whole.open


def flat(price: Decimal, opens_ms: int, closes_ms: int) -> Candle:
    """The candle of a time without trades: at the price of the last one before."""
    return Candle(opens_ms, closes_ms, price, price, price, price, NO_TRADE, NO_TRADE)


def folded(rows: Iterable[Candle], windows: Iterable[tuple[int, int]], before: Decimal | None) -> Iterator[Candle]:
    """One candle for each window, made of the shorter ones that open within it.

    Rows and windows come in the order of time. `before` is the price of the last trade before the first window;
    without one, windows before the first row have no candle.
    """
    remaining = iter(rows)
    row = next(remaining, None)
    for opens_ms, closes_ms in windows:
        candle = None
        while row is not None and row.opens_ms <= closes_ms:
            if candle is None:
                candle = row.within(opens_ms, closes_ms)
            else:
                candle.extend(row)
            row = next(remaining, None)
        if candle is None and before is not None:
            candle = flat(before, opens_ms, closes_ms)
        if candle is not None:
            before = candle.close
            yield candle
