"""A trader's page: its facts, how its profit comes about, and its journal told step by step."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from console import figures, numbers, positions
from console.admin import show
from console.admin.orders import fee, filled, worth
from console.why import story_now, wakes_at
from console.words import STATE_MEANS, notes
from hedgehog_project.venues import Venue, why_it_rests
from trading.archive import journal as archive
from trading.books.arithmetic import Arithmetic, arithmetic
from trading.books.booking import as_core, position_with
from trading.books.holdings import value_of
from trading.core.fees import USUAL_RATE
from trading.core.journal import Kind, Source
from trading.core.money import ZERO, ceil_to, plain, quote_of
from trading.core.orders import OPEN, PROVEN_BY_US, OrderStatus
from trading.core.position import LEAVES_TO_THE_NEXT, Position, TraderState
from trading.models import Fill, JournalEntry, Listing, Order, Trader
from trading.strategies.registry import UnknownStrategy
from trading.strategies.typed import BadSettings, typed
from trading.waking import prices
from trading.waking.prices import LastTrade

# A cycle's journal has a dozen lines; one that met a long outage may have many.
MAX_LINES = 300
# What people read of what woke a trader, before its text and where there is none. Other sources' texts stand alone.
SAYS = {
    Source.REPORT: "Execution report",
    Source.ANSWER: "Exchange response",
    Source.QUERY: "Order query",
    Source.CANCEL: "Cancel response",
    Source.RECONCILIATION: "Reconciliation",
    Source.LEADER: "Leader",
}
ALONE = {Source.TASK: "Task"}


def source_in_words(source: Source) -> str:
    return SAYS.get(source) or ALONE.get(source) or _capital(source.lower())


# What people say of an order in this state.
STATUS_WORDS = {
    OrderStatus.PENDING_NEW: "is pending on the exchange",
    OrderStatus.NEW: "is open",
    OrderStatus.PARTIALLY_FILLED: "is partially filled",
    OrderStatus.FILLED: "is filled",
    OrderStatus.CANCELED: "is cancelled",
    OrderStatus.REJECTED: "is rejected",
    OrderStatus.EXPIRED: "has expired",
    OrderStatus.EXPIRED_IN_MATCH: "expired by self-trade prevention",
    OrderStatus.NOT_PLACED: "was not placed",
    OrderStatus.NOT_FOUND: "is not found on the exchange",
    OrderStatus.LET_GO: "belongs to another installation now",
}
BAD = {Kind.FAILED, Kind.MISSING, Kind.REJECTED, Kind.NOT_PLACED, Kind.NOT_BOOKED, Kind.UNCLEAR}
WAITS = {Kind.DENIED, Kind.PAUSED, Kind.WAITED}
ACTS = {Kind.ORDERED, Kind.CANCELLED, Kind.SLOT_REQUESTED}


@dataclass
class Step:
    """One look of the trader: what woke it, and everything that it did then."""

    at: datetime
    source: Source
    woken_by: str
    task_id: str
    lines: list[dict[str, Any]] = field(default_factory=list)
    fills: list[dict[str, Any]] = field(default_factory=list)
    tone: str = ""  # good, bad, or plain


def timeline_of(trader: Trader) -> dict[str, Any]:
    """What a trader's page shows, in a handful of queries."""
    quote, base = trader.symbol.quote_asset, trader.symbol.base_asset
    orders = list(trader.orders.order_by("id").select_related("symbol").prefetch_related("fills"))
    entries = list(trader.journal.order_by("-id").select_related("order__symbol")[: MAX_LINES + 1])
    told = list(reversed(entries[:MAX_LINES]))
    traded = [as_core(order) for order in orders if order.status in OPEN or order.executed]
    position = position_with(trader, traded)
    terms = arithmetic(position, base, quote)
    trade = prices.last_trades([trader.symbol.name], Venue(trader.venue)).get(trader.symbol.name)
    listing = Listing.objects.filter(venue=trader.venue, symbol=trader.symbol_id).first()
    return {
        "trader": trader,
        "title": f"{trader.symbol.name} #{trader.slot}",
        "state": show.state(trader.state),
        "means": STATE_MEANS[TraderState(trader.state)] if trader.has_ended else "",
        "missing": _missing(trader, terms),
        "facts": [*_facts(trader), *_held_facts(trader, position, trade, listing)],
        "now": "" if trader.has_ended else story_now(trader, orders, trader.symbol, trade),
        "trigger": wakes_at(trader),
        "retry": show.ago(trader.retry_at) if trader.retry_at else "",
        "sum": _sum(trader, terms, trade, listing) if terms.bought else None,
        "orders": [_order(order, base, quote) for order in orders],
        "steps": [_shown(step, trader) for step in steps(told, orders, trader)],
        "has_more": len(entries) > MAX_LINES,
        "archived": _archived(trader),
        "told": len(told),
        "is_live": not trader.has_ended,
    }


