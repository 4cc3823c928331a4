"""What denied an order, by the words that pages use.

Begun anew after it was interrupted it goes on where it was, also where the old version has run meanwhile: no new name
is an old one of another rule, rows that have both are added up, and no table is made anew.
"""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState

# Lines of the journal at a time, by their ids.
BATCH = 50_000

CHECKS = ["mode", "symbol", "copy", "rate limit", "full book", "self-trade"]
RULES = [
    "symbol exposure",
    "open orders",
    "daily loss",
    "consecutive losses",
    "stale price",
    "data gap",
    "account exposure",
    "reserve",
    "order rate",
]

NAMES = {
    "bound": "symbol exposure",
    "day's loss": "daily loss",
    "losses in a row": "consecutive losses",
    "old trade": "stale price",
    "gap": "data gap",
    "exposure": "account exposure",
    "orders a minute": "order rate",
}


def choices(names: list[str]) -> list[tuple[str, str]]:
    return [(name, name) for name in names]


def rename(apps: Apps, alias: str, names: dict[str, str]) -> None:
    denied = apps.get_model("trading", "DeniedOrder").objects.using(alias)
    for old, new in names.items():
        for row in denied.filter(rule=old):
            twin = denied.filter(venue=row.venue, symbol=row.symbol_id, day=row.day, rule=new).first()
            if twin is not None:
                row.count += twin.count
                twin.delete()
            row.rule = new
            row.save(update_fields=["rule", "count"])
    entries = apps.get_model("trading", "JournalEntry").objects.using(alias)
    renamed = models.Case(*(models.When(denied_by=old, then=models.Value(new)) for old, new in names.items()))
    last = entries.aggregate(last=models.Max("pk"))["last"] or 0
    for first in range(0, last, BATCH):
        some = entries.filter(pk__gt=first, pk__lte=first + BATCH, denied_by__in=names)
        some.order_by().update(denied_by=renamed)


def forward(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    rename(apps, editor.connection.alias, NAMES)


def backward(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    rename(apps, editor.connection.alias, {new: old for old, new in NAMES.items()})


class ChangeLength(migrations.AlterField):
    """As AlterField of a text. SQLite does not look at a text's length, and Django would copy the table: the greatest
    one, and in steps that a kill leaves half-done where no transaction is open.
    """

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        if schema_editor.connection.vendor != "sqlite":
            super().database_forwards(app_label, schema_editor, from_state, to_state)


class Migration(migrations.Migration):
    # Each batch by itself: ten million lines are too many for one transaction.
    atomic = False

    dependencies = [("trading", "0025_names_of_limits")]

    operations = [
        ChangeLength(
            "deniedorder",
            "rule",
            models.CharField(
                max_length=24,
                choices=choices(RULES),
            ),
        ),
        ChangeLength(
            "journalentry",
            "denied_by",
            models.CharField(
                blank=True,
                max_length=24,
                choices=choices([*CHECKS, *RULES]),
                help_text="What denied the order.",
            ),
        ),
        migrations.RunPython(forward, backward),
    ]
