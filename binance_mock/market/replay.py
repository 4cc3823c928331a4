"""A market that trades again what a file recorded, at any speed, over and over; a restart goes on where it was."""

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import islice
from pathlib import Path

from binance_mock.engine.amounts import UNIT
from binance_mock.engine.orders import MarketTrade
from binance_mock.market.csv_trades import BadFile, FileTrade, TradeFile, symbol_of
from binance_mock.state.listings import LISTINGS, MockSymbol, listing_for
from binance_mock.state.past import Past

# A longer silence of the file's own time is shortened to this.
LONGEST_PAUSE_MS = 60_000.0
# The file's time from its last trade to its first one, when it begins again.
REPEAT_PAUSE_MS = 1_000.0
MAX_SPEED = 1_000_000.0
_SAMPLE = 1_000
# The line of the file whose trade was given last.
_PLAYED = "replay:line"
# When the machine can't keep up with the speed, the replay falls behind by no more than this.
_MAX_LAG_MS = 250.0


def read_spec(spec: str) -> tuple[Path, float]:
    """FILE[@SPEED]. Raises BadFile."""
    if Path(spec).exists() or "@" not in spec:
        return Path(spec), 1.0
    name, _, speed_text = spec.rpartition("@")
    try:
        speed = float(speed_text)
    except ValueError:
        speed = math.nan
    if not 0.001 <= speed <= MAX_SPEED:
        raise BadFile(f"invalid replay speed “{speed_text}”: use FILE@50 for 50x (0.001 to 1e6)")
    return Path(name), speed


class ReplayMarket:
    """Moves the one symbol of the file. Raises BadFile where the file has no usable line."""

    name = "replay"

    def __init__(self, path: Path, speed: float, marks: Mapping[str, str] | None = None) -> None:
        """`marks`: what the store has kept of it."""
        self.symbol = symbol_of(path)
        self.speed = speed
        self.repeats = 0
        self._file = TradeFile(path)
        sample = list(islice(self._file, _SAMPLE))
        if not sample:
            raise BadFile(f"{path} contains no trades")
        self.listing = LISTINGS.get(self.symbol) or _listing(self.symbol, sample)
        self._line = int((marks or {}).get(_PLAYED, "0"))
        self._trades = self._endless(self._line)
        self._next: MarketTrade | None = None
        self._next_line = 0
        self._gap_ms = 0.0  # of the exchange's own time, from the trade before to `_next`
        self._at_ms: float | None = None

    @property
    def broken(self) -> int:
        """Lines of the file that are no trades, as far as it has been read."""
        return self._file.broken

    def opening(self, symbol: str) -> MarketTrade | None:
        """None: a file's market has no price before its first trade."""

    def past(self, symbol: str, now_ms: int) -> Past | None:
        """None: nothing is known of the time before."""

    def activate(self, symbol: str, last_price: Decimal | None, last_trade_id: int, now_ms: int) -> None:
        """Begins to play, at the first call for the file's symbol."""
        if symbol == self.symbol and self._at_ms is None:
            self._at_ms = float(now_ms)

    def until(self, now_ms: int, maximum: int) -> list[MarketTrade]:
        """The trades up to now, at most so many; the rest with the next call."""
        if self._at_ms is None:
            return []
        trades: list[MarketTrade] = []
        while len(trades) < maximum:
            if self._next is None:
                self._next, self._gap_ms, self._next_line = next(self._trades)
            if self._at_ms + self._gap_ms > now_ms:
                break
            self._at_ms += self._gap_ms
            trades.append(self._next)
            self._next, self._line = None, self._next_line
        self._at_ms = max(self._at_ms, now_ms - _MAX_LAG_MS) if len(trades) == maximum else self._at_ms
        return trades

    def marks(self) -> dict[str, str]:
        return {_PLAYED: str(self._line)}

    def _endless(self, line: int) -> Iterator[tuple[MarketTrade, float, int]]:
        """Each with the time since the one before, in ms, and its line; in the first round those after a line."""
        before: float | None = None
        while True:
            for trade in self._file.after(line):
                gap = 0.0 if before is None else min(max(trade.time_ms - before, 0.0), LONGEST_PAUSE_MS)
                before = trade.time_ms
                yield self._market_trade(trade), gap / self.speed, self._file.line
            self.repeats += 1
            line = 0
            # The first trade of the next round follows the last one of this after a moment.
            before = self._first_ms() - REPEAT_PAUSE_MS

    def _first_ms(self) -> float:
        return next(iter(self._file)).time_ms

    def _market_trade(self, trade: FileTrade) -> MarketTrade:
        return MarketTrade(self.symbol, trade.price, trade.quantity, trade.buyer_is_maker)


def _listing(symbol: str, sample: list[FileTrade]) -> MockSymbol:
    """A listing for a symbol that is not built in: tick and step are the finest that the sample shows."""
    return listing_for(symbol, _finest(t.price for t in sample), _finest(t.quantity for t in sample), sample[0].price)


def _finest(values: Iterator[Decimal] | list[Decimal]) -> Decimal:
    exponents = (value.normalize().as_tuple().exponent for value in values)
    return max(Decimal(1).scaleb(min(0, *(e for e in exponents if isinstance(e, int)))), UNIT)
