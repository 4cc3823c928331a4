"""The fields by the words of this field of work; tables keep their names."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# A profile names settings by their fields.
PROFILES = {
    "chunks": "max_slots",
    "most_bound": "max_exposure",
    "most_open_orders": "max_open_orders",
    "most_day_loss": "max_daily_loss",
    "most_trade_age_s": "max_trade_age_s",
}


def rename_in_profiles(apps: Apps, alias: str, names: dict[str, str]) -> None:
    for row in apps.get_model("trading", "Profile").objects.using(alias):
        values = {names.get(name, name): value for name, value in row.values.items()}
        if values != row.values:
            row.values = values
            row.save(update_fields=["values"])


def forward(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    rename_in_profiles(apps, editor.connection.alias, PROFILES)


def backward(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    rename_in_profiles(apps, editor.connection.alias, {new: old for old, new in PROFILES.items()})


class Migration(migrations.Migration):
    dependencies = [("trading", "0020_strategy_settings_in_one_place")]

    operations = [
        migrations.RunPython(forward, backward),
        migrations.RenameField("heldback", "holds_until", "denies_until"),
        migrations.RenameField("symbolprotections", "most_bound", "max_exposure"),
        migrations.RenameField("symbolprotections", "most_open_orders", "max_open_orders"),
        migrations.RenameField("symbolprotections", "most_day_loss", "max_daily_loss"),
        migrations.RenameField("symbolprotections", "most_trade_age_s", "max_trade_age_s"),
        migrations.RenameField("accountprotections", "most_exposure", "max_exposure"),
        migrations.RenameField("accountprotections", "most_orders_a_minute", "max_orders_a_minute"),
        migrations.RenameField("accountprotections", "most_drawdown", "max_drawdown"),
        migrations.RemoveConstraint("tradingsettings", "at_least_one_chunk"),
        migrations.RenameField("tradingsettings", "chunks", "max_slots"),
        migrations.AddConstraint(
            "tradingsettings",
            models.CheckConstraint(condition=models.Q(max_slots__gte=1), name="at_least_one_slot"),
        ),
        migrations.AlterField(
            "tradingsettings",
            "sizing",
            models.CharField(
                "traders share",
                max_length=8,
                choices=[("fixed", "the budget"), ("share", "a share of the free balance")],
                default="fixed",
                help_text="Of what the slots get equal parts.",
            ),
        ),
        migrations.RenameField("tradingsettings", "takes_back", "cancels_orders"),
        migrations.RenameField("order", "denied_at", "not_found_at"),
        migrations.RenameField("trader", "turn", "version"),
        migrations.RemoveIndex("trader", "trader_rebuy"),
        migrations.RenameField("trader", "rebuy_told_at", "slot_requested_at"),
        migrations.RenameField("trader", "rebuy_heard_at", "slot_opened_at"),
        migrations.AddIndex(
            "trader",
            models.Index(
                fields=["slot_requested_at"],
                condition=models.Q(slot_requested_at__isnull=False, slot_opened_at__isnull=True),
                name="trader_slot_request",
            ),
        ),
    ]
