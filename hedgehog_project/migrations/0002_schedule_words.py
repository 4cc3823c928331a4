"""The rows of the schedule by the words of this field of work, where nobody has changed them."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# By task: the name and the description, as they were and as they are.
ROWS = {
    "trading.tasks.lead": (
        ("Leader", "makes missing traders, asks about stuck orders, rings the forgotten"),
        ("Leader", "starts missing traders, queries unconfirmed orders, wakes traders that are due"),
    ),
    "trading.tasks.refresh_listings": (
        ("Listings", "asks for the filters of new symbols; known ones stay fresh for long"),
        ("Listings", "refreshes exchange filters of symbols"),
    ),
    "trading.tasks.record_equity": (
        ("Equity", "keeps this hour's row of what trading has brought"),
        ("Gain", "records the gain of this hour"),
    ),
    "trading.tasks.reconcile_all": (
        ("Reconciliation", "finds what lost reports would have told"),
        ("Reconciliation", "compares our records with the exchange"),
    ),
}


def rename(apps: Apps, alias: str, was: int, becomes: int) -> None:
    rows = apps.get_model("django_celery_beat", "PeriodicTask").objects.using(alias)
    for task, words in ROWS.items():
        (old_name, old_text), (name, text) = words[was], words[becomes]
        rows.filter(task=task, description=old_text).update(description=text)
        if not rows.filter(name=name).exists():
            rows.filter(task=task, name=old_name).update(name=name)


def forward(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    rename(apps, editor.connection.alias, 0, 1)


def backward(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    rename(apps, editor.connection.alias, 1, 0)


class Migration(migrations.Migration):
    dependencies = [
        ("hedgehog_project", "0001_leases"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(forward, backward)]
