"""Symbols as an exchange lists them, by the hundred."""

from dataclasses import dataclass, field
from decimal import Decimal

from hedgehog_project.venues.codes import NO_SUCH_SYMBOL
from trading.core.fees import Fees
from trading.exchange.errors import OutcomeUnknown, Refused, Throttled
from trading.exchange.protocol import ListedSymbol


def listed(base: str, quote: str = "USDT", status: str = "TRADING", min_notional: str = "5") -> ListedSymbol:
    return ListedSymbol(
        symbol=base + quote,
        status=status,
        base_asset=base,
        quote_asset=quote,
        tick_size=Decimal("0.01"),
        step_size=Decimal("0.001"),
        min_price=Decimal(0),
        max_price=Decimal(0),
        min_quantity=Decimal("0.001"),
        max_quantity=Decimal(0),
        min_notional=Decimal(min_notional),
        max_notional=Decimal(0),
        filters=[{"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200}],
    )


@dataclass
class ListingExchange:
    """An exchange that is asked for nothing but its symbols, and counts how often."""

    symbols: list[ListedSymbol]
    asked_all: int = 0
    asked: list[str] = field(default_factory=list)
    fees_asked: list[str] = field(default_factory=list)
    fees_left: int = 1000

    def all_listed(self) -> list[ListedSymbol]:
        self.asked_all += 1
        if not self.symbols:
            raise OutcomeUnknown("an exchange without symbols")
        return list(self.symbols)

    def listed(self, symbol: str) -> ListedSymbol:
        self.asked.append(symbol)
        found = next((each for each in self.symbols if each.symbol == symbol), None)
        if found is None:
            raise Refused("Invalid symbol.", NO_SUCH_SYMBOL)
        return found

    def fees(self, symbol: str) -> Fees:
        if len(self.fees_asked) >= self.fees_left:
            raise Throttled("the limits are used up", 20.0)
        self.fees_asked.append(symbol)
        return Fees.flat(Decimal("0.00075"))
