"""The pages of risk limits: the account's limits with how far they are used, and those of a symbol on its page."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.admin import StackedInline
from unfold.decorators import display

from console import limit_usage
from console.admin import show
from console.admin.base import PlainHistory, ReadOnlyAdmin, VenuesFilter, known_worlds
from console.admin.forms import AmountInput
from console.admin.percent import PercentField
from hedgehog_project.venues import Venue
from trading.models import AccountProtections, DeniedOrder, Switch, Symbol, SymbolProtections
from trading.models.fields import AmountField
from trading.risk import protections, sizing

# The form stands below them.
MAX_ROWS = 10
AMOUNTS = {AmountField: {"form_class": AmountInput}}


class AccountProtectionsForm(forms.ModelForm):
    max_drawdown = PercentField(
        required=False,
        label="Max drawdown, %",
        help_text="From the peak of capital plus gain. 5 means 5 %. Empty: off.",
    )

    class Meta:
        model = AccountProtections
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "venue" in self.fields:  # Of a new one. Each has one row, and nobody's choice is the first of a list.
            taken = set(AccountProtections.objects.values_list("venue", flat=True))
            free = [(value, label) for value, label in known_worlds() if value not in taken]
            current = Switch.current().value
            self.fields["venue"] = forms.ChoiceField(
                choices=[("", "Choose a venue"), *free], initial=current if current not in taken else ""
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        is_new = self.instance.pk is None  # One that is there already may be emptied.
        if is_new and not self.errors and all(cleaned.get(name) is None for name in AccountProtections.LIMITS):
            raise forms.ValidationError("Nothing is set: fill in at least one limit.")
        return cleaned


@admin.register(AccountProtections)
class AccountProtectionsAdmin(PlainHistory):
    """One row for each venue. A row is emptied, never deleted: its drawdown remembers a high."""

    form = AccountProtectionsForm
    formfield_overrides = AMOUNTS
    list_display = ("where", "limits", "now", "today")
    change_form_outer_before_template = "trading/protections_state.html"
    fieldsets = (
        (None, {"fields": (("venue", "quote_asset"),)}),
        (
            "Buys are denied beyond these limits",
            {"fields": (("max_exposure", "max_orders_per_minute"), ("quote_reserve", "bnb_reserve"))},
        ),
        (
            "Drawdown stop: trading stops until someone resumes it",
            {
                "description": "On a play-money venue it works only while that venue is selected.",
                "fields": (
                    ("max_drawdown", "capital"),
                    ("drawdown_from", "drawdown_mode", "drawdown_cancels_buys"),
                ),
            },
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("venue",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description="Venue", ordering="venue")
    def where(self, row: AccountProtections) -> SafeString:
        return show.venue(row.venue)

    @display(description="Limits and usage")
    def limits(self, row: AccountProtections) -> str:
        return "; ".join(f"{gauge.name}: {gauge.text}" for gauge in limit_usage.account_gauges(row)) or show.NONE

    @display(description="Denying now")
    def now(self, row: AccountProtections) -> SafeString | str:
        count = protections.active_denials(Venue(row.venue)).count()
        return show.badge(f"{count}", "warning") if count else show.NONE

    @display(description="Orders denied today")
    def today(self, row: AccountProtections) -> int:
        return sum(protections.of_day(row.venue).values())

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        transaction.on_commit(lambda: protections.has_changed(venue=obj.venue))
        if obj.denies_nothing:
            self.message_user(request, f"{obj}: all limits are empty, no order is denied.", messages.WARNING)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        state = account_state(row) if isinstance(row, AccountProtections) else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **state})


def account_state(row: AccountProtections) -> dict[str, Any]:
    """What the template protections_state.html shows of a venue."""
    venue = Venue(row.venue)
    return {
        "gauges": list(limit_usage.account_gauges(row)),
        "not_counted": ", ".join(limit_usage.not_counted(row)),
        "quote_asset": row.quote_asset,
        "holding": _holding(limit_usage.together(venue)),
        "today": _lines(protections.rows_of_day(venue)[:MAX_ROWS]),
    }


def symbol_state(symbol: Symbol, venue: Venue) -> dict[str, Any]:
    """What the template symbol_limits.html shows of a symbol."""
    size = sizing.next_size(symbol.settings, venue) if hasattr(symbol, "settings") else None
    return {
        "size": size,
        "size_amount": show.amount(size.budget, symbol.quote_asset) if size and size.budget is not None else "",
        "gauges": list(limit_usage.symbol_gauges(symbol, venue)),
        "holding": _holding(limit_usage.together(venue, symbol)),
        "today": _lines(protections.rows_of_day(venue).filter(symbol=symbol)[:MAX_ROWS]),
    }


def _holding(groups: list[limit_usage.Together]) -> list[dict[str, Any]]:
    return [{"rule": each.rule, "reason": str(each), "last": show.ago(each.last_at)} for each in groups[:MAX_ROWS]]


def _lines(rows: Any) -> list[dict[str, Any]]:
    return [
        {
            "symbol": row.symbol.name,
            "rule": row.rule,
            "reason": row.reason,
            "count": row.count,
            "last": show.ago(row.last_at),
        }
        for row in rows
    ]


class ProtectionsForm(forms.ModelForm):
    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        is_new = self.instance.pk is None  # One that is there already may be emptied.
        if is_new and not self.errors and self.has_changed() and not any(map(cleaned.get, SymbolProtections.LIMITS)):
            self.add_error(
                "max_consecutive_losses", "A cooldown needs a limit: enter max consecutive losses or another limit."
            )
        return cleaned


class ProtectionsFormSet(BaseInlineFormSet):
    """Traders whose buys are denied check again once an edit is saved."""

    def save(self, commit: bool = True) -> Any:
        saved = super().save(commit)
        if self.new_objects or self.changed_objects or self.deleted_objects:
            symbol_id = self.instance.pk
            transaction.on_commit(lambda: protections.has_changed(symbol_ids=[symbol_id]))
        return saved


class ProtectionsInline(StackedInline):
    model = SymbolProtections
    form = ProtectionsForm
    formset = ProtectionsFormSet
    formfield_overrides = AMOUNTS
    fields = (
        ("max_exposure", "max_open_orders"),
        ("max_consecutive_losses", "cooldown_minutes"),
        ("max_daily_loss", "max_price_age_s"),
        "deny_in_gaps",
    )
    can_delete = False
    hide_title = True
    verbose_name = "Risk limits: they deny buys, never exits. Empty fields are off; changes apply immediately"


@admin.register(DeniedOrder)
class DeniedOrderAdmin(ReadOnlyAdmin):
    list_display = ("day", "where", "symbol", "rule", "count", "reason", "last")
    list_filter = (("venue", VenuesFilter), "rule", "day")
    list_select_related = ("symbol",)

    @display(description="Venue", ordering="venue")
    def where(self, row: DeniedOrder) -> SafeString:
        return show.venue(row.venue)

    @display(description="Last", ordering="last_at")
    def last(self, row: DeniedOrder) -> SafeString | str:
        return show.ago(row.last_at)
