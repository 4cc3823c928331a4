"""How a symbol stands at a venue: what is held, what it brought in total and today. In money, for one price."""

from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal

from django.db.models import Prefetch
from django.utils import timezone

from console import numbers
from console.chart.market import Day
from console.viewer_zone import midnight
from hedgehog_project.venues import Venue
from trading.books import account, totals
from trading.books.arithmetic import Arithmetic, arithmetic
from trading.books.booking import as_core, position_with
from trading.books.holdings import fees_of, value_of
from trading.core.filters import SymbolFilters
from trading.core.money import ZERO
from trading.core.position import Position
from trading.models import Leftover, Order, Symbol, Trader
from trading.models.orders import COULD_TRADE
from trading.models.symbols import filters_of
from trading.models.traders import LIVE

# A text, and the sign of what it says: 1, -1 or 0; None where it has none.
Value = tuple[str, int | None]
NONE: Value = (numbers.NONE, None)


@dataclass(frozen=True)
class Slot:
    """A live trader, and how it stands."""

    trader: Trader
    position: Position
    terms: Arithmetic
    orders: tuple[Order, ...]  # those that could have traded, oldest first


@dataclass(frozen=True)
class Today:
    """Since midnight of a zone. `unrealised_before`: what was unrealised then."""

    since: datetime
    cycles: int
    realised: Decimal
    unrealised_before: Decimal


@dataclass(frozen=True)
class Listed:
    """One symbol at one venue, and how its prices and quantities are written there."""

    symbol: Symbol
    venue: Venue
    filters: SymbolFilters | None

    @property
    def tick(self) -> Decimal:
        return self.filters.tick if self.filters else ZERO

    @property
    def step(self) -> Decimal:
        return self.filters.step if self.filters else ZERO

    @property
    def decimals(self) -> int:
        """Of its prices."""
        return numbers.decimals_of(self.tick) if self.filters else 8

    def price_text(self, price: Decimal) -> str:
        return numbers.price(price, self.tick) if self.filters else numbers.exact(price)


@dataclass(frozen=True)
class Standing(Listed):
    """Of one symbol at one venue, as its rows were when they were read."""

    fee: Decimal
    slots: tuple[Slot, ...]
    ended: totals.Total
    left_quantity: Decimal  # of ended cycles, which is no part of what is held
    left_cost: Decimal
    since: datetime | None  # when its first cycle began

    @property
    def quantity(self) -> Decimal:
        return sum((slot.terms.owned for slot in self.slots), ZERO)

    @property
    def cost(self) -> Decimal:
        return sum((slot.terms.owned_cost for slot in self.slots), ZERO)

    def unrealised(self, price: Decimal | None) -> Decimal | None:
        """What running cycles would bring, sold at this price after commission, and leftovers over their cost: as the
        books count it. None where it depends on a price that is not known.
        """
        held = value_of(self.quantity + self.left_quantity, price, self.fee)
        if held is None:
            return None if self.quantity or self.left_quantity else self._net
        return self._net + held - self.cost - self.left_cost

    def _made_of(self, unrealised: Decimal | None) -> str:
        if self.quantity:
            return _share(unrealised, self.cost, "of cost")
        return "of leftovers" if self.left_quantity else ""

    @property
    def _net(self) -> Decimal:
        return sum((slot.terms.net for slot in self.slots), ZERO)

    def values(self, price: Decimal | None, day: Day | None) -> dict[str, Value]:
        """The head line's figures by their names, but today's; and those of each slot."""
        quote, name = self.symbol.quote_asset, f"sym.{self.symbol.name}"
        unrealised, realised = self.unrealised(price), self.ended.profit
        found: dict[str, Value] = {
            "price": NONE if price is None else (self.price_text(price), None),
            "change": NONE,
            "range": ("", None),
            "position": (numbers.quantity(self.quantity, self.step) if self.filters else str(self.quantity), None),
            "cost": (f"cost {numbers.money(self.cost, quote)} {quote}" if self.quantity else "nothing held", None),
            "unrealised": _signed(unrealised, quote),
            "unrealised_share": (self._made_of(unrealised), None),
            "total": _signed(None if unrealised is None else realised + unrealised, quote),
            "total_of": (f"realised {numbers.signed(realised, quote)}, {_cycles(self.ended.finished)}", None),
        }
        if price is not None and day is not None and day.open:
            change = price / day.open - 1
            found["change"] = (numbers.percent(change), _sign(change))
            low, high = min(day.low, price), max(day.high, price)
            found["range"] = (f"{self.price_text(low)} to {self.price_text(high)}", None)
        for slot in self.slots:
            found |= self._of_slot(slot, price)
        return {f"{name}.{key}": value for key, value in found.items()}

    def today_values(self, today: Today, price: Decimal | None) -> dict[str, Value]:
        """Today's figures by their names."""
        quote, name = self.symbol.quote_asset, f"sym.{self.symbol.name}"
        unrealised = self.unrealised(price)
        net = None if unrealised is None else today.realised + unrealised - today.unrealised_before
        of = f"realised {numbers.signed(today.realised, quote)}, {_cycles(today.cycles)}"
        return {f"{name}.today": _signed(net, quote), f"{name}.today_of": (of, None)}

    def _of_slot(self, slot: Slot, price: Decimal | None) -> dict[str, Value]:
        key, quote = f"slot.{slot.trader.pk}", self.symbol.quote_asset
        found: dict[str, Value] = {}
        if slot.terms.owned:
            value = value_of(slot.terms.owned, price, self.fee)
            gain = None if value is None else slot.terms.net + value - slot.terms.owned_cost
            found[f"{key}.unrealised"] = _signed(gain, quote)
            found[f"{key}.share"] = (_share(gain, slot.terms.owned_cost), None)
        return found


