"""Who owns what: the account's balances, the commissions collected, and what the rest of the market holds of ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from binance_mock.engine.amounts import ZERO
from binance_mock.engine.errors import insufficient_balance
from binance_mock.engine.orders import Balance


@dataclass(slots=True)
class Holding:
    """One asset's books. At any time free + locked + fees + market == deposited."""

    free: Decimal = ZERO
    locked: Decimal = ZERO
    fees: Decimal = ZERO  # Commissions that the exchange collected.
    market: Decimal = ZERO  # What the rest of the market got from the account; negative: gave.
    deposited: Decimal = ZERO

    @property
    def missing(self) -> Decimal:
        """What appeared from nowhere (negative) or vanished: always 0."""
        return self.deposited - self.free - self.locked - self.fees - self.market


class Ledger:
    """Every method moves an amount from one place to another, so that none can appear or vanish."""

    def __init__(self, holdings: Mapping[str, Holding] | None = None) -> None:
        self.holdings: dict[str, Holding] = dict(holdings or {})
        # Assets touched since they were last asked for, in order.
        self._touched: dict[str, None] = {}

    def _of(self, asset: str) -> Holding:
        self._touched[asset] = None
        holding = self.holdings.get(asset)
        if holding is None:
            holding = self.holdings[asset] = Holding()
        return holding

    def free(self, asset: str) -> Decimal:
        holding = self.holdings.get(asset)
        return holding.free if holding else ZERO

    def balances(self) -> dict[str, Balance]:
        return {asset: Balance(h.free, h.locked) for asset, h in sorted(self.holdings.items())}

    def touched(self) -> dict[str, Balance]:
        """The balances moved since the last call."""
        moved = {asset: Balance(self.holdings[asset].free, self.holdings[asset].locked) for asset in self._touched}
        self._touched.clear()
        return moved

    def require(self, asset: str, amount: Decimal) -> None:
        """Raises Refused (-2010) where less than the amount is free."""
        if self.free(asset) < amount:
            raise insufficient_balance()

    def lock(self, asset: str, amount: Decimal) -> None:
        self.require(asset, amount)
        holding = self._of(asset)
        holding.free -= amount
        holding.locked += amount

    def unlock(self, asset: str, amount: Decimal) -> None:
        holding = self._of(asset)
        holding.locked -= amount
        holding.free += amount

    def pay(self, asset: str, amount: Decimal) -> None:
        """From the account's free balance to the market."""
        holding = self._of(asset)
        holding.free -= amount
        holding.market += amount

    def receive(self, asset: str, amount: Decimal) -> None:
        """From the market to the account."""
        holding = self._of(asset)
        holding.market -= amount
        holding.free += amount

    def charge(self, asset: str, commission: Decimal) -> None:
        """From the account's free balance to the exchange."""
        holding = self._of(asset)
        holding.free -= commission
        holding.fees += commission

    def deposit(self, asset: str, amount: Decimal) -> None:
        """Money from outside; a negative amount leaves."""
        holding = self._of(asset)
        holding.free += amount
        holding.deposited += amount
