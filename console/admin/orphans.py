"""Orphans: orders of ours on the exchange that the database lacks, each with two buttons: adopt, cancel."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import display

from console.admin import show
from console.admin.base import ReadOnlyAdmin, ShowFilter, VenuesFilter
from console.admin.orders import trader_link
from trading.core.money import plain
from trading.exchange.client import exchange_at
from trading.exchange.errors import ExchangeError
from trading.identity import others
from trading.models import Orphan
from trading.models.orphans import Resolution
from trading.reconciliation import orphans

COLOURS = {
    Resolution.UNRESOLVED: "danger",
    Resolution.ADOPTED: "success",
    Resolution.CANCELED: "warning",
    Resolution.LEFT: "warning",
}


class OrphansShown(ShowFilter):
    parts = (("unresolved", "Unresolved"), ("resolved", "Resolved"), ("all", "All"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "unresolved":
                return queryset.filter(resolution=Resolution.UNRESOLVED)
            case "resolved":
                return queryset.exclude(resolution=Resolution.UNRESOLVED)
        return queryset


@admin.register(Orphan)
class OrphanAdmin(ReadOnlyAdmin):
    list_display = ("order", "what", "price_", "quantity_", "executed_", "is_", "became", "reason", "seen", "where")
    list_filter = (
        OrphansShown,
        ("resolution", ChoicesDropdownFilter),
        ("venue", VenuesFilter),
        ("first_seen", RangeDateTimeFilter),
    )
    list_select_related = ("trader__symbol",)
    search_fields = ("client_order_id", "exchange_order_id", "symbol")
    search_help_text = "Search by order id or symbol"
    change_form_template = "trading/orphan.html"
    list_before_template = "trading/others.html"
    actions = ("adopt_chosen", "cancel_chosen")

    @display(description="Order", ordering="client_order_id")
    def order(self, orphan: Orphan) -> str:
        return f"{orphan.symbol} {orphan.client_order_id.rpartition('-')[0]}"

    @display(description="Side", ordering="side")
    def what(self, orphan: Orphan) -> SafeString:
        return show.side(orphan.side)

    @display(description="Price", ordering="price")
    def price_(self, orphan: Orphan) -> SafeString | str:
        return show.amount(orphan.price)

    @display(description="Quantity", ordering="quantity")
    def quantity_(self, orphan: Orphan) -> SafeString | str:
        return show.amount(orphan.quantity)

    @display(description="Filled", ordering="executed")
    def executed_(self, orphan: Orphan) -> SafeString | str:
        return show.amount(orphan.executed) if orphan.executed else show.NONE

    @display(description="Status", ordering="status")
    def is_(self, orphan: Orphan) -> SafeString:
        return show.status(orphan.status)

    @display(description="Resolution", ordering="resolution")
    def became(self, orphan: Orphan) -> SafeString:
        return _resolution(orphan)

    @display(description="Reason or remainder")
    def reason(self, orphan: Orphan) -> SafeString:
        return format_html('<span class="hh-wrap">{}</span>', orphan.note or orphan.why)

    @display(description="First seen", ordering="first_seen")
    def seen(self, orphan: Orphan) -> SafeString | str:
        return show.ago(orphan.first_seen)

    @display(description="Venue", ordering="venue")
    def where(self, orphan: Orphan) -> SafeString:
        return show.venue(orphan.venue)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "told": others.told()})

    # --- several at once --------------------------------------------------------------------------
    def has_resolve_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("trading.resolve_orphan"))

    @admin.action(description="Adopt: assign to a new trader", permissions=["resolve"])
    def adopt_chosen(self, request: HttpRequest, chosen: QuerySet[Orphan]) -> HttpResponse | None:
        """Shows what would be adopted; does it once that is confirmed."""
        if "confirmed" not in request.POST:
            words = (
                "Each order, with all other orphans of the same trader, goes to a new trader, which sells what was "
                "bought."
            )
            return self._ask(request, chosen, "adopt_chosen", f"Adopt {len(chosen)} orders?", words, "Adopt")
        for orphan in chosen:
            orphan.refresh_from_db()
            # Its trader's other orders were adopted with it.
            if orphan.resolution != Resolution.ADOPTED:
                self._do(request, orphan, self._adopt)
        return None

    @admin.action(description="Cancel on the exchange", permissions=["resolve"])
    def cancel_chosen(self, request: HttpRequest, chosen: QuerySet[Orphan]) -> HttpResponse | None:
        """Shows what would be cancelled; does it once that is confirmed."""
        if "confirmed" not in request.POST:
            words = "The orders are cancelled on the exchange. What has filled stays in the account."
            return self._ask(
                request, chosen, "cancel_chosen", f"Cancel {len(chosen)} orders?", words, "Cancel orders"
            )
        for orphan in chosen:
            self._do(request, orphan, self._cancel)
        return None

    def _ask(
        self, request: HttpRequest, chosen: QuerySet[Orphan], action: str, title: str, words: str, button: str
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "words": words,
            "button": button,
            "kind": "hh-primary" if action == "adopt_chosen" else "hh-danger-button",
            "action": action,
            "orphans": [(orphan, show.status(orphan.status)) for orphan in chosen],
            "action_name": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "trading/orphans_chosen.html", context)

    # --- the page of one --------------------------------------------------------------------------
    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/adopt/", wrap(self.adopt_view), name="trading_orphan_adopt"),
            path("<int:pk>/cancel/", wrap(self.cancel_view), name="trading_orphan_cancel"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        orphan = self.get_object(request, object_id)
        if orphan is not None:
            extra_context = {
                **(extra_context or {}),
                **_facts(orphan),
                "may_resolve": self.has_resolve_permission(request),
            }
        return super().change_view(request, object_id, form_url, extra_context)

    def adopt_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Gives it to a new trader."""
        return self._act(request, pk, self._adopt)

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Cancels it, or leaves what it has traded on the account."""
        return self._act(request, pk, self._cancel)

    def _act(self, request: HttpRequest, pk: int, do: Callable[[Orphan, str], str]) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_resolve_permission(request):
            raise PermissionDenied
        orphan = get_object_or_404(Orphan, pk=pk)
        self._do(request, orphan, do)
        return HttpResponseRedirect(reverse("admin:trading_orphan_change", args=(pk,)))

    def _do(self, request: HttpRequest, orphan: Orphan, do: Callable[[Orphan, str], str]) -> None:
        try:
            done = do(orphan, request.user.get_username())
        except ValidationError as error:
            self.message_user(request, f"{orphan}: {' '.join(error.messages)}", messages.WARNING)
        except ExchangeError as error:
            self.message_user(request, f"{orphan}: {error}", messages.ERROR)
        else:
            self.log_change(request, orphan, done[:200])
            self.message_user(request, f"{orphan}: {done}", messages.SUCCESS)

    @staticmethod
    def _adopt(orphan: Orphan, by: str) -> str:
        trader = orphans.adopt(orphan, by, exchange_at)
        return f"adopted by {trader}."

    @staticmethod
    def _cancel(orphan: Orphan, by: str) -> str:
        was_open = orphan.is_open
        note = orphans.cancel(orphan, by, exchange_at)
        return f"{'cancelled' if was_open else 'dismissed'}. {note}"


def _facts(orphan: Orphan) -> dict[str, Any]:
    return {
        "orphan": orphan,
        "title": str(orphan),
        "is_unresolved": not orphan.is_resolved,
        "side": show.side(orphan.side),
        "status": show.status(orphan.status),
        "resolution": _resolution(orphan),
        "facts": [
            ("Price", plain(orphan.price)),
            ("Quantity", plain(orphan.quantity)),
            ("Filled", orphans.left_of(orphan)),
            ("Venue", show.venue(orphan.venue)),
            ("Client order id", orphan.client_order_id),
            ("Exchange order id", orphan.exchange_order_id),
            ("Placed", show.moment(orphan.placed_at)),
            ("First seen", show.moment(orphan.first_seen)),
            ("Last seen", show.moment(orphan.last_seen)),
            ("Trader", trader_link(orphan.trader) if orphan.trader else show.NONE),
            ("Resolved", show.moment(orphan.resolved_at)),
            ("Resolved by", orphan.resolved_by or show.NONE),
        ],
    }


def _resolution(orphan: Orphan) -> SafeString:
    return show.badge(orphan.get_resolution_display(), COLOURS.get(Resolution(orphan.resolution), ""))
