"""The rest of the risk limits by the words of this field of work, here and in profiles, which name them."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

OF_SYMBOL = {
    "losses_in_a_row": "max_consecutive_losses",
    "pause_minutes": "cooldown_minutes",
    "max_trade_age_s": "max_price_age_s",
    "heeds_gaps": "deny_in_gaps",
}


def rename_in_profiles(apps: Apps, alias: str, names: dict[str, str]) -> None:
    for row in apps.get_model("trading", "Profile").objects.using(alias):
        values = {names.get(name, name): value for name, value in row.values.items()}
        if values != row.values:
            row.values = values
            row.save(update_fields=["values"])


def forward(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    rename_in_profiles(apps, editor.connection.alias, OF_SYMBOL)


def backward(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    rename_in_profiles(apps, editor.connection.alias, {new: old for old, new in OF_SYMBOL.items()})


class Migration(migrations.Migration):
    dependencies = [("trading", "0024_denied_order_model")]

    operations = [
        migrations.RunPython(forward, backward),
        *(migrations.RenameField("symbolprotections", old, new) for old, new in OF_SYMBOL.items()),
        migrations.RenameField("accountprotections", "max_orders_a_minute", "max_orders_per_minute"),
    ]
