"""What an exchange takes of a fill, as a share of what the fill brings."""

from dataclasses import dataclass
from decimal import Decimal

# The documents' 0.1 %, where a venue has not told ours.
USUAL_RATE = Decimal("0.001")
# In which Binance takes commissions where an account says so.
BNB = "BNB"


@dataclass(frozen=True)
class Fees:
    """An account's rates in a symbol: every kind of commission added up, by side, and for resting or taking.

    Without the discount for paying in BNB: nobody knows whether the account's BNB lasts until the order fills, and
    an estimate that counts on it would price a sale too low.
    """

    buy_maker: Decimal = USUAL_RATE
    buy_taker: Decimal = USUAL_RATE
    sell_maker: Decimal = USUAL_RATE
    sell_taker: Decimal = USUAL_RATE

    @classmethod
    def flat(cls, rate: Decimal) -> "Fees":
        """One rate for all fills."""
        return cls(rate, rate, rate, rate)

    @property
    def buy_max(self) -> Decimal:
        """That of a buy which may rest or take."""
        return max(self.buy_maker, self.buy_taker)

    @property
    def sell_max(self) -> Decimal:
        return max(self.sell_maker, self.sell_taker)


USUAL_FEES = Fees()
