from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Exists, OuterRef


def fill(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    database = schema_editor.connection.alias
    orders = apps.get_model("trading", "Order").objects.using(database)
    bought = orders.filter(trader=OuterRef("pk"), side="BUY", executed__gt=0)
    live = apps.get_model("trading", "Trader").objects.using(database).filter(finished_at__isnull=True)
    live.filter(Exists(bought)).update(holds=True)


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0015_listing_problems_and_wrong_passwords"),
    ]

    operations = [
        migrations.AddField(
            model_name="trader",
            name="holds",
            field=models.BooleanField(default=False, help_text="It has bought something, and may want to get out."),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
