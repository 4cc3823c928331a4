"""The files of the archive."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0030_keyset_indexes"),
    ]

    operations = [
        migrations.CreateModel(
            name="ArchiveFile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("month", models.CharField(help_text="Such as 2026-08 (UTC).", max_length=7)),
                ("part", models.PositiveSmallIntegerField(default=1)),
                ("folder_id", models.CharField(help_text="The folder's own id, in its file `id`.", max_length=64)),
                ("host", models.CharField(help_text="The host that wrote to it last.", max_length=200)),
                ("folder", models.CharField(help_text="Where the folder was then.", max_length=500)),
                ("size", models.PositiveBigIntegerField(default=0, help_text="In bytes.")),
                ("lines", models.PositiveBigIntegerField(default=0)),
                ("written_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "ordering": ["month", "part"],
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("folder_id", "month", "part"), name="each_archive_file_once")
                ],
            },
        ),
    ]