def listed(symbol: Symbol, venue: Venue) -> Listed:
    """For what shows its market alone: no trader's rows are read."""
    return Listed(symbol, venue, filters_of(symbol.pk, venue))


def standing(symbol: Symbol, venue: Venue) -> Standing:
    """As its rows are now, in a handful of queries."""
    rows = Order.objects.filter(COULD_TRADE).order_by("id").prefetch_related("fills")
    live = Trader.objects.filter(LIVE, venue=venue, symbol=symbol).order_by("slot")
    slots = [_slot(trader, symbol) for trader in live.prefetch_related(Prefetch("orders", rows, to_attr="traded"))]
    first = Trader.objects.filter(symbol=symbol, venue=venue).order_by("id").values_list("created_at", flat=True)
    left = Leftover.objects.filter(symbol=symbol, venue=venue).values_list("quantity", "cost").first()
    left_quantity, left_cost = left or (ZERO, ZERO)
    return Standing(
        symbol=symbol,
        venue=venue,
        filters=filters_of(symbol.pk, venue),
        fee=fees_of(venue, [symbol.pk])[symbol.pk],
        slots=tuple(slots),
        ended=totals.of_symbol(symbol.pk, venue),
        left_quantity=left_quantity,
        left_cost=left_cost,
        since=first.first(),
    )


def today(of: Standing, zone: tzinfo, now: datetime | None = None) -> Today:
    """Since the last midnight of the zone, as the overview counts it."""
    since = midnight(zone, now or timezone.now())
    ended = totals.of_symbol(of.symbol.pk, of.venue, since)
    before = account.unrealised_of(account.baseline(of.venue, account.unit_of(of.venue), since))
    return Today(since, ended.finished, ended.profit, before.get(of.symbol.name, ZERO))


def _slot(trader: Trader, symbol: Symbol) -> Slot:
    orders: tuple[Order, ...] = tuple(trader.traded)  # type: ignore[attr-defined]
    position = position_with(trader, (as_core(row) for row in orders))
    return Slot(trader, position, arithmetic(position, symbol.base_asset, symbol.quote_asset), orders)


def _sign(value: Decimal) -> int:
    return (value > 0) - (value < 0)


def _signed(value: Decimal | None, asset: str) -> Value:
    return NONE if value is None else (numbers.signed(value, asset), _sign(value))


def _share(part: Decimal | None, whole: Decimal, of: str = "") -> str:
    return "" if part is None or not whole else f"{numbers.percent(part / whole)} {of}".strip()


def _cycles(count: int) -> str:
    return f"{count:,} cycle{'' if count == 1 else 's'}"
