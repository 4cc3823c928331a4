"""Whether trading gets on, for /readyz and for the diagnosis."""

from datetime import datetime
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, JsonResponse

from console import figures
from hedgehog_project import health
from hedgehog_project.health import Finding, Progress
from hedgehog_project.venues import Venue, market_of
from streamer.models import StreamedSymbol
from trading.models import Fill, Switch, TradingSettings
from trading.models.symbols import TradingStatus
from trading.waking import prices

# What readyz looks at: a program can tell a check that passed from one that was not made.
CHECKED = ("database", "migrations", "redis", "leader", "queue", "worker", "host", "prices")


def findings(venue: Venue, seen: Progress | None) -> list[Finding]:
    """What does not get on, by what Redis tells. Raises DatabaseError."""
    found = health.findings(seen)
    return found if seen is None else [*found, *_prices(venue)]


def last_fill() -> datetime | None:
    """When the fill that was booked last was traded. Raises DatabaseError."""
    return Fill.objects.order_by("-pk").values_list("traded_at", flat=True).first()


def readyz(request: HttpRequest) -> JsonResponse:
    """200 where everything gets on, else 503; both with each finding, for programs that watch from outside."""
    found = health.of_database()
    try:
        venue = Switch.current() if not found else None
        found += health.findings(health.look()) if venue is None else findings(venue, health.look())
    except (DatabaseError, InterfaceError) as error:
        found.append(health.no_database(error))
    body: dict[str, Any] = {
        "ready": not found,
        "checked": CHECKED,
        "findings": [{"about": each.about, "text": each.text} for each in found],
    }
    answer = JsonResponse(body, status=200 if not found else 503)
    # Django would log each as an error, and whoever watches asks every few seconds.
    answer._has_been_logged = True  # type: ignore[attr-defined]
    return answer


def _prices(venue: Venue) -> list[Finding]:
    """One symbol may be quiet for long. When all of them are, no prices come."""
    streamed = StreamedSymbol.objects.filter(market=market_of(venue), is_on=True).values("symbol")
    on = TradingSettings.objects.filter(status=TradingStatus.ON, symbol__name__in=streamed)
    names = list(on.values_list("symbol__name", flat=True))
    if not names:
        return []
    ages = [trade.age_s for trade in prices.last_trades(names, venue).values()]
    if ages and min(ages) <= figures.OLD_S:
        return []
    since = f"for {figures.age(min(ages))}" if ages else "yet"
    which = names[0] if len(names) == 1 else f"any of the {len(names)} symbols that are on"
    return [Finding("prices", f"No price of {which} {since}.")]
