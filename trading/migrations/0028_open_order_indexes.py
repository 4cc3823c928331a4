"""Indexes of open orders for what is asked beside it: where they are, and when they were sent."""

from django.db import migrations, models

OPEN = ["NEW", "PARTIALLY_FILLED", "PENDING_NEW", "SUBMITTING"]


class Migration(migrations.Migration):
    dependencies = [("trading", "0027_names_of_cancels")]

    operations = [
        migrations.AddIndex(
            "order",
            models.Index(
                condition=models.Q(("status__in", OPEN)), fields=["venue", "symbol"], name="order_open_at_venue"
            ),
        ),
        migrations.AddIndex(
            "order",
            models.Index(condition=models.Q(("status__in", OPEN)), fields=["submitted_at"], name="order_open_sent"),
        ),
        migrations.RemoveIndex("order", "order_open"),
    ]
