"""What a deed would do, in numbers, before it is done. Everything here reads, and changes nothing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.db.models import Max

from hedgehog_project.venues import Venue
from trading.books.arithmetic import arithmetic
from trading.books.booking import position_of, positions_of
from trading.core.filters import SymbolFilters, too_far, violation
from trading.core.money import EXACT, ONE, ZERO, buy_quantity, can_be_stored, ceil_to, floor_to, plain, quote_of
from trading.core.orders import Side
from trading.core.position import Position
from trading.identity import copies
from trading.models import Slot, Switch, Symbol, Trader, TradingSettings
from trading.models.symbols import TradingStatus, filters_of
from trading.risk import gate, sizing
from trading.strategies.registry import UnknownStrategy
from trading.strategies.typed import BadSettings
from trading.waking.prices import LastTrade, last_trades

# How far below the last price is sold, and how far above it is bought, unless a person says otherwise.
SLIPPAGE = Decimal("0.005")
UNIT = Decimal("0.00000001")


@dataclass(frozen=True)
class Sums:
    """Of a sale of all that is held, in quote."""

    price: Decimal
    proceeds: Decimal  # before the commission
    commission: Decimal
    cost: Decimal

    @property
    def result(self) -> Decimal:
        return self.proceeds - self.commission - self.cost

    @property
    def share(self) -> Decimal | None:
        """The result as a fraction of the cost; None where nothing was paid."""
        return EXACT.divide(self.result, self.cost) if self.cost else None

    def line(self, what: str, quote: str) -> str:
        share = "" if self.share is None else f", {_signed(self.share.scaleb(2))} %"
        return (
            f"{what} {plain(self.price)}: {_cents(self.proceeds)} {quote} less {_cents(self.commission)} commission "
            f"and {_cents(self.cost)} cost: {_signed(self.result)} {quote}{share}"
        )


@dataclass(frozen=True)
class SalePlan:
    """What selling all that a trader holds would do. `why_not`: in words, why it can't be done now."""

    trader: Trader
    cancels: tuple[str, ...] = ()
    quantity: Decimal = ZERO  # base
    trade: LastTrade | None = None
    bound: Decimal | None = None  # None: at any price
    expected: Sums | None = None  # at the last price; None where that is not known
    worst: Sums | None = None  # all of it at the bound
    why_not: str = ""

    def lines(self) -> Iterator[str]:
        symbol = self.trader.symbol
        yield f"{symbol.name} #{self.trader.slot} at {self.trader.venue}:"
        yield from (f"  cancels {each}" for each in self.cancels)
        if self.quantity:
            how = "at any price" if self.bound is None else f"at {plain(self.bound)} or above"
            yield f"  sells {plain(self.quantity)} {symbol.base_asset} {how}"
        elif not self.cancels:
            yield "  holds nothing and has no open order"
        yield from _price_line(self.trade)
        if self.expected is not None and self.quantity:
            yield "  " + self.expected.line("at", symbol.quote_asset)
        if self.worst is not None and self.quantity:
            yield "  " + self.worst.line("at worst, at", symbol.quote_asset)


def plan_sale(trader: Trader, slippage: Decimal | None = SLIPPAGE, price: Decimal | None = None) -> SalePlan:
    """Of one live trader, with its symbol. `price`: at which it is offered instead, until somebody takes it."""
    position = position_of(trader)
    filters = filters_of(trader.symbol_id, trader.venue)
    trade = last_trade(trader.symbol, Venue(trader.venue))
    cancels = tuple(
        f"{each.side.lower()} {plain(each.quantity - each.executed)} at {plain(each.price)}"
        for each in position.open_orders
    )
    problem = _why_not_sell(trader)
    if filters is None:
        return SalePlan(trader, cancels, trade=trade, why_not=problem or f"{trader.symbol} is not listed here yet")
    quantity = floor_to(position.owned(filters.base_asset), filters.step)
    bound = price if price is not None else _bound(trade, slippage, filters)
    if not quantity and not cancels:
        problem = problem or "it holds nothing"
    if quantity and bound is None and slippage is not None:
        problem = problem or f"the price of {trader.symbol} is not known: give a price, or sell at any price"
    at = bound if bound is not None else trade.price if trade else None
    if quantity and not problem and at is not None:
        problem = violation(filters, Side.SELL, floor_to(at, filters.tick), _one_order(quantity, filters)) or ""
    expected = _sums(position, quantity, trade.price, filters) if trade and price is None else None
    worst = None if bound is None else _sums(position, quantity, bound, filters)
    return SalePlan(trader, cancels, quantity, trade, bound, expected, worst, problem)


