"""Traders: who is active, what each waits for, and the timeline of each cycle."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import redis
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from kombu.exceptions import OperationalError
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from console import numbers
from console.admin import by_hand, deeds, questions, show
from console.admin.base import ShowFilter, VenuesFilter
from console.admin.long_lists import LongList, Search, WrittenFilter, number_of, orders_named, symbols_named
from console.admin.orders import sums_by_asset
from console.admin.questions import Question
from console.admin.timeline import timeline_of
from console.chart.cycle import cycle, interval_of
from console.chart.market import INTERVALS
from console.positions import Held, held_by
from hedgehog_project.outside import sentence
from hedgehog_project.venues import Venue
from trading.books.holdings import holdings
from trading.core.journal import Source
from trading.core.strategy import TraderState
from trading.models import Order, Trader
from trading.models.traders import LIVE
from trading.traders import cycle_end
from trading.waking import enqueue


class TradersShown(ShowFilter):
    parts = (
        ("active", "Active"),
        ("blocked", "Blocked"),
        ("errors", "Errors"),
        ("finished", "Finished"),
        ("dust", "Dust"),
        ("missing", "Missing"),
        ("all", "All"),
    )
    by_index = frozenset({"active", "blocked", "errors", "missing"})
    former = {"live": "active", "waiting": "blocked", "error": "errors"}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "active":
                return queryset.filter(LIVE)
            case "blocked":
                return queryset.filter(LIVE, Q(retry_at__isnull=False) | ~Q(error="")).exclude(
                    orders__status__is_open=True
                )
            case "dust":
                return queryset.filter(state=TraderState.DUST)
            case "missing":
                return queryset.filter(missing__is_positive=True)
            case "errors":
                return queryset.filter(LIVE, Q(failures__gt=0) | ~Q(error=""))
            case "finished":
                return queryset.filter(state=TraderState.FINISHED)
        return queryset


@admin.register(Trader)
class TraderAdmin(LongList):
    list_display = ("who", "is_", "where", "profit_", "now", "began", "ended")
    # Of those that are active: what they hold.
    list_of_active = ("who", "is_", "where", "position_", "entry", "target_", "unrealised", "now", "began")
    list_filter = (
        TradersShown,
        ("state", ChoicesDropdownFilter),
        ("symbol", RelatedDropdownFilter),
        ("venue", VenuesFilter),
        ("created_at", WrittenFilter),
    )
    time_field = "created_at"
    indexed = ("symbol__id__exact",)
    list_select_related = ("symbol",)
    search_fields = ("symbol__name",)
    search_help_text = "Search by symbol, order id or trader number"
    change_form_template = "trading/trader.html"
    actions = ("abandon_chosen",)

    def get_list_display(self, request: HttpRequest) -> Sequence[str]:
        shown = TradersShown.part_of(request.GET.get(TradersShown.parameter_name))
        return self.list_of_active if shown in ("active", "blocked", "errors") else self.list_display

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        held = held_by(changelist.result_list)
        for trader in changelist.result_list:
            trader.held = held.get(trader.pk)
        return changelist

    def find(self, text: str) -> Search:
        symbols, is_name = symbols_named(text)
        if symbols:
            return Search(Q(symbol__in=symbols), by_index=is_name)
        orders = Order.objects.filter(pk__in=orders_named(text))
        traders = {number_of(text), *orders.order_by().values_list("trader", flat=True)} - {None}
        return Search(Q(pk__in=traders), by_index=True)

    def sums(self, rows: Iterable[Trader]) -> list[tuple[str, SafeString]]:
        """Realised of the cycles that have ended; unrealised of those under way, as far as their prices are known."""
        realised, unrealised = sums_by_asset(), sums_by_asset()
        alive: defaultdict[Venue, list[int]] = defaultdict(list)
        for trader in rows:
            if trader.profit is not None:
                realised[trader.symbol.quote_asset] += trader.profit
            if not trader.has_ended:
                alive[Venue(trader.venue)].append(trader.pk)
        for venue, traders in alive.items():
            for holding in holdings(venue, traders):
                if holding.unrealised is not None:
                    unrealised[holding.trader.symbol.quote_asset] += holding.unrealised
        return show.sums("Profit", realised, is_gain=True) + show.sums("Unrealised", unrealised, is_gain=True)

    @display(description="Trader")
    def who(self, trader: Trader) -> SafeString:
        return format_html('<b>{}</b> <span class="hh-dim">#{}</span>', trader.symbol.name, trader.slot)

    @display(description="State")
    def is_(self, trader: Trader) -> SafeString:
        return show.state(trader.state)

    @display(description="Venue")
    def where(self, trader: Trader) -> SafeString:
        return show.world(trader.venue, trader.has_ended)

    @display(description="Profit")
    def profit_(self, trader: Trader) -> SafeString | str:
        return show.profit(trader.profit, trader.symbol.quote_asset, trader.has_unvalued_fees)

    @display(description="Position")
    def position_(self, trader: Trader) -> SafeString | str:
        held = self._held(trader)
        if held is None:
            return format_html('<span class="hh-dim">{}</span>', "nothing held")
        symbol = trader.symbol
        return format_html(
            '<span class="hh-two hh-number">{} {}<small>cost {}</small></span>',
            numbers.quantity(held.quantity, held.step_size),
            symbol.base_asset,
            numbers.money(held.cost, symbol.quote_asset),
        )

    @display(description="Entry")
    def entry(self, trader: Trader) -> SafeString | str:
        held = self._held(trader)
        if held is None or held.entry is None:
            return show.NONE
        return format_html('<span class="hh-number">{}</span>', numbers.price(held.entry, held.tick_size))

    @display(description="Target")
    def target_(self, trader: Trader) -> SafeString | str:
        held = self._held(trader)
        if held is None or held.target is None:
            return show.NONE
        away = "" if held.distance is None else f"{numbers.percent(held.distance)} away"
        return format_html(
            '<span class="hh-two hh-number">{}<small>{}</small></span>',
            numbers.price(held.target, held.tick_size),
            away,
        )

    @display(description="Unrealised")
    def unrealised(self, trader: Trader) -> SafeString | str:
        held = self._held(trader)
        if held is None or held.unrealised is None:
            return show.NONE
        return show.profit(held.unrealised, trader.symbol.quote_asset, held.is_unvalued)

    def _held(self, trader: Trader) -> Held | None:
        held: Held | None = getattr(trader, "held", None)
        return held

    @display(description="Status")
    def now(self, trader: Trader) -> SafeString | str:
        if trader.error:
            return format_html('<span class="hh-bad hh-clip" title="{}">{}</span>', trader.error, trader.error)
        if trader.missing:
            return format_html(
                '<span class="hh-bad">{} of its position is missing in the account</span>',
                show.amount(trader.missing, trader.symbol.base_asset),
            )
        if trader.state == TraderState.DUST:
            return format_html(
                "{} left, below the minimum to sell",
                show.amount(trader.leftover, trader.symbol.base_asset),
            )
        if not trader.waits_for:
            return show.NONE
        return format_html('<span class="hh-clip" title="{}">{}</span>', trader.waits_for, trader.waits_for)

    @display(description="Started")
    def began(self, trader: Trader) -> SafeString | str:
        return show.ago(trader.created_at)

    @display(description="Ended")
    def ended(self, trader: Trader) -> SafeString | str:
        return show.ago(trader.finished_at)

    # --- several at once --------------------------------------------------------------------------
    def has_act_permission(self, request: HttpRequest) -> bool:
        return self._may_act(request)

    @admin.action(description="Abandon: end the cycle without selling", permissions=["act"])
    def abandon_chosen(self, request: HttpRequest, chosen: QuerySet[Trader]) -> HttpResponse | None:
        """Shows what would be given up; does it once that is confirmed."""
        if "confirmed" not in request.POST:
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": "Abandon traders",
                "traders": [(trader, show.state(trader.state)) for trader in chosen.select_related("symbol")],
                "action_name": ACTION_CHECKBOX_NAME,
            }
            return TemplateResponse(request, "trading/abandon.html", context)
        by = request.user.get_username()
        abandoned = [trader for trader in chosen if cycle_end.abandon(trader.pk, by)]
        for trader in abandoned:
            self.log_change(request, trader, "Abandoned.")
        kept = len(chosen) - len(abandoned)
        self.message_user(
            request,
            f"Abandoned: {len(abandoned)}."
            + (f" Skipped: {kept}, already ended or with an order that may be open." if kept else ""),
            messages.WARNING if kept else messages.SUCCESS,
        )
        return None

    # --- the page of one ----------------------------------------------------------------------------
    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/chart/", wrap(self.chart_view), name="trading_trader_chart"),
            path("<int:pk>/wake/", wrap(self.wake_view), name="trading_trader_wake"),
            path("<int:pk>/abandon/", wrap(self.abandon_view), name="trading_trader_abandon"),
            *by_hand.urls("trader", wrap(self.hand_view), "int:pk"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        trader = self.get_object(request, object_id)
        if trader is not None:
            may_act, story = self._may_act(request), timeline_of(trader)
            orders = [row["order"] for row in story["orders"]]
            extra_context = {
                **(extra_context or {}),
                **story,
                "intervals": INTERVALS,
                "interval": interval_of(trader),
                "may_act": may_act,
                "deeds": [] if trader.has_ended else deeds.trader_buttons(trader, orders, may_act),
            }
        return super().change_view(request, object_id, form_url, extra_context)

    def chart_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What the chart of its cycle draws: ?interval=1m, else the shortest candles in which it fits."""
        trader = get_object_or_404(Trader.objects.select_related("symbol__settings"), pk=pk)
        if not self.has_view_permission(request, trader):
            raise PermissionDenied
        asked = request.GET.get("interval", "")
        return JsonResponse(cycle(trader, asked if asked in INTERVALS else interval_of(trader)))

    def _may_act(self, request: HttpRequest) -> bool:
        # Not has_change_permission: nobody may edit what a trader remembers, yet some may tell it what to do.
        return bool(request.user.has_perm("trading.change_trader"))

    def hand_view(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        """What a person tells the trader: asked with GET, done with POST."""
        trader = get_object_or_404(Trader.objects.select_related("symbol"), pk=pk)
        page = reverse("admin:trading_trader_change", args=(pk,))
        context = self.admin_site.each_context(request)
        deed = deeds.TRADER_DEEDS.get(name)
        return by_hand.answer(request, deed, trader, trader.venue, page, context, self._may_act(request))

    def wake_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Has the trader check now."""

        def wake(trader: Trader) -> None:
            try:
                why = f"{request.user.get_username()} requested a check"
                queue = enqueue.queue_of(trader.holds)
                enqueue.nudge(trader.pk, trader.symbol.name, why, True, queue, Source.PERSON)
            except (OperationalError, redis.RedisError) as error:
                self.message_user(
                    request, f"The task could not be queued: {sentence(str(error))} Is Redis running?", messages.ERROR
                )
            else:
                self.message_user(request, "Check queued. Any action appears in the timeline shortly.")

        return self._act(request, pk, wake)

    def abandon_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Gives the cycle up; what the trader holds stays on the account. Asked with GET, done with POST."""
        if request.method == "GET" and self._may_act(request):
            trader = get_object_or_404(Trader.objects.select_related("symbol"), pk=pk)
            question = Question(
                title=f"Abandon {trader.symbol.name}, slot {trader.slot}?",
                button="Abandon it",
                keep="Keep it",
                steps=[
                    "Ends this cycle without selling",
                    "What it holds stays in the account, for you to sell; no trader counts it any more",
                    "A new trader takes the slot while trading is on",
                ],
                note=by_hand.FINAL,
                asks_why=False,
                is_real=trader.venue == Venue.LIVE,
                account="Binance",
            )
            page = reverse("admin:trading_trader_change", args=(pk,))
            return questions.ask(request, question, page, self.admin_site.each_context(request))

        def abandon(trader: Trader) -> None:
            if cycle_end.abandon(trader.pk, request.user.get_username()):
                self.log_change(request, trader, "Abandoned.")
                self.message_user(request, "Abandoned. A new trader takes the slot while trading is on.")
            else:
                self.message_user(
                    request, "Not abandoned: it has ended, or it may still have an open order.", messages.WARNING
                )

        return self._act(request, pk, abandon)

    def _act(self, request: HttpRequest, pk: int, do: Callable[[Trader], None]) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self._may_act(request):
            raise PermissionDenied
        do(get_object_or_404(Trader.objects.select_related("symbol"), pk=pk))
        return HttpResponseRedirect(reverse("admin:trading_trader_change", args=(pk,)))
