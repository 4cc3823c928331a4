"""The deeds by hand: for each a question in numbers, then the function that `manage.py sell` and its kin call."""

from collections.abc import Callable, Iterable, Sequence

from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.html import format_html

from console import numbers
from console.admin import sales
from console.admin.by_hand import Button, Deed, Sent, button
from console.admin.questions import Field, Question, Sum
from console.figures import count
from hedgehog_project.outside import sentence
from hedgehog_project.venues import Venue
from trading.by_hand import of_symbols, of_traders
from trading.by_hand.plans import SLIPPAGE, plan_buy, plan_sale, plan_takeover
from trading.by_hand.saying import Hands, Outcome
from trading.by_hand.taking_over import take_over
from trading.core.money import plain
from trading.core.orders import OrderStatus, Side
from trading.exchange.client import exchange_at
from trading.exchange.errors import ExchangeError
from trading.models import Order, Slot, Switch, Symbol, Trader

ALREADY = "That was done already: nothing was changed."


def _slippage(sent: Sent, side: str) -> Field:
    """How far from the last price is sold (under) or bought (over) at most."""
    return sent.field("slippage", f"Not further {side} the last price than", "%", default=sales.percent(SLIPPAGE))


def _ask_plain(text: str, button: str) -> Callable[[Trader | Symbol, Sent], Question]:
    """The question of a deed that can be undone: on play money nobody asks it."""

    def ask(of: Trader | Symbol, sent: Sent) -> Question:
        if isinstance(of, Trader):
            name, venue = f"{of.symbol.name}, slot {of.slot}", Venue(of.venue)
        else:
            name, venue = of.name, Switch.current()
        return Question(f"{button}: {name}?", button, "Leave it", steps=[text], is_final=False, **sales.where(venue))

    return ask


# --- what a trader can be told --------------------------------------------------------------------
def _ask_sell(trader: Trader, sent: Sent) -> Question:
    price, slippage = sent.amount("price"), sent.share("slippage", SLIPPAGE)
    plan = plan_sale(trader, slippage, price)
    symbol = trader.symbol
    fields = [
        _slippage(sent, "under"),
        sent.field("price", "Or offer it at a price", symbol.quote_asset, "It rests until somebody takes it."),
    ]
    size = f"{numbers.exact(plan.quantity)} {symbol.base_asset}"
    about = plan.expected or plan.worst
    button = f"Offer {size} at {plain(price)}" if price is not None else f"Sell {size}"
    if about is not None and price is None:
        button += f" for about {numbers.fixed(about.proceeds, 0)} {symbol.quote_asset}"
    return Question(
        title=f"Sell {symbol.name}, slot {trader.slot}, now?" if price is None else f"Offer slot {trader.slot} anew?",
        button=button,
        steps=[*sales.cancels(plan), *sales.sells(plan, price)],
        sums=sales.sums(about, symbol.quote_asset),
        note=sales.note_of(plan, symbol.quote_asset) if price is None else "",
        why_not=sent.first_error() or sentence(plan.why_not),
        fields=fields,
        price=sales.price_of(plan),
        **sales.where(trader.venue),
    )


def _sell(trader: Trader, sent: Sent, hands: Hands) -> str:
    price, slippage = sent.amount("price"), sent.share("slippage", SLIPPAGE)
    sent.check()
    if price is not None:
        return _said(of_traders.sell_at(trader.pk, price, hands))
    return _said(of_traders.sell_now(trader.pk, hands, slippage))


def _ask_move(trader: Trader, sent: Sent) -> Question:
    quote, plan = trader.symbol.quote_asset, plan_sale(trader)
    target, stop = sent.amount("target"), sent.amount("stop")
    steps: list[object] = []
    if target is not None:
        steps.append(format_html("Offers what it holds at <b>{}</b>, in place of the sell that rests", plain(target)))
    if stop is not None:
        steps.append(format_html("Gets out at the market where a trade is at <b>{}</b> or below", plain(stop)))
    last = f"The last price is {numbers.exact(plan.trade.price)}." if plan.trade else ""
    return Question(
        title=f"Move the target or stop of {trader.symbol.name}, slot {trader.slot}",
        button="Move it",
        keep="Keep both",
        steps=steps,
        fields=[
            sent.field("target", "Target", quote, "Empty: as it is."),
            sent.field("stop", "Stop", quote, "Empty: as it is."),
        ],
        note=f"{last} What you set stays until the cycle ends; its strategy keeps to it.",
        why_not=sent.first_error() or ("" if steps or not sent.values else "Give a target or a stop."),
        is_final=False,
        **sales.where(trader.venue),
    )


