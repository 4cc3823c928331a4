from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("binance_mock", "0002_mockfaults")]

    operations = [
        migrations.AlterModelOptions(
            name="mockaccount",
            options={
                "default_permissions": ("view",),
                "managed": False,
                "permissions": [("reset_mockaccount", "Can reset the mock account")],
                "verbose_name": "mock account",
                "verbose_name_plural": "mock account",
            },
        ),
    ]
