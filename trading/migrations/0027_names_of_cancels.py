from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("trading", "0026_names_of_rules")]

    operations = [
        migrations.RenameField("tradingsettings", "cancels_orders", "cancel_orders"),
        migrations.RenameField("switch", "cancels_buys", "cancel_buys"),
    ]
