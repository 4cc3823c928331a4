"""Whether a run ended because the clock was set."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0031_archive_files"),
    ]

    operations = [
        migrations.AddField(
            model_name="run",
            name="clock_set_by",
            field=models.DurationField(
                help_text="It began because the clock was set by so much: the run before had not ended.", null=True
            ),
        ),
        migrations.AddField(
            model_name="run",
            name="uptime_s",
            field=models.FloatField(help_text="How long the host had been up by then, seconds.", null=True),
        ),
    ]
