"""A symbol's workspace: one page for each of its tabs, and what its chart asks for. Settings is the change form."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin

from console import figures, numbers
from console.admin import deeds, drawings, show
from console.admin.orders import filled, worth
from console.admin.protections import symbol_state
from console.admin.why import shown
from console.chart import market, own
from console.chart.market import CANDLES, DEFAULT_INTERVAL, INTERVALS, NoAnswer
from console.chart.standing import Listed, Standing, listed, standing
from console.live import state
from console.why import slot_lines, why
from hedgehog_project.venues import market_of
from streamer.topics import TradeEvent
from trading.books import totals
from trading.models import Order, Switch, Symbol, Trader
from trading.models.traders import ENDED
from trading.waking import prices

# Which interval a reader chose last.
INTERVAL_COOKIE = "chart_interval"
SHOWN = 30
# A day in so many candles.
DAY_INTERVAL, DAY_CANDLES = "15m", 96


@dataclass(frozen=True)
class Tab:
    name: str
    title: str
    url: str
    is_chosen: bool
    count: int = 0


def tabs_of(symbol: Symbol, chosen: str, of: Standing) -> list[Tab]:
    """The tabs of a symbol's pages, each an address of its own."""
    orders = Order.objects.filter(venue=of.venue, symbol=symbol, status__is_open=True).count()
    counts = {"traders": len(of.slots), "orders": orders}
    titles = ("chart", "traders", "orders", "profit", "why")
    found = [
        Tab(
            name,
            name.capitalize(),
            reverse(f"admin:trading_symbol_{name}", args=(symbol.pk,)),
            name == chosen,
            counts.get(name, 0),
        )
        for name in titles
    ]
    settings_page = reverse("admin:trading_symbol_change", args=(symbol.pk,))
    return [*found, Tab("settings", "Settings", settings_page, chosen == "settings")]


def head_of(symbol: Symbol, chosen: str) -> dict[str, Any]:
    """What stands over each of a symbol's pages: its figures, which refresh themselves, and the tabs."""
    of = standing(symbol, Switch.current())
    values = state.of_symbol(of, timezone.get_current_timezone(), waits=False)
    prefix = f"sym.{symbol.name}."
    return {
        "symbol": symbol,
        "of": of,
        "head": {name.removeprefix(prefix): value for name, value in values.items()},
        "tabs": tabs_of(symbol, chosen, of),
        "topic": f"sym.{symbol.name}",
        "trades_since": of.since,
        "symbol_status": _status(symbol),
    }