def _move(trader: Trader, sent: Sent, hands: Hands) -> str:
    target, stop = sent.amount("target"), sent.amount("stop")
    sent.check()
    if target is None and stop is None:
        raise ValidationError("Give a target or a stop.")
    given = {name: value for name, value in (("target", target), ("stop", stop)) if value is not None}
    return _said(of_traders.move(trader.pk, hands, **given))


def _ask_cancel(trader: Trader, sent: Sent) -> Question:
    buys = [order for order in plan_sale(trader).cancels if order.startswith("buy")]
    return Question(
        title=f"Cancel the buy of {trader.symbol.name}, slot {trader.slot}?",
        button="Cancel the buy",
        keep="Keep the buy",
        steps=[
            f"Cancels its {buys[0]}" if buys else "Cancels its buy",
            "Pauses the trader: it buys nothing until it is resumed; what has filled is sold as ever",
        ],
        why_not="" if buys else "It has no open buy.",
        is_final=False,
        **sales.where(trader.venue),
    )


TRADER_DEEDS = {
    "pause": Deed(
        "Pause",
        "pause",
        _ask_plain("Holds its buys back; what it holds is sold as ever, and its stops act", "Pause"),
        lambda trader, sent, hands: _said(of_traders.pause(trader.pk, hands)),
        at_once=True,
    ),
    "resume": Deed(
        "Resume",
        "play_arrow",
        _ask_plain("Ends its pause: it buys again", "Resume"),
        lambda trader, sent, hands: _said(of_traders.resume(trader.pk, hands)),
        at_once=True,
        buys=True,
    ),
    "move": Deed("Move target or stop…", "swap_vert", _ask_move, _move),
    "close": Deed(
        "Close after this cycle",
        "flag",
        _ask_plain("Closes its slot once this cycle has ended; none follows until the slot is opened", "Close"),
        lambda trader, sent, hands: _said(of_traders.close_slot(trader.pk, hands)),
        at_once=True,
    ),
    "cancel": Deed(
        "Cancel buy…",
        "close",
        _ask_cancel,
        lambda trader, sent, hands: _said(of_traders.cancel_buy(trader.pk, hands)),
    ),
    "sell": Deed("Sell now…", "sell", _ask_sell, _sell, is_final=True),
}


def trader_buttons(trader: Trader, orders: Iterable[Order], may_act: bool) -> list[Button]:
    """What a live trader, with its orders, can be told; what makes no sense now rests, and says why."""
    resting = {order.side for order in orders if OrderStatus(order.status).is_open}
    why_not = {
        "cancel": "" if Side.BUY in resting else "It has no open buy.",
        "move": "" if trader.holds else "It holds nothing.",
        "sell": "" if trader.holds or resting else "It holds nothing and has no open order.",
    }
    names = ["resume" if trader.pause else "pause", "move", "close", "cancel", "sell"]
    refused = "" if may_act else "You may not act on traders."
    return [
        button(TRADER_DEEDS[name], reverse("admin:trading_trader_hand", args=(trader.pk, name)), trader.venue, refused
                or why_not.get(name, ""))
        for name in names
    ]  # fmt: skip


