"""Each market of the mock exchange has books of its own: their venues have longer names."""

from typing import Any

from django.db import migrations, models

import trading.models.choices

MODELS = (
    "accountprotections", "balance", "cycletotal", "deniedorder", "equity", "fillmark", "highwater", "leftover",
    "listing", "listingproblem", "order", "orphan", "otherinstallation", "reconciliation", "slot", "trader",
)  # fmt: skip
UNIQUE = {"accountprotections", "highwater"}


class Lengthen(migrations.AlterField):
    """Only where a length counts: SQLite knows none, and would copy each table, of a million orders as well."""

    def database_forwards(self, app_label: Any, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "sqlite":
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label: Any, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self.database_forwards(app_label, schema_editor, from_state, to_state)


def _venue(model: str) -> Any:
    options = {"unique": True} if model in UNIQUE else {}
    return models.CharField(max_length=64, validators=[trading.models.choices.validate_venue], **options)


class Migration(migrations.Migration):
    dependencies = [("trading", "0034_face")]
    operations = [Lengthen(model, "venue", _venue(model)) for model in MODELS]
