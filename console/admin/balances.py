"""Balances: what each venue's account holds, what of it belongs to traders, and what came in and went out."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from console import money, numbers
from console.admin import show
from console.admin.base import ReadOnlyAdmin, VenuesFilter
from console.money import BalanceLine
from hedgehog_project.venues import Venue
from trading.books import transfers
from trading.core.money import ZERO
from trading.models import Balance, ToldBy, Transfer
from trading.reconciliation.reconcile import venues_in_use

MAX_TRANSFERS = 50


@admin.register(Balance)
class BalanceAdmin(ReadOnlyAdmin):
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Balances",
            "frame": "trading/bare.html" if request.headers.get("HX-Request") else "admin/base_site.html",
            "accounts": [_account(venue) for venue in venues_in_use()],
        }
        return TemplateResponse(request, "trading/balances.html", context)


@admin.register(Transfer)
class TransferAdmin(ReadOnlyAdmin):
    list_display = ("time", "where", "asset", "amount_", "value_", "told_by")
    list_filter = (("venue", VenuesFilter), "asset", ("told_by", ChoicesDropdownFilter))
    fields = ("time", "where", "asset", "amount_", "value_", "told_by")
    readonly_fields = ("time", "where", "amount_", "value_")

    @display(description="Time", ordering="at")
    def time(self, row: Transfer) -> SafeString | str:
        return show.moment(row.at)

    @display(description="Venue", ordering="venue")
    def where(self, row: Transfer) -> SafeString:
        return show.venue(row.venue)

    @display(description="Amount", ordering="amount")
    def amount_(self, row: Transfer) -> SafeString | str:
        return show.amount(row.amount, row.asset)

    @display(description="Value then", ordering="value")
    def value_(self, row: Transfer) -> SafeString | str:
        return show.amount(row.value, row.value_asset)


def _account(venue: Venue) -> dict[str, Any]:
    unit, lines = money.balances(venue)
    told = transfers.recent(venue, MAX_TRANSFERS)
    return {
        "venue": show.venue(venue),
        "unit": unit,
        "lines": [_line(line, unit) for line in lines],
        "total": numbers.money(sum((line.value or ZERO for line in lines), ZERO), unit),
        "unpriced": [line.asset for line in lines if line.value is None],
        "asked": show.ago(min((line.asked_at for line in lines), default=None)),
        "transfers": [_transfer(each) for each in told],
    }


def _line(line: BalanceLine, unit: str) -> dict[str, Any]:
    return {
        "asset": line.asset,
        "free": numbers.exact(line.free),
        "locked": numbers.exact(line.locked),
        "ours": numbers.exact(line.ours),
        "value": show.NONE if line.value is None else numbers.money(line.value, unit),
        "asked": show.ago(line.asked_at),
    }


def _transfer(each: Transfer) -> dict[str, Any]:
    is_start = each.told_by == ToldBy.START
    sign = "+" if each.amount > 0 and not is_start else ""
    return {
        "at": show.moment(each.at),
        "asset": each.asset,
        "amount": f"{sign}{numbers.exact(each.amount)}",
        "value": show.NONE
        if each.value is None
        else f"{numbers.money(each.value, each.value_asset)} {each.value_asset}",
        "told_by": "at first, less what was gained by then" if is_start else each.get_told_by_display(),
    }