# --- a symbol -------------------------------------------------------------------------------------
def _ask_buy(symbol: Symbol, sent: Sent) -> Question:
    venue, slippage = Switch.current(), sent.share("slippage", SLIPPAGE)
    plan = plan_buy(symbol, venue, slippage)
    size = f"{numbers.exact(plan.quantity)} {symbol.base_asset}"
    cost = plan.bound * plan.quantity
    return Question(
        title=f"Buy {symbol.name} now?",
        button=f"Buy {size} for about {numbers.money(cost, symbol.quote_asset)} {symbol.quote_asset}",
        keep="Do not buy",
        steps=[
            format_html(
                "Begins a trader in <b>slot {}</b>, which buys <b>{}</b> at the market, not over <b>{}</b>",
                plan.slot, size, plain(plan.bound),
            ),
            "Sells it by the symbol's strategy, as any other",
        ] if plan.slot else [],
        sums=[
            Sum("Order size", f"{numbers.money(plan.budget, symbol.quote_asset)} {symbol.quote_asset}"),
            Sum("Paid at most", numbers.money(cost, symbol.quote_asset)),
            Sum("Commission at most", numbers.money(plan.commission, symbol.quote_asset), is_result=False),
        ] if plan.quantity else [],
        fields=[_slippage(sent, "over")],
        note=sales.as_of(plan.trade),
        why_not=sent.first_error() or sentence(plan.why_not),
        is_final=False,
        price=plain(plan.trade.price) if plan.trade else "",
        **sales.where(venue),
    )  # fmt: skip


def _buy(symbol: Symbol, sent: Sent, hands: Hands) -> str:
    slippage = sent.share("slippage", SLIPPAGE)
    sent.check()
    return _said(of_symbols.buy_now(symbol, Switch.current(), hands, slippage))


def _ask_sell_all(symbol: Symbol, sent: Sent) -> Question:
    venue, slippage = Switch.current(), sent.share("slippage", SLIPPAGE)
    plans = of_symbols.plan_sales(venue, [symbol], slippage)
    question = sales.of_many(plans, symbol.base_asset, symbol.quote_asset, venue)
    return Question(
        title=f"Sell everything of {symbol.name}?",
        steps=[*question.steps, f"Pauses {symbol.name}: nothing is bought until you resume it"],
        button=question.button,
        sums=question.sums,
        note=question.note,
        fields=[_slippage(sent, "under")],
        why_not=sent.first_error() or question.why_not,
        price=question.price,
        **sales.where(venue),
    )


def _sell_all(symbol: Symbol, sent: Sent, hands: Hands) -> str:
    slippage = sent.share("slippage", SLIPPAGE)
    sent.check()
    return _said_of_many(of_symbols.sell_everything(symbol, Switch.current(), hands, slippage))


def _ask_takeover(symbol: Symbol, sent: Sent) -> Question:
    venue = Switch.current()
    quantity, cost = sent.amount("quantity"), sent.amount("cost")
    steps: list[object] = []
    sums: Sequence[Sum] = ()
    why_not = sent.first_error()
    if quantity is not None and cost is not None:
        plan = plan_takeover(symbol, venue, quantity, cost)
        size = f"{numbers.exact(quantity)} {symbol.base_asset}"
        steps = [
            format_html("Gives <b>{}</b> of the account to a new trader; nothing is bought", size),
            "Sells it by the symbol's strategy; profit, target and stops go by the cost you give",
        ]
        sums, why_not = sales.sums(plan.expected, symbol.quote_asset), why_not or sentence(plan.why_not)
    elif sent.values:
        why_not = why_not or "Give a quantity and what it has cost."
    return Question(
        title=f"Take over {symbol.base_asset} for {symbol.name}",
        button="Take it over",
        keep="Leave it",
        steps=steps,
        sums=sums,
        fields=[
            sent.field("quantity", "Quantity", symbol.base_asset, "What lies free on the account."),
            sent.field("cost", "What all of it has cost", symbol.quote_asset),
        ],
        why_not=why_not,
        is_final=False,
        **sales.where(venue),
    )


def _takeover(symbol: Symbol, sent: Sent, hands: Hands) -> str:
    quantity, cost = sent.amount("quantity"), sent.amount("cost")
    sent.check()
    if quantity is None or cost is None:
        raise ValidationError("Give a quantity and what it has cost.")
    try:
        return _said(take_over(symbol, Switch.current(), quantity, cost, hands, exchange_at))
    except ExchangeError as error:
        raise ValidationError(sentence(str(error))) from error


