"""Changing the settings and protections of many symbols at once: some values, or a profile that names them."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction

from trading.core.money import plain
from trading.models import Listing, Profile, Switch, Symbol, SymbolProtections, TradingSettings
from trading.models.symbols import TradingStatus
from trading.risk import protections
from trading.strategies.registry import COMMON, UnknownStrategy
from trading.strategies.typed import BadSettings, Typed, Value
from trading.symbols import resting

# What says that a symbol is traded, and not how; and what holds the settings that are named one by one.
_NOT_HOW = {"id", "symbol", "status", "cancel_orders", "profile", "strategy_settings"}
_BATCH = 500


# Settings by their old names, for one release: a profile that was written down elsewhere may have them.
OLD_NAMES = MappingProxyType(
    {
        "chunks": "max_slots",
        "most_bound": "max_exposure",
        "most_open_orders": "max_open_orders",
        "most_day_loss": "max_daily_loss",
        "losses_in_a_row": "max_consecutive_losses",
        "pause_minutes": "cooldown_minutes",
        "most_trade_age_s": "max_price_age_s",
        "max_trade_age_s": "max_price_age_s",
        "heeds_gaps": "deny_in_gaps",
    }
)


class Part(StrEnum):
    """Of what a setting is one, and from when on a change of it applies."""

    TRADING = "TRADING"  # How a symbol is traded: from its next cycles on.
    STRATEGY = "STRATEGY"  # Likewise; its strategy reads it.
    PROTECTION = "PROTECTION"  # At once.


@dataclass(frozen=True)
class Changeable:
    """A setting that many symbols can be given at once."""

    part: Part
    label: str
    can_be_empty: bool
    clean: Callable[[Any], Any]  # the value as the settings hold it, of one or of its text; raises ValidationError
    column: "models.Field[Any, Any] | None" = None  # none for what a strategy reads


@dataclass(frozen=True)
class Changed:
    """How many symbols were changed, and why others were not, for people, by symbol."""

    count: int
    problems: dict[str, str] = field(default_factory=dict)


@cache
def changeable() -> Mapping[str, Changeable]:
    """What says how a symbol is traded, also to the strategy that symbols begin with; and its protections."""
    of_strategy = {name: _of_strategy(setting) for name, setting in COMMON.items()}
    rows = ((Part.TRADING, TradingSettings), (Part.PROTECTION, SymbolProtections))
    columns = {
        each.name: _of_column(part, each)
        for part, model in rows
        for each in model._meta.concrete_fields
        if each.name not in _NOT_HOW
    }
    return MappingProxyType(columns | of_strategy)


def _of_column(part: Part, column: "models.Field[Any, Any]") -> Changeable:
    return Changeable(part, str(column.verbose_name), column.null, lambda value: column.clean(value, None), column)


def _of_strategy(setting: Typed) -> Changeable:
    def clean(value: Any) -> Value:
        try:
            found = setting.value("" if value is None else str(value))
        except ValueError as error:
            raise ValidationError(str(error)) from None
        if problem := setting.problem(found):
            raise ValidationError(problem)
        return found

    return Changeable(Part.STRATEGY, setting.label, setting.is_optional, clean)


def protecting() -> set[str]:
    """The names of those that are protections."""
    return {name for name, each in changeable().items() if each.part == Part.PROTECTION}


def when(names: Collection[str]) -> str:
    """From when on a change of these applies, in words. They may be old names, as a profile has them."""
    at_once = protecting() & {OLD_NAMES.get(name, name) for name in names}
    if not at_once:
        return "from the next cycle"
    return "immediately" if len(at_once) == len(names) else "from the next cycle, risk limits immediately"


def as_text(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as a profile keeps them: decimals as text, exact."""
    return {name: plain(value) if isinstance(value, Decimal) else value for name, value in values.items()}


def values_of(profile: Profile) -> dict[str, Any]:
    """What a profile names, as the settings hold it. Raises ValidationError where it names what can't be."""
    known = changeable()
    found = {}
    for given, value in profile.values.items():
        name = OLD_NAMES.get(given, given)
        if name not in known:
            raise ValidationError(f"Profile {profile}: unknown setting “{name}”.")
        try:
            found[name] = known[name].clean(value)
        except ValidationError as error:
            raise ValidationError(f"Profile {profile}, {name}: {' '.join(error.messages)}") from None
    return found


def change(symbols: Iterable[Symbol], values: Mapping[str, Any], profile: Profile | None = None) -> Changed:
    """Gives the symbols these settings, from their next cycle on, and these protections, at once; notes the profile
    that they came from.

    A symbol that is traded keeps its settings where the new ones can't work with the filters of the switch's venue.
    """
    limits = _of(Part.PROTECTION, values)
    columns = _of(Part.TRADING, values)
    of_strategy = _of(Part.STRATEGY, values)
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
            for name, value in columns.items():
                setattr(row, name, value)
            row.give(of_strategy)
            row.profile = profile
            problem = _problem(row, listings.get(row.symbol_id))
            if problem:
                problems[row.symbol.name] = problem
            else:
                changed.append(row)
        fields = {*columns, "profile"} | ({"strategy_settings"} if of_strategy else set())
        TradingSettings.objects.bulk_update(changed, sorted(fields), batch_size=_BATCH)
        if limits:
            _protect([row.symbol_id for row in changed], limits)
        if "slots" in columns:
            transaction.on_commit(lambda: resting.slots_have_changed([row.symbol_id for row in changed]))
    return Changed(len(changed), problems)


def _of(part: Part, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if changeable()[name].part == part}


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
