"""Sales by hand in words and figures: what the questions before them say."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.utils.html import format_html

from console import numbers
from console.admin import show
from console.admin.by_hand import FINAL
from console.admin.questions import Question, Sum
from console.figures import age, count
from hedgehog_project.outside import sentence
from hedgehog_project.venues import Venue
from trading.by_hand.plans import SalePlan, Sums
from trading.core.money import ZERO, plain
from trading.models import Symbol
from trading.models.symbols import filters_of

MAX_NAMED = 8


def where(venue: str) -> dict[str, Any]:
    return {"is_real": venue == Venue.LIVE, "account": "Binance"}


def percent(fraction: Decimal) -> str:
    return plain(fraction.scaleb(2))


def cancels(plan: SalePlan) -> list[object]:
    return [format_html("Cancels its <b>{}</b>", each) for each in plan.cancels]


def sells(plan: SalePlan, price: Decimal | None) -> list[object]:
    if not plan.quantity:
        return []
    size = f"{numbers.exact(plan.quantity)} {plan.trader.symbol.base_asset}"
    if price is not None:
        return [format_html("Offers <b>{}</b> at <b>{}</b>", size, plain(price))]
    if plan.bound is None:
        return [format_html("Sells <b>{}</b> at the market, at any price", size)]
    return [
        format_html(
            "Sells <b>{}</b> at the market, not under <b>{}</b>; what cannot be sold above it stays yours",
            size,
            _on_tick(plan.bound, plan.trader.symbol, plan.trader.venue),
        )
    ]


def _on_tick(price: Decimal, symbol: Symbol, venue: str) -> str:
    filters = filters_of(symbol.pk, Venue(venue))
    return numbers.price(price, filters.tick) if filters else numbers.exact(price)


def sums(of: Sums | None, quote: str) -> list[Sum]:
    """Proceeds down to what is realised."""
    if of is None or not of.proceeds:
        return []
    result = of.result
    share = "" if of.share is None else numbers.percent(of.share)
    return [
        Sum("Proceeds, about", f"{numbers.money(of.proceeds, quote)} {quote}"),
        Sum("less commission", numbers.signed(-of.commission, quote)),
        Sum("less what it had cost", numbers.signed(-of.cost, quote)),
        Sum(
            "Realised loss" if result < 0 else "Realised gain",
            format_html('{} {} <span class="hh-unit">{}</span>', numbers.signed(result, quote), quote, share),
            show.tone(result),
            is_result=True,
        ),
    ]


def as_of(trade: Any) -> str:
    return f"At the last price of {numbers.exact(trade.price)}, {age(trade.age_s)} ago." if trade else ""


def note_of(plan: SalePlan, quote: str) -> str:
    worst = ""
    if plan.worst is not None:
        result = plan.worst.result
        what = "loss" if result < 0 else "gain"
        worst = f" At the lowest price allowed the {what} would be {numbers.money(abs(result), quote)} {quote}."
    return f"{as_of(plan.trade)}{worst} {FINAL}".strip()


def price_of(plan: SalePlan) -> str:
    return plain(plan.trade.price) if plan.trade else ""


def _holding(plan: SalePlan) -> str:
    symbol = plan.trader.symbol
    return f"{numbers.exact(plan.quantity)} {symbol.base_asset} ({symbol.name} #{plan.trader.slot})"


def of_many(plans: Sequence[SalePlan], base: str, quote: str, venue: Venue) -> Question:
    """Of several traders' sales together; `base` and `quote` empty: of several symbols."""
    sells = [plan for plan in plans if plan.quantity]
    orders = sum(len(plan.cancels) for plan in plans)
    quotes = sorted({plan.trader.symbol.quote_asset for plan in sells})
    steps: list[object] = [format_html("Cancels <b>{}</b>", count(orders, "open order"))] if orders else []
    if base and sells:
        size = sum((plan.quantity for plan in sells), ZERO)
        bounds = [plan.bound for plan in sells if plan.bound is not None]
        low = _on_tick(min(bounds), sells[0].trader.symbol, venue) if bounds else ""
        what = format_html("<b>{} {}</b>", numbers.exact(size), base)
        end = f", not under {low}; what cannot be sold above it stays yours" if low else ""
        steps.append(format_html("Sells {} at the market{}", what, end))
    elif sells:
        held = ", ".join(_holding(plan) for plan in sells[:MAX_NAMED])
        more = f" and {len(sells) - MAX_NAMED} more" if len(sells) > MAX_NAMED else ""
        steps.append(
            format_html("Sells at the market what <b>{}</b> hold: {}{}", count(len(sells), "trader"), held, more)
        )
    total = {
        each: _added([plan.expected for plan in sells if plan.expected and plan.trader.symbol.quote_asset == each])
        for each in quotes
    }
    lines = [line for each in quotes for line in sums(total[each], each)]
    worst = _added([plan.worst for plan in sells if plan.worst]) if len(quotes) == 1 else None
    about = f" for about {numbers.fixed(total[quotes[0]].proceeds, 0)} {quotes[0]}" if len(quotes) == 1 else ""
    size_text = f"{numbers.exact(sum((plan.quantity for plan in sells), ZERO))} {base}" if base else "everything"
    note = as_of(next((plan.trade for plan in sells if plan.trade), None)) if base else ""
    if worst is not None and worst.result < 0:
        note += (
            f" At the lowest prices allowed the loss would be {numbers.money(-worst.result, quotes[0])} {quotes[0]}."
        )
    problems = list(dict.fromkeys(plan.why_not for plan in plans if plan.why_not))
    return Question(
        title="",
        button=f"Sell {size_text}{about}" if sells else "Cancel the orders",
        steps=steps,
        sums=lines,
        note=f"{note} {FINAL}".strip(),
        why_not=sentence(problems[0]) if len(problems) and len(problems) == len(plans) else ""
        if plans else "Nothing is held, and no order is open.",
        price=price_of(sells[0]) if base and sells else "",
    )  # fmt: skip


def _added(parts: Sequence[Sums]) -> Sums:
    def total(name: str) -> Decimal:
        return sum((getattr(each, name) for each in parts), ZERO)

    return Sums(ZERO, total("proceeds"), total("commission"), total("cost"))
