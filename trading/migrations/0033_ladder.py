"""How far apart a symbol's slots buy. Symbols that exist get the ladder as well: their ladder step has promised it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0032_run_clock"),
    ]

    operations = [
        migrations.AddField(
            model_name="tradingsettings",
            name="slots",
            field=models.CharField(
                choices=[("ladder", "step by step"), ("together", "all together")],
                default="ladder",
                help_text="Step by step: a slot buys only a ladder step below the lowest price that another slot "
                "holds.",
                max_length=8,
                verbose_name="slots buy",
            ),
        ),
        migrations.AddConstraint(
            model_name="tradingsettings",
            constraint=models.CheckConstraint(
                condition=models.Q(("slots__in", ["ladder", "together"])), name="known_slots"
            ),
        ),
    ]
