"""Changing the settings and protections of many symbols at once: some values, or a profile that names them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction

from trading.core.money import plain
from trading.models import Listing, Profile, Switch, Symbol, SymbolProtections, TradingSettings
from trading.models.symbols import TradingStatus
from trading.risk import protections
from trading.strategies.registry import UnknownStrategy
from trading.strategies.typed import BadSettings

# What says that a symbol is traded, and not how.
_NOT_HOW = {"id", "symbol", "status", "takes_back", "profile"}
_BATCH = 500


@dataclass(frozen=True)
class Changed:
    """How many symbols were changed, and why others were not, for people, by symbol."""

    count: int
    problems: dict[str, str] = field(default_factory=dict)


def changeable() -> dict[str, "models.Field[Any, Any]"]:
    """The settings that say how a symbol is traded, and its protections, by name."""
    fields = (*TradingSettings._meta.concrete_fields, *SymbolProtections._meta.concrete_fields)
    return {each.name: each for each in fields if each.name not in _NOT_HOW}


def protecting() -> set[str]:
    """The names of those that are protections."""
    return {name for name, each in changeable().items() if each.model is SymbolProtections}


def when(names: Collection[str]) -> str:
    """From when on a change of these applies, in words."""
    at_once = protecting() & set(names)
    if not at_once:
        return "from their next cycle on"
    return "at once" if len(at_once) == len(names) else "from their next cycle on, protections at once"


def as_text(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as a profile keeps them: decimals as text, exact."""
    return {name: plain(value) if isinstance(value, Decimal) else value for name, value in values.items()}


def values_of(profile: Profile) -> dict[str, Any]:
    """What a profile names, as the settings hold it. Raises ValidationError where it names what can't be."""
    fields = changeable()
    found = {}
    for name, value in profile.values.items():
        if name not in fields:
            raise ValidationError(f"The profile {profile} names “{name}”, which is no setting.")
        try:
            found[name] = fields[name].clean(value, None)
        except ValidationError as error:
            raise ValidationError(f"The profile {profile}, {name}: {' '.join(error.messages)}") from None
    return found


def change(symbols: Iterable[Symbol], values: Mapping[str, Any], profile: Profile | None = None) -> Changed:
    """Gives the symbols these settings, from their next cycle on, and these protections, at once; notes the profile
    that they came from.

    A symbol that is traded keeps what it has where the new settings can't work with the rules of the switch's venue.
    """
    at_once = protecting()
    limits = {name: value for name, value in values.items() if name in at_once}
    values = {name: value for name, value in values.items() if name not in limits}
    venue = Switch.current()
    wanted = list(symbols)
    problems = {}
    with transaction.atomic():
        rows = (
            TradingSettings.objects.filter(symbol__in=wanted).select_related("symbol").select_for_update(of=("self",))
        )
        listings = {each.symbol_id: each for each in Listing.objects.filter(venue=venue, symbol__in=wanted)}
        changed = []
        for row in rows:
            if values.get("strategy", row.strategy) != row.strategy:
                row.strategy_settings = {}  # They are those of another strategy.
            for name, value in values.items():
                setattr(row, name, value)
            row.profile = profile
            problem = _problem(row, listings.get(row.symbol_id))
            if problem:
                problems[row.symbol.name] = problem
            else:
                changed.append(row)
        fields = {*values, "profile"} | ({"strategy_settings"} if "strategy" in values else set())
        TradingSettings.objects.bulk_update(changed, sorted(fields), batch_size=_BATCH)
        if limits:
            _protect([row.symbol_id for row in changed], limits)
    return Changed(len(changed), problems)


def _protect(symbol_ids: list[int], limits: Mapping[str, Any]) -> None:
    SymbolProtections.objects.bulk_create(
        [SymbolProtections(symbol_id=pk, **limits) for pk in symbol_ids],
        batch_size=_BATCH,
        update_conflicts=True,
        unique_fields=["symbol"],
        update_fields=list(limits),
    )
    transaction.on_commit(lambda: protections.has_changed(symbol_ids=symbol_ids))


def _problem(row: TradingSettings, listing: Listing | None) -> str | None:
    try:
        row.by()
    except (UnknownStrategy, BadSettings) as error:
        return f"{row.symbol}: {error}"
    return row.unworkable(listing) if listing and row.status == TradingStatus.ON else None


def apply(profile: Profile, symbols: Iterable[Symbol]) -> Changed:
    """Gives the symbols what the profile names. Raises ValidationError where that can't be."""
    return change(symbols, values_of(profile), profile)
