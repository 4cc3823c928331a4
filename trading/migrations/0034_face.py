"""Saved filters of lists, parts of pages that a reader has folded away, and fills by the exchange's number."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0033_ladder"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="FoldedPart",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("part", models.CharField(max_length=32)),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="SavedFilter",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("page", models.CharField(help_text="The list, such as trading.order.", max_length=64)),
                ("name", models.CharField(max_length=40)),
                ("query", models.CharField(max_length=1000)),
            ],
            options={
                "ordering": ["name"],
                "default_permissions": (),
            },
        ),
        migrations.AddIndex(
            model_name="fill",
            index=models.Index(fields=["trade_id"], name="fill_trade_id"),
        ),
        migrations.AddField(
            model_name="foldedpart",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="folded_parts", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="savedfilter",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="saved_filters", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddConstraint(
            model_name="foldedpart",
            constraint=models.UniqueConstraint(fields=("user", "part"), name="each_part_folded_once"),
        ),
        migrations.AddConstraint(
            model_name="savedfilter",
            constraint=models.UniqueConstraint(
                fields=("user", "page", "name"), name="one_saved_filter_per_list_and_name"
            ),
        ),
    ]
