"""A strategy's settings stand in `strategy_settings` alone: the seven columns of the one that ships move there."""

from decimal import Decimal, InvalidOperation
from typing import Any

from django.db import migrations, models

import trading.models.fields
import trading.models.symbols

# With what each column has where nothing was written.
COLUMNS: dict[str, Decimal | None] = {
    "buy_down_interval": Decimal("0.0005"),
    "profit_interval": Decimal("0.0005"),
    "rebuy_interval": Decimal("0.005"),
    "retarget_interval": None,
    "stop_loss_interval": None,
    "trailing_stop_interval": None,
    "exit_slippage": None,
}
NEEDED = {"buy_down_interval", "profit_interval"}
BATCH = 500


def into_texts(apps: Any, schema_editor: Any) -> None:
    """What stood in strategy_settings weighed more than the column of its name, and still does."""
    rows = _rows(apps, schema_editor)
    changed = []
    for row in rows.iterator(chunk_size=BATCH):
        texts = {name: _text(getattr(row, name)) for name in COLUMNS}
        row.strategy_settings = texts | (row.strategy_settings or {})
        changed.append(row)
    rows.bulk_update(changed, ["strategy_settings"], batch_size=BATCH)


def into_columns(apps: Any, schema_editor: Any) -> None:
    """What no column can hold gets the column's default."""
    rows = _rows(apps, schema_editor)
    changed = []
    for row in rows.iterator(chunk_size=BATCH):
        texts = dict(row.strategy_settings)
        for name, default in COLUMNS.items():
            setattr(row, name, _amount(texts.pop(name, None), default, can_be_empty=name not in NEEDED))
        row.strategy_settings = texts
        changed.append(row)
    rows.bulk_update(changed, [*COLUMNS, "strategy_settings"], batch_size=BATCH)


def _rows(apps: Any, schema_editor: Any) -> Any:
    return apps.get_model("trading", "TradingSettings").objects.using(schema_editor.connection.alias)


def _text(value: Decimal | None) -> str:
    return "" if value is None else format(value, "f")


def _amount(text: Any, default: Decimal | None, can_be_empty: bool) -> Decimal | None:
    if text == "" and can_be_empty:
        return None
    try:
        value = Decimal(text)
        trading.models.fields.to_units(value)
    except (InvalidOperation, TypeError, ValueError):
        return default
    return value


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0019_journal_facts_of_old_words"),
    ]

    operations = [
        migrations.RunPython(into_texts, into_columns),
        migrations.AlterField(
            model_name="tradingsettings",
            name="strategy_settings",
            field=models.JSONField(
                blank=True,
                default=trading.models.symbols.first_settings,
                help_text="As texts, by name; what is missing has its strategy's default.",
            ),
        ),
        *(migrations.RemoveField(model_name="tradingsettings", name=name) for name in COLUMNS),
    ]
