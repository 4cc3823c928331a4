"""Orders and fills, as the exchange reported them: to read."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.lookups import IContains, In
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from console.admin import show
from console.admin.base import ShowFilter, VenuesFilter
from console.admin.long_lists import (
    ChoicesOfRow,
    LongList,
    RelatedOfRow,
    Search,
    VenuesOfRow,
    WrittenFilter,
    column_of,
    number_of,
    orders_named,
    symbols_named,
)
from console.words import STATUS_MEANS, notes
from trading.core.money import quote_of
from trading.core.orders import OPEN, OrderStatus, Side
from trading.models import Fill, Order

# By our own conclusion or a person's decision, not by what the exchange reported.
GONE = (OrderStatus.NOT_PLACED, OrderStatus.NOT_FOUND, OrderStatus.LET_GO)


class OrdersShown(ShowFilter):
    parts = (
        ("all", "All"),
        ("open", "Open"),
        ("unclear", "Unconfirmed"),
        ("late", "Late"),
        ("filled", "Filled"),
        ("gone", "Not on the exchange"),
        ("other", "Not filled"),
    )
    by_index = frozenset({"open", "unclear", "late"})

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "open":
                return queryset.filter(status__is_open=True)
            case "unclear":
                return queryset.filter(
                    Q(status=OrderStatus.SUBMITTING) | Q(not_found_at__isnull=False), status__is_open=True
                )
            case "late":
                return queryset.filter(is_late=True)
            case "filled":
                return queryset.filter(status=OrderStatus.FILLED)
            case "gone":
                return queryset.filter(status__in=GONE)
            case "other":
                return queryset.exclude(status__in=[*sorted(OPEN), OrderStatus.FILLED, *GONE])
        return queryset


class FillInline(TabularInline):
    model = Fill
    fields = ("traded", "price", "quantity", "quote", "fee", "is_maker", "trade_id")
    readonly_fields = fields
    can_delete = False
    extra = 0
    max_num = 0
    hide_title = True

    @display(description="Time")
    def traded(self, fill: Fill) -> SafeString | str:
        return show.moment(fill.traded_at)

    @display(description="Commission")
    def fee(self, fill: Fill) -> SafeString | str:
        return fee(fill, fill.order.symbol.quote_asset)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Order)
class OrderAdmin(LongList):
    list_display = (
        "placed",
        "what",
        "symbol",
        "price_",
        "quantity_",
        "filled",
        "is_",
        "of",
        "client_order_id",
        "where",
    )
    list_display_links = ("client_order_id",)
    list_filter = (
        OrdersShown,
        ("status", ChoicesDropdownFilter),
        ("side", ChoicesDropdownFilter),
        ("venue", VenuesFilter),
        ("symbol", RelatedDropdownFilter),
        ("submitted_at", WrittenFilter),
    )
    time_field = "submitted_at"
    indexed = ("symbol__id__exact", "trader__id__exact")
    list_select_related = ("symbol", "trader__symbol")
    search_fields = ("client_order_id",)
    search_help_text = "Search by order id, symbol or trader number"
    inlines = (FillInline,)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("what", "symbol", "where"),
                    ("price_", "quantity_", "filled"),
                    ("is_", "of"),
                    "means",
                    "besides",
                    "reason_",
                )
            },
        ),
        (
            "Exchange",
            {
                "fields": (
                    ("client_order_id", "exchange_order_id"),
                    ("placed", "asked", "updated"),
                    ("not_found", "instead_of"),
                )
            },
        ),
    )
    readonly_fields = (
        "what",
        "where",
        "price_",
        "quantity_",
        "filled",
        "is_",
        "of",
        "means",
        "besides",
        "reason_",
        "placed",
        "asked",
        "updated",
        "not_found",
        "instead_of",
    )

    def find(self, text: str) -> Search:
        if orders := orders_named(text):
            return Search(Q(pk__in=orders), by_index=True)
        symbols, is_name = symbols_named(text)
        if symbols:
            return Search(Q(symbol__in=symbols), by_index=is_name)
        return Search(Q(client_order_id__icontains=text))

    def sums(self, rows: Iterable[Order]) -> list[tuple[str, SafeString]]:
        """What the orders come to at their limit prices, and what of them has traded, as the exchange reported it."""
        of_order = {order.pk: order.symbol.quote_asset for order in rows}
        placed, traded = sums_by_asset(), sums_by_asset()
        for order in rows:
            placed[order.symbol.quote_asset] += quote_of(order.price, order.quantity)
        for pk, quote in Fill.objects.filter(order__in=of_order).order_by().values_list("order", "quote"):
            traded[of_order[pk]] += quote
        return show.sums("Worth", placed) + show.sums("Filled", traded)

    @display(description="Placed")
    def placed(self, order: Order) -> SafeString | str:
        return show.moment(order.submitted_at)

    @display(description="Last checked")
    def asked(self, order: Order) -> SafeString | str:
        return show.moment(order.asked_at)

    @display(description="Updated")
    def updated(self, order: Order) -> SafeString | str:
        return show.moment(order.updated_at)

    @display(description="Side")
    def what(self, order: Order) -> SafeString:
        return show.side(order.side)

    @display(description="Price")
    def price_(self, order: Order) -> SafeString | str:
        return show.amount(order.price)

    @display(description="Quantity")
    def quantity_(self, order: Order) -> SafeString | str:
        return show.amount(order.quantity, order.symbol.base_asset)

    @display(description="Filled")
    def filled(self, order: Order) -> str:
        return filled(order)

    @display(description="Status")
    def is_(self, order: Order) -> SafeString:
        return show.order_status(order)

    @display(description="Meaning")
    def means(self, order: Order) -> str:
        return STATUS_MEANS[OrderStatus(order.status)]

    @display(description="Notes")
    def besides(self, order: Order) -> str:
        return "; ".join(notes(order)) or show.NONE

    @display(description="Reason")
    def reason_(self, order: Order) -> str:
        return order.reason or show.NONE

    @display(description="Not found since")
    def not_found(self, order: Order) -> SafeString | str:
        return show.moment(order.not_found_at)

    @display(description="Replaces")
    def instead_of(self, order: Order) -> SafeString | str:
        if order.replaces_id is None or order.replaces is None:
            return show.NONE
        return show.link(
            reverse("admin:trading_order_change", args=(order.replaces_id,)), order.replaces.client_order_id
        )

    @display(description="Trader")
    def of(self, order: Order) -> SafeString:
        return trader_link(order.trader)

    @display(description="Venue")
    def where(self, order: Order) -> SafeString:
        return show.world(order.venue, not OrderStatus(order.status).is_open)


class TradedFilter(WrittenFilter):
    # One that nobody reported is found by a comparison with the exchange, perhaps after a long outage.
    written_after = timedelta(days=1)


@admin.register(Fill)
class FillAdmin(LongList):
    list_display = ("traded", "what", "symbol", "price_", "quantity_", "worth", "fee", "of", "where")
    list_filter = (
        ("order__side", ChoicesOfRow),
        ("order__venue", VenuesOfRow),
        ("order__symbol", RelatedOfRow),
        ("traded_at", TradedFilter),
    )
    time_field = "traded_at"
    indexed = ("order__id__exact",)
    list_select_related = ("order__symbol",)
    search_fields = ("trade_id",)
    search_help_text = "Search by order or trade id, symbol or trader number"
    fields = ("traded", "of", "what", "symbol", "price_", "quantity_", "worth", "fee", "role", "where", "trade_id")
    readonly_fields = fields

    def find(self, text: str) -> Search:
        if orders := orders_named(text):
            return Search(Q(order__in=orders), by_index=True)
        if symbols := symbols_named(text)[0]:
            return Search(Q(In(column_of(Fill, "order__symbol"), symbols)))
        if (number := number_of(text)) is not None:
            return Search(Q(trade_id=number), by_index=True)
        return Search(Q(IContains(column_of(Fill, "order__client_order_id"), text)))

    def sums(self, rows: Iterable[Fill]) -> list[tuple[str, SafeString]]:
        bought, sold = sums_by_asset(), sums_by_asset()
        for fill in rows:
            side = bought if fill.order.side == Side.BUY else sold
            side[fill.order.symbol.quote_asset] += fill.quote
        return show.sums("Bought", bought) + show.sums("Sold", sold)

    @display(description="Time")
    def traded(self, fill: Fill) -> SafeString | str:
        return show.moment(fill.traded_at)

    @display(description="Side")
    def what(self, fill: Fill) -> SafeString:
        return show.side(fill.order.side)

    @display(description="Symbol")
    def symbol(self, fill: Fill) -> str:
        return fill.order.symbol.name

    @display(description="Price")
    def price_(self, fill: Fill) -> SafeString | str:
        return show.amount(fill.price)

    @display(description="Quantity")
    def quantity_(self, fill: Fill) -> SafeString | str:
        return show.amount(fill.quantity, fill.order.symbol.base_asset)

    @display(description="Value")
    def worth(self, fill: Fill) -> SafeString | str:
        return show.amount(fill.quote, fill.order.symbol.quote_asset)

    @display(description="Commission")
    def fee(self, fill: Fill) -> SafeString | str:
        return fee(fill, fill.order.symbol.quote_asset)

    @display(description="Role")
    def role(self, fill: Fill) -> str:
        return "maker" if fill.is_maker else "taker"

    @display(description="Order")
    def of(self, fill: Fill) -> SafeString:
        # The id's beginning says whose it is, and its tail fits no table.
        url, name = reverse("admin:trading_order_change", args=(fill.order_id,)), fill.order.client_order_id
        return format_html('<a class="hh-link hh-clip hh-brief" href="{}" title="{}">{}</a>', url, name, name)

    @display(description="Venue")
    def where(self, fill: Fill) -> SafeString:
        return show.venue(fill.order.venue)


def sums_by_asset() -> defaultdict[str, Decimal]:
    return defaultdict(Decimal)


def filled(order: Order) -> str:
    """How much of an order has traded: all, 40 %, or –."""
    if not order.executed:
        return show.NONE
    if order.executed >= order.quantity:
        return "all"
    return f"{order.executed / order.quantity:.0%}".replace("%", " %")


def fee(fill: Fill, quote_asset: str) -> SafeString | str:
    """A commission as it was paid, and what it was worth where that is another asset."""
    paid = show.amount(fill.commission, fill.commission_asset)
    if fill.is_unvaluable:
        return format_html("{} (of unknown value)", paid)
    if fill.commission_quote is None:
        return paid
    return format_html("{} (valued at {})", paid, show.amount(fill.commission_quote, quote_asset))


def worth(order: Order) -> SafeString | str:
    """What an order comes to at its limit price."""
    return show.amount(quote_of(order.price, order.quantity), order.symbol.quote_asset)


def trader_link(trader: Any) -> SafeString:
    text = f"{trader.symbol.name} #{trader.slot}"
    return show.link(reverse("admin:trading_trader_change", args=(trader.pk,)), text)
