from typing import Any

import django.db.models.deletion
from django.db import migrations, models

SEEDS = {
    "careful": (
        "Far under the market, in small parts, for a fair profit: few cycles.",
        {"chunks": 5, "buy_down_interval": "0.005", "profit_interval": "0.005", "rebuy_interval": "0.02"},
    ),
    "lively": (
        "Close to the market, for a small profit: many cycles.",
        {"chunks": 3, "buy_down_interval": "0.0005", "profit_interval": "0.0005", "rebuy_interval": "0.003"},
    ),
}


def seed(apps: Any, schema_editor: Any) -> None:
    profiles = apps.get_model("trading", "Profile").objects.using(schema_editor.connection.alias)
    for name, (about, values) in SEEDS.items():
        profiles.get_or_create(name=name, defaults={"about": about, "values": values})


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0007_equity"),
    ]

    operations = [
        migrations.CreateModel(
            name="Profile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "name",
                    models.SlugField(help_text="A word, such as careful.", max_length=32, unique=True),
                ),
                (
                    "about",
                    models.CharField(blank=True, help_text="For whom and for what it is.", max_length=200),
                ),
                ("values", models.JSONField(blank=True, default=dict)),
            ],
            options={"ordering": ["name"]},
        ),
        migrations.AddField(
            model_name="listing",
            name="fee_asked_at",
            field=models.DateTimeField(blank=True, help_text="Empty: the fee is that of the documents.", null=True),
        ),
        migrations.AddField(
            model_name="tradingsettings",
            name="profile",
            field=models.ForeignKey(
                blank=True,
                help_text="The one applied last; empty where settings were changed since.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="applied_to",
                to="trading.profile",
            ),
        ),
        migrations.RunPython(seed, migrations.RunPython.noop),
    ]
