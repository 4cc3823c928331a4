"""First in, first out: which bought lots each sale gives away, and what that gains. For taxes; not how traders count.

Lots are of an asset at a venue, whichever trader bought them. Every amount of a fill comes out again in the rows, to
the last unit: what can't be divided evenly goes to the last part. A quote asset counts as money: what pays for a
purchase leaves no lot, and what a sale brings makes none.
"""

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal, localcontext

from trading.core.money import EXACT, QUOTE_UNIT, ZERO
from trading.core.orders import Side


@dataclass(frozen=True)
class Traded:
    """A fill, with all that an export says of it."""

    at: datetime
    venue: str
    symbol: str
    side: Side
    base_asset: str
    quote_asset: str
    price: Decimal
    quantity: Decimal
    quote: Decimal
    commission: Decimal
    commission_asset: str
    commission_quote: Decimal | None  # its worth in quote; None: nobody has valued it
    is_maker: bool
    trade_id: int
    exchange_order_id: int | None
    client_order_id: str
    trader: int
    slot: int
    is_takeover: bool = False  # not bought here: its cost is what a person gave

    @property
    def commission_base(self) -> Decimal:
        """What the commission took of the base asset itself."""
        return self.commission if self.commission_asset == self.base_asset else ZERO

    @property
    def commission_third(self) -> Decimal:
        """What the commission took of an asset that was neither bought nor sold, as BNB."""
        return ZERO if self.commission_asset in (self.base_asset, self.quote_asset) else self.commission

    @property
    def fee(self) -> Decimal:
        """The commission in quote, as far as it is known, where it did not change the quantity."""
        return ZERO if self.commission_base else self.commission_quote or ZERO

    @property
    def is_unvalued(self) -> bool:
        return bool(self.commission) and self.commission_quote is None


@dataclass
class Lot:
    """What is left of one purchase."""

    bought: Traded
    quantity: Decimal  # after a commission in the asset itself
    cost: Decimal  # in the purchase's quote asset
    fee: Decimal  # the same

    def give(self, quantity: Decimal) -> tuple[Decimal, Decimal]:
        """Takes so much away; its share of cost and fee."""
        cost, fee = share(self.cost, quantity, self.quantity), share(self.fee, quantity, self.quantity)
        self.quantity -= quantity
        self.cost -= cost
        self.fee -= fee
        return cost, fee


@dataclass(frozen=True)
class Sale:
    """A part of one sale, out of one lot; `bought` is None for what no purchase of ours has brought."""

    sold: Traded
    bought: Traded | None
    quantity: Decimal
    cost: Decimal
    buy_fee: Decimal
    proceeds: Decimal
    sell_fee: Decimal
    is_commission: bool = False  # not sold, but taken as a commission

    @property
    def asset(self) -> str:
        """What has left the account."""
        return self.sold.commission_asset if self.is_commission else self.sold.base_asset

    @property
    def gain(self) -> Decimal | None:
        """None where nobody can say: no purchase is known, or it was paid in another asset."""
        if self.bought is None or self.bought.quote_asset != self.sold.quote_asset:
            return None
        return self.proceeds - self.cost - self.buy_fee - self.sell_fee

    @property
    def note(self) -> str:
        """What a reader should know of this row."""
        notes = []
        if self.is_commission:
            notes.append("paid as commission")
        if self.bought is None:
            notes.append("no matching purchase")
        elif self.bought.is_takeover:
            notes.append("taken over, its cost as it was given")
        if self.bought is not None and self.bought.quote_asset != self.sold.quote_asset:
            notes.append(f"paid in {self.bought.quote_asset}, sold for {self.sold.quote_asset}")
        for each in self._unvalued:
            what = "buying" if each.side == Side.BUY else "selling"
            notes.append(f"the commission of {what}, in {each.commission_asset}, has no known price")
        return "; ".join(notes)

    @property
    def is_doubtful(self) -> bool:
        """Whether its gain is not all that it is to be."""
        return self.gain is None or bool(self._unvalued)

    @property
    def _unvalued(self) -> list[Traded]:
        return [each for each in (self.bought, self.sold) if each is not None and each.is_unvalued]


class Fifo:
    """Takes in fills, oldest first, and tells of each sale what it gave away."""

    def __init__(self) -> None:
        self.lots: dict[tuple[str, str], deque[Lot]] = defaultdict(deque)

    def take_in(self, fill: Traded) -> list[Sale]:
        """The rows of a sale, at least one; of a purchase none, but where its commission was taken of other lots."""
        lots = self.lots[fill.venue, fill.base_asset]
        sales: list[Sale] = []
        if fill.side == Side.SELL:
            sales += self._sell(lots, fill, fill.quantity, fill.quote, fill.fee)
            sales += self._sell(lots, fill, fill.commission_base, ZERO, ZERO, is_commission=True)
        elif fill.quantity > fill.commission_base:
            lots.append(Lot(fill, fill.quantity - fill.commission_base, fill.quote, fill.fee))
        return sales + self._taken(fill)

    def _taken(self, fill: Traded) -> list[Sale]:
        """A commission in a third asset, as if that had been sold for its worth, which is a fee of the fill itself.
        What no purchase here has brought of it makes no row: it was paid in, often for this very purpose."""
        lots = self.lots.get((fill.venue, fill.commission_asset), deque())
        taken = self._sell(lots, fill, fill.commission_third, fill.fee, ZERO, is_commission=True)
        return [sale for sale in taken if sale.bought]

    @staticmethod
    def _sell(
        lots: deque[Lot], fill: Traded, quantity: Decimal, quote: Decimal, fee: Decimal, is_commission: bool = False
    ) -> Iterator[Sale]:
        while quantity > 0:
            lot = lots[0] if lots else None
            part = min(quantity, lot.quantity) if lot else quantity
            cost, buy_fee = lot.give(part) if lot else (ZERO, ZERO)
            proceeds, sell_fee = share(quote, part, quantity), share(fee, part, quantity)
            yield Sale(fill, lot.bought if lot else None, part, cost, buy_fee, proceeds, sell_fee, is_commission)
            quantity, quote, fee = quantity - part, quote - proceeds, fee - sell_fee
            if lot and not lot.quantity:
                lots.popleft()


def share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """amount * part / whole, cut to 8 decimals; all of it for the whole."""
    if part == whole:
        return amount
    with localcontext(EXACT):
        return (amount * part / whole).quantize(QUOTE_UNIT, rounding=ROUND_DOWN)