def _one_order(quantity: Decimal, filters: SymbolFilters) -> Decimal:
    """What is more than one order may be is sold by several."""
    return min(quantity, filters.max_quantity) if filters.max_quantity else quantity


def _bound(trade: LastTrade | None, slippage: Decimal | None, filters: SymbolFilters) -> Decimal | None:
    if trade is None or slippage is None:
        return None
    return floor_to(EXACT.multiply(trade.price, ONE - slippage), filters.tick)


def _sums(position: Position, quantity: Decimal, price: Decimal, filters: SymbolFilters) -> Sums:
    """With what was paid for it by then, commissions included, whatever of them is not counted as a profit yet."""
    terms = arithmetic(position, filters.base_asset, filters.quote_asset)
    cost = EXACT.divide(EXACT.multiply(terms.owned_cost, quantity), terms.owned) if terms.owned > 0 else ZERO
    proceeds = quote_of(price, quantity)
    commission = EXACT.multiply(proceeds, filters.fees.sell_taker)
    return Sums(price, proceeds, commission.quantize(UNIT), cost.quantize(UNIT))


def _why_not_sell(trader: Trader) -> str:
    """What keeps any sale of it from being placed, and what to do about that."""
    if trader.has_ended:
        return "it has finished"
    if trader.told is not None:
        return f"it has been told to {trader.told['deed'].lower()} by {trader.told['by']}, and is about it"
    status = TradingSettings.objects.filter(symbol=trader.symbol_id).values_list("status", flat=True).first()
    if status in (None, TradingStatus.OFF):
        name = trader.symbol.name
        return f"trading of {name} is off: `manage.py trade {name} shutdown` lets what is held be sold"
    denial = gate.mode_denial(Side.SELL)
    if denial is not None:
        return f"{denial.reason}: `manage.py halt --reduce` lets sales pass, `manage.py resume` everything"
    copy = copies.denial(trader, Side.SELL)
    return copy.reason if copy is not None else ""


def last_trade(symbol: Symbol, venue: Venue) -> LastTrade | None:
    return last_trades([symbol.name], venue).get(symbol.name)


# --- buying ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BuyPlan:
    """What one more trader would buy at once, in its slot. `why_not`: in words, why there can be none now."""

    symbol: Symbol
    venue: Venue
    slot: int = 0
    budget: Decimal = ZERO
    quantity: Decimal = ZERO
    trade: LastTrade | None = None
    bound: Decimal = ZERO
    commission: Decimal = ZERO  # at most, in quote
    why_not: str = ""

    def lines(self) -> Iterator[str]:
        quote = self.symbol.quote_asset
        yield f"{self.symbol.name} #{self.slot} at {self.venue}:" if self.slot else f"{self.symbol.name}:"
        if self.quantity:
            cost = quote_of(self.bound, self.quantity)
            yield (
                f"  buys {plain(self.quantity)} {self.symbol.base_asset} at {plain(self.bound)} or below: at most "
                f"{_cents(cost)} {quote} and {_cents(self.commission)} commission"
            )
            yield "  and sells it by its strategy"
        yield from _price_line(self.trade)


def _no_slot(settings: TradingSettings) -> str:
    return (
        f"all {settings.max_slots} slots are taken or closed: raise its max slots, or have a slot that waits buy by "
        "its strategy"
    )


