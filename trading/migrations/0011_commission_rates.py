"""Four commission rates of a listing in place of one, and commissions of unknown value that are shown as such."""

from decimal import Decimal
from typing import Any

from django.db import migrations, models

import trading.models.fields

RATES = ("buy_maker_fee", "buy_taker_fee", "sell_taker_fee")
SUMMED = ["venue", "symbol", "finished_at", "state", "profit", "slot", "budget", "leftover", "has_unvalued_fees"]


def rate(help_text: str) -> trading.models.fields.AmountField:
    return trading.models.fields.AmountField(default=Decimal("0.001"), help_text=help_text)


def spread(apps: Any, schema_editor: Any) -> None:
    """The one rate that was asked for stands for all, until the venue is asked anew, which is soon."""
    listings = apps.get_model("trading", "Listing").objects.using(schema_editor.connection.alias)
    listings.update(**{name: models.F("sell_maker_fee") for name in RATES}, fee_asked_at=None)


def call_unknown(apps: Any, schema_editor: Any) -> None:
    """What no pair had a price of was booked as worth nothing."""
    database = schema_editor.connection.alias
    symbols = apps.get_model("trading", "Symbol").objects.using(database)
    fills = apps.get_model("trading", "Fill").objects.using(database)
    traders = apps.get_model("trading", "Trader").objects.using(database)
    for symbol in symbols.filter(orders__fills__commission_quote=Decimal(0)).distinct():
        of_nothing = fills.filter(order__symbol=symbol, commission__gt=Decimal(0), commission_quote=Decimal(0))
        of_nothing = of_nothing.exclude(commission_asset__in=(symbol.base_asset, symbol.quote_asset))
        concerned = traders.filter(pk__in=of_nothing.values("order__trader"), finished_at__isnull=False)
        concerned.update(has_unvalued_fees=True)
        of_nothing.update(commission_quote=None, is_unvaluable=True)


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0010_denied_orders"),
    ]

    operations = [
        migrations.RenameField(model_name="listing", old_name="maker_fee", new_name="sell_maker_fee"),
        migrations.AlterField(model_name="listing", name="sell_maker_fee", field=rate("Of a sale that rests.")),
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
        migrations.AddField(
            model_name="fill",
            name="is_unvaluable",
            field=models.BooleanField(
                default=False, help_text="No price tells what its commission was worth: that stays unknown."
            ),
        ),
        migrations.AddField(
            model_name="trader",
            name="has_unvalued_fees",
            field=models.BooleanField(
                default=False,
                help_text="It paid commissions of unknown value, which are missing in its profit.",
            ),
        ),
        migrations.AddField(
            model_name="equity",
            name="unvalued",
            field=models.PositiveIntegerField(
                default=0,
                help_text="Ended cycles with commissions of unknown value, which what is realised leaves out.",
            ),
        ),
        migrations.AddField(
            model_name="equity",
            name="unvalued_held",
            field=models.PositiveIntegerField(
                default=0, help_text="Cycles under way with such commissions, which what is unrealised leaves out."
            ),
        ),
        migrations.RemoveIndex(model_name="trader", name="trader_ended"),
        migrations.AddIndex(
            model_name="trader",
            index=models.Index(
                condition=models.Q(("finished_at__isnull", False)), fields=SUMMED, name="trader_ended"
            ),
        ),
        migrations.RunPython(spread, migrations.RunPython.noop),
        migrations.RunPython(call_unknown, migrations.RunPython.noop),
    ]
