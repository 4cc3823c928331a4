import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState


class AddColumn(migrations.AddField):
    """As AddField of a text that may not be null. SQLite adds it at once, where Django would copy the whole table."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        connection = schema_editor.connection
        model = to_state.apps.get_model(app_label, self.model_name)
        if connection.vendor != "sqlite" or not self.allow_migrate_model(connection.alias, model):
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        field = model._meta.get_field(self.name)
        table, column = map(connection.ops.quote_name, (model._meta.db_table, field.column))
        default = schema_editor.quote_value(field.get_default())
        kind = field.db_type(connection)
        schema_editor.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind} NOT NULL DEFAULT {default}")


class DropIndex(migrations.AlterField):
    """As AlterField of a foreign key that loses its index. SQLite drops it, where Django would copy the whole table."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        connection = schema_editor.connection
        model = to_state.apps.get_model(app_label, self.model_name)
        if connection.vendor != "sqlite" or not self.allow_migrate_model(connection.alias, model):
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        table, column = model._meta.db_table, model._meta.get_field(self.name).column
        with connection.cursor() as cursor:
            constraints = connection.introspection.get_constraints(cursor, table)
        for name, found in constraints.items():
            if found["index"] and found["columns"] == [column]:
                schema_editor.execute(f"DROP INDEX {connection.ops.quote_name(name)}")


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0017_equity_of_leftovers"),
    ]

    operations = [
        migrations.AddField(
            model_name="fill",
            name="entry",
            field=models.ForeignKey(
                blank=True,
                help_text="The line of the journal that tells of it; empty where nobody knows.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="fills",
                to="trading.journalentry",
            ),
        ),
        AddColumn(
            model_name="journalentry",
            name="denied_by",
            field=models.CharField(
                blank=True,
                choices=[
                    ("mode", "mode"),
                    ("symbol", "symbol"),
                    ("copy", "copy"),
                    ("rate limit", "rate limit"),
                    ("full book", "full book"),
                    ("self-trade", "self-trade"),
                    ("bound", "bound"),
                    ("open orders", "open orders"),
                    ("day's loss", "day's loss"),
                    ("losses in a row", "losses in a row"),
                    ("old trade", "old trade"),
                    ("gap", "gap"),
                    ("exposure", "exposure"),
                    ("reserve", "reserve"),
                    ("orders a minute", "orders a minute"),
                ],
                help_text="What denied the order.",
                max_length=16,
            ),
        ),
        AddColumn(
            model_name="journalentry",
            name="kind",
            field=models.CharField(
                choices=[
                    ("BEGAN", "began"),
                    ("ORDERED", "ordered"),
                    ("BOOKED", "booked"),
                    ("ADOPTED", "adopted"),
                    ("CANCELLED", "cancelled"),
                    ("MADE_WAY", "made way"),
                    ("WAITED", "waited"),
                    ("PAUSED", "paused"),
                    ("DENIED", "denied"),
                    ("REJECTED", "rejected"),
                    ("NOT_PLACED", "not placed"),
                    ("UNCLEAR", "unclear"),
                    ("NOT_BOOKED", "not booked"),
                    ("FAILED", "failed"),
                    ("SLOT_REQUESTED", "slot requested"),
                    ("SLOT_OPENED", "slot opened"),
                    ("MISSING", "missing"),
                    ("VALUED", "valued"),
                    ("UNVALUABLE", "unvaluable"),
                    ("UNVALUED", "unvalued"),
                    ("RECOUNTED", "recounted"),
                    ("ENDED", "ended"),
                    ("RETIRED", "retired"),
                    ("ABANDONED", "abandoned"),
                    ("LET_GO", "let go"),
                    ("NOTED", "noted"),
                ],
                default="NOTED",
                max_length=16,
            ),
        ),
        AddColumn(
            model_name="journalentry",
            name="source",
            field=models.CharField(
                choices=[
                    ("TRADE", "trade"),
                    ("REPORT", "report"),
                    ("ANSWER", "answer"),
                    ("QUERY", "query"),
                    ("CANCEL", "cancel"),
                    ("RECONCILIATION", "reconciliation"),
                    ("LEADER", "leader"),
                    ("PERSON", "person"),
                    ("TRADER", "trader"),
                    ("TASK", "task"),
                ],
                default="TASK",
                max_length=16,
            ),
        ),
        AddColumn(
            model_name="journalentry",
            name="status",
            field=models.CharField(
                blank=True,
                choices=[
                    ("SUBMITTING", "submitting"),
                    ("NOT_PLACED", "not placed"),
                    ("NOT_FOUND", "not found"),
                    ("LET_GO", "let go"),
                    ("PENDING_NEW", "pending new"),
                    ("NEW", "new"),
                    ("PARTIALLY_FILLED", "partially filled"),
                    ("FILLED", "filled"),
                    ("CANCELED", "canceled"),
                    ("REJECTED", "rejected"),
                    ("EXPIRED", "expired"),
                    ("EXPIRED_IN_MATCH", "expired in match"),
                ],
                help_text="Of its order, as this line left it.",
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="journalentry",
            name="trade_id",
            field=models.BigIntegerField(blank=True, help_text="The public trade that woke the trader.", null=True),
        ),
        migrations.AlterField(
            model_name="journalentry",
            name="event",
            field=models.CharField(blank=True, help_text="What woke the trader.", max_length=200),
        ),
        migrations.AddIndex(
            model_name="journalentry", index=models.Index(fields=["trader", "id"], name="journal_of_trader")
        ),
        DropIndex(
            model_name="journalentry",
            name="trader",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="journal",
                to="trading.trader",
            ),
        ),
    ]
