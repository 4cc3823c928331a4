"""What a file of the past holds, as Binance's archive calls it."""

from enum import StrEnum


class Kind(StrEnum):
    TRADES = "trades"
    AGG_TRADES = "aggTrades"
    KLINES = "klines"  # of one minute

    @property
    def one(self) -> str:
        """What one row is, for people."""
        return "candle" if self == Kind.KLINES else "trade"
