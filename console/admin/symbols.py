"""Symbols: what streams, what trades, how, and what it brought."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import pluralize
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.decorators import display

from console import figures
from console.admin import deeds, show
from console.admin.base import ReadOnlyAdmin, ShowFilter, VenuesFilter
from console.admin.changing import ChangeSettingsForm
from console.admin.forms import AddSymbolForm, TradingSettingsForm
from console.admin.protections import ProtectionsInline, symbol_state
from console.admin.strategy_form import StrategyInline, with_a_ladder
from console.admin.symbol_pages import SymbolPages, head_of
from console.admin.turning import TurningAdmin, log_many, tell_problems
from console.admin.why import shown
from console.why import why
from hedgehog_project.venues import market_of
from streamer.models import StreamedSymbol
from trading.books.left_over import left_over
from trading.core.fees import USUAL_FEES, Fees
from trading.core.money import plain
from trading.models import Listing, Switch, Symbol, SymbolProtections, Trader, TradingSettings
from trading.models.symbols import TradingStatus
from trading.risk import sizing
from trading.symbols import listings, profiles, resting, said
from trading.waking import prices

# In the list's form: whether all rows that match are chosen, or those of the page.
ACROSS = "select_across"


class SymbolsShown(ShowFilter):
    parts = (
        ("all", "All"),
        ("trading", "Trading"),
        ("shutdown", "Shutting down"),
        ("feed", "Price feed on"),
        ("off", "Off"),
    )
    former = {"streaming": "feed"}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        trading = Q(settings__status=TradingStatus.ON)
        market = market_of(Switch.current())
        streaming = Exists(StreamedSymbol.objects.filter(market=market, symbol=OuterRef("name"), is_on=True))
        match self.value():
            case "trading":
                return queryset.filter(trading)
            case "shutdown":
                return queryset.filter(settings__status=TradingStatus.SHUTDOWN)
            case "feed":
                return queryset.filter(streaming)
            case "off":
                return queryset.filter(Q(settings=None) | Q(settings__status=TradingStatus.OFF)).exclude(streaming)
        return queryset


class SettingsInline(StrategyInline):
    model = TradingSettings
    form = TradingSettingsForm
    fields = (
        ("budget", "max_slots"),
        ("sizing", "balance_share"),
        "compounds",
        "strategy",
        ("buy_down_interval", "profit_interval"),
        ("rebuy_interval", "slots"),
        ("stop_loss_interval", "trailing_stop_interval"),
        ("retarget_interval", "exit_slippage"),
        "what_this_does",
    )
    readonly_fields = ("what_this_does",)
    can_delete = False
    hide_title = True
    verbose_name = "Strategy settings. Changes apply from the next cycle; running cycles keep theirs"

    @display(description="What this does")
    def what_this_does(self, settings: TradingSettings) -> SafeString:
        """The ladder of these settings; a script draws it, again with each change of the form."""
        venue = Switch.current()
        listing = Listing.objects.filter(symbol=settings.symbol_id, venue=venue).first()
        trade = prices.last_trades([settings.symbol.name], venue).get(settings.symbol.name)
        exponent = listing.tick_size.normalize().as_tuple().exponent if listing else -2
        context = {
            "strategies": " ".join(with_a_ladder()),
            "price": plain(trade.price) if trade else "",
            "places": max(0, -int(exponent)),
            "quote": settings.symbol.quote_asset,
            "fees": listing.fees if listing else USUAL_FEES,
        }
        return render_to_string("trading/ladder.html", context)


class ListingInline(TabularInline):
    model = Listing
    fields = ("venue", "status", "tick_size", "step_size", "min_quantity", "minimum", "fees_", "refreshed")
    readonly_fields = fields
    can_delete = False
    extra = 0
    max_num = 0
    hide_title = True
    verbose_name_plural = "Exchange filters and fees"

    @display(description="Min notional")
    def minimum(self, listing: Listing) -> str:
        return plain(listing.min_notional)

    @display(description="Commission")
    def fees_(self, listing: Listing) -> str:
        return fees_in_words(listing.fees)

    @display(description="Refreshed")
    def refreshed(self, listing: Listing) -> SafeString | str:
        return show.ago(listing.refreshed_at)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Symbol)
class SymbolAdmin(SymbolPages, TurningAdmin):
    refreshes = True
    list_display = (
        "named",
        "streaming",
        "trading",
        "price",
        "traders_live",
        "cycles",
        "profit_so_far",
        "budget",
        "profile",
    )
    list_filter = (SymbolsShown, "quote_asset", ("settings__profile", RelatedDropdownFilter))
    list_filter_submit = True
    search_fields = ("name", "base_asset", "quote_asset")
    search_help_text = "Search by name or asset"
    fields = (("name", "base_asset", "quote_asset"),)
    readonly_fields = ("name", "base_asset", "quote_asset")
    inlines = (SettingsInline, ProtectionsInline, ListingInline)
    actions = (
        "change_settings",
        "trading_on",
        "trading_shutdown",
        "trading_shutdown_and_cancel",
        "trading_off",
        "trading_off_and_cancel",
        "streaming_on",
        "streaming_off",
    )
    change_form_template = "trading/symbol_settings.html"
    change_form_outer_before_template = "trading/symbol_state.html"
    change_form_outer_after_template = "trading/symbol_why_cards.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request).select_related("settings__profile")
        return figures.with_figures(rows, Switch.current())

    # A symbol has traders and orders for ever; one that is not wanted is turned off.
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    # --- the list --------------------------------------------------------------------------------
    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        venue = Switch.current()
        trades = prices.last_trades([symbol.name for symbol in changelist.result_list], venue)
        may_change = self.has_change_permission(request)
        told = said.of(venue, [each for each in changelist.result_list if figures.is_trading(each)])
        # Asked for where the list is shown: an action leads to another page.
        left = SimpleLazyObject(lambda: left_over(venue, trades))
        for symbol in changelist.result_list:
            symbol.left_over = left
            symbol.said = told.get(symbol.pk, "")
            symbol.last_trade = trades.get(symbol.name)
            symbol.may_turn = may_change
        return changelist

    def get_list_display_links(self, request: HttpRequest, list_display: Any) -> Any:
        # Its name leads to its chart, not to its settings.
        return None

    @display(description="Name", ordering="name")
    def named(self, symbol: Any) -> SafeString | str:
        link = show.link(reverse("admin:trading_symbol_chart", args=(symbol.pk,)), symbol.name)
        if not symbol.said:
            return link
        return format_html('{}<div class="hh-bad hh-wrap">{}</div>', link, symbol.said)

    @display(description="Price feed", ordering="is_streaming")
    def streaming(self, symbol: Any) -> SafeString:
        return self._toggle(symbol, "streaming", symbol.is_streaming)

    @display(description="Trading", ordering="settings__status")
    def trading(self, symbol: Any) -> SafeString:
        if figures.is_shutting_down(symbol):
            return show.badge("shutting down", "warning", "Running cycles finish, then trading turns off")
        return self._toggle(symbol, "trading", figures.is_trading(symbol))

    @display(description="Last price")
    def price(self, symbol: Any) -> SafeString:
        return last_price(symbol.last_trade, symbol.quote_asset)

    @display(description="Active traders", ordering="live_traders")
    def traders_live(self, symbol: Any) -> SafeString | str:
        return _traders_link(symbol, symbol.live_traders, "active")

    @display(description="Cycles", ordering="cycles_finished")
    def cycles(self, symbol: Any) -> SafeString | str:
        return _traders_link(symbol, symbol.cycles_finished, "finished")

    @display(description="Profit", ordering="profit")
    def profit_so_far(self, symbol: Any) -> SafeString | str:
        return show.profit(symbol.profit, symbol.quote_asset, symbol.unvalued, symbol.left_over.get(symbol.pk))

    @display(description="Budget", ordering="settings__budget")
    def budget(self, symbol: Any) -> str:
        if not hasattr(symbol, "settings"):
            return show.NONE
        symbol.settings.symbol = symbol  # Not asked for again.
        return str(symbol.settings.size_in_words)

    @display(description="Profile", ordering="settings__profile__name")
    def profile(self, symbol: Any) -> str:
        return str(symbol.settings.profile or show.NONE) if hasattr(symbol, "settings") else show.NONE

    def _toggle(self, symbol: Any, what: str, is_on: bool) -> SafeString:
        """A button of the list's own form, so that it posts with the form's CSRF token."""
        if not symbol.may_turn:
            return show.badge("on" if is_on else "off", "success" if is_on else "")
        url = reverse("admin:trading_symbol_turn", args=(symbol.pk, what, "off" if is_on else "on"))
        return format_html(
            '<button type="submit" formaction="{}" class="hh-toggle{}" title="{}"><i></i>{}</button>',
            url,
            " hh-on" if is_on else "",
            f"Turn {'price feed' if what == 'streaming' else what} {'off' if is_on else 'on'} for {symbol.name}",
            "on" if is_on else "off",
        )

    # --- changing many -----------------------------------------------------------------------------
    @admin.action(description="Change settings…", permissions=["change"])
    def change_settings(self, request: HttpRequest, chosen: QuerySet[Symbol]) -> HttpResponse | None:
        """Shows a form of settings; changes them once it comes back filled in."""
        ids = list(chosen.values_list("pk", flat=True))
        form = ChangeSettingsForm(request.POST if "apply" in request.POST else None)
        if form.is_bound and form.is_valid():
            self._change(request, list(Symbol.objects.filter(pk__in=ids)), form)
            return None
        # All that match are found again by the list's address; a page's rows are named.
        across = request.POST.get(ACROSS, "0")
        named = ids[:1] if across == "1" else ids
        hidden = [("action", "change_settings"), ("apply", "yes"), (ACROSS, across)]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Change {len(ids)} symbol{'' if len(ids) == 1 else 's'}",
            "words": "Unchanged fields are not touched. Changes apply from the next cycle; running cycles keep their "
            "settings. Risk limits apply immediately.",
            "form": form,
            "button": "Change",
            "hidden": hidden + [(ACTION_CHECKBOX_NAME, pk) for pk in named],
        }
        return TemplateResponse(request, "trading/change_settings.html", context)

    def _change(self, request: HttpRequest, chosen: list[Symbol], form: ChangeSettingsForm) -> None:
        changed = profiles.change(chosen, form.values, form.noted_profile)
        done = [symbol for symbol in chosen if symbol.name not in changed.problems]
        log_many(request, done, f"Changed {', '.join(form.values)}.")
        under_way = Trader.objects.filter(symbol__in=done, finished_at__isnull=True).count()
        is_for_new = under_way and form.values.keys() - profiles.protecting()
        keep = f"; {under_way} running cycle{pluralize(under_way)} keep{pluralize(under_way, 's,')} the old settings"
        count = f"{changed.count} symbol{pluralize(changed.count)}"
        self.message_user(request, f"{count} changed, {profiles.when(form.values)}{keep if is_for_new else ''}.")
        tell_problems(self, request, changed.problems)

    def response_change(self, request: HttpRequest, obj: Symbol) -> HttpResponse:
        """Back to the page that was saved: whoever changes a setting looks at what it does."""
        if "_continue" in request.POST or "_saveasnew" in request.POST:
            return super().response_change(request, obj)
        self.message_user(request, f"{obj}: settings saved.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:trading_symbol_change", args=(obj.pk,)))

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        if formset.model in (TradingSettings, SymbolProtections) and formset.has_changed():
            # It is its own now.
            TradingSettings.objects.filter(symbol=form.instance).update(profile=None)
        if formset.model is TradingSettings:
            changed = [settings.symbol_id for settings, names in formset.changed_objects if "slots" in names]
            if changed:
                transaction.on_commit(lambda: resting.slots_have_changed(changed))
            for settings, _ in formset.changed_objects:
                if words := sizing.above_account(settings, Switch.current()):
                    self.message_user(request, words, messages.WARNING)
        if formset.model is SymbolProtections and any(not each.is_any_set for each, _ in formset.changed_objects):
            words = f"{form.instance}: all risk limits are empty, none denies its buys."
            self.message_user(request, words, messages.WARNING)

    # --- the page of one, and of a new one ----------------------------------------------------------
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Asks the exchange for a symbol. Not the model's own form: that would hold a transaction meanwhile."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = AddSymbolForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            name = form.cleaned_data["name"]
            here = Symbol.objects.filter(name=name, settings__isnull=False).first()
            if here is not None:
                self.message_user(request, f"{here} was added before; nothing was changed.")
                return HttpResponseRedirect(reverse("admin:trading_symbol_change", args=(here.pk,)))
            try:
                symbol = listings.add(name)
            except ValidationError as error:
                form.add_error("name", error.messages)
            else:
                self.log_addition(request, symbol, "Added.")
                self.message_user(request, f"{symbol} added. Check its budget, then turn trading on.")
                return HttpResponseRedirect(reverse("admin:trading_symbol_change", args=(symbol.pk,)))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Add a symbol",
            "form": form,
            "venue": Switch.current(),
        }
        return TemplateResponse(request, "trading/symbol_add.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        symbol = self.get_object(request, object_id)
        extra_context = {**(extra_context or {}), "show_save_and_add_another": False}
        if symbol is not None:
            venue = Switch.current()
            trades = prices.last_trades([symbol.name], venue)
            context = {
                **head_of(symbol, "settings"),
                "symbol": symbol,
                "venue": venue,
                "is_trading": figures.is_trading(symbol),
                "is_shutting_down": figures.is_shutting_down(symbol),
                "last_price": last_price(trades.get(symbol.name), ""),
                "profit": show.profit(
                    symbol.profit,
                    symbol.quote_asset,
                    symbol.unvalued,
                    left_over(venue, trades, symbol.pk).get(symbol.pk),
                ),
                "live": _traders_link(symbol, symbol.live_traders, "active"),
                "cycles": _traders_link(symbol, symbol.cycles_finished, "finished"),
                "why": shown(why(symbol)),
                "may_turn": self.has_change_permission(request, symbol),
                "limits": symbol_state(symbol, venue),
                "deeds": deeds.symbol_buttons(symbol, self.has_change_permission(request, symbol)),
            }
            extra_context |= context
        return super().change_view(request, object_id, form_url, extra_context)


def last_price(trade: prices.LastTrade | None, unit: str) -> SafeString:
    """A price with its age; an old one stands out."""
    if trade is None:
        return SafeString('<span class="hh-dim">unknown</span>')
    return format_html(
        '{} <span class="{}">{}</span>',
        show.amount(trade.price, unit),
        "hh-bad" if trade.age_s > figures.OLD_S else "hh-dim",
        figures.age(trade.age_s),
    )


def fees_in_words(fees: Fees) -> str:
    """0.1 %, or what differs: buys 0 % maker, 0.1 % taker; sells 0.1 %."""
    sides = [(fees.buy_maker, fees.buy_taker), (fees.sell_maker, fees.sell_taker)]
    texts = [
        show.percent(maker) if maker == taker else f"{show.percent(maker)} maker, {show.percent(taker)} taker"
        for maker, taker in sides
    ]
    return texts[0] if texts[0] == texts[1] else f"buys {texts[0]}; sells {texts[1]}"


def _traders_link(symbol: Any, count: int, shown: str) -> SafeString | str:
    if not count:
        return "0"
    return show.link(
        f"{reverse('admin:trading_trader_changelist')}?show={shown}&symbol__id__exact={symbol.pk}", count
    )


@admin.register(Listing)
class ListingAdmin(ReadOnlyAdmin):
    list_display = ("symbol", "where", "status", "tick_size", "step_size", "min_notional", "fees_", "refreshed")
    list_filter = (("venue", VenuesFilter), "status")
    list_select_related = ("symbol",)
    search_fields = ("symbol__name",)

    @display(description="Venue", ordering="venue")
    def where(self, listing: Listing) -> SafeString:
        return show.venue(listing.venue)

    @display(description="Commission", ordering="sell_maker_fee")
    def fees_(self, listing: Listing) -> str:
        return fees_in_words(listing.fees)

    @display(description="Refreshed", ordering="refreshed_at")
    def refreshed(self, listing: Listing) -> SafeString | str:
        return show.ago(listing.refreshed_at)
