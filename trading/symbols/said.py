"""What an exchange says of a symbol that can't be traded there: kept in a row, put into words where it is shown."""

import difflib
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

from django.utils import timezone

from hedgehog_project.venues import Venue
from trading.models import Listing, ListingProblem, Symbol
from trading.models.symbols import GONE, HALT_HOLDS, Problem

# A refused order is tried again each minute: who has not been refused for so long may trade.
STILL_NOT_PERMITTED = timedelta(minutes=5)
MAX_NEAR = 3
# How much of two names must agree, of 1: ETHUSDTT and ETHUSDT, not ETHUSDT and BTCUSDT.
ALIKE = 0.8


def not_listed(symbol: Symbol, venue: Venue, text: str, names: Callable[[], Sequence[str]]) -> None:
    """Keeps that the venue has no such symbol, and which ones it has that are spelled alike.

    `names` gives all that it lists; called the first time only, for it may be a question of its own.
    """
    row = ListingProblem.objects.filter(symbol=symbol, venue=venue, problem=Problem.NOT_LISTED).first()
    _keep(symbol, venue, Problem.NOT_LISTED, text, row.near if row else near(names(), symbol.name))


def near(listed: Iterable[str], *names: str) -> list[str]:
    """Those that are spelled like one of the names, the nearest first."""
    known = list(listed)
    found = [each for name in names for each in difflib.get_close_matches(name, known, n=MAX_NEAR, cutoff=ALIKE)]
    return list(dict.fromkeys(found))[:MAX_NEAR]


def not_permitted(symbol: Symbol, venue: Venue, text: str) -> None:
    """Keeps that the account may not trade the symbol there."""
    _keep(symbol, venue, Problem.NOT_PERMITTED, text, [])


def listed_again(venue: Venue, symbols: Iterable[Symbol]) -> None:
    """The venue lists these."""
    ListingProblem.objects.filter(venue=venue, symbol__in=symbols, problem=Problem.NOT_LISTED).delete()


def just_now(symbol: Symbol, venue: Venue) -> str | None:
    """In words, where the venue has just said that it has no such symbol.

    An older word may be out of date: nobody asks about a symbol that is off.
    """
    row = ListingProblem.objects.filter(
        symbol=symbol, venue=venue, problem=Problem.NOT_LISTED, said_at__gt=timezone.now() - HALT_HOLDS
    ).first()
    return _sentence(lists_no(venue, symbol.name, row.near)) if row else None


def problem(venue: Venue, symbol: Symbol) -> str:
    """In words, what no listing tells; empty where there is nothing."""
    return of(venue, [symbol], with_listings=False).get(symbol.pk, "")


def of(venue: Venue, symbols: Iterable[Symbol], with_listings: bool = True) -> dict[int, str]:
    """In words for people, by symbol: why each of those that can't be traded there can't be, as last told."""
    wanted = {symbol.pk: symbol for symbol in symbols}
    found: dict[int, str] = {}
    listings = Listing.objects.filter(venue=venue, symbol__in=wanted if with_listings else ())
    for symbol_id, status in listings.values_list("symbol", "status"):
        name = wanted[symbol_id].name
        if status == GONE:
            found[symbol_id] = f"{exchange_named(venue)} no longer lists {name}."
        elif status != "TRADING":
            found[symbol_id] = f"{exchange_named(venue)} lists {name}, but it cannot be traded now (status {status})."
    for row in ListingProblem.objects.filter(venue=venue, symbol__in=wanted):
        name = wanted[row.symbol_id].name
        if row.problem == Problem.NOT_LISTED:
            found.setdefault(row.symbol_id, lists_no(venue, name, row.near))
        elif row.said_at > timezone.now() - STILL_NOT_PERMITTED:
            found[row.symbol_id] = f"{exchange_named(venue)} does not allow this account to trade {name}: {row.said}"
    return {symbol_id: _sentence(text) for symbol_id, text in found.items()}


def lists_no(venue: Venue, name: str, near: Sequence[str]) -> str:
    instead = f"; {meant(near)}" if near else ": check the spelling"
    return f"{exchange_named(venue)} does not list {name}{instead}"


def meant(near: Sequence[str]) -> str:
    """Asks for the names that are spelled alike, of which there is one at least."""
    first, last = ", ".join(near[:-1]), near[-1]
    return f"did you mean {f'{first} or {last}' if first else last}?"


def exchange_named(venue: Venue) -> str:
    return "the mock exchange" if venue == Venue.MOCK else f"the exchange ({venue})"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


def _keep(symbol: Symbol, venue: Venue, problem: Problem, text: str, near: list[str]) -> None:
    ListingProblem.objects.update_or_create(
        symbol=symbol,
        venue=venue,
        defaults={"problem": problem, "said": text[:300], "near": near, "said_at": timezone.now()},
    )