def plan_buy(symbol: Symbol, venue: Venue, slippage: Decimal = SLIPPAGE) -> BuyPlan:
    """Of one more trader of a symbol, at once and within all limits."""
    settings = TradingSettings.objects.filter(symbol=symbol).select_related("symbol").first()
    trade, filters = last_trade(symbol, venue), filters_of(symbol.pk, venue)
    if settings is None or settings.status != TradingStatus.ON:
        return BuyPlan(symbol, venue, trade=trade, why_not=f"trading of {symbol.name} is not on")
    if venue != Switch.current():
        return BuyPlan(symbol, venue, trade=trade, why_not=f"new traders trade at {Switch.current()}, not at {venue}")
    slot = free_slot(symbol, venue, settings.max_slots)
    if slot is None:
        return BuyPlan(symbol, venue, trade=trade, why_not=_no_slot(settings))
    if filters is None or trade is None:
        what = "filters" if filters is None else "price"
        return BuyPlan(symbol, venue, slot, trade=trade, why_not=f"the {what} of {symbol.name} is not known here yet")
    size = sizing.next_size(settings, venue)
    if size.budget is None:
        return BuyPlan(symbol, venue, slot, trade=trade, why_not=size.text)
    bound = ceil_to(EXACT.multiply(trade.price, ONE + slippage), filters.tick)
    quantity = buy_quantity(size.budget, bound, filters.step)
    commission = EXACT.multiply(quote_of(bound, quantity), filters.fees.buy_taker).quantize(UNIT)
    why_not = (
        violation(filters, Side.BUY, bound, quantity)
        or too_far(filters, Side.BUY, bound, trade.price)
        or _denied(settings, venue, slot, size.budget, bound, quantity, filters)
    )
    return BuyPlan(symbol, venue, slot, size.budget, quantity, trade, bound, commission, why_not or "")


def free_slot(symbol: Symbol, venue: Venue, max_slots: int) -> int | None:
    """The lowest slot in which nobody trades, and that no hand has closed."""
    live = Trader.objects.filter(symbol=symbol, venue=venue, finished_at__isnull=True)
    closed = Slot.objects.filter(symbol=symbol, venue=venue, is_closed=True)
    taken = {*live.values_list("slot", flat=True), *closed.values_list("number", flat=True)}
    return next((number for number in range(1, max_slots + 1) if number not in taken), None)


def slot_above(symbol: Symbol, venue: Venue, max_slots: int) -> int:
    """One over the symbol's own: when its cycle ends nobody follows, and it takes no slot from the ladder."""
    live = Trader.objects.filter(symbol=symbol, venue=venue, finished_at__isnull=True)
    return max(max_slots, live.aggregate(highest=Max("slot"))["highest"] or 0) + 1


def _denied(
    settings: TradingSettings,
    venue: Venue,
    slot: int,
    budget: Decimal,
    price: Decimal,
    quantity: Decimal,
    filters: SymbolFilters,
) -> str:
    trader = Trader(symbol=settings.symbol, venue=venue, slot=slot, budget=budget)
    trader.symbol_paused_by = settings.paused_by
    with transaction.atomic():  # The limits lock rows to be counted.
        denial = gate.would_deny_buy(trader, price, quantity, filters)
    return "" if denial is None else denial.reason


# --- taking over ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class TakeoverPlan:
    """What a trader would begin with that takes over a holding, at the cost that a person gives."""

    symbol: Symbol
    venue: Venue
    quantity: Decimal
    cost: Decimal  # in quote, all of it
    slot: int = 0
    trade: LastTrade | None = None
    expected: Sums | None = None  # were it sold at the last price
    why_not: str = ""

    def lines(self) -> Iterator[str]:
        base, quote = self.symbol.base_asset, self.symbol.quote_asset
        yield f"{self.symbol.name} at {self.venue}:"
        unit = EXACT.divide(self.cost, self.quantity) if self.quantity > 0 else ZERO
        yield (
            f"  a new trader takes over {plain(self.quantity)} {base} that cost {_cents(self.cost)} {quote}, "
            f"{plain(unit.quantize(Decimal('0.0001')))} each, and sells it by the strategy; nothing is bought"
        )
        yield from _price_line(self.trade)
        if self.expected is not None:
            yield "  " + self.expected.line("now worth, at", quote)


