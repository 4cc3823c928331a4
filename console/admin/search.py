"""Search from any page (key t): symbols, traders, orders and fills by their ids, and pages by their names.

Only what an index finds is looked for, so that a press of a key costs the same after years.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import strip_tags

from console import glossary, numbers
from console.admin.long_lists import number_of, symbols_named
from console.admin.navigation import sidebar
from console.admin.show import status_label
from trading.core.money import plain
from trading.core.orders import OrderStatus, Side
from trading.models import Fill, Order, Orphan, Symbol, Trader

# Of each kind; a trader's orders, which may be many, have a link to all.
PER_KIND = 5
MAX_LENGTH = 64


@dataclass(frozen=True)
class Found:
    """One result: what it is, in words, and where."""

    title: str
    text: str
    url: str
    icon: str


def find(request: HttpRequest, text: str) -> list[Found]:
    """What the reader may see of what is named so, the likeliest first."""
    text = text.strip()[:MAX_LENGTH]
    if not text:
        return []
    kinds = [
        (Symbol, _symbols(text)),
        (Trader, _traders(text)),
        (Order, _orders(text)),
        (Fill, _fills(text)),
        (Orphan, _orphans(text)),
    ]
    found: list[Found] = []
    for model, each in kinds:
        if admin.site.get_model_admin(model).has_view_permission(request):
            found += each
    return found + list(islice(_pages(request, text), PER_KIND)) + list(islice(_terms(text), PER_KIND))


def view(request: HttpRequest) -> HttpResponse:
    """The results as a list of links, for static/trading/search.js."""
    text = request.GET.get("q", "")
    return render(request, "trading/search_results.html", {"found": find(request, text), "text": text.strip()})


def _symbols(text: str) -> Iterator[Found]:
    for symbol in Symbol.objects.filter(pk__in=symbols_named(text)[0]).order_by("name")[:PER_KIND]:
        assets = f"{symbol.base_asset} in {symbol.quote_asset}" if symbol.base_asset else ""
        yield Found(f"Symbol {symbol.name}", assets, _page(symbol), "currency_exchange")


def _traders(text: str) -> Iterator[Found]:
    # “ETHUSDT 2” and “ETHUSDT #2”: who is in that slot now.
    name, _, slot = text.replace("#", " ").partition(" ")
    number, in_slot = number_of(text), number_of(slot.strip())
    if number is not None:
        rows = Trader.objects.filter(pk=number)
    elif in_slot is not None:
        rows = Trader.objects.filter(symbol__in=symbols_named(name)[0], slot=in_slot, finished_at=None)
    else:
        return
    for trader in rows.select_related("symbol")[:PER_KIND]:
        says = f"{trader.symbol.name} slot {trader.slot} at {trader.venue}, {trader.state.lower()}"
        if trader.profit is not None:
            unit = trader.symbol.quote_asset
            says += f", {numbers.signed(trader.profit, unit)} {unit}"
        yield Found(f"Trader {trader.pk}", says, _page(trader), "smart_toy")


def _orders(text: str) -> Iterator[Found]:
    number = number_of(text)
    ways: list[dict[str, Any]] = [{"client_order_id": text}]
    if number is not None:
        ways += [{"pk": number}, {"exchange_order_id": number}]
    # One by one: each has an index of its own.
    ids = {
        pk for way in ways for pk in Order.objects.filter(**way).order_by().values_list("pk", flat=True)[:PER_KIND]
    }
    for order in Order.objects.filter(pk__in=ids).select_related("symbol").order_by("-pk")[:PER_KIND]:
        yield Found(f"Order {order.pk}", order_in_words(order), _page(order), "receipt_long")
    if number is not None and Order.objects.filter(trader=number).order_by().exists():
        url = f"{reverse('admin:trading_order_changelist')}?trader__id__exact={number}"
        yield Found(f"Orders of trader {number}", "All of its cycle", url, "receipt_long")


def order_in_words(order: Order) -> str:
    """sell 0.0499 ETHUSDT at 3018.12, filled."""
    status = status_label(OrderStatus(order.status))
    return f"{order.side.lower()} {plain(order.quantity)} {order.symbol.name} at {plain(order.price)}, {status}"


def _fills(text: str) -> Iterator[Found]:
    if (number := number_of(text)) is None:
        return
    for fill in Fill.objects.filter(trade_id=number).select_related("order__symbol").order_by("-pk")[:PER_KIND]:
        side = "bought" if fill.order.side == Side.BUY else "sold"
        says = f"{side} {plain(fill.quantity)} {fill.order.symbol.name} at {plain(fill.price)}"
        yield Found(f"Fill by trade {number}", says, _page(fill), "done_all")


def _orphans(text: str) -> Iterator[Found]:
    number = number_of(text)
    ways: list[dict[str, Any]] = [{"client_order_id": text}]
    ways += [{"exchange_order_id": number}] if number is not None else []
    ids = {pk for way in ways for pk in Orphan.objects.filter(**way).values_list("pk", flat=True)[:PER_KIND]}
    for orphan in Orphan.objects.filter(pk__in=ids):
        yield Found(f"Orphan {orphan.pk}", f"{orphan}, {orphan.resolution.lower()}", _page(orphan), "help_center")


def _pages(request: HttpRequest, text: str) -> Iterator[Found]:
    for group in sidebar(request):
        for item in group["items"]:
            may = item.get("permission", lambda _: True)(request)
            if may and text.lower() in str(item["title"]).lower():
                yield Found(str(item["title"]), f"Page, {group['title']}", str(item["link"]), str(item["icon"]))


def _terms(text: str) -> Iterator[Found]:
    for entry in (entry for section in glossary.sections() for entry in section.entries):
        for name in entry.names:
            if name.lower().startswith(text.lower()):
                url = f"{reverse('glossary')}#{glossary.anchor_of(name)}"
                yield Found(name.capitalize(), f"Glossary: {strip_tags(entry.meaning)}", url, "dictionary")


def _page(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=(row.pk,))