def _ask_open(symbol: Symbol, sent: Sent) -> Question:
    closed = Slot.objects.filter(symbol=symbol, venue=Switch.current(), is_closed=True).order_by("number")
    numbers_of = list(closed.values_list("number", flat=True))
    chosen = sent.text("slot", str(numbers_of[0]) if numbers_of else "")
    return Question(
        title=f"Open slot {chosen} of {symbol.name} again?",
        button="Open it",
        keep="Leave it closed",
        steps=["The next cycle begins in it within seconds, as in any other slot"],
        fields=[Field("slot", "Slot", chosen, choices=tuple((str(each), f"Slot {each}") for each in numbers_of))],
        why_not="" if numbers_of else "No slot of it is closed.",
        is_final=False,
        **sales.where(Switch.current()),
    )


def _open(symbol: Symbol, sent: Sent, hands: Hands) -> str:
    slot = sent.text("slot")
    if not (slot.isdecimal() and len(slot) < 5):
        raise ValidationError("Choose a slot.")
    return _said(of_symbols.open_slot(symbol, Switch.current(), int(slot), hands))


SYMBOL_DEEDS = {
    "pause": Deed(
        "Pause",
        "pause",
        _ask_plain("No trader of it buys until it is resumed; what they hold is sold as ever", "Pause"),
        lambda symbol, sent, hands: _said(of_symbols.pause_symbol(symbol, hands)),
        at_once=True,
    ),
    "resume": Deed(
        "Resume",
        "play_arrow",
        _ask_plain("Its traders buy again; those that were paused themselves stay so", "Resume"),
        lambda symbol, sent, hands: _said(of_symbols.resume_symbol(symbol, hands)),
        at_once=True,
        buys=True,
    ),
    "open": Deed("Open slot…", "lock_open", _ask_open, _open, buys=True),
    "takeover": Deed("Take over…", "input", _ask_takeover, _takeover, buys=True),
    "buy": Deed("Buy now…", "add_shopping_cart", _ask_buy, _buy, buys=True),
    "sell": Deed("Sell everything…", "logout", _ask_sell_all, _sell_all, is_final=True),
}


def symbol_buttons(symbol: Symbol, may_act: bool) -> list[Button]:
    """What a symbol's page offers."""
    is_paused = bool(getattr(getattr(symbol, "settings", None), "paused_by", ""))
    refused = "" if may_act else "You may not act on symbols."
    return [
        button(
            SYMBOL_DEEDS[name],
            reverse("admin:trading_symbol_hand", args=(symbol.pk, name)),
            Switch.current(),
            refused,
        )
        for name in ("resume" if is_paused else "pause", "takeover", "buy", "sell")
    ]


# --- the account ----------------------------------------------------------------------------------
def _ask_flatten(venue: Venue, sent: Sent) -> Question:
    plans = of_symbols.plan_sales(venue, None)
    question = sales.of_many(plans, "", "", venue)
    shuts = of_symbols.off_and_holding(venue)
    off = [f"Lets {', '.join(map(str, shuts))} sell, which is off"] if shuts else []
    return Question(
        title=f"Get out of everything at {venue}?",
        steps=["Denies all buys, at every venue, until someone resumes", *off, *question.steps],
        button=question.button,
        sums=question.sums,
        note=question.note,
        why_not="" if plans else "Nothing is held here, and no order is open.",
        **sales.where(venue),
    )


ACCOUNT_DEEDS = {
    "flatten": Deed(
        "Get out of everything…",
        "logout",
        _ask_flatten,
        lambda venue, sent, hands: _said_of_many(of_symbols.flatten(venue, hands)),
        is_final=True,
    )
}


def account_button(venue: Venue, may_act: bool) -> Button:
    """The way out, on the overview."""
    url = reverse("admin:trading_switch_hand", args=(venue.value, "flatten"))
    return button(ACCOUNT_DEEDS["flatten"], url, venue, "" if may_act else "You may not act on traders.")


# --- what has come of it --------------------------------------------------------------------------
def _said(outcome: Outcome) -> str:
    text = outcome.instruction.text
    return sentence(text[:1].upper() + text[1:]) if outcome.is_new else ALREADY


def _said_of_many(many: of_symbols.Many) -> str:
    if not many.outcome.is_new and not many.told:
        return ALREADY
    told = f"{count(len(many.told), 'trader')} told to sell."
    kept = " ".join(sentence(why) for why in dict.fromkeys(many.not_told.values()))
    return f"{told} {kept}".strip()
