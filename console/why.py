"""Why a symbol does not buy: what holds all its traders back, and what each slot waits for. For page and command."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import redis
from django.utils import timezone

from console import blockers, figures
from console.words import notes
from hedgehog_project import processes
from hedgehog_project.processes import ProcessState
from hedgehog_project.queues import NAMES
from hedgehog_project.redis import hurried_client
from hedgehog_project.venues import Venue, market_of
from trading.core.money import plain
from trading.core.orders import OPEN, OrderStatus, Side
from trading.core.strategy import ANY_PRICE, TraderState
from trading.exchange.client import why_wait
from trading.identity import copies
from trading.models import Order, Switch, Symbol, Trader, TradingSettings
from trading.models.symbols import TradingStatus
from trading.models.traders import LIVE, Slot
from trading.risk import protections, sizing
from trading.strategies.registry import UnknownStrategy
from trading.strategies.typed import BadSettings
from trading.symbols import said, turning
from trading.symbols.venue import why_not
from trading.waking import enqueue, prices
from trading.waking.prices import LastTrade


@dataclass(frozen=True)
class SlotLine:
    """One slot: who is in it, and what happens next there."""

    number: int
    trader: Trader | None
    text: str
    is_error: bool = False


@dataclass(frozen=True)
class Answer:
    """`reasons` hold back every buy of the symbol; without any, each slot's own line is the answer.

    `missing`: what the account lacks of what its traders bought.
    """

    symbol: Symbol
    venue: Venue
    reasons: list[str]
    slots: list[SlotLine]
    missing: list[str]


def why(symbol: Symbol, states: list[ProcessState] | None = None) -> Answer:
    """The answer at the switch's venue as things stand now. `states`: the processes', where the caller knows them."""
    venue = Switch.current()
    trade = prices.last_trades([symbol.name], venue).get(symbol.name)
    reasons = list(_reasons(symbol, venue, trade, processes.states() if states is None else states))
    return Answer(symbol, venue, reasons, _slots(symbol, venue, trade), figures.missing(venue, symbol.pk))


def _reasons(symbol: Symbol, venue: Venue, trade: LastTrade | None, states: list[ProcessState]) -> Iterator[str]:
    """The graver first."""
    settings = getattr(symbol, "settings", None)
    if settings is None or settings.status == TradingStatus.OFF:
        yield f"Trading is off: turn it on, or run `manage.py trade {symbol.name} on`."
    elif settings.status == TradingStatus.SHUTDOWN:
        yield "A shutdown is under way: cycles end, and none begins."
    switch = Switch.row()
    if not switch.is_active:
        yield f"{switch.mode_text[0].upper()}{switch.mode_text[1:]}."
    yield from copies.told(venue)
    problem = why_not(venue)
    if problem:
        yield f"New traders can't trade on {venue}: {problem}"
    yield from figures.alarms(venue, states)
    if any(state.alive for state in states if state.name == "redis"):
        yield from _by_redis(venue)
    unlisted = said.problem(venue, symbol)
    if unlisted:
        yield unlisted
    yield from _by_feed(symbol, venue, trade)
    yield from _by_rules(symbol, venue, is_listed=not unlisted)
    yield from (
        f"A protection holds it back: {row.reason}." for row in protections.holding(venue).filter(symbol=symbol)
    )


def _by_redis(venue: Venue) -> Iterator[str]:
    """What is kept in Redis: the exchange's limits, and how far the workers are behind."""
    stopped = [f"{stop}." for stop in blockers.stops(blockers.budgets([venue]))]
    yield from stopped
    full = None if stopped else why_wait(venue, Side.BUY)
    if full:
        yield f"The exchange's limits leave no room for a buy for {full[1]:.0f} s: {full[0]}."
    try:
        if any(enqueue.is_queue_long(hurried_client(), queue) for queue in NAMES):
            yield "The workers are behind: many tasks wait for them."
    except redis.RedisError:
        return  # The processes' list says so.


def _by_feed(symbol: Symbol, venue: Venue, trade: LastTrade | None) -> Iterator[str]:
    if not turning.is_streaming([symbol.name], market_of(venue)):
        yield f"Its prices do not stream from {market_of(venue)}: turn streaming on."
    if trade is None:
        yield "No price is known yet."
    elif trade.age_s > figures.OLD_S:
        since = timezone.now() - timedelta(seconds=trade.age_s)
        yield f"The market is quiet since {since:%d %b %H:%M:%S} UTC: no trade for {figures.age(trade.age_s)}."