def plan_takeover(
    symbol: Symbol, venue: Venue, quantity: Decimal, cost: Decimal, free: Decimal | None = None
) -> TakeoverPlan:
    """`free`: what the account has free of the base asset, where that was asked."""
    plan = TakeoverPlan(symbol, venue, quantity, cost, trade=last_trade(symbol, venue))
    settings = TradingSettings.objects.filter(symbol=symbol).first()
    filters = filters_of(symbol.pk, venue)
    why_not, slot, expected = "", 0, None
    if settings is None or settings.status == TradingStatus.OFF:
        why_not = f"trading of {symbol.name} is off: turn it on first"
    elif filters is None:
        why_not = f"the filters of {symbol.name} are not known at {venue} yet"
    elif quantity <= 0 or cost <= 0:
        why_not = "quantity and cost must be above 0"
    elif not can_be_stored(quantity) or not can_be_stored(cost):
        why_not = "quantity and cost have at most 8 decimals, and are below 92,233,720,368"
    else:
        slot = slot_above(symbol, venue, settings.max_slots)
        price = plan.trade.price if plan.trade else EXACT.divide(cost, quantity)
        why_not = _why_not_held(symbol, venue, quantity, cost, price, filters, free)
        if plan.trade is not None:
            proceeds = quote_of(plan.trade.price, quantity)
            commission = EXACT.multiply(proceeds, filters.fees.sell_taker).quantize(UNIT)
            expected = Sums(plan.trade.price, proceeds, commission, cost)
        try:
            settings.by()
        except (UnknownStrategy, BadSettings) as error:
            why_not = f"fix the symbol's settings first: {error}"
    return TakeoverPlan(symbol, venue, quantity, cost, slot, plan.trade, expected, why_not)


def _why_not_held(
    symbol: Symbol,
    venue: Venue,
    quantity: Decimal,
    cost: Decimal,
    price: Decimal,
    filters: SymbolFilters,
    free: Decimal | None,
) -> str:
    sellable = floor_to(quantity, filters.step)
    why_not = violation(filters, Side.SELL, floor_to(price, filters.tick), _one_order(sellable, filters))
    if why_not:
        return f"it could not be sold: {why_not}"
    # Its strategy sells a little above what it has cost: no order at such a price, no sale.
    each = ceil_to(EXACT.divide(cost, quantity), filters.tick)
    if why_not := violation(filters, Side.SELL, each, _one_order(sellable, filters)):
        return f"at what it has cost, {plain(each)} each, it could not be sold: {why_not}"
    if free is None:
        return ""
    ours = unlocked(symbol.base_asset, venue)
    if quantity > free - ours:
        of_traders = f", {plain(ours)} of which traders hold" if ours else ""
        return f"the account at {venue} has {plain(free)} {symbol.base_asset} free{of_traders}"
    return ""


def unlocked(asset: str, venue: Venue) -> Decimal:
    """What traders hold of an asset, and leave to later sales, that no order of theirs locks."""
    live = Trader.objects.filter(venue=venue, finished_at__isnull=True, symbol__base_asset=asset)
    total = ZERO
    for _, position in positions_of(live):
        selling = sum(
            (each.quantity - each.executed for each in position.open_orders if each.side == Side.SELL), ZERO
        )
        total += max(position.owned(asset) - selling, ZERO)
    rows = Symbol.objects.filter(base_asset=asset, leftovers__venue=venue)
    return total + sum(rows.values_list("leftovers__quantity", flat=True), ZERO)


# --- words ----------------------------------------------------------------------------------------


def total_lines(plans: Iterable[SalePlan]) -> Iterator[str]:
    """What many sales bring together, by quote asset."""
    by_quote: dict[str, list[SalePlan]] = {}
    for plan in plans:
        by_quote.setdefault(plan.trader.symbol.quote_asset, []).append(plan)
    for quote, of_quote in sorted(by_quote.items()):
        expected = [plan.expected for plan in of_quote if plan.expected is not None and plan.quantity]
        at_worst = [plan.worst for plan in of_quote if plan.worst is not None and plan.quantity]
        if expected:
            got = sum((each.proceeds - each.commission for each in expected), ZERO)
            result = sum((each.result for each in expected), ZERO)
            yield f"in all about {_cents(got)} {quote}, a result of {_signed(result)} {quote}"
        if at_worst:
            yield f"at worst {_signed(sum((each.result for each in at_worst), ZERO))} {quote}"


def _price_line(trade: LastTrade | None) -> Iterator[str]:
    if trade is not None:
        yield f"  last price {plain(trade.price)}, {trade.age_s:.0f} s ago"


def _cents(value: Decimal) -> str:
    return f"{value:.2f}"


def _signed(value: Decimal) -> str:
    return f"{value:+.2f}"
