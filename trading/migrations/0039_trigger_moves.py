from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0038_hands"),
    ]

    operations = [
        migrations.AddField(
            model_name="trader",
            name="moves",
            field=models.JSONField(
                blank=True, help_text="How its triggers moved, for the chart of its cycle.", null=True
            ),
        ),
    ]
