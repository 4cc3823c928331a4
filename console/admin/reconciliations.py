"""Reconciliations: what was found, and a button that runs one now."""

from typing import Any

import redis
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from kombu.exceptions import OperationalError
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from console.admin import show
from console.admin.base import ReadOnlyAdmin, ShowFilter, VenuesFilter
from hedgehog_project.outside import sentence
from trading.identity import others
from trading.models import Reconciliation
from trading.reconciliation.reconcile import venues_in_use
from trading.waking import enqueue

COUNTS = ("orders", "fills", "repaired", "late", "left", "unchecked")


class ReconciliationsShown(ShowFilter):
    parts = (("all", "All"), ("repaired", "Repaired"), ("left", "Unresolved"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "repaired":
                return queryset.filter(repaired__gt=0)
            case "left":
                return queryset.filter(~Q(stopped="") | Q(left__gt=0) | Q(unchecked__gt=0))
        return queryset


@admin.register(Reconciliation)
class ReconciliationAdmin(ReadOnlyAdmin):
    list_display = ("began", "where", "is_", "orders", "fills", "repaired", "late", "left", "lines", "took", "task")
    list_filter = (
        ReconciliationsShown,
        ("venue", VenuesFilter),
        ("began_at", RangeDateTimeFilter),
    )
    search_fields = ("text", "stopped")
    search_help_text = "Search findings"
    list_before_template = "trading/reconcile_now.html"
    fieldsets = (
        (None, {"fields": (("began", "where", "is_"), COUNTS, "lines", "stopped")}),
        ("Run", {"fields": (("took", "task"),)}),
    )
    readonly_fields = ("began", "where", "is_", "lines", "took", "task")

    @display(description="Started", ordering="id")
    def began(self, row: Reconciliation) -> SafeString | str:
        return show.moment(row.began_at)

    @display(description="Venue", ordering="venue")
    def where(self, row: Reconciliation) -> SafeString:
        return show.venue(row.venue)

    @display(description="Result")
    def is_(self, row: Reconciliation) -> SafeString:
        if row.stopped:
            return show.badge("failed", "danger", row.stopped)
        if row.left:
            return show.badge("unresolved", "danger")
        if row.repaired:
            return show.badge("repaired", "warning")
        return show.badge("partly checked", "warning") if row.unchecked else show.badge("match", "success")

    @display(description="Findings")
    def lines(self, row: Reconciliation) -> SafeString | str:
        found = [*row.text.splitlines(), *([row.stopped] if row.stopped else [])]
        if not found:
            return show.NONE
        return format_html(
            '<div class="hh-lines">{}</div>', format_html_join("", "<div>{}</div>", ((line,) for line in found))
        )

    @display(description="Duration", ordering="took_ms")
    def took(self, row: Reconciliation) -> str:
        return f"{row.took_ms / 1000:.1f} s" if row.took_ms >= 1000 else f"{row.took_ms} ms"

    @display(description="Task")
    def task(self, row: Reconciliation) -> SafeString | str:
        return show.task(row.task_id)

    # --- now --------------------------------------------------------------------------------------
    def get_urls(self) -> list[Any]:
        now = path("now/", self.admin_site.admin_view(self.now_view), name="trading_reconciliation_now")
        return [now, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        shown = {"may_compare": self._may(request), "told": others.told()}
        return super().changelist_view(request, {**(extra_context or {}), **shown})

    def _may(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("trading.change_reconciliation"))

    def now_view(self, request: HttpRequest) -> HttpResponse:
        """Reconciles every venue in use."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self._may(request):
            raise PermissionDenied
        venues = venues_in_use()
        try:
            for venue in venues:
                enqueue.reconcile(venue)
        except (OperationalError, redis.RedisError) as error:
            self.message_user(
                request, f"The task could not be queued: {sentence(str(error))} Is Redis running?", messages.ERROR
            )
        else:
            names = " and ".join(venues)
            text = f"Reconciliation of {names} queued. The result appears here shortly."
            self.message_user(request, text, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:trading_reconciliation_changelist"))
