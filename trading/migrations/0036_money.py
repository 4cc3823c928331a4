"""What accounts are worth, transfers, and what else totals of cycles count."""

from decimal import Decimal

from django.db import migrations, models

import trading.models.choices
import trading.models.fields


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0035_worlds"),
    ]

    operations = [
        migrations.CreateModel(
            name="AccountValue",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "venue",
                    models.CharField(max_length=64, validators=[trading.models.choices.validate_venue]),
                ),
                ("asset", models.CharField(help_text="The unit of account.", max_length=16)),
                (
                    "span",
                    models.CharField(
                        choices=[("minute", "a minute"), ("hour", "an hour"), ("day", "a day")], max_length=6
                    ),
                ),
                ("begins", models.DateTimeField()),
                ("measured_at", models.DateTimeField()),
                ("value", trading.models.fields.AmountField(help_text="All balances at the market.")),
                ("free", trading.models.fields.AmountField(help_text="Of the unit of account itself, free.")),
                ("locked", trading.models.fields.AmountField(help_text="The same in open orders.")),
                (
                    "put_in",
                    trading.models.fields.AmountField(
                        help_text="The value at first, less what was gained by then, plus transfers since."
                    ),
                ),
                (
                    "realised",
                    trading.models.fields.AmountField(help_text="Profit of all finished cycles, net of commissions."),
                ),
                (
                    "unrealised",
                    trading.models.fields.AmountField(
                        help_text="Gain of running cycles and leftovers if sold at the last price."
                    ),
                ),
                (
                    "unpriced",
                    models.JSONField(
                        blank=True, default=list, help_text="Assets that no price is known of: they count 0."
                    ),
                ),
                (
                    "symbols",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="By symbol: the unrealised gain in its quote asset and the price, as texts.",
                    ),
                ),
            ],
            options={
                "verbose_name": "account value",
                "ordering": ["-measured_at"],
            },
        ),
        migrations.CreateModel(
            name="BalanceCheck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "venue",
                    models.CharField(max_length=64, unique=True, validators=[trading.models.choices.validate_venue]),
                ),
                ("after_fill", models.BigIntegerField(default=0)),
                ("last_fill", models.BigIntegerField(default=0, help_text="The newest fill at the last check.")),
                ("checked_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="ExpectedBalance",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "venue",
                    models.CharField(max_length=64, validators=[trading.models.choices.validate_venue]),
                ),
                ("asset", models.CharField(max_length=16)),
                ("total", trading.models.fields.AmountField(default=Decimal("0"))),
                (
                    "difference",
                    trading.models.fields.AmountField(
                        default=Decimal("0"), help_text="What was there more at the last check."
                    ),
                ),
                (
                    "times_seen",
                    models.PositiveIntegerField(
                        default=0, help_text="The same difference, at so many checks running."
                    ),
                ),
                ("seen_since", models.DateTimeField(blank=True, null=True)),
                ("is_settled", models.BooleanField(default=False, help_text="It was as expected at some check.")),
            ],
        ),
        migrations.CreateModel(
            name="Transfer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "venue",
                    models.CharField(max_length=64, validators=[trading.models.choices.validate_venue]),
                ),
                ("asset", models.CharField(max_length=16)),
                ("amount", trading.models.fields.AmountField(help_text="Negative: it left the account.")),
                ("at", models.DateTimeField()),
                (
                    "told_by",
                    models.CharField(
                        choices=[
                            ("start", "first measurement"),
                            ("event", "the exchange's event"),
                            ("difference", "a difference of the balance"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "value",
                    trading.models.fields.AmountField(
                        blank=True, help_text="In the unit of account at that time; empty: no price known.", null=True
                    ),
                ),
                ("value_asset", models.CharField(blank=True, max_length=16)),
                ("recorded_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["-at", "-id"],
            },
        ),
        migrations.RemoveConstraint(
            model_name="cycletotal",
            name="one_total_per_slot_and_span",
        ),
        migrations.AddField(
            model_name="cycletotal",
            name="fees",
            field=trading.models.fields.AmountField(
                default=Decimal("0"), help_text="Commissions of known value, in the quote asset."
            ),
        ),
        migrations.AddField(
            model_name="cycletotal",
            name="held_s",
            field=models.BigIntegerField(
                default=0, help_text="From first buy to end, seconds, of all cycles together."
            ),
        ),
        migrations.AddField(
            model_name="cycletotal",
            name="losses",
            field=models.IntegerField(default=0, help_text="Those with a profit below zero."),
        ),
        migrations.AddField(
            model_name="cycletotal",
            name="strategy",
            field=models.CharField(default="naive", max_length=32),
        ),
        migrations.AddField(
            model_name="cycletotal",
            name="wins",
            field=models.IntegerField(default=0, help_text="Those with a profit above zero."),
        ),
        migrations.AddField(
            model_name="cycletotal",
            name="won",
            field=trading.models.fields.AmountField(
                default=Decimal("0"), help_text="Profit of the wins, in the quote asset."
            ),
        ),
        migrations.AddField(
            model_name="trader",
            name="fees",
            field=trading.models.fields.AmountField(
                blank=True, help_text="Its commissions of known value, in the quote asset.", null=True
            ),
        ),
        migrations.AddField(
            model_name="trader",
            name="held_s",
            field=models.PositiveIntegerField(
                blank=True, help_text="From its first buy to its end, seconds.", null=True
            ),
        ),
        migrations.AddConstraint(
            model_name="cycletotal",
            constraint=models.UniqueConstraint(
                fields=("venue", "span", "begins", "symbol", "slot", "strategy"), name="one_total_per_slot_and_span"
            ),
        ),
        migrations.AddConstraint(
            model_name="accountvalue",
            constraint=models.UniqueConstraint(
                fields=("venue", "asset", "span", "begins"), name="one_account_value_per_span_and_time"
            ),
        ),
        migrations.AddConstraint(
            model_name="expectedbalance",
            constraint=models.UniqueConstraint(
                fields=("venue", "asset"), name="one_expected_balance_per_venue_and_asset"
            ),
        ),
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(fields=["venue", "at"], name="transfer_at"),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.UniqueConstraint(
                fields=("venue", "asset", "at", "amount", "told_by"), name="each_transfer_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.UniqueConstraint(
                condition=models.Q(("told_by", "start")),
                fields=("venue", "value_asset"),
                name="one_start_per_venue_and_unit_of_account",
            ),
        ),
    ]
