"""How a cycle's profit comes about, term by term, and what is still held of it at its cost."""

from dataclasses import dataclass
from decimal import Decimal

from trading.core.money import QUOTE_UNIT, ZERO
from trading.core.orders import Side, commissions, third_asset_value, total_quote, unvalued
from trading.core.strategy import Position


@dataclass(frozen=True)
class Arithmetic:
    """The terms of one cycle: `net` is `received` less `cost`, `fees_quote` and `fees_worth`, to the last unit.

    Amounts of the quote asset but where another is named. Commissions in the base asset make what is left dearer:
    they are no term of their own.
    """

    bought: Decimal  # base, before commissions
    paid: Decimal
    fees_base: Decimal  # base
    sold: Decimal  # base
    received: Decimal
    cost: Decimal  # of what was sold
    fees_quote: Decimal
    fees_third: dict[str, Decimal]  # by asset, in that asset
    fees_worth: Decimal  # what those in third assets were worth, as far as it is known
    unvalued: tuple[str, ...]  # third assets with commissions whose value nobody knows: `net` leaves them out
    net: Decimal
    owned: Decimal  # base, still held
    owned_cost: Decimal
    carried: Decimal = ZERO  # base, taken over of earlier cycles' left-overs
    carried_cost: Decimal = ZERO
    missing: Decimal = ZERO  # base, what the account lacks
    missing_cost: Decimal = ZERO  # neither profit nor loss

    @property
    def bought_at(self) -> Decimal | None:
        """The mean price paid, with 8 decimals; None before anything was bought."""
        return (self.paid / self.bought).quantize(QUOTE_UNIT) if self.bought else None


def arithmetic(position: Position, base_asset: str, quote_asset: str) -> Arithmetic:
    """The terms as they stand now; `net` is what `position.profit` says, which is what the trader's row keeps."""
    buys, sells = position.of(Side.BUY), position.of(Side.SELL)
    fees = commissions(position.orders)
    fees_quote = fees.pop(quote_asset, ZERO)
    fees_base = fees.pop(base_asset, ZERO)
    worth = third_asset_value(position.orders, (base_asset, quote_asset))
    paid, received = total_quote(buys), total_quote(sells)
    net = position.profit(base_asset, quote_asset)
    # From the others, so that the terms add up although the profit was rounded.
    cost = received - fees_quote - worth - net
    missing_cost = position.cost_of_missing(base_asset)
    return Arithmetic(
        bought=position.bought,
        paid=paid,
        fees_base=fees_base,
        sold=position.sold,
        received=received,
        cost=cost,
        fees_quote=fees_quote,
        fees_third=fees,
        fees_worth=worth,
        unvalued=unvalued(position.orders, (base_asset, quote_asset)),
        net=net,
        owned=position.owned(base_asset),
        owned_cost=paid + position.carried_cost - cost - missing_cost,
        carried=position.carried,
        carried_cost=position.carried_cost,
        missing=position.missing,
        missing_cost=missing_cost,
    )