def _by_rules(symbol: Symbol, venue: Venue, is_listed: bool) -> Iterator[str]:
    """What about its settings can't work with the venue's rules."""
    listing = symbol.listings.filter(venue=venue).first()
    if listing is None and is_listed:
        yield f"Its filters at {venue} are not known yet: the exchange is asked every few seconds while it is on."
    settings = getattr(symbol, "settings", None)
    if settings is None:
        return
    try:
        settings.by()
    except (UnknownStrategy, BadSettings) as error:
        yield f"Its strategy can't decide: {error}."
        return
    problem = settings.why_not(listing) if listing else None
    if problem:
        yield problem


# --- slots ----------------------------------------------------------------------------------------
def _slots(symbol: Symbol, venue: Venue, trade: LastTrade | None) -> list[SlotLine]:
    """Every slot that is wanted or taken."""
    settings = getattr(symbol, "settings", None)
    is_on = settings is not None and settings.status == TradingStatus.ON
    live = Trader.objects.filter(LIVE, venue=venue, symbol=symbol).order_by("slot").prefetch_related("orders")
    taken = {trader.slot: trader for trader in live}
    opened = set(Slot.objects.filter(venue=venue, symbol=symbol).values_list("number", flat=True))
    wanted = range(1, settings.chunks + 1) if settings is not None and is_on else ()
    lines = []
    for number in sorted({*wanted, *taken}):
        trader = taken.get(number)
        if trader is not None:
            text = story_now(trader, trader.orders.all(), symbol, trade)
            lines.append(SlotLine(number, trader, text, bool(trader.error)))
        elif number in opened or number == 1:
            lines.append(SlotLine(number, None, _free(settings, venue)))
        else:
            lines.append(
                SlotLine(number, None, "is not open yet: it opens when another trader asks for one beside it")
            )
    return lines


def _free(settings: TradingSettings | None, venue: Venue) -> str:
    size = sizing.next_size(settings, venue) if settings is not None else None
    if size is not None and size.budget is None:
        return f"is free, but no trader begins: {size.text}"
    return "is free: the leader starts a trader within a second"


def story_now(trader: Trader, orders: Iterable[Order], symbol: Symbol, trade: LastTrade | None) -> str:
    """What a live trader does just now and what it waits for, in words for people. `orders`: all of its."""
    # Two where one takes the other's place, or one has shown late.
    resting = sorted((order for order in orders if order.status in OPEN), key=lambda order: (order.is_late, order.pk))
    parts = []
    if trader.error:
        parts.append(f"met an error: {trader.error}")
    if resting:
        parts += [_resting(order, symbol, trade) for order in resting]
    elif trader.waits_for and trader.waits_for not in trader.error:
        parts.append(trader.waits_for)
    elif trader.state == TraderState.HOLDING:
        parts.append("holds what it bought, and is about to sell it")
    wakes = wakes_at(trader)
    if wakes:
        parts.append(f"wakes at {wakes}")
    if trader.retry_at:
        wait_s = (trader.retry_at - timezone.now()).total_seconds()
        parts.append(f"looks again in {figures.age(wait_s)}" if wait_s > 0.5 else "looks again now")
    return "; ".join(parts) or "has just begun"


def wakes_at(trader: Trader) -> str:
    """The trigger prices in words; empty where no price wakes it."""
    if trader.wake_below is not None and trader.wake_below >= ANY_PRICE:
        return "the next trade, at any price"
    sides = ((trader.wake_below, "below"), (trader.wake_above, "above"))
    prices = [f"at {plain(price)} or {side}" for price, side in sides if price is not None]
    return f"a trade {', or '.join(prices)}" if prices else ""


def _resting(order: Order, symbol: Symbol, trade: LastTrade | None) -> str:
    what = f"its {order.side.lower()} of {plain(order.quantity - order.executed)} {symbol.base_asset}"
    if order.status == OrderStatus.SUBMITTING:
        return _noted(f"{what} at {plain(order.price)} has no answer of the exchange yet", order)
    text = f"{what} rests at {plain(order.price)}"
    if order.executed:
        text += f" ({plain(order.executed)} have traded)"
    return _noted(f"{text}, {away(order.price, trade.price)}" if trade else text, order)


def _noted(text: str, order: Order) -> str:
    return "; ".join([text, *notes(order)])


def away(price: Decimal, market: Decimal) -> str:
    """How far a price is from the market: 0.12 % under the market, 3000.1."""
    share = round((price / market - 1) * 100, 2) if market else Decimal(0)
    if not share:
        return f"at the market, {plain(market)}"
    return f"{plain(abs(share))} % {'over' if share > 0 else 'under'} the market, {plain(market)}"
