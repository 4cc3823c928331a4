"""Settings of symbols, whether they are columns or those of a strategy."""

from typing import Any

from django.db.models import QuerySet

from trading.models import TradingSettings

COLUMNS = {each.name for each in TradingSettings._meta.concrete_fields}


def give(rows: "QuerySet[TradingSettings] | None" = None, /, **values: Any) -> None:
    """Gives these symbols, or all, some settings, as a person would who asks nobody whether they can work."""
    rows = TradingSettings.objects.all() if rows is None else rows
    columns = {name: value for name, value in values.items() if name in COLUMNS}
    for row in rows:
        row.give({name: value for name, value in values.items() if name not in COLUMNS})
        row.save(update_fields=["strategy_settings"])
    if columns:
        rows.update(**columns)


def of_strategy(row: TradingSettings, name: str) -> Any:
    """One setting of its strategy, as a new trader would have it."""
    return getattr(row.by()[1], name)
