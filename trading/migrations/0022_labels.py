"""Labels and help texts in the words of this field; those that are in rows, too."""

from decimal import Decimal

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import trading.models.fields
import trading.models.protections
import trading.models.switch
import trading.models.symbols

PERMISSIONS = {"trade_live": "Can trade real money", "resolve_orphan": "Can adopt and cancel orphan orders"}
ABOUTS = {
    "Far under the market, in small parts, for a fair profit: few cycles.": (
        "Far below the market, many small orders, larger take profit: few cycles."
    ),
    "Close to the market, for a small profit: many cycles.": "Close to the market, small take profit: many cycles.",
}


def reword(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    alias = editor.connection.alias
    permissions = apps.get_model("auth", "Permission").objects.using(alias).filter(content_type__app_label="trading")
    for codename, name in PERMISSIONS.items():
        permissions.filter(codename=codename).update(name=name)
    profiles = apps.get_model("trading", "Profile").objects.using(alias)
    for old, new in ABOUTS.items():
        profiles.filter(about=old).update(about=new)


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0021_field_words"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.RunPython(reword, migrations.RunPython.noop),
        migrations.AlterModelOptions(
            name="accountprotections",
            options={
                "ordering": ["venue"],
                "verbose_name": "account risk limit",
                "verbose_name_plural": "account risk limits",
            },
        ),
        migrations.AlterModelOptions(
            name="equity",
            options={"ordering": ["-hour", "asset"], "verbose_name": "gain", "verbose_name_plural": "gain by hour"},
        ),
        migrations.AlterModelOptions(
            name="heldback",
            options={
                "ordering": ["-day", "-last_at"],
                "verbose_name": "denied order",
                "verbose_name_plural": "denied orders",
            },
        ),
        migrations.AlterModelOptions(
            name="orphan",
            options={"ordering": ["-id"], "permissions": [("resolve_orphan", "Can adopt and cancel orphan orders")]},
        ),
        migrations.AlterModelOptions(
            name="switch",
            options={
                "permissions": [("trade_live", "Can trade real money")],
                "verbose_name": "trading control",
                "verbose_name_plural": "trading control",
            },
        ),
        migrations.AlterModelOptions(
            name="symbolprotections",
            options={"verbose_name": "symbol risk limits", "verbose_name_plural": "symbol risk limits"},
        ),
        migrations.AlterField(
            model_name="accountprotections",
            name="bnb_reserve",
            field=trading.models.fields.AmountField(
                blank=True,
                help_text="Buys are denied while less BNB is free, so that commissions can be paid.",
                null=True,
                validators=[trading.models.fields.Above(Decimal("0"))],
                verbose_name="BNB reserve",
            ),
        ),
        migrations.AlterField(
            model_name="accountprotections",
            name="capital",
            field=trading.models.fields.AmountField(
                blank=True,
                help_text="The drawdown is a share of this amount plus the gain. Empty: the budgets of all symbols that are on.",
                null=True,
                validators=[trading.models.fields.Above(Decimal("0"))],
                verbose_name="base capital",
            ),
        ),
        migrations.AlterField(
            model_name="accountprotections",
            name="drawdown_cancels_buys",
            field=models.BooleanField(
                default=True, help_text="Otherwise they stay open and may fill.", verbose_name="cancel open buys"
            ),
        ),
        migrations.AlterField(
            model_name="accountprotections",
            name="drawdown_from",
            field=models.CharField(
                choices=[("day", "day"), ("all time", "all time")],
                default=trading.models.protections.HighOf["ALL_TIME"],
                max_length=8,
                verbose_name="measured from the peak of",
            ),
        ),
        migrations.AlterField(
            model_name="accountprotections",
            name="drawdown_mode",
            field=models.CharField(
                choices=[("reducing", "reducing"), ("halted", "halted")],
                default=trading.models.switch.TradingMode["REDUCING"],
                help_text="Reducing: positions are sold, no new buys. Halted: no orders. At every venue, until someone resumes.",
                max_length=8,
                verbose_name="when exceeded, trading is",
            ),
        ),
        migrations.AlterField(
            model_name="accountprotections",
            name="max_drawdown",
            field=trading.models.fields.AmountField(
                blank=True,
                help_text="From the peak of capital plus gain, as a fraction: 0.05 is 5 %.",
                null=True,
                validators=[trading.models.fields.Above(Decimal("0")), trading.models.fields.Below(Decimal("1"))],
                verbose_name="max drawdown",
            ),
        ),
        migrations.AlterField(
            model_name="accountprotections",
            name="max_exposure",
            field=trading.models.fields.AmountField(
                blank=True,
                help_text="All symbols: open buys plus positions at cost.",
                null=True,
                validators=[trading.models.fields.Above(Decimal("0"))],
                verbose_name="max exposure",
            ),
        ),
        migrations.AlterField(
            model_name="accountprotections",
            name="max_orders_a_minute",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Buys may use four fifths of it; exits always pass and are counted.",
                null=True,
                validators=[django.core.validators.MinValueValidator(2)],
                verbose_name="max orders per minute",
            ),
        ),
        migrations.AlterField(
            model_name="accountprotections",
            name="quote_asset",
            field=models.CharField(
                default="USDT",
                help_text="Currency of these limits; symbols quoted in other assets are not counted.",
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="accountprotections",
            name="quote_reserve",
            field=trading.models.fields.AmountField(
                blank=True,
                help_text="Minimum free balance of the quote asset.",
                null=True,
                validators=[trading.models.fields.Above(Decimal("0"))],
            ),
        ),
        migrations.AlterField(
            model_name="balance",
            name="asked_at",
            field=models.DateTimeField(help_text="Time of the request; later changes may be missing."),
        ),
        migrations.AlterField(
            model_name="equity",
            name="budget",
            field=trading.models.fields.AmountField(help_text="Budgets of all active traders."),
        ),
        migrations.AlterField(
            model_name="equity",
            name="equity",
            field=trading.models.fields.AmountField(
                help_text="Realised plus unrealised, with leftovers at the last price.", verbose_name="gain"
            ),
        ),
        migrations.AlterField(
            model_name="equity",
            name="held_cost",
            field=trading.models.fields.AmountField(help_text="Cost of open positions."),
        ),
        migrations.AlterField(
            model_name="equity",
            name="held_value",
            field=trading.models.fields.AmountField(
                help_text="Value of open positions at the last price, after commission."
            ),
        ),
        migrations.AlterField(
            model_name="equity",
            name="hour",
            field=models.DateTimeField(help_text="Start of the hour."),
        ),
        migrations.AlterField(
            model_name="equity",
            name="left_cost",
            field=trading.models.fields.AmountField(
                default=Decimal("0"), help_text="Cost of the leftovers of finished cycles."
            ),
        ),
        migrations.AlterField(
            model_name="equity",
            name="left_value",
            field=trading.models.fields.AmountField(
                default=Decimal("0"), help_text="Value of leftovers at the last price, after commission."
            ),
        ),
        migrations.AlterField(
            model_name="equity",
            name="realised",
            field=trading.models.fields.AmountField(help_text="Profit of all finished cycles, net of commissions."),
        ),
        migrations.AlterField(
            model_name="equity",
            name="unpriced",
            field=models.PositiveIntegerField(default=0, help_text="Positions without a price; counted at cost."),
        ),
        migrations.AlterField(
            model_name="equity",
            name="unrealised",
            field=trading.models.fields.AmountField(help_text="Profit of running cycles if sold at the last price."),
        ),
        migrations.AlterField(
            model_name="equity",
            name="unvalued",
            field=models.PositiveIntegerField(
                default=0, help_text="Finished cycles with commissions of unknown value, not counted in realised."
            ),
        ),
        migrations.AlterField(
            model_name="equity",
            name="unvalued_held",
            field=models.PositiveIntegerField(
                default=0, help_text="Running cycles with commissions of unknown value, not counted in unrealised."
            ),
        ),
        migrations.AlterField(
            model_name="fill",
            name="commission_quote",
            field=trading.models.fields.AmountField(
                blank=True, help_text="Value in quote of a commission paid in a third asset such as BNB.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="fill",
            name="quote",
            field=trading.models.fields.AmountField(help_text="Price x quantity, as reported by the exchange."),
        ),
        migrations.AlterField(
            model_name="fillmark",
            name="looked_at",
            field=models.DateTimeField(blank=True, help_text="When its fills were last queried.", null=True),
        ),
        migrations.AlterField(
            model_name="heldback",
            name="count",
            field=models.PositiveIntegerField(
                default=0,
                help_text="Denied orders; an order that waits for hours counts once.",
                verbose_name="orders",
            ),
        ),
        migrations.AlterField(
            model_name="heldback",
            name="rule",
            field=models.CharField(
                choices=[
                    ("bound", "symbol exposure"),
                    ("open orders", "open orders"),
                    ("day's loss", "daily loss"),
                    ("losses in a row", "consecutive losses"),
                    ("old trade", "stale price"),
                    ("gap", "data gap"),
                    ("exposure", "account exposure"),
                    ("reserve", "reserve"),
                    ("orders a minute", "order rate"),
                ],
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="highwater",
            name="day",
            field=models.DateField(help_text="Day of the day's peak (UTC)."),
        ),
        migrations.AlterField(
            model_name="highwater",
            name="drawdown",
            field=trading.models.fields.AmountField(
                default=Decimal("0"), help_text="At the last check, as a fraction."
            ),
        ),
        migrations.AlterField(
            model_name="highwater",
            name="tripped_at",
            field=models.DateTimeField(blank=True, help_text="When it stopped trading, until resumed.", null=True),
        ),
        migrations.AlterField(
            model_name="installation",
            name="kept_at",
            field=models.DateTimeField(
                blank=True,
                help_text="Orders that a copy placed before this time are adopted, as a person decided.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="journalentry",
            name="event",
            field=models.CharField(blank=True, help_text="The event that the trader processed.", max_length=200),
        ),
        migrations.AlterField(
            model_name="journalentry",
            name="status",
            field=models.CharField(
                blank=True,
                choices=[
                    ("SUBMITTING", "submitting"),
                    ("NOT_PLACED", "not placed"),
                    ("NOT_FOUND", "not found"),
                    ("LET_GO", "let go"),
                    ("PENDING_NEW", "pending new"),
                    ("NEW", "new"),
                    ("PARTIALLY_FILLED", "partially filled"),
                    ("FILLED", "filled"),
                    ("CANCELED", "canceled"),
                    ("REJECTED", "rejected"),
                    ("EXPIRED", "expired"),
                    ("EXPIRED_IN_MATCH", "expired in match"),
                ],
                help_text="Status of its order after this entry.",
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="journalentry",
            name="trade_id",
            field=models.BigIntegerField(
                blank=True, help_text="The public trade that the trader processed.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="listing",
            name="buy_maker_fee",
            field=trading.models.fields.AmountField(
                default=Decimal("0.001"), help_text="Buy, maker, as a fraction: 0.001 is 0.1 %."
            ),
        ),
        migrations.AlterField(
            model_name="listing",
            name="buy_taker_fee",
            field=trading.models.fields.AmountField(default=Decimal("0.001"), help_text="Buy, taker."),
        ),
        migrations.AlterField(
            model_name="listing",
            name="fee_asked_at",
            field=models.DateTimeField(blank=True, help_text="Empty: Binance's default fees are assumed.", null=True),
        ),
        migrations.AlterField(
            model_name="listing",
            name="filters",
            field=models.JSONField(default=list, help_text="As returned by exchangeInfo."),
        ),
        migrations.AlterField(
            model_name="listing",
            name="not_found_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When the venue first answered that it has no such symbol; two answers are needed.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="listing",
            name="sell_maker_fee",
            field=trading.models.fields.AmountField(default=Decimal("0.001"), help_text="Sell, maker."),
        ),
        migrations.AlterField(
            model_name="listing",
            name="sell_taker_fee",
            field=trading.models.fields.AmountField(default=Decimal("0.001"), help_text="Sell, taker."),
        ),
        migrations.AlterField(
            model_name="listing",
            name="status",
            field=models.CharField(help_text="TRADING, or why the symbol cannot be traded.", max_length=24),
        ),
        migrations.AlterField(
            model_name="listingproblem",
            name="near",
            field=models.JSONField(default=list, help_text="Similar names that the venue lists."),
        ),
        migrations.AlterField(
            model_name="listingproblem",
            name="said",
            field=models.CharField(blank=True, help_text="The exchange's own message.", max_length=300),
        ),
        migrations.AlterField(
            model_name="order",
            name="asked_at",
            field=models.DateTimeField(blank=True, help_text="When its status was last queried.", null=True),
        ),
        migrations.AlterField(
            model_name="order",
            name="cancel_reason",
            field=models.CharField(
                blank=True,
                help_text="Why its trader cancels it; the leader repeats the cancel until it is done.",
                max_length=200,
            ),
        ),
        migrations.AlterField(
            model_name="order",
            name="is_claimed",
            field=models.BooleanField(
                default=False,
                help_text="Found on the exchange and assigned to its trader; not sent from this database.",
            ),
        ),
        migrations.AlterField(
            model_name="order",
            name="is_late",
            field=models.BooleanField(
                default=False,
                help_text="Appeared after it had been recorded as not placed; it is cancelled automatically.",
            ),
        ),
        migrations.AlterField(
            model_name="order",
            name="not_found_at",
            field=models.DateTimeField(
                blank=True, help_text="When the exchange first answered “not found”.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="order",
            name="price",
            field=trading.models.fields.AmountField(help_text="Limit price; for a market order the expected price."),
        ),
        migrations.AlterField(
            model_name="order",
            name="reason",
            field=models.CharField(blank=True, help_text="Why it was rejected or ended.", max_length=300),
        ),
        migrations.AlterField(
            model_name="order",
            name="replaces",
            field=models.ForeignKey(
                blank=True,
                help_text="The open order that it replaces.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="replaced_by",
                to="trading.order",
            ),
        ),
        migrations.AlterField(
            model_name="orphan",
            name="is_of_copy",
            field=models.BooleanField(default=False, help_text="Placed by a running copy of this installation."),
        ),
        migrations.AlterField(
            model_name="orphan",
            name="note",
            field=models.CharField(blank=True, help_text="What remains of it, and where.", max_length=300),
        ),
        migrations.AlterField(
            model_name="orphan",
            name="why",
            field=models.CharField(
                blank=True, help_text="Why it could not be assigned to its trader.", max_length=300
            ),
        ),
        migrations.AlterField(
            model_name="otherinstallation",
            name="open_orders",
            field=models.PositiveIntegerField(default=0, help_text="At the last reconciliation."),
        ),
        migrations.AlterField(
            model_name="otherinstallation",
            name="taken_over_at",
            field=models.DateTimeField(
                blank=True, help_text="Its earlier orders can be adopted or cancelled here.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="otherinstallation",
            name="was_ours_until",
            field=models.DateTimeField(
                blank=True, help_text="Until then this installation had that identity.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="profile",
            name="about",
            field=models.CharField(blank=True, help_text="What the profile is for.", max_length=200),
        ),
        migrations.AlterField(
            model_name="profile",
            name="name",
            field=models.SlugField(help_text="A short name, for example careful.", max_length=32, unique=True),
        ),
        migrations.AlterField(
            model_name="reconciliation",
            name="fills",
            field=models.PositiveIntegerField(default=0, help_text="New fills of the account that were checked."),
        ),
        migrations.AlterField(
            model_name="reconciliation",
            name="late",
            field=models.PositiveIntegerField(default=0, help_text="Changes whose reports were still in flight."),
        ),
        migrations.AlterField(
            model_name="reconciliation",
            name="left",
            field=models.PositiveIntegerField(default=0, help_text="Differences that could not be repaired."),
        ),
        migrations.AlterField(
            model_name="reconciliation",
            name="orders",
            field=models.PositiveIntegerField(default=0, help_text="Our open orders that were compared."),
        ),
        migrations.AlterField(
            model_name="reconciliation",
            name="repaired",
            field=models.PositiveIntegerField(default=0, help_text="Differences that were repaired."),
        ),
        migrations.AlterField(
            model_name="reconciliation",
            name="stopped",
            field=models.CharField(blank=True, help_text="Why it stopped early.", max_length=300),
        ),
        migrations.AlterField(
            model_name="reconciliation",
            name="text",
            field=models.TextField(blank=True, help_text="One difference per line."),
        ),
        migrations.AlterField(
            model_name="reconciliation",
            name="unchecked",
            field=models.PositiveIntegerField(default=0, help_text="Symbols whose fills could not be queried."),
        ),
        migrations.AlterField(
            model_name="run",
            name="is_over",
            field=models.BooleanField(default=False, help_text="The run has ended; the next one is a new run."),
        ),
        migrations.AlterField(
            model_name="run",
            name="last_at",
            field=models.DateTimeField(default=django.utils.timezone.now, help_text="When it was last seen."),
        ),
        migrations.AlterField(
            model_name="switch",
            name="cancels_buys",
            field=models.BooleanField(
                default=False, help_text="Open buys are cancelled while trading is not active."
            ),
        ),
        migrations.AlterField(
            model_name="symbolprotections",
            name="heeds_gaps",
            field=models.BooleanField(
                default=False,
                help_text="Buys are denied while missing trades are being fetched.",
                verbose_name="deny buys in data gaps",
            ),
        ),
        migrations.AlterField(
            model_name="symbolprotections",
            name="losses_in_a_row",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="After this many losing cycles in a row, buying pauses.",
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
                verbose_name="max consecutive losses",
            ),
        ),
        migrations.AlterField(
            model_name="symbolprotections",
            name="max_daily_loss",
            field=trading.models.fields.AmountField(
                blank=True,
                help_text="In the quote asset: net realised loss of the cycles that ended today (UTC).",
                null=True,
                validators=[trading.models.fields.Above(Decimal("0"))],
                verbose_name="max daily loss",
            ),
        ),
        migrations.AlterField(
            model_name="symbolprotections",
            name="max_exposure",
            field=trading.models.fields.AmountField(
                blank=True,
                help_text="In the quote asset: open buys plus positions at cost.",
                null=True,
                validators=[trading.models.fields.Above(Decimal("0"))],
                verbose_name="max exposure",
            ),
        ),
        migrations.AlterField(
            model_name="symbolprotections",
            name="max_open_orders",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Buys and sells.",
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
                verbose_name="max open orders",
            ),
        ),
        migrations.AlterField(
            model_name="symbolprotections",
            name="max_trade_age_s",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Buys are denied while the last trade is older than this.",
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
                verbose_name="max price age, s",
            ),
        ),
        migrations.AlterField(
            model_name="symbolprotections",
            name="pause_minutes",
            field=models.PositiveIntegerField(
                default=60,
                help_text="How long buying pauses after consecutive losses.",
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(43200),
                ],
                verbose_name="cooldown, min",
            ),
        ),
        migrations.AlterField(
            model_name="trader",
            name="budget",
            field=trading.models.fields.AmountField(help_text="This trader's order size, in the quote asset."),
        ),
        migrations.AlterField(
            model_name="trader",
            name="carried",
            field=trading.models.fields.AmountField(
                default=Decimal("0"), help_text="Leftovers of earlier cycles that it sells, in the base asset."
            ),
        ),
        migrations.AlterField(
            model_name="trader",
            name="carried_cost",
            field=trading.models.fields.AmountField(
                default=Decimal("0"), help_text="Cost of these leftovers, in the quote asset."
            ),
        ),
        migrations.AlterField(
            model_name="trader",
            name="failures",
            field=models.PositiveIntegerField(
                default=0, help_text="Consecutive failures; each doubles the retry delay, max one minute."
            ),
        ),
        migrations.AlterField(
            model_name="trader",
            name="has_unvalued_fees",
            field=models.BooleanField(
                default=False, help_text="It paid commissions of unknown value, not counted in its profit."
            ),
        ),
        migrations.AlterField(
            model_name="trader",
            name="holds",
            field=models.BooleanField(default=False, help_text="It has a position."),
        ),
        migrations.AlterField(
            model_name="trader",
            name="leftover",
            field=trading.models.fields.AmountField(
                default=Decimal("0"), help_text="In the base asset: below the minimum to sell, still held."
            ),
        ),
        migrations.AlterField(
            model_name="trader",
            name="leftover_cost",
            field=trading.models.fields.AmountField(
                default=Decimal("0"), help_text="Cost of the leftover, in the quote asset."
            ),
        ),
        migrations.AlterField(
            model_name="trader",
            name="memory",
            field=models.JSONField(blank=True, default=dict, help_text="The strategy's stored state."),
        ),
        migrations.AlterField(
            model_name="trader",
            name="missing",
            field=trading.models.fields.AmountField(
                default=Decimal("0"), help_text="In the base asset: bought, but missing on the account."
            ),
        ),
        migrations.AlterField(
            model_name="trader",
            name="strategy_settings",
            field=models.JSONField(default=dict, help_text="Its strategy's settings, as text."),
        ),
        migrations.AlterField(
            model_name="trader",
            name="version",
            field=models.PositiveIntegerField(default=0, help_text="Row version; detects late copies in Redis."),
        ),
        migrations.AlterField(
            model_name="trader",
            name="waits_for",
            field=models.CharField(blank=True, help_text="What the trader is waiting for.", max_length=300),
        ),
        migrations.AlterField(
            model_name="tradingsettings",
            name="balance_share",
            field=trading.models.fields.AmountField(
                default=Decimal("0.1"),
                help_text="Of the free quote balance plus the symbol's own exposure, as a fraction: 0.1 is 10 %.",
                validators=[
                    trading.models.fields.Above(Decimal("0")),
                    django.core.validators.MaxValueValidator(Decimal("1")),
                ],
                verbose_name="share of balance",
            ),
        ),
        migrations.AlterField(
            model_name="tradingsettings",
            name="budget",
            field=trading.models.fields.AmountField(
                default=Decimal("600"),
                help_text="In the quote asset, split among the slots of the symbol.",
                validators=[trading.models.fields.Above(Decimal("0"))],
            ),
        ),
        migrations.AlterField(
            model_name="tradingsettings",
            name="cancels_orders",
            field=models.BooleanField(
                default=False, help_text="Cancels open orders: all of them when off, buys only during a shutdown."
            ),
        ),
        migrations.AlterField(
            model_name="tradingsettings",
            name="compounds",
            field=models.BooleanField(
                default=False,
                help_text="The order size of new traders grows and shrinks with the symbol's realised profit.",
                verbose_name="compound profits",
            ),
        ),
        migrations.AlterField(
            model_name="tradingsettings",
            name="max_slots",
            field=models.PositiveSmallIntegerField(
                default=3,
                help_text="How many traders may run at the same time; the budget is split equally among them.",
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(100),
                ],
                verbose_name="max slots",
            ),
        ),
        migrations.AlterField(
            model_name="tradingsettings",
            name="profile",
            field=models.ForeignKey(
                blank=True,
                help_text="The last profile applied; empty if settings have changed since.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="applied_to",
                to="trading.profile",
            ),
        ),
        migrations.AlterField(
            model_name="tradingsettings",
            name="sizing",
            field=models.CharField(
                choices=[("fixed", "fixed budget"), ("share", "share of balance")],
                default="fixed",
                help_text="What is split among the slots.",
                max_length=8,
                verbose_name="position sizing",
            ),
        ),
        migrations.AlterField(
            model_name="tradingsettings",
            name="strategy",
            field=models.CharField(default="naive", help_text="The strategy of new traders.", max_length=32),
        ),
        migrations.AlterField(
            model_name="tradingsettings",
            name="strategy_settings",
            field=models.JSONField(
                blank=True,
                default=trading.models.symbols.first_settings,
                help_text="Stored as text, by name. Missing ones have the strategy's default.",
            ),
        ),
    ]
