from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("streamer", "0002_demo_venue")]
    operations = [migrations.AlterField("streamedsymbol", "market", models.CharField(max_length=64))]
