"""Turning symbols from the admin: trading on, off and shut down, streaming on and off, for one or for hundreds."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import pluralize
from django.urls import path, reverse
from unfold.admin import ModelAdmin

from console.admin import by_hand, deeds, questions
from console.admin.base import PlainHistory, back
from console.admin.questions import Question
from console.figures import count
from hedgehog_project.venues import Venue
from trading.models import Switch, Symbol, Trader
from trading.models.symbols import TradingStatus
from trading.risk import kill_switch
from trading.symbols import turning

# What a button may ask for: the status, and whether what rests is cancelled.
TRADING = {
    "on": (TradingStatus.ON, False),
    "off": (TradingStatus.OFF, False),
    "off-cancel": (TradingStatus.OFF, True),
    "shutdown": (TradingStatus.SHUTDOWN, False),
    "shutdown-cancel": (TradingStatus.SHUTDOWN, True),
}
MAX_PROBLEMS = 5


class TurningAdmin(PlainHistory):
    """The part of the symbols' admin that turns them."""

    def get_urls(self) -> list[Any]:
        turn = path(
            "<int:pk>/<str:what>/<str:state>/", self.admin_site.admin_view(self.turn_view), name="trading_symbol_turn"
        )
        hands = by_hand.urls("symbol", self.admin_site.admin_view(self.hand_view), "int:pk")
        return [*hands, turn, *super().get_urls()]

    def hand_view(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        """What a person does with the symbol by hand: asked with GET, done with POST."""
        symbol = get_object_or_404(Symbol, pk=pk)
        page = reverse("admin:trading_symbol_change", args=(pk,))
        context, may_act = self.admin_site.each_context(request), self.has_change_permission(request, symbol)
        deed = deeds.SYMBOL_DEEDS.get(name)
        return by_hand.answer(request, deed, symbol, Switch.current(), page, context, may_act)

    def turn_view(self, request: HttpRequest, pk: int, what: str, state: str) -> HttpResponse:
        symbol = get_object_or_404(Symbol, pk=pk)
        if not self.has_change_permission(request, symbol):
            raise PermissionDenied
        if request.method == "GET" and what == "trading" and TRADING.get(state, (None, False))[1]:
            page = reverse("admin:trading_symbol_change", args=(symbol.pk,))
            return questions.ask(request, _question(symbol, state), page, self.admin_site.each_context(request))
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        match what:
            case "trading" if state in TRADING:
                self.turn_trading(request, [symbol], state)
            case "streaming" if state in ("on", "off"):
                self.turn_streaming(request, [symbol], state)
            case _:
                raise PermissionDenied
        return back(request, "admin:trading_symbol_changelist")

    def turn_trading(self, request: HttpRequest, chosen: Sequence[Symbol], state: str) -> None:
        status, cancel_orders = TRADING[state]
        problems = turning.turn(chosen, status, cancel_orders)
        turned = [symbol for symbol in chosen if symbol.name not in problems]
        says = "shutting down" if status == TradingStatus.SHUTDOWN else str(status)
        if turned:
            log_many(request, turned, f"Trading set to {state}.")
            left = "" if status == TradingStatus.ON else _what_is_left(turned, status, cancel_orders)
            self.message_user(request, f"{_names(turned)}: trading is {says}.{left}", messages.SUCCESS)
        tell_problems(self, request, problems)

    def turn_streaming(self, request: HttpRequest, chosen: Sequence[Symbol], state: str) -> None:
        turning.stream(chosen, state == "on")
        log_many(request, chosen, f"Price feed set to {state}.")
        self.message_user(request, f"{_names(chosen)}: price feed is {state}.", messages.SUCCESS)

    @admin.action(description="Turn trading on", permissions=["change"])
    def trading_on(self, request: HttpRequest, chosen: QuerySet[Symbol]) -> None:
        self.turn_trading(request, _plain(chosen), "on")

    @admin.action(description="Trading off, keep open orders", permissions=["change"])
    def trading_off(self, request: HttpRequest, chosen: QuerySet[Symbol]) -> None:
        self.turn_trading(request, _plain(chosen), "off")

    @admin.action(description="Trading off, cancel open orders", permissions=["change"])
    def trading_off_and_cancel(self, request: HttpRequest, chosen: QuerySet[Symbol]) -> None:
        self.turn_trading(request, _plain(chosen), "off-cancel")

    @admin.action(description="Shut down: let running cycles finish", permissions=["change"])
    def trading_shutdown(self, request: HttpRequest, chosen: QuerySet[Symbol]) -> None:
        self.turn_trading(request, _plain(chosen), "shutdown")

    @admin.action(description="Shut down and cancel open buys", permissions=["change"])
    def trading_shutdown_and_cancel(self, request: HttpRequest, chosen: QuerySet[Symbol]) -> None:
        self.turn_trading(request, _plain(chosen), "shutdown-cancel")

    @admin.action(description="Price feed on", permissions=["change"])
    def streaming_on(self, request: HttpRequest, chosen: QuerySet[Symbol]) -> None:
        self.turn_streaming(request, _plain(chosen), "on")

    @admin.action(description="Price feed off", permissions=["change"])
    def streaming_off(self, request: HttpRequest, chosen: QuerySet[Symbol]) -> None:
        self.turn_streaming(request, _plain(chosen), "off")


def _question(symbol: Symbol, state: str) -> Question:
    """What turning one symbol off and cancelling would do."""
    status, _ = TRADING[state]
    is_off = status == TradingStatus.OFF
    resting = kill_switch.resting([symbol]) if is_off else kill_switch.resting_buys([symbol])
    holding = Trader.objects.filter(symbol=symbol, finished_at__isnull=True, holds=True).count()
    keeps = f"{count(holding, 'trader')} would keep a position that nothing sells until trading is on again."
    what = "Turn off and cancel orders" if is_off else "Shut down and cancel buys"
    return Question(
        title=f"{what}: {symbol}?",
        button=what,
        keep="Leave it as it is",
        steps=[
            f"Places no order of {symbol} any more, at any venue, sells included"
            if is_off
            else "Lets running cycles finish, starts no new ones, then turns trading off",
            f"Cancels {count(resting.count(), 'open order' if is_off else 'open buy')} on the exchange",
        ],
        note=keeps if holding and is_off else "",
        asks_why=False,
        is_real=resting.filter(venue=Venue.LIVE).exists() or Switch.current() == Venue.LIVE,
        account="Binance",
    )


def tell_problems(of: ModelAdmin, request: HttpRequest, problems: dict[str, str]) -> None:
    """The first few of them, by symbol; and how many more there are."""
    for name, problem in list(problems.items())[:MAX_PROBLEMS]:
        of.message_user(request, f"{name}: {problem}", messages.ERROR)
    if len(problems) > MAX_PROBLEMS:
        of.message_user(request, f"{len(problems) - MAX_PROBLEMS} more symbols were not changed.", messages.ERROR)


def _plain(chosen: QuerySet[Symbol]) -> list[Symbol]:
    """The list's rows without its figures, each of which is a query of its own."""
    return list(Symbol.objects.filter(pk__in=chosen.values_list("pk", flat=True)))


def log_many(request: HttpRequest, changed: Sequence[Symbol], text: str) -> None:
    """One entry for each in the admin's history."""
    assert request.user.pk is not None, "the admin lets nobody in who is not known"
    LogEntry.objects.log_actions(request.user.pk, changed, CHANGE, text)


def _names(turned: Sequence[Symbol], shown: int = 5) -> str:
    rest = len(turned) - shown
    return ", ".join(symbol.name for symbol in turned[:shown]) + (f" and {rest} more" if rest > 0 else "")


def _what_is_left(turned: Sequence[Symbol], status: TradingStatus, cancel_orders: bool) -> str:
    """What rests and what is held, at every venue; begins with a space, empty where there is nothing."""
    resting, buys = kill_switch.resting(turned).count(), kill_switch.resting_buys(turned).count()
    ending = (resting if status == TradingStatus.OFF else buys) if cancel_orders else 0
    holding = Trader.objects.filter(symbol__in=turned, finished_at__isnull=True, holds=True).count()
    facts = []
    if resting:
        facts.append(f"{resting} open order{pluralize(resting)}")
    if ending:
        facts.append(f"{ending} of them {pluralize(ending, 'is,are')} being cancelled")
    if holding:
        facts.append(f"{holding} cycle{pluralize(holding)} with an open position")
    return f" {', '.join(facts)}." if facts else ""
