"""What is ours on a chart: fills as marks, orders and the prices a strategy has in mind as lines, the slots."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import chain, islice
from typing import Any

from django.db.models import Q, Sum
from django.urls import reverse

from console import numbers
from console.chart.standing import Slot, Standing
from console.why import SlotLine
from hedgehog_project.venues import Venue
from trading.core import guard
from trading.core.decisions import ANY_PRICE, FROM_ABOVE, Level, LevelKind
from trading.core.guard import StrategyFails
from trading.core.money import ZERO, ceil_to, floor_to
from trading.core.orders import OPEN, Side
from trading.models import Fill, Order, Symbol, Trader
from trading.models import Slot as OpenSlot
from trading.models.traders import ENDED, LIVE
from trading.strategies.registry import UnknownStrategy
from trading.strategies.time_limit import within_time
from trading.strategies.typed import BadSettings

# A user's own strategy may think for so long about its levels while a page waits.
THINKS_S = 0.5
# Ids in a query at most.
FEW = 5_000


# --- fills ----------------------------------------------------------------------------------------
@dataclass
class Mark:
    """The fills of one candle and side, added up. Amounts are floats: they are drawn, not counted with."""

    time: int
    side: str
    count: int = 0
    quantity: float = 0.0
    quote: float = 0.0
    realised: float = 0.0
    first: int = 0
    last: int = 0

    def row(self) -> list[Any]:
        average = self.quote / self.quantity if self.quantity else 0.0
        realised = self.realised if self.side == Side.SELL else None
        return [self.time, self.side[0], self.count, self.quantity, average, realised, self.first, self.last]


def marks(
    symbol: Symbol, venue: Venue, since: datetime, length_s: int, only: Trader | None = None
) -> list[list[Any]]:
    """One for each candle and side since then, oldest first, of all traders or one:
    [time of the candle, "B" or "S", fills, quantity, average price, realised or None, first, last fill], in s.
    """
    # Whoever has filled since then lives, or has ended since then: both are found by an index.
    traders = Trader.objects.filter(venue=venue, symbol=symbol).order_by()
    columns = (
        "traded_at",
        "order__side",
        "quantity",
        "quote",
        "order__trader",
        "order__trader__profit",
    )
    rows: list[tuple[Any, ...]] = []
    either = (traders.filter(LIVE), traders.filter(ENDED, finished_at__gte=since))
    for whose in either if only is None else (traders.filter(pk=only.pk),):
        fills = Fill.objects.filter(order__trader__in=whose, traded_at__gte=since).order_by()
        rows += fills.values_list(*columns)
    sold = _sold(row[4] for row in rows if row[1] == Side.SELL and row[5] is not None)
    found: dict[tuple[int, str], Mark] = {}
    for at, side, quantity, quote, trader, profit in rows:
        at_s = int(at.timestamp())
        begins = at_s // length_s * length_s
        mark = found.get((begins, side))
        if mark is None:
            mark = found[begins, side] = Mark(begins, side, first=at_s, last=at_s)
        mark.count += 1
        mark.quantity += float(quantity)
        mark.quote += float(quote)
        mark.first, mark.last = min(mark.first, at_s), max(mark.last, at_s)
        if side == Side.SELL and profit is not None and sold.get(trader):
            mark.realised += float(profit * quantity / sold[trader])
    return [found[key].row() for key in sorted(found)]


def _sold(traders: Iterable[int]) -> dict[int, Decimal]:
    """What each of these sold in all."""
    found: dict[int, Decimal] = {}
    left = iter(sorted(set(traders)))
    while some := list(islice(left, FEW)):
        orders = Order.objects.filter(trader__in=some, side=Side.SELL).order_by()
        found |= dict(orders.values_list("trader").annotate(Sum("executed")))
    return found


# --- lines ----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Line:
    """One price on the chart. `steps`: from when it stood at which price, oldest first."""

    kind: str  # order, trigger or entry
    tone: str  # ours, gain or loss
    price: Decimal
    verb: str  # what is done there: "sells", "asks for slot 3"
    slots: tuple[int, ...]
    steps: tuple[tuple[int, Decimal], ...]
    quantity: Decimal | None = None
    is_stop: bool = False
    until: int | None = None  # when it ended, in s

    def row(self, of: Standing) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "tone": self.tone,
            "price": float(self.price),
            "text": self.text(of),
            "short": self.text(of, is_short=True),
            "shown": of.price_text(self.price),
            "steps": [[at, float(price)] for at, price in self.steps],
            "stop": self.is_stop,
            "until": self.until,
        }

    def text(self, of: Standing, is_short: bool = False) -> str:
        """slot 1 sells 0.0495; short: 1 sells."""
        who = " and ".join(str(slot) for slot in self.slots)
        many = len(self.slots) > 1
        verb = _plural(self.verb) if many else self.verb
        if is_short:
            return f"{who} {verb}"
        size = "" if self.quantity is None else f" {numbers.quantity(self.quantity, of.step)}"
        return f"slot{'s' if many else ''} {who} {verb}{size}"


def lines_by_slot(of: Standing) -> dict[int, list[Line]]:
    """Of all live traders, by their slots. Asks each strategy, and reads each order's moves."""
    return {slot.trader.slot: lines_of(of, slot) for slot in of.slots}


