"""The strip of steps on top of the overview, for whoever has just started: what is done, what is next, and where."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import reverse

from console.admin.saved_filters import reader
from hedgehog_project.venues import Market, Venue, default_market, endpoints, mock_world
from streamer.models import StreamedSymbol
from trading.models import FoldedPart, Switch, Trader
from trading.models.traders import ENDED, LIVE
from trading.waking import prices

PART = "first_evening"


@dataclass(frozen=True)
class Step:
    """One step: `text` says what was done, or what to do."""

    title: str
    text: str
    is_done: bool
    url: str = ""
    command: str = ""  # to be typed in the terminal


def strip(request: HttpRequest) -> dict[str, Any] | None:
    """What trading/first_evening.html shows; None once all is done or real money is at stake."""
    steps = [_watch(), _paper(), _testnet()]
    if all(step.is_done for step in steps) or Switch.current() == Venue.LIVE:
        return None
    following = next(number for number, step in enumerate(steps, 1) if not step.is_done)
    return {
        "steps": steps,
        "next": following,
        "done": sum(step.is_done for step in steps),
        "is_folded": FoldedPart.objects.filter(user=reader(request), part=PART).exists(),
    }


def fold(request: HttpRequest) -> HttpResponse:
    """Folds the strip away for this reader, or shows it again."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if request.POST.get("fold"):
        FoldedPart.objects.get_or_create(user=reader(request), part=PART)
    else:
        FoldedPart.objects.filter(user=reader(request), part=PART).delete()
    return HttpResponseRedirect(reverse("admin:index"))


def _watch() -> Step:
    title, traders = "Watch it trade", reverse("admin:trading_trader_changelist")
    if Trader.objects.filter(ENDED).exists():
        return Step(title, "Cycles have finished: see what each one did.", True, f"{traders}?show=finished")
    if Trader.objects.filter(LIVE).exists():
        return Step(title, "Traders wait for a price. The first cycles take some minutes.", False, traders)
    return Step(title, "Turn on trading of a symbol.", False, reverse("admin:trading_symbol_changelist"))


def _paper() -> Step:
    title = "Try real prices"
    if default_market() == Market.LIVE:
        if prices.last_trades(_streamed(), mock_world()):
            return Step(title, "Prices are Binance's, the money is for play.", True)
        text = "No price has come from Binance yet: is there a way to api.binance.com? See the log of mock_exchange."
        return Step(title, text, False)
    text = "Binance's prices, play money: stop with Ctrl\N{NON-BREAKING HYPHEN}C, then"
    return Step(title, text, False, command="make run MARKET=live")


def _streamed() -> list[str]:
    rows = StreamedSymbol.objects.filter(market=Market.LIVE, is_on=True)
    return list(rows.values_list("symbol", flat=True)[:20])


def _testnet() -> Step:
    title, switch = "Testnet, then live", reverse("admin:trading_switch_changelist")
    if any(not endpoints(venue).why_no_key for venue in (Venue.TESTNET, Venue.LIVE)):
        return Step(title, "Keys are set: choose where new traders trade.", True, switch)
    return Step(title, "Put keys of testnet.binance.vision into .env; real money comes last.", False, switch)
