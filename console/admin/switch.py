"""The page of the switch: at which venue new traders trade, and whether anybody trades at all."""

import logging
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from unfold.admin import ModelAdmin

from console.admin import by_hand, deeds, questions, show
from console.admin.base import back
from console.admin.questions import Question
from console.figures import count
from hedgehog_project.hurry import hurried
from hedgehog_project.outside import sentence
from hedgehog_project.venues import Venue, mock_world
from hedgehog_project.venues.worlds import PAPER
from trading.core.strategy import TraderState
from trading.models import Switch, Trader
from trading.models.switch import TradingMode, meant_by
from trading.models.traders import LIVE
from trading.risk import kill_switch
from trading.symbols.venue import turn_switch, why_not

log = logging.getLogger(__name__)

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

    def get_urls(self) -> list[Any]:
        mode = path("mode/", self.admin_site.admin_view(self.mode_view), name="trading_switch_mode")
        hands = by_hand.urls("switch", self.admin_site.admin_view(self.hand_view), "path:venue")
        return [mode, *hands, *super().get_urls()]

    def hand_view(self, request: HttpRequest, venue: str, name: str) -> HttpResponse:
        """Getting out of a venue: asked with GET, done with POST."""
        try:
            where = Venue(venue)
        except ValueError:
            raise Http404 from None
        may_act = request.user.has_perm("trading.change_trader") and self.has_change_permission(request)
        context, deed = self.admin_site.each_context(request), deeds.ACCOUNT_DEEDS.get(name)
        return by_hand.answer(request, deed, where, where, reverse("admin:index"), context, may_act)

    def mode_view(self, request: HttpRequest) -> HttpResponse:
        """Halts trading, or lets it go on."""
        is_question = request.method == "GET" and request.GET.get("mode") == TradingMode.ACTIVE
        if request.method != "POST" and not is_question:
            return HttpResponseNotAllowed(["POST"])
        if not self.has_change_permission(request):
            raise PermissionDenied
        if is_question:
            page = reverse("admin:trading_switch_changelist")
            return questions.ask(request, _question(Switch.row()), page, self.admin_site.each_context(request))
        by = request.user.get_username()
        try:
            mode = TradingMode(request.POST.get("mode", ""))
        except ValueError:
            return self._page(request, "Choose active, reducing or halted.")
        level = messages.WARNING
        if mode == TradingMode.ACTIVE:
            level, lines = _resume(by)
        else:
            lines = _halt(by, request.POST.get("why", ""), mode, "cancel_buys" in request.POST)
        try:
            with hurried():
                self.log_change(request, Switch.row(), " ".join(lines))
        except DatabaseError as error:
            log.warning("not written into the admin's history: %s error=%s", " ".join(lines), error)
        for line in lines:
            self.message_user(request, line, level)
        return back(request, "admin:trading_switch_changelist")

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
            venue = Venue(request.POST.get("venue", "")).exchange
        except ValueError:
            return self._page(request, "Choose mock, testnet, demo or live.")
        was = Switch.current()
        try:
            note = turn_switch(
                venue,
                by=request.user.get_username(),
                may_trade_live=request.user.has_perm("trading.trade_live"),
                is_confirmed=request.POST.get("confirmation", "").strip().lower() == WORD,
            )
        except ValidationError as error:
            return self._page(request, " ".join(error.messages))
        venue = Switch.current()
        self.log_change(request, Switch.objects.get(pk=1), f"Venue for new traders changed from {was} to {venue}.")
        self.message_user(request, f"New traders now trade on {venue}. {note}".strip(), messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:trading_switch_changelist"))

    def _page(self, request: HttpRequest, error: str = "") -> HttpResponse:
        current = Switch.current()
        may_live = request.user.has_perm("trading.trade_live")
        live_traders = Trader.objects.filter(LIVE)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Trading control",
            # Not “error”: that name hides Unfold's own messages.
            "refusal": error,
            "word": WORD,
            "may_change": self.has_change_permission(request),
            "row": Switch.row(),
            "current": show.venue(current),
            "mode": show.mode(Switch.row().mode),
            "is_active": Switch.row().is_active,
            "resting_buys": kill_switch.resting_buys().count(),
            "venues": [
                {
                    "venue": venue,
                    "title": title,
                    "text": text,
                    "is_current": venue == current.exchange,
                    "problem": why_not(venue)
                    or (
                        "You do not have permission to trade real money."
                        if venue == Venue.LIVE and not may_live
                        else ""
                    ),
                    "needs_word": venue == Venue.LIVE,
                    "traders": live_traders.filter(venue=meant_by(venue)).count(),
                }
                for venue, title, text in _venues()
            ],
        }
        return TemplateResponse(request, "trading/switch.html", context, status=400 if error else 200)