def _facts(trader: Trader) -> list[tuple[str, Any]]:
    quote, base = trader.symbol.quote_asset, trader.symbol.base_asset
    symbol_page = reverse("admin:trading_symbol_change", args=(trader.symbol_id,))
    took = (trader.finished_at - trader.created_at).total_seconds() if trader.finished_at else None
    return [
        ("Symbol", show.link(symbol_page, trader.symbol.name)),
        ("Slot", trader.slot),
        ("Venue", show.world(trader.venue, trader.has_ended)),
        *([("Rests", why)] if not trader.has_ended and (why := why_it_rests(trader.venue)) else []),
        ("Budget", show.amount(trader.budget, quote)),
        ("Strategy", trader.strategy),
        *_strategy_facts(trader),
        ("Started", _both(trader.created_at)),
        ("Ended", _both(trader.finished_at)),
        *([("Duration", figures.age(took))] if took is not None else []),
        ("Profit", show.profit(trader.profit, quote, trader.has_unvalued_fees)),
        ("Leftover", show.amount(trader.leftover, base) if trader.leftover else show.NONE),
        *([("Missing in the account", show.amount(trader.missing, base))] if trader.missing else []),
    ]


def _held_facts(
    trader: Trader, position: Position, trade: LastTrade | None, listing: Listing | None
) -> list[tuple[str, Any]]:
    """Of one that is active and has bought: what it holds, and how far the price is from its target."""
    if trader.has_ended or not position.bought:
        return []
    held = positions.held(trader, position, trade, listing)
    quote, base = trader.symbol.quote_asset, trader.symbol.base_asset
    found: list[tuple[str, Any]] = [
        ("Position", f"{numbers.quantity(held.quantity, held.step_size)} {base}"),
        ("Cost", f"{numbers.money(held.cost, quote)} {quote}"),
    ]
    if held.entry is not None:
        found.append(("Entry price", numbers.price(held.entry, held.tick_size)))
    if held.target is not None:
        away = "" if held.distance is None else f", {numbers.percent(held.distance)} away"
        found.append(("Target", f"{numbers.price(held.target, held.tick_size)}{away}"))
    if held.unrealised is not None:
        found.append(("Unrealised", show.profit(held.unrealised, quote, held.is_unvalued)))
    return found


def _archived(trader: Trader) -> str:
    """Where its older lines are, in a sentence; empty where they are all here."""
    files = archive.where(trader)
    if not files:
        return ""
    names = ", ".join(f"{file.name} on {file.host} in {file.folder}" for file in files)
    return f"Older lines of its journal are in the archive: {names}. To print them:"


def _missing(trader: Trader, terms: Arithmetic) -> str:
    """What of its buys the account does not have, in a sentence; empty where all is there."""
    if not trader.missing:
        return ""
    base, quote = trader.symbol.base_asset, trader.symbol.quote_asset
    text = f"{plain(trader.missing)} {base} of its position is missing in the account, cost"
    text += f" {plain(terms.missing_cost)} {quote}. That is neither profit nor loss"
    return f"{text}." if trader.has_ended else f"{text}; the rest is sold."


def _strategy_facts(trader: Trader) -> list[tuple[str, str]]:
    """Its strategy's settings that were frozen for it, by their labels; those that are off are left out."""
    try:
        strategy, values = trader.by()
    except (UnknownStrategy, BadSettings) as error:
        return [("Settings", str(error))]
    shown = [(each, getattr(values, each.name)) for each in typed(strategy.Settings)]
    return [(each.label, each.shown(value)) for each, value in shown if value is not None]


def _both(at: datetime | None) -> SafeString | str:
    """A time, and how long ago that is."""
    if at is None:
        return show.NONE
    return format_html('{} <span class="hh-dim">{}</span>', show.moment(at), show.ago(at))


