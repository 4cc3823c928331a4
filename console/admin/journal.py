"""The journal of all traders together; each trader's page tells its own part."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter, RelatedDropdownFilter
from unfold.decorators import display

from console.admin import show
from console.admin.base import ReadOnlyAdmin
from console.admin.orders import trader_link
from console.admin.timeline import source_in_words
from trading.core.journal import Source
from trading.core.money import plain
from trading.models import JournalEntry


@admin.register(JournalEntry)
class JournalEntryAdmin(ReadOnlyAdmin):
    list_display = ("time", "of", "source_", "event_", "decision_", "reason_", "order_", "task")
    list_display_links = ("time",)
    list_filter = (
        ("trader__symbol", RelatedDropdownFilter),
        ("trader__venue", ChoicesDropdownFilter),
        ("at", RangeDateTimeFilter),
    )
    list_select_related = ("trader__symbol", "order")
    ordering = ("-id",)
    search_fields = ("event", "decision", "reason", "task_id", "order__client_order_id")
    search_help_text = "Search text, task id or order id"
    fields = ("time", "of", "kind", "source", "event", "decision", "reason", "order_", "task")
    readonly_fields = ("time", "of", "order_", "task")

    @display(description="Time", ordering="id")
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