def _question(row: Switch) -> Question:
    """What resuming would let happen."""
    buys = Trader.objects.filter(LIVE, state=TraderState.WAITING).count()
    held = Trader.objects.filter(LIVE, holds=True).count()
    is_real = row.venue == Venue.LIVE or Trader.objects.filter(LIVE, venue=Venue.LIVE).exists()
    return Question(
        title="Resume trading?",
        button="Resume for real money" if is_real else "Resume",
        keep=f"Stay {row.mode}",
        steps=[
            f"Ends the halt by {row.mode_by or 'unknown'} ({row.mode_why or 'no reason given'})",
            f"Lets {count(buys, 'waiting trader')} buy, and starts others where slots are free",
            f"Lets {count(held, 'trader')} with a position sell"
            if row.mode == TradingMode.HALTED
            else f"{count(held, 'trader')} with a position go{'es' if held == 1 else ''} on selling",
        ],
        note="A drawdown is measured anew from here.",
        asks_why=False,
        is_final=False,
        is_real=is_real,
        account="Binance",
        hidden={"mode": TradingMode.ACTIVE.value},
    )


def _halt(by: str, why: str, mode: TradingMode, cancels: bool) -> list[str]:
    """As `manage.py halt` does and says it."""
    halted = kill_switch.halt_now(by, why, mode, cancels)
    lines = halted.lines()
    if not halted.holds:
        return lines
    try:
        found = kill_switch.found_on_their_way(halted)
        lines += found.lines()
        unclear = found.wait()
        resting = kill_switch.resting_buys().count()
    except DatabaseError as error:
        return [*lines, sentence(f"Earlier orders cannot be looked up: {kill_switch.in_a_line(error)}")]
    lines += kill_switch.in_the_end(halted, unclear)
    if cancels:
        lines.append(f"Open buys being cancelled: {resting}.")
    return lines


def _resume(by: str) -> tuple[int, list[str]]:
    """The kind of message, and what it says."""
    try:
        return messages.SUCCESS, [f"Trading resumed. Traders checking again: {kill_switch.resume(by)}."]
    except DatabaseError as error:
        if kill_switch.resume_here():
            return messages.SUCCESS, ["Trading resumed. The halt had not reached the database."]
        why = sentence(kill_switch.in_a_line(error))
        return messages.ERROR, [f"Trading stays {Switch.row().mode}: {why} Try again."]
    except OSError as error:
        return messages.ERROR, [f"Trading stays {Switch.row().mode}: {error.strerror}: {error.filename}"]


def _venues() -> list[tuple[Venue, str, str]]:
    world = mock_world()
    if world == PAPER:
        mock = "Play money against Binance's real prices (paper trading). Orders never leave this machine."
    elif world == Venue.MOCK:
        mock = "Play money on the built-in mock exchange with a simulated market. Nothing leaves this machine."
    else:
        mock = "Play money on the built-in mock exchange, which replays a file. Nothing leaves this machine."
    return [
        (Venue.MOCK, "Mock" if world == Venue.MOCK else world.label, mock),
        (Venue.TESTNET, "Testnet", "Binance's public test exchange: play money, reset every month."),
        (Venue.DEMO, "Demo", "Binance Demo Trading: play money at realistic prices."),
        (Venue.LIVE, "Live", "Binance itself: real orders with real money."),
    ]