class SymbolPages(ModelAdmin):
    """The part of the symbols' admin that shows one of them."""

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        pages = {
            "chart": self.chart_view,
            "traders": self.traders_view,
            "orders": self.orders_view,
            "profit": self.profit_view,
            "why": self.why_view,
            "chart/data": self.data_view,
            "chart/candles": self.candles_view,
            "chart/book": self.book_view,
            "chart/spark": self.spark_view,
        }
        found = [
            path(f"<int:pk>/{place}/", wrap(view), name=f"trading_symbol_{place.replace('/', '_')}")
            for place, view in pages.items()
        ]
        return [*found, *super().get_urls()]

    # --- the tabs -----------------------------------------------------------------------------------
    def chart_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        symbol = self._symbol(request, pk)
        head = head_of(symbol, "chart")
        interval = request.COOKIES.get(INTERVAL_COOKIE, "")
        lines = own.lines_by_slot(head["of"])
        context = {
            **head,
            "intervals": list(INTERVALS),
            "interval": interval if interval in INTERVALS else DEFAULT_INTERVAL,
            "slots": _slots(head["of"], lines),
            "may_act": _may_act(request),
            "summary": _summary(head["of"], own.merged(lines)),
        }
        return self._page(request, "trading/symbol_chart.html", context, f"{symbol.name} chart")

    def traders_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        symbol = self._symbol(request, pk)
        traders = Trader.objects.filter(symbol=symbol, venue=Switch.current()).select_related("symbol")
        head = head_of(symbol, "traders")
        context = {
            **head,
            "slots": _slots(head["of"], own.lines_by_slot(head["of"])),
            "ended": [_ended(trader) for trader in traders.filter(ENDED).order_by("-finished_at")[:SHOWN]],
            "all_url": f"{reverse('admin:trading_trader_changelist')}?show=all&symbol__id__exact={symbol.pk}",
        }
        return self._page(request, "trading/symbol_traders.html", context, f"{symbol.name} traders")

    def orders_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        symbol = self._symbol(request, pk)
        orders = Order.objects.filter(symbol=symbol, venue=Switch.current()).select_related("symbol", "trader")
        is_open = orders.filter(status__is_open=True).order_by("-price")
        context = {
            **head_of(symbol, "orders"),
            "open": [_order(order) for order in is_open],
            "others": [_order(each) for each in orders.filter(status__is_open=False).order_by("-id")[:SHOWN]],
            "all_url": f"{reverse('admin:trading_order_changelist')}?show=all&symbol__id__exact={symbol.pk}",
        }
        return self._page(request, "trading/symbol_orders.html", context, f"{symbol.name} orders")

    def profit_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        symbol = self._symbol(request, pk)
        head = head_of(symbol, "profit")
        venue, quote = head["of"].venue, symbol.quote_asset
        slots = {slot: total for (key, slot), total in totals.by_slot(venue).items() if key == symbol.pk}
        rows = [
            (f"Slot {slot}", f"{each.finished:,}", show.profit(each.profit, quote, each.unvalued))
            for slot, each in sorted(slots.items())
        ]
        context = {**head, "rows": rows, "all_url": reverse("admin:trading_profit")}
        return self._page(request, "trading/symbol_profit.html", context, f"{symbol.name} profit")

    def why_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        symbol = self._symbol(request, pk)
        head = head_of(symbol, "why")
        context = {
            **head,
            "venue": head["of"].venue,
            "why": shown(why(symbol)),
            "limits": symbol_state(symbol, head["of"].venue),
        }
        return self._page(request, "trading/symbol_why.html", context, f"Why {symbol.name} buys, or does not")

    # --- what the chart asks for -----------------------------------------------------------------------
    def data_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What is ours since a time: ?interval=5m&since=<s>."""
        symbol = self._symbol(request, pk)
        interval, since = _interval(request), _number(request, "since")
        of = standing(symbol, Switch.current())
        length_s = INTERVALS[interval]
        begins = since or int(timezone.now().timestamp()) - CANDLES * length_s
        by_slot = own.lines_by_slot(of)
        rows, lines = _slots(of, by_slot), own.merged(by_slot)
        in_rows = {"slots": rows, "of": of, "may_act": _may_act(request)}
        answer = {
            "marks": own.marks(symbol, of.venue, datetime.fromtimestamp(begins, UTC), length_s),
            "lines": [line.row(of) for line in lines],
            "slots": render_to_string("trading/symbol_slots.html", in_rows),
            "ladder": [{"slot": row.number, "state": row.state, **row.prices} for row in rows],
            "summary": _summary(of, lines),
            "counts": {tab.name: tab.count for tab in tabs_of(symbol, "chart", of)},
            "values": state.of_symbol(of, timezone.get_current_timezone(), waits=False),
        }
        return JsonResponse(answer)

    def candles_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The market's candles, or why there are none: ?interval=5m, &before=<s> for those before a time."""
        symbol = self._symbol(request, pk)
        interval, before = _interval(request), _number(request, "before")
        of = listed(symbol, Switch.current())
        answer: dict[str, Any] = {"interval": interval, "length": INTERVALS[interval], "decimals": of.decimals}
        try:
            answer["candles"] = market.candles(market_of(of.venue), symbol.name, interval, before)
        except NoAnswer as error:
            answer |= {"candles": [], "problem": str(error)}
        response = JsonResponse(answer)
        if before is None:
            # Kept for the next visit.
            response.set_cookie(INTERVAL_COOKIE, interval, max_age=31_536_000, samesite="Lax")
        return response

    def spark_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The last day as a small line, for a row of the overview; empty where the market does not answer."""
        symbol = self._symbol(request, pk)
        try:
            candles = market.candles(market_of(Switch.current()), symbol.name, DAY_INTERVAL)[-DAY_CANDLES:]
        except NoAnswer:
            candles = []
        return HttpResponse(drawings.line([candle[4] for candle in candles], f"{symbol.name}, 24 hours"))

    def book_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The order book and the last trades, ready to be shown."""
        symbol = self._symbol(request, pk)
        of = listed(symbol, Switch.current())
        where = market_of(of.venue)
        context: dict[str, Any] = {
            "of": of,
            "trades": [_trade(of, each) for each in market.last_trades(where, symbol.name)],
        }
        try:
            context |= _book(of, market.book(where, symbol.name))
        except NoAnswer as error:
            context["problem"] = str(error)
        return HttpResponse(render_to_string("trading/symbol_book.html", context))

    # --- what they share ------------------------------------------------------------------------------
    def _symbol(self, request: HttpRequest, pk: int) -> Symbol:
        symbol = Symbol.objects.filter(pk=pk).select_related("settings").first()
        if symbol is None:
            raise Http404("No such symbol.")
        if not self.has_view_permission(request, symbol):
            raise PermissionDenied
        return symbol

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any], title: str) -> HttpResponse:
        found = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            **context,
            "original": context["symbol"],
            "deeds": deeds.symbol_buttons(context["symbol"], self.has_change_permission(request, context["symbol"])),
        }
        return TemplateResponse(request, template, found)


