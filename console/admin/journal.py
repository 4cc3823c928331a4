"""The journal of all traders together; each trader's page tells its own part."""

from functools import reduce
from operator import or_

from django.contrib import admin
from django.db.models import Q
from django.db.models.lookups import In
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from console.admin import show
from console.admin.long_lists import (
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
from console.admin.orders import trader_link
from console.admin.timeline import source_in_words
from trading.core.journal import Source
from trading.core.money import plain
from trading.models import JournalEntry, Trader


@admin.register(JournalEntry)
class JournalEntryAdmin(LongList):
    list_display = ("time", "of", "source_", "event_", "decision_", "reason_", "order_", "task")
    list_display_links = ("time",)
    list_filter = (
        ("trader__symbol", RelatedOfRow),
        ("trader__venue", VenuesOfRow),
        ("at", WrittenFilter),
    )
    time_field = "at"
    indexed = ("trader__id__exact", "order__id__exact")
    list_select_related = ("trader__symbol", "order")
    search_fields = ("decision",)
    search_help_text = "Search text, trader number, symbol, order or task id"
    fields = ("time", "of", "kind", "source", "event", "decision", "reason", "order_", "task")
    readonly_fields = ("time", "of", "order_", "task")

    def find(self, text: str) -> Search:
        number = number_of(text)
        if number is not None and Trader.objects.filter(pk=number).exists():
            return Search(Q(trader=number), by_index=True)
        if orders := orders_named(text):
            return Search(Q(order__in=orders), by_index=True)
        where = [Q(**{f"{field}__icontains": text}) for field in ("event", "decision", "reason", "task_id")]
        if symbols := symbols_named(text)[0]:
            where.append(Q(In(column_of(JournalEntry, "trader__symbol"), symbols)))
        return Search(reduce(or_, where))

    @display(description="Time")
    def time(self, entry: JournalEntry) -> SafeString | str:
        return show.moment(entry.at)

    @display(description="Trader")
    def of(self, entry: JournalEntry) -> SafeString:
        return trader_link(entry.trader)

    @display(description="From")
    def source_(self, entry: JournalEntry) -> str:
        return source_in_words(Source(entry.source))

    @display(description="Event")
    def event_(self, entry: JournalEntry) -> SafeString | str:
        return _wrapped(entry.event) if entry.event else show.NONE

    @display(description="Decision")
    def decision_(self, entry: JournalEntry) -> SafeString:
        return _wrapped(entry.decision)

    @display(description="Reason")
    def reason_(self, entry: JournalEntry) -> SafeString | str:
        return _wrapped(entry.reason) if entry.reason else show.NONE

    @display(description="Order")
    def order_(self, entry: JournalEntry) -> SafeString | str:
        if entry.order is None:
            return show.NONE
        url = reverse("admin:trading_order_change", args=(entry.order_id,))
        return show.link(url, f"{entry.order.side.lower()} at {plain(entry.order.price)}")

    @display(description="Task")
    def task(self, entry: JournalEntry) -> SafeString | str:
        return show.task(entry.task_id)


def _wrapped(text: str) -> SafeString:
    """Words that wrap rather than widen the table."""
    return format_html('<span class="hh-wrap">{}</span>', text)
