"""Why a symbol does not buy: what blocks all its traders, and what each slot waits for. For page and command."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils import timezone

from console import diagnosis, figures
from console.findings import Finding
from console.words import notes
from hedgehog_project.processes import ProcessState
from hedgehog_project.venues import Venue
from trading.core.hand import Pause
from trading.core.money import ceil_to, floor_to, plain
from trading.core.orders import OPEN, OrderStatus
from trading.core.strategy import ANY_PRICE, TraderState
from trading.models import Order, Symbol, Trader, TradingSettings
from trading.models.symbols import TradingStatus, filters_of
from trading.models.traders import LIVE, Slot
from trading.risk import sizing
from trading.waking.prices import LastTrade


@dataclass(frozen=True)
class SlotLine:
    """One slot: who is in it, and what happens next there."""

    number: int
    trader: Trader | None
    text: str
    is_error: bool = False
    is_closed: bool = False  # by hand


@dataclass(frozen=True)
class Answer:
    """What was found of the symbol. Where nothing of it stops buys, each slot's own line is the answer."""

    symbol: Symbol
    venue: Venue
    findings: list[Finding]
    slots: list[SlotLine]

    @property
    def reasons(self) -> list[Finding]:
        """What stops every buy of the symbol."""
        return [finding for finding in self.findings if finding.stops_buys]

    @property
    def others(self) -> list[Finding]:
        """What needs a look all the same."""
        return [finding for finding in self.findings if not finding.stops_buys]

    @property
    def has_errors(self) -> bool:
        """Whether a trader has one of its own, which says nothing of the others."""
        return any(line.is_error for line in self.slots)


def why(symbol: Symbol, states: Sequence[ProcessState] | None = None) -> Answer:
    """The answer at the switch's venue as things stand now. `states`: the processes', where the caller knows them."""
    facts = diagnosis.gather(symbol, states)
    trade = next((line.last_trade for line in facts.lines), None)
    return Answer(symbol, facts.venue, diagnosis.diagnose(facts), slot_lines(symbol, facts.venue, trade))


# --- slots ----------------------------------------------------------------------------------------
def slot_lines(symbol: Symbol, venue: Venue, trade: LastTrade | None) -> list[SlotLine]:
    """Every slot that is wanted or taken."""
    settings = getattr(symbol, "settings", None)
    is_on = settings is not None and settings.status == TradingStatus.ON
    live = Trader.objects.filter(LIVE, venue=venue, symbol=symbol).order_by("slot").prefetch_related("orders")
    taken = {trader.slot: trader for trader in live}
    opened = dict(Slot.objects.filter(venue=venue, symbol=symbol).values_list("number", "is_closed"))
    wanted = range(1, settings.max_slots + 1) if settings is not None and is_on else ()
    lines = []
    for number in sorted({*wanted, *taken}):
        trader = taken.get(number)
        if trader is not None:
            text = story_now(trader, trader.orders.all(), symbol, trade)
            lines.append(SlotLine(number, trader, text, bool(trader.error)))
        elif opened.get(number):
            text = f"closed by hand: no cycle begins until `manage.py resume {symbol.name}#{number}` opens it"
            lines.append(SlotLine(number, None, text, is_closed=True))
        elif number in opened or number == 1:
            lines.append(SlotLine(number, None, _free(settings, venue)))
        else:
            lines.append(SlotLine(number, None, "not open yet: it opens when the price falls by the ladder step"))
    return lines


def _free(settings: TradingSettings | None, venue: Venue) -> str:
    size = sizing.next_size(settings, venue) if settings is not None else None
    if size is not None and size.budget is None:
        return f"free, but no trader can start: {size.text}"
    return "free: a trader starts within a second"


def story_now(trader: Trader, orders: Iterable[Order], symbol: Symbol, trade: LastTrade | None) -> str:
    """What a live trader does just now and what it waits for, in words for people. `orders`: all of its."""
    # Two where one takes the other's place, or one has shown late.
    resting = sorted((order for order in orders if order.status in OPEN), key=lambda order: (order.is_late, order.pk))
    parts = []
    if trader.error:
        parts.append(f"error: {trader.error}")
    if trader.pause:
        what = "places nothing, no stop acts" if trader.pause == Pause.ALL else "buys nothing"
        parts.append(f"paused by {trader.paused_by}: it {what}")
    if resting:
        parts += [_resting(order, symbol, trade) for order in resting]
    elif trader.waits_for and trader.waits_for not in trader.error:
        parts.append(trader.waits_for)
    elif trader.state == TraderState.HOLDING:
        parts.append("holds a position, about to place the sell")
    wakes = wakes_at(trader)
    if wakes:
        parts.append(f"next trigger: {wakes}")
    if trader.retry_at:
        wait_s = (trader.retry_at - timezone.now()).total_seconds()
        parts.append(f"checks again in {figures.age(wait_s)}" if wait_s > 0.5 else "checking now")
    return "; ".join(parts) or "just started"


def wakes_at(trader: Trader) -> str:
    """The trigger prices in words; empty where no price wakes it."""
    if trader.wake_below is not None and trader.wake_below >= ANY_PRICE:
        return "the next trade, at any price"
    if trader.wake_below is None and trader.wake_above is None:
        return ""
    filters = filters_of(trader.symbol_id, trader.venue)
    tick = filters.tick if filters else Decimal(0)
    # Prices are whole ticks: the first one that fires is the nearest tick on the other side.
    sides = ((trader.wake_below, floor_to, "below"), (trader.wake_above, ceil_to, "above"))
    prices = [
        f"at {plain(to_tick(price, tick) if tick else price)} or {side}"
        for price, to_tick, side in sides
        if price is not None
    ]
    return f"a trade {', or '.join(prices)}"


def _resting(order: Order, symbol: Symbol, trade: LastTrade | None) -> str:
    what = f"its {order.side.lower()} of {plain(order.quantity - order.executed)} {symbol.base_asset}"
    if order.status == OrderStatus.SUBMITTING:
        return _noted(f"{what} at {plain(order.price)} is in flight", order)
    text = f"{what} is open at {plain(order.price)}"
    if order.executed:
        text += f" ({plain(order.executed)} filled)"
    return _noted(f"{text}, {away(order.price, trade.price)}" if trade else text, order)


def _noted(text: str, order: Order) -> str:
    return "; ".join([text, *notes(order)])


def away(price: Decimal, market: Decimal) -> str:
    """How far a price is from the market: 0.12 % under the market, 3000.1."""
    share = round((price / market - 1) * 100, 2) if market else Decimal(0)
    if not share:
        return f"at the market, {plain(market)}"
    return f"{plain(abs(share))} % {'above' if share > 0 else 'below'} the market, {plain(market)}"
