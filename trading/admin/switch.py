"""The page of the switch: at which venue new traders trade."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin

from hedgehog_project.venues import Market, Venue, default_market
from trading.admin import show
from trading.models import Switch, Trader
from trading.models.switch import turn_switch, why_not
from trading.overview import LIVE

# What a person types to say that real money is meant.
WORD = "live"


@admin.register(Switch)
class SwitchAdmin(ModelAdmin):
    """One row has no list: the list's address is the page."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def change_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:trading_switch_changelist"))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            return self._turn(request)
        return self._page(request)

    def _turn(self, request: HttpRequest) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        try:
            venue = Venue(request.POST.get("venue", ""))
        except ValueError:
            return self._page(request, "Choose mock, testnet, demo or live.")
        was = Switch.current()
        try:
            turn_switch(
                venue,
                by=request.user.get_username(),
                may_trade_live=request.user.has_perm("trading.trade_live"),
                is_confirmed=request.POST.get("confirmation", "").strip().lower() == WORD,
            )
        except ValidationError as error:
            return self._page(request, " ".join(error.messages))
        self.log_change(request, Switch.objects.get(pk=1), f"New traders: from {was} to {venue}.")
        self.message_user(request, f"New traders trade on {venue} from now on.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:trading_switch_changelist"))

    def _page(self, request: HttpRequest, error: str = "") -> HttpResponse:
        current = Switch.current()
        may_live = request.user.has_perm("trading.trade_live")
        live_traders = Trader.objects.filter(LIVE)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Switch",
            # Not “error”: that name hides Unfold's own messages.
            "refusal": error,
            "word": WORD,
            "may_change": self.has_change_permission(request),
            "row": Switch.objects.filter(pk=1).first(),
            "current": show.venue(current),
            "venues": [
                {
                    "venue": venue,
                    "title": title,
                    "text": text,
                    "is_current": venue == current,
                    "problem": why_not(venue)
                    or (
                        "You lack the permission to trade real money." if venue == Venue.LIVE and not may_live else ""
                    ),
                    "needs_word": venue == Venue.LIVE,
                    "traders": live_traders.filter(venue=venue).count(),
                }
                for venue, title, text in _venues()
            ],
        }
        return TemplateResponse(request, "trading/switch.html", context, status=400 if error else 200)


def _venues() -> list[tuple[Venue, str, str]]:
    if default_market() == Market.LIVE:
        mock = "Play money against Binance's real prices (paper trading). Orders never leave this machine."
    else:
        mock = "Play money on the exchange of this machine, with a market of its own. Nothing leaves this machine."
    return [
        (Venue.MOCK, "Mock", mock),
        (Venue.TESTNET, "Testnet", "Binance's public test exchange: play money there, reset every month."),
        (Venue.DEMO, "Demo", "Binance's demo trading: play money at prices like the live ones."),
        (Venue.LIVE, "Live", "Binance itself: real orders with real money."),
    ]
