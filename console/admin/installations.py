"""Other installations whose orders were seen on our keys, copies of this one among them."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from console.admin import show
from console.admin.base import ReadOnlyAdmin
from trading.identity import copies, others
from trading.models import Installation, OtherInstallation


@admin.register(OtherInstallation)
class OtherInstallationAdmin(ReadOnlyAdmin):
    list_display = ("identity", "where", "is_", "since", "last", "newest", "open_", "told")
    list_display_links = None
    list_before_template = "trading/identity.html"

    @display(description="Venue", ordering="venue")
    def where(self, row: OtherInstallation) -> SafeString:
        return show.venue(row.venue)

    @display(description="Is")
    def is_(self, row: OtherInstallation) -> SafeString:
        if _is_copy(row):
            return show.badge("a copy of this one", "danger")
        return show.badge("taken over", "info") if row.taken_over_at else show.badge("another one", "warning")

    @display(description="Seen since", ordering="first_seen")
    def since(self, row: OtherInstallation) -> SafeString | str:
        return show.moment(row.first_seen)

    @display(description="Last seen", ordering="last_seen")
    def last(self, row: OtherInstallation) -> SafeString | str:
        return show.ago(row.last_seen)

    @display(description="Newest order")
    def newest(self, row: OtherInstallation) -> SafeString:
        at = f"{row.placed_at:%Y-%m-%d %H:%M:%S} UTC" if row.placed_at else ""
        return format_html('<span title="{}">{}</span>', at, row.last_order)

    @display(description="Open orders")
    def open_(self, row: OtherInstallation) -> str:
        # Those of a copy are orphans here.
        return show.NONE if _is_copy(row) else str(row.open_orders)

    @display(description="What it means")
    def told(self, row: OtherInstallation) -> SafeString:
        sentence = copies.sentence(row) if _is_copy(row) else others.sentence(row)
        return format_html('<div style="min-width: 24rem; white-space: normal">{}</div>', sentence)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "own": Installation.own()})


def _is_copy(row: OtherInstallation) -> bool:
    return row.identity == Installation.identity_if_any()