def merged(found: Mapping[int, Iterable[Line]]) -> list[Line]:
    """The slots' lines, the highest first; where several do the same at one price, one line for them."""
    by_place: dict[Any, Line] = {}
    for line in chain.from_iterable(found.values()):
        key = (line.kind, line.price, line.verb, line.tone)
        there = by_place.get(key)
        if there is None:
            by_place[key] = line
            continue
        quantity = None if line.quantity is None or there.quantity is None else there.quantity + line.quantity
        steps = min(there.steps, line.steps)
        by_place[key] = Line(
            line.kind,
            line.tone,
            line.price,
            line.verb,
            (*there.slots, *line.slots),
            steps,
            quantity,
            line.is_stop,
        )
    return sorted(by_place.values(), key=lambda line: -line.price)


def lines_of(of: Standing, slot: Slot) -> list[Line]:
    """One trader's: its entry, its open orders, and the prices that its strategy has in mind."""
    number, entry = slot.trader.slot, slot.terms.bought_at
    found = []
    if slot.terms.owned and entry is not None:
        found.append(Line("entry", "ours", entry, "entry", (number,), ((first_fill(slot), entry),)))
    skipped = set()
    for order in slot.orders:
        if order.status not in OPEN:
            continue
        left = order.quantity - order.executed
        verb = "buys"
        if order.side == Side.SELL:
            verb = "sells"
            skipped.add(LevelKind.TARGET)  # The sell that rests is it.
        found.append(Line("order", tone_of(order, entry), order.price, verb, (number,), _moved(slot, order), left))
    for level in levels_of(of, slot):
        price = on_tick(level, of)
        verb = said(level.kind, of)
        if verb and level.kind not in skipped:
            is_stop = level.kind in (LevelKind.STOP_LOSS, LevelKind.TRAILING_STOP)
            tone = "loss" if is_stop else "gain" if level.kind in (LevelKind.TARGET, LevelKind.SELL) else "ours"
            steps = ((_seconds(slot.trader.armed_at or slot.trader.created_at), price),)
            found.append(Line("trigger", tone, price, verb, (number,), steps, is_stop=is_stop))
    wakes = slot.trader.wake_below
    if not found and wakes is not None and wakes < ANY_PRICE:
        # It waits for its turn: the ladder step, not its strategy, says where that comes.
        price = floor_to(wakes, of.tick)
        steps = ((_seconds(slot.trader.armed_at or slot.trader.created_at), price),)
        found.append(Line("trigger", "ours", price, "asks for a buy here", (number,), steps))
    return found


def tone_of(order: Order, entry: Decimal | None) -> str:
    """A buy is ours; a sell a loss below the entry, else a gain."""
    if order.side == Side.BUY:
        return "ours"
    return "loss" if entry is not None and order.price < entry else "gain"


def levels_of(of: Standing, slot: Slot) -> Sequence[Level]:
    """What the trader's strategy has in mind; nothing where it does not say, or can't be asked."""
    if of.filters is None:
        return ()
    filters = of.filters
    try:
        strategy, settings = slot.trader.by()

        def ask() -> tuple[Level, ...]:
            return guard.levels(strategy, slot.position, filters, settings)

        return within_time(strategy, ask, THINKS_S, slot.trader.pk)
    except (UnknownStrategy, BadSettings, StrategyFails):
        return ()  # Its trader's page says what is wrong with it.


def on_tick(level: Level, of: Standing) -> Decimal:
    """The first tick at which a trade does it."""
    if level.kind in FROM_ABOVE:
        return floor_to(level.price, of.tick)
    return ceil_to(level.price, of.tick)


def said(kind: LevelKind, of: Standing) -> str:
    """What a slot does there; empty where it would do nothing."""
    match kind:
        case LevelKind.TARGET:
            return "target"
        case LevelKind.STOP_LOSS:
            return "stop"
        case LevelKind.TRAILING_STOP:
            return "trailing stop"
        case LevelKind.SELL:
            return "sells from here down"
        case LevelKind.BUY:
            return "buys here"
        case LevelKind.NEXT_SLOT:
            free = next_slot(of)
            return f"asks for slot {free} here" if free else ""
    return ""


