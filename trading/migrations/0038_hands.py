"""What people do by hand: once by its key, and what they want of traders, slots and symbols."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import trading.core.journal
import trading.core.orders
import trading.models.choices
import trading.models.fields


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0037_money_counted"),
    ]

    operations = [
        migrations.AddField(
            model_name="slot",
            name="is_closed",
            field=models.BooleanField(
                default=False, help_text="Closed by hand: no cycle begins in it until it is opened again."
            ),
        ),
        migrations.AddField(
            model_name="trader",
            name="pause",
            field=models.CharField(
                blank=True,
                choices=[("", ""), ("buys", "buys"), ("all", "all")],
                help_text="What it holds back.",
                max_length=5,
            ),
        ),
        migrations.AddField(
            model_name="trader",
            name="paused_by",
            field=models.CharField(blank=True, max_length=150),
        ),
        migrations.AddField(
            model_name="trader",
            name="stop",
            field=trading.models.fields.AmountField(
                blank=True, help_text="Set by hand: it gets out below this price.", null=True
            ),
        ),
        migrations.AddField(
            model_name="trader",
            name="target",
            field=trading.models.fields.AmountField(
                blank=True, help_text="Set by hand: it sells at this price.", null=True
            ),
        ),
        migrations.AddField(
            model_name="trader",
            name="told",
            field=models.JSONField(
                blank=True,
                help_text="What a person told it to do at once, as text; empty once that is over.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="tradingsettings",
            name="paused_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="tradingsettings",
            name="paused_by",
            field=models.CharField(blank=True, help_text="Who has paused its buys; empty: nobody.", max_length=150),
        ),
        migrations.AlterField(
            model_name="journalentry",
            name="denied_by",
            field=models.CharField(
                blank=True,
                choices=[
                    ("mode", "mode"),
                    ("symbol", "symbol"),
                    ("pause", "pause"),
                    ("copy", "copy"),
                    ("rate limit", "rate limit"),
                    ("full book", "full book"),
                    ("self-trade", "self-trade"),
                    ("symbol exposure", "symbol exposure"),
                    ("open orders", "open orders"),
                    ("daily loss", "daily loss"),
                    ("consecutive losses", "consecutive losses"),
                    ("stale price", "stale price"),
                    ("data gap", "data gap"),
                    ("account exposure", "account exposure"),
                    ("reserve", "reserve"),
                    ("order rate", "order rate"),
                ],
                help_text="What denied the order.",
                max_length=24,
            ),
        ),
        migrations.AlterField(
            model_name="journalentry",
            name="kind",
            field=models.CharField(
                choices=[
                    ("BEGAN", "began"),
                    ("ORDERED", "ordered"),
                    ("BOOKED", "booked"),
                    ("ADOPTED", "adopted"),
                    ("CANCELLED", "cancelled"),
                    ("MADE_WAY", "made way"),
                    ("WAITED", "waited"),
                    ("PAUSED", "paused"),
                    ("DENIED", "denied"),
                    ("REJECTED", "rejected"),
                    ("NOT_PLACED", "not placed"),
                    ("UNCLEAR", "unclear"),
                    ("NOT_BOOKED", "not booked"),
                    ("FAILED", "failed"),
                    ("SLOT_REQUESTED", "slot requested"),
                    ("SLOT_OPENED", "slot opened"),
                    ("MISSING", "missing"),
                    ("VALUED", "valued"),
                    ("UNVALUABLE", "unvaluable"),
                    ("UNVALUED", "unvalued"),
                    ("RECOUNTED", "recounted"),
                    ("ENDED", "ended"),
                    ("RETIRED", "retired"),
                    ("ABANDONED", "abandoned"),
                    ("BY_HAND", "by hand"),
                    ("LET_GO", "let go"),
                    ("NOTED", "noted"),
                ],
                default=trading.core.journal.Kind["NOTED"],
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="order",
            name="type",
            field=models.CharField(
                choices=[("LIMIT", "limit"), ("MARKET", "market"), ("IOC", "ioc"), ("TAKEOVER", "takeover")],
                default=trading.core.orders.OrderType["LIMIT"],
                max_length=8,
            ),
        ),
        migrations.CreateModel(
            name="Instruction",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=64, unique=True)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                ("by", models.CharField(max_length=150)),
                ("why", models.CharField(blank=True, max_length=200)),
                ("what", models.CharField(help_text="The deed, such as “sell” or “pause”.", max_length=16)),
                (
                    "text",
                    models.CharField(blank=True, help_text="The same with its figures, for people.", max_length=300),
                ),
                (
                    "venue",
                    models.CharField(blank=True, max_length=64, validators=[trading.models.choices.validate_venue]),
                ),
                (
                    "price",
                    trading.models.fields.AmountField(
                        blank=True, help_text="The last price that was known by then.", null=True
                    ),
                ),
                ("details", models.JSONField(blank=True, default=dict)),
                (
                    "symbol",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="instructions",
                        to="trading.symbol",
                    ),
                ),
                (
                    "trader",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="instructions",
                        to="trading.trader",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "default_permissions": (),
            },
        ),
    ]