def _status(symbol: Symbol) -> str:
    if figures.is_trading(symbol):
        return "trading"
    return "shutting down" if figures.is_shutting_down(symbol) else "off"


def _slots(of: Standing, lines: Mapping[int, list[own.Line]]) -> list[own.SlotRow]:
    trade = prices.last_trades([of.symbol.name], of.venue).get(of.symbol.name)
    return own.slot_rows(of, lines, slot_lines(of.symbol, of.venue, trade))


def _summary(of: Standing, lines: Iterable[own.Line]) -> str:
    """The chart in a sentence, for who does not see it."""
    orders = [line for line in lines if line.kind != "entry"]
    said = "; ".join(f"{line.text(of)} at {of.price_text(line.price)}" for line in orders) or "no own orders"
    held = f"{numbers.quantity(of.quantity, of.step)} {of.symbol.base_asset} held" if of.quantity else "nothing held"
    return f"Candles of {of.symbol.name} with own fills and prices: {held}; {said}."


def _ended(trader: Trader) -> dict[str, Any]:
    return {
        "trader": trader,
        "state": show.state(trader.state),
        "profit": show.profit(trader.profit, trader.symbol.quote_asset, trader.has_unvalued_fees),
        "ended": show.moment(trader.finished_at),
        "url": reverse("admin:trading_trader_change", args=(trader.pk,)),
    }


def _order(order: Order) -> dict[str, Any]:
    return {
        "order": order,
        "placed": show.moment(order.submitted_at),
        "side": show.side(order.side),
        "price": show.amount(order.price),
        "quantity": show.amount(order.quantity, order.symbol.base_asset),
        "worth": worth(order),
        "filled": filled(order),
        "status": show.order_status(order),
        "url": reverse("admin:trading_order_change", args=(order.pk,)),
        "trader_url": reverse("admin:trading_trader_change", args=(order.trader_id,)),
    }


def _trade(of: Listed, trade: TradeEvent) -> dict[str, Any]:
    return {
        "at": show.moment(datetime.fromtimestamp(trade.trade_ms / 1000, UTC)),
        "price": of.price_text(Decimal(trade.price)),
        "quantity": numbers.quantity(Decimal(trade.quantity), of.step),
        "is_up": not trade.buyer_is_maker,
    }


def _book(of: Listed, book: market.Book) -> dict[str, Any]:
    most = max((quantity for _, quantity in [*book.bids, *book.asks]), default=None)

    def side(rows: Any) -> list[dict[str, str]]:
        return [
            {
                "price": of.price_text(price),
                "quantity": numbers.quantity(quantity, of.step),
                "width": str(round(quantity / most * 100)) if most else "0",
            }
            for price, quantity in rows
        ]

    bids, asks = side(book.bids), side(book.asks)
    spread = of.price_text(book.asks[0][0] - book.bids[0][0]) if book.bids and book.asks else ""
    blank = {"price": "", "quantity": "", "width": "0"}
    depth = max(len(bids), len(asks))
    rows = [(bids[n] if n < len(bids) else blank, asks[n] if n < len(asks) else blank) for n in range(depth)]
    return {"rows": rows, "spread": spread}


def _may_act(request: HttpRequest) -> bool:
    return request.user.has_perm("trading.change_trader")


def _interval(request: HttpRequest) -> str:
    found = request.GET.get("interval", "")
    return found if found in INTERVALS else DEFAULT_INTERVAL


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 12 else None
