"""Statistics of a window of a symbol's time."""

from dataclasses import dataclass
from decimal import Decimal

from binance_mock.engine.amounts import quotient
from candles.fold import Candle


@dataclass(frozen=True, slots=True)
class Statistics:
    """A window of a symbol's time, such as the last 24 hours."""

    opens_ms: int
    closes_ms: int
    before: Decimal  # The price of the last trade before.
    candle: Candle

    @property
    def change(self) -> Decimal:
        return self.candle.close - self.candle.open

    @property
    def change_percent(self) -> str:
        return format(quotient(self.change * 100, self.candle.open), ".3f")

    @property
    def average(self) -> Decimal:
        return quotient(self.candle.quote, self.candle.base) if self.candle.base else self.candle.close
