"""Four commission rates of a listing in place of one."""

from decimal import Decimal
from typing import Any

from django.db import migrations, models

import trading.models.fields

RATES = ("buy_maker_fee", "buy_taker_fee", "sell_taker_fee")
OF_A_SALE = "Of a sale that rests."


def rate(help_text: str) -> trading.models.fields.AmountField:
    return trading.models.fields.AmountField(default=Decimal("0.001"), help_text=help_text)


def spread(apps: Any, schema_editor: Any) -> None:
    """The one rate that was asked for stands for all, until the venue is asked anew, which is soon."""
    listings = apps.get_model("trading", "Listing").objects.using(schema_editor.connection.alias)
    listings.update(**{name: models.F("sell_maker_fee") for name in RATES}, fee_asked_at=None)


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0010_denied_orders"),
    ]

    operations = [
        migrations.RenameField(model_name="listing", old_name="maker_fee", new_name="sell_maker_fee"),
        migrations.AlterField(model_name="listing", name="sell_maker_fee", field=rate(OF_A_SALE)),
        migrations.AddField(
            model_name="listing",
            name="buy_maker_fee",
            field=rate("Of a buy that rests, as a fraction: 0.001 is 0.1 %."),
        ),
        migrations.AddField(model_name="listing", name="buy_taker_fee", field=rate("Of a buy that takes.")),
        migrations.AddField(model_name="listing", name="sell_taker_fee", field=rate("Of a sale that takes.")),
        migrations.AlterField(
            model_name="listing",
            name="fee_asked_at",
            field=models.DateTimeField(
                blank=True, help_text="Empty: the fees are those of the documents.", null=True
            ),
        ),
        migrations.RunPython(spread, migrations.RunPython.noop),
    ]