# --- how the profit comes about -------------------------------------------------------------------
def _sum(trader: Trader, terms: Arithmetic, trade: LastTrade | None, listing: Listing | None) -> dict[str, Any]:
    """The position, and one under the other the terms of its sales, each with its sign, and what they come to."""
    quote, base = trader.symbol.quote_asset, trader.symbol.base_asset
    # An average is a price to people: in whole ticks, and none that is better than what was paid.
    average = ceil_to(terms.bought_at or ZERO, listing.tick_size if listing else ZERO)
    bought = f"Bought {plain(terms.bought)} {base} at {plain(average)}"
    position = [(bought, show.amount(terms.paid, quote), "")]
    if terms.fees_base:
        got = f"net {plain(terms.bought - terms.fees_base)} {base}"
        position.append((f"Commission in {base}", show.amount(terms.fees_base, base), got))
    if terms.carried:
        carried = f"Leftover of earlier cycles, sold with it: {plain(terms.carried)} {base}, at cost"
        position.append((carried, show.amount(terms.carried_cost, quote), ""))
    if terms.missing:
        lacks = f"Missing in the account: {plain(terms.missing)} {base}, at cost"
        position.append((lacks, show.amount(terms.missing_cost, quote), "neither profit nor loss"))
    rows: list[tuple[str, Any, str]] = []
    if terms.sold or terms.net:
        rows.append((f"Sold {plain(terms.sold)} {base} for", show.amount(terms.received, quote), ""))
        rows.append(("Cost of the quantity sold", _minus(terms.cost, quote), ""))
        rows.append((f"Commissions in {quote}", _minus(terms.fees_quote, quote), ""))
        rows += [_in_third_asset(terms, asset, quote) for asset in terms.fees_third]
    return {
        "position": position,
        "rows": rows,
        "net": show.amount(terms.net, figures.marked(quote, bool(terms.unvalued))),
        "is_loss": terms.net < ZERO,
        "of_budget": _share(terms.net, trader.budget, "of the budget"),
        "of_cost": _share(terms.net, terms.cost, "of cost") if terms.sold else "",
        "held": _held(trader, terms, trade, listing),
        "is_final": trader.has_ended,
    }


def _in_third_asset(terms: Arithmetic, asset: str, quote: str) -> tuple[str, SafeString | str, str]:
    text = f"Commissions of {plain(terms.fees_third[asset])} {asset}"
    if asset in terms.unvalued and not terms.fees_worth:
        return text, show.NONE, "value unknown"
    note = "value of some unknown" if asset in terms.unvalued else ""
    return f"{text}, valued at", _minus(terms.fees_worth, quote) if len(terms.fees_third) == 1 else show.NONE, note


def _minus(amount: Decimal, unit: str) -> SafeString | str:
    return show.amount(-amount if amount else ZERO, unit)


def _share(part: Decimal, whole: Decimal, of: str) -> str:
    return f"{show.percent(round(part / whole, 6))} {of}" if whole > 0 else ""


def _held(trader: Trader, terms: Arithmetic, trade: LastTrade | None, listing: Listing | None) -> str:
    """What is still owned, at its cost, and what it is worth now."""
    quote, base = trader.symbol.quote_asset, trader.symbol.base_asset
    if not terms.owned:
        return ""
    text = f"{plain(terms.owned)} {base} {'left' if trader.has_ended else 'held'}"
    text += f", cost {plain(terms.owned_cost)} {quote}"
    if trader.has_ended:
        return f"{text}{': a later sell includes it' if trader.state in LEAVES_TO_THE_NEXT else ''}."
    if trade is None:
        return f"{text}."
    fee_share = listing.sell_maker_fee if listing else USUAL_RATE
    value = value_of(terms.owned, trade.price, fee_share) or ZERO
    whole = terms.net + value - terms.owned_cost
    sign = "+" if whole > 0 else ""
    return (
        f"{text}. At the last price, {plain(trade.price)}, it is worth {plain(value)} {quote} after commission; "
        f"the cycle's total is {figures.marked(f'{sign}{plain(whole)} {quote}', bool(terms.unvalued))}."
    )


# --- orders ---------------------------------------------------------------------------------------
def _order(order: Order, base: str, quote: str) -> dict[str, Any]:
    return {
        "order": order,
        "side": show.side(order.side),
        "status": show.order_status(order),
        "notes": "; ".join(text for text in (order.reason, *notes(order)) if text),
        "price": plain(order.price),
        "quantity": show.amount(order.quantity, base),
        "worth": worth(order),
        "filled": filled(order),
        "placed": show.moment(order.submitted_at),
        "url": reverse("admin:trading_order_change", args=(order.pk,)),
        "fills": [_fill(fill, base, quote) for fill in _in_order(order)],
    }