def next_slot(of: Standing) -> int | None:
    """The slot that would open next; None where all are."""
    settings = getattr(of.symbol, "settings", None)
    taken = {slot.trader.slot for slot in of.slots}
    opened = set(OpenSlot.objects.filter(venue=of.venue, symbol=of.symbol).values_list("number", flat=True))
    wanted = range(1, settings.max_slots + 1) if settings is not None else ()
    return next((number for number in wanted if number not in taken | opened), None)


def _moved(slot: Slot, order: Order) -> tuple[tuple[int, Decimal], ...]:
    """From when its order stood at which price: those of its side before it were moved to where it stands."""
    before = Order.objects.filter(trader=slot.trader, side=order.side, pk__lte=order.pk).order_by("id")
    rows = before.filter(Q(pk=order.pk) | Q(executed=ZERO, exchange_order_id__isnull=False))
    steps = rows.values_list("submitted_at", "price")
    return tuple((_seconds(at), price) for at, price in steps)


def first_fill(slot: Slot) -> int:
    times = [fill.at_ms for order in slot.position.of(Side.BUY) for fill in order.fills]
    return min(times) // 1000 if times else _seconds(slot.trader.created_at)


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


def _plural(verb: str) -> str:
    return {"sells": "sell", "buys": "buy", "entry": "entries", "target": "targets", "stop": "stops"}.get(
        verb, verb.replace("asks", "ask").replace("sells", "sell").replace("buys", "buy")
    )


# --- slots ----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class SlotRow:
    """A slot as the table and the ladder show it."""

    number: int
    trader_id: int | None
    url: str
    state: str
    chip: str  # the class of its label
    entry: str
    next_words: str
    next_price: float | None
    has_gain: bool
    prices: dict[str, float]  # entry, target, buy, wait, stop: for the ladder
    why: str = ""


def slot_rows(of: Standing, found: Mapping[int, list[Line]], told: Iterable[SlotLine]) -> list[SlotRow]:
    """Every slot that is wanted or taken. `found`: their lines; `told`: what `why` says of each."""
    live, said_of = {slot.trader.slot: slot for slot in of.slots}, {line.number: line for line in told}
    rows = []
    for number in sorted({*live, *said_of}):
        slot, line = live.get(number), said_of.get(number)
        why, is_closed = (line.text, line.is_closed) if line else ("", False)
        rows.append(_row(of, slot, found[number], why) if slot else _empty(number, why, is_closed))
    return rows


def _row(of: Standing, slot: Slot, found: list[Line], why: str) -> SlotRow:
    trader, entry = slot.trader, slot.terms.bought_at
    orders = [line for line in found if line.kind == "order"]
    buys = [line for line in orders if line.verb == "buys"]
    sells = [line for line in orders if line.verb == "sells"]
    stops = [line for line in found if line.is_stop]
    waits = [line for line in found if line.kind == "trigger" and not line.is_stop and line.tone == "ours"]
    targets = sells or [line for line in found if line.kind == "trigger" and line.tone == "gain"]
    is_held = bool(slot.terms.owned)
    prices = {
        name: float(of_kind[0].price)
        for name, of_kind in (("buy", buys), ("target", targets), ("stop", stops))
        if of_kind
    }
    if is_held and entry is not None:
        prices["entry"] = float(entry)
    elif waits and not buys:
        prices["wait"] = float(waits[0].price)
    state, chip = ("held", "ours") if is_held else ("buying", "open") if buys else ("waits", "")
    first = next(iter(sells or buys or targets or waits), None)
    if trader.error:
        state, chip = "error", "attn"
    words = ""
    if first is not None:
        size = "" if first.quantity is None else f" {numbers.quantity(first.quantity, of.step)}"
        words = f"{first.verb.removesuffix(' here')}{size} at {of.price_text(first.price)}"
        words = words.replace("target at", "sells at")
    elif trader.wake_below is not None and trader.wake_below >= ANY_PRICE:
        words = "buys at the next trade"
    held = numbers.quantity(slot.terms.owned, of.step) if is_held else ""
    return SlotRow(
        number=trader.slot,
        trader_id=trader.pk,
        url=reverse("admin:trading_trader_change", args=(trader.pk,)),
        state=state,
        chip=chip,
        entry=f"{held} at {of.price_text(entry)}" if is_held and entry is not None else "",
        next_words=words,
        next_price=None if first is None else float(first.price),
        has_gain=is_held,
        prices=prices,
        why=why,
    )


def _empty(number: int, why: str, is_closed: bool) -> SlotRow:
    return SlotRow(number, None, "", "closed" if is_closed else "free", "", "", why, None, False, {}, why)
