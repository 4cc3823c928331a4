"""What a cycle has cost and brought, by the exchange's own fills and rates."""

from dataclasses import dataclass
from decimal import Decimal

from binance_mock.engine.fees import BNB, BNB_DISCOUNT, Rates
from binance_mock.engine.orders import Fill
from tests.simulation.checks.rows import ZERO


@dataclass
class Cycle:
    """Amounts in quote but where another is named. Commissions in BNB count at what the exchange reckoned them at."""

    paid: Decimal = ZERO
    received: Decimal = ZERO
    owned: Decimal = ZERO  # base
    sold: Decimal = ZERO  # base
    fees_of_buys: Decimal = ZERO  # those that were not taken of what was bought
    fees_of_sales: Decimal = ZERO
    taking: Decimal = ZERO  # what sales that took paid more than resting ones
    in_bnb: Decimal = ZERO
    fills: int = 0

    def take(self, fill: Fill, base: str, rates: Rates) -> None:
        self.fills += 1
        in_base = fill.commission if fill.commission_asset == base else ZERO
        fee = ZERO if in_base else fill.commission
        if fill.commission_asset == BNB:
            standard, others = rates.of(fill.quote_quantity, is_buyer=fill.is_buyer, is_maker=fill.is_maker)
            fee = standard * (1 - BNB_DISCOUNT) + others
            self.in_bnb += fee
        if fill.is_buyer:
            self.paid += fill.quote_quantity
            self.owned += fill.quantity - in_base
            self.fees_of_buys += fee
            return
        self.received += fill.quote_quantity
        self.owned -= fill.quantity
        self.sold += fill.quantity
        self.fees_of_sales += fee
        if not fill.is_maker:
            self.taking += max(ZERO, fee - sum(rates.of(fill.quote_quantity, is_buyer=False, is_maker=True)))

    @property
    def unit_cost(self) -> Decimal:
        return (self.paid + self.fees_of_buys) / (self.owned + self.sold)

    def net(self, carried: Decimal = ZERO) -> Decimal:
        """What was sold of its own brought, less what that had cost with its share of the commissions.

        `carried`: what was sold along of earlier cycles' left-overs, which may have been bought dearer.
        """
        own = self.sold - min(carried, self.sold)
        return (self.received - self.fees_of_sales) * own / self.sold - self.unit_cost * own if self.sold else ZERO

    def profit(self, carried: Decimal = ZERO, carried_cost: Decimal = ZERO) -> Decimal:
        """As it is booked: all commissions count at once, also those of what is left."""
        had = self.owned + self.sold + carried
        cost = (self.paid + carried_cost) * self.sold / had
        return self.received - self.fees_of_sales - self.fees_of_buys - cost