def _fill(fill: Fill, base: str, quote: str) -> dict[str, Any]:
    return {
        "at": show.moment(fill.traded_at),
        "price": plain(fill.price),
        "quantity": show.amount(fill.quantity, base),
        "quote": show.amount(fill.quote, quote),
        "fee": fee(fill, quote),
        "role": "maker" if fill.is_maker else "taker",
    }


def _in_order(order: Order) -> list[Fill]:
    return sorted(order.fills.all(), key=lambda fill: fill.trade_id)


# --- the timeline ------------------------------------------------------------------------------------
def steps(entries: Iterable[JournalEntry], orders: Iterable[Order], trader: Trader) -> list[Step]:
    """The journal's entries, oldest first, those of one look together; each fill where it was booked."""
    quote, base = trader.symbol.quote_asset, trader.symbol.base_asset
    booked: dict[int | None, list[Fill]] = {}
    for order in orders:
        for fill in _in_order(order):
            booked.setdefault(fill.entry_id, []).append(fill)
    found: list[Step] = []
    last: dict[int, str] = {}  # the status of each order after its last line
    proven = set[int]()  # orders of which we had concluded that the exchange has none
    for entry in entries:
        step = found[-1] if found else None
        cause = (Source(entry.source), entry.event, entry.task_id)
        # Lines without a task stand alone: the leader may begin a trader, and retire it hours later.
        if step is None or not entry.task_id or cause != (step.source, step.woken_by, step.task_id):
            step = Step(entry.at, *cause)
            found.append(step)
        order_page = reverse("admin:trading_order_change", args=(entry.order_id,)) if entry.order_id else ""
        text = _done(entry, base, quote)
        if entry.order is not None and entry.kind in (Kind.BOOKED, Kind.NOT_PLACED):
            if entry.status in PROVEN_BY_US:
                proven.add(entry.order.pk)
            elif entry.order.pk in proven and entry.order.is_late:
                text += ": late, it had been recorded as not placed"
            if entry.kind == Kind.BOOKED and entry.status not in OPEN and entry.status == last.get(entry.order.pk):
                text += " already, a late fill is added"
            last[entry.order.pk] = entry.status
        step.lines.append({"text": text, "reason": entry.reason, "order": order_page})
        step.tone = _tone(entry, trader) or step.tone
        step.fills += [_fill(fill, base, quote) for fill in booked.get(entry.pk, ())]
    return found


def _done(entry: JournalEntry, base: str, quote: str) -> str:
    """What the trader did, with units where the order tells them."""
    order = entry.order
    if order is not None and entry.kind == Kind.ORDERED:
        what = f"{plain(order.quantity)} {base} at {plain(order.price)} {quote}"
        total = plain(quote_of(order.price, order.quantity))
        return f"Places a {order.side.lower()} of {what}, {total} {quote} in total"
    if order is not None and entry.kind == Kind.BOOKED and entry.status:
        return f"The {order.side.lower()} {STATUS_WORDS[OrderStatus(entry.status)]}"
    return _capital(entry.decision)


def _tone(entry: JournalEntry, trader: Trader) -> str:
    if entry.kind == Kind.ENDED:
        return "bad" if (trader.profit or ZERO) < 0 or trader.state == TraderState.MISSING else "good"
    return "bad" if entry.kind in BAD else "wait" if entry.kind in WAITS else "act" if entry.kind in ACTS else ""


def _woken_by(step: Step, quote: str) -> str:
    says, text = SAYS.get(step.source, ""), step.woken_by
    if not text:
        return ALONE.get(step.source, says)
    if step.source == Source.TRADE:
        text += f" {quote}"
    return f"{says}: {text}" if says else _capital(text)


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _shown(step: Step, trader: Trader) -> dict[str, Any]:
    after_s = (step.at - trader.created_at).total_seconds()
    return {
        "at": show.moment(step.at),
        "after": "start" if after_s < 0.05 else f"+{after_s:.1f} s" if after_s < 10 else f"+{figures.age(after_s)}",
        "woken_by": _woken_by(step, trader.symbol.quote_asset),
        "lines": step.lines,
        "fills": step.fills,
        "tone": step.tone,
        "task": show.task(step.task_id) if step.task_id else "",
    }
