"""Indexes for pages of orders and traders: by symbol and id, by the exchange's id, and of the few that are late or lack
something.

The new ones of a symbol take the place of those that Django makes for a foreign key. Those are dropped by their names:
to change the field SQLite would copy both tables.
"""

from decimal import Decimal

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

MODELS = ("order", "trader")


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for name in MODELS:
        model = apps.get_model("trading", name)
        for index in schema_editor._constraint_names(model, ["symbol_id"], index=True, unique=False):
            schema_editor.execute(f"DROP INDEX {schema_editor.quote_name(index)}")


def restore(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for name in MODELS:
        model = apps.get_model("trading", name)
        schema_editor.execute(schema_editor._create_index_sql(model, fields=[model._meta.get_field("symbol")]))


def symbol(related_name: str) -> models.ForeignKey:
    return models.ForeignKey("trading.symbol", models.PROTECT, related_name=related_name, db_index=False)


class Migration(migrations.Migration):
    dependencies = [("trading", "0029_cycle_totals")]

    operations = [
        migrations.AddIndex("order", models.Index(fields=["symbol", "id"], name="order_of_symbol")),
        migrations.AddIndex("order", models.Index(fields=["exchange_order_id"], name="order_exchange_id")),
        migrations.AddIndex(
            "order", models.Index(condition=models.Q(("is_late", True)), fields=["id"], name="order_late")
        ),
        migrations.AddIndex("trader", models.Index(fields=["symbol", "id"], name="trader_of_symbol")),
        migrations.AddIndex(
            "trader",
            models.Index(
                condition=models.Q(("missing__gt", Decimal(0))), fields=["finished_at"], name="trader_missing"
            ),
        ),
        migrations.SeparateDatabaseAndState(
            [migrations.RunPython(drop, restore)],
            [
                migrations.AlterField("order", "symbol", symbol("orders")),
                migrations.AlterField("trader", "symbol", symbol("traders")),
            ],
        ),
    ]
