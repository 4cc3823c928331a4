"""The fields by the words of this field of work; tables keep their names."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("trading", "0020_strategy_settings_in_one_place")]

    operations = [
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
