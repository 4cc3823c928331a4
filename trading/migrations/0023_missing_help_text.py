"""The help text of what a trader misses, in plain words."""

from decimal import Decimal

from django.db import migrations

import trading.models.fields


class Migration(migrations.Migration):
    dependencies = [("trading", "0022_labels")]

    operations = [
        migrations.AlterField(
            model_name="trader",
            name="missing",
            field=trading.models.fields.AmountField(
                default=Decimal("0"), help_text="In the base asset: bought, but no longer in the account."
            ),
        ),
    ]
