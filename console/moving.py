"""Moving everything that is remembered into another database: every row, and the proof that it arrived.

All of it is one transaction of the new database: a process that dies on the way leaves no row there. The old one is
only read, and nobody may write to it meanwhile.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import DatabaseError, OperationalError, connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

from hedgehog_project.outside import one_line
from trading.models.fields import AmountField, from_units, to_units

OLD, NEW = "default", "moving_to"
# Rows read, and written, at a time.
BATCH = 1_000
# Where one of these has a row, somebody has used the database. What else migrations fill in a new one, such as its
# permissions, is replaced by the rows of the old one.
USED = (
    *("auth.User", "admin.LogEntry", "sessions.Session", "django_celery_beat.PeriodicTask"),
    *("streamer.StreamedSymbol", "trading.Switch", "trading.Symbol", "trading.Trader", "trading.Order"),
)

Row = tuple[Any, ...]
Progress = Callable[[str, int, int], None]


class CannotMove(Exception):
    """The text says in one line why, and what to do. Nothing was changed."""


@dataclass
class Sum:
    """What a table holds: the rows, the sum of each column of amounts, and a digest of every value."""

    table: str
    rows: int = 0
    amounts: dict[str, int] = field(default_factory=dict)  # in units of 1e-8
    digest: Any = field(default_factory=hashlib.sha256)

    def add(self, columns: Sequence["models.Field[Any, Any]"], row: Row) -> None:
        self.rows += 1
        for column, value in zip(columns, row, strict=True):
            if isinstance(column, AmountField) and value is not None:
                self.amounts[column.attname] = self.amounts.get(column.attname, 0) + to_units(value)
            self.digest.update(_text(value).encode())

    def differs_from(self, other: "Sum") -> str:
        """In what, in words; empty where in nothing."""
        if self.rows != other.rows:
            return f"{self.rows} rows, and {other.rows} arrived"
        for name, units in self.amounts.items():
            if units != other.amounts.get(name, 0):
                return f"{name} sums up to {from_units(units)}, and to {from_units(other.amounts.get(name, 0))} there"
        return "" if self.digest.digest() == other.digest.digest() else "some values differ"

    def amount(self, name: str) -> Decimal:
        return from_units(self.amounts.get(name, 0))


def tables() -> list[type[models.Model]]:
    """Every model with a table of its own."""
    every = apps.get_models(include_auto_created=True)
    return [model for model in every if model._meta.managed and not model._meta.proxy]


def check(entry: dict[str, Any]) -> dict[str, int]:
    """Looks at both databases and changes nothing: how many rows each table has. Raises CannotMove, DatabaseError."""
    old = connections[OLD]
    if _is_same(old.settings_dict, entry):
        raise CannotMove("That is the database already in use.")
    executor = MigrationExecutor(old)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise CannotMove("The database is not migrated: run `manage.py migrate` first.")
    file = Path(entry["NAME"]) if entry["ENGINE"].endswith("sqlite3") else None
    if file is not None and not file.parent.is_dir():
        raise CannotMove(f"Folder not found: {file.parent}. Create it first.")
    if file is None or file.exists():  # One that is not there is made by whoever connects to it.
        with _to(entry) as new:
            _must_be_empty(new)
    return {model._meta.db_table: model._base_manager.using(OLD).count() for model in tables()}


def move(entry: dict[str, Any], progress: Progress) -> list[Sum]:
    """Moves every row there, and compares what arrived with what was sent; a sum for each table.

    Raises CannotMove and DatabaseError; nothing has arrived then.
    """
    counts = check(entry)
    with _to(entry) as new:
        call_command("migrate", database=NEW, interactive=False, verbosity=0)
        with _read_alone(connections[OLD]), transaction.atomic(using=NEW):
            _be_patient(new)
            _must_be_empty(new)
            _take_seeds_out(new)
            sent = [_copy(model, new, counts[model._meta.db_table], progress) for model in tables()]
            new.check_constraints()
            _go_on_counting(connections[OLD], new)
            for model, told in zip(tables(), sent, strict=True):
                progress(f"{told.table}, compared", 0, told.rows)
                if difference := told.differs_from(_sum_of(model, NEW)):
                    raise CannotMove(f"{told.table}: {difference}. Nothing was kept in the new database.")
    ContentType.objects.clear_cache()
    return sent


@contextmanager
def _to(entry: dict[str, Any]) -> Iterator[BaseDatabaseWrapper]:
    """The new database as the alias NEW."""
    # configure_settings fills in what Django expects of every entry.
    connections.databases[NEW] = connections.configure_settings({"default": entry})["default"]
    try:
        new = connections[NEW]
        new.ensure_connection()
        yield new
    finally:
        if NEW in connections.databases:
            connections[NEW].close()
            del connections[NEW], connections.databases[NEW]


def _is_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(str(one.get(name) or "") == str(other.get(name) or "") for name in ("ENGINE", "NAME", "HOST", "PORT"))


def _must_be_empty(new: BaseDatabaseWrapper) -> None:
    """But for what migrations make: of an attempt that failed, they are there."""
    there = set(new.introspection.table_names())
    ours = {model._meta.db_table: model for model in tables()}
    strangers = sorted(there - ours.keys() - {"django_migrations"})
    used = [name for name, model in ours.items() if name in there and model._meta.label in USED]
    filled = [name for name in used if ours[name]._base_manager.using(NEW).exists()]
    if strangers or filled:
        what = f"it has a table {strangers[0]}" if strangers else f"its table {filled[0]} has rows"
        raise CannotMove(f"The new database is not empty: {what}. Create another one for Hedgehog.")


@contextmanager
def _read_alone(old: BaseDatabaseWrapper) -> Iterator[None]:
    """One look at everything, while nobody writes."""
    with ExitStack() as stack:
        try:
            stack.enter_context(transaction.atomic(using=OLD))  # SQLite's write lock is taken with it: env.py.
            _be_patient(old)
            if old.vendor == "postgresql":
                with old.cursor() as cursor:
                    names = ", ".join(old.ops.quote_name(model._meta.db_table) for model in tables())
                    cursor.execute("SET LOCAL lock_timeout = '3s'")
                    cursor.execute(f"LOCK TABLE {names} IN SHARE MODE")
        except OperationalError as error:
            raise CannotMove(f"Another process writes to the database ({one_line(error)}): stop it first.") from error
        yield


def _be_patient(connection: BaseDatabaseWrapper) -> None:
    """While one of both works, the other's transaction waits; no time-out of a short task ends it."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            cursor.execute("SET LOCAL statement_timeout = 0")


def _take_seeds_out(new: BaseDatabaseWrapper) -> None:
    with new.cursor() as cursor:
        for model in reversed(tables()):
            cursor.execute(f"DELETE FROM {new.ops.quote_name(model._meta.db_table)}")


def _columns(model: type[models.Model]) -> list["models.Field[Any, Any]"]:
    return [each for each in model._meta.concrete_fields if not getattr(each, "generated", False)]


def _rows(model: type[models.Model], alias: str) -> Iterator[list[Row]]:
    """All rows of a table in batches, in the order of their keys."""
    key = model._meta.pk.attname
    columns = [each.attname for each in _columns(model)]
    where = columns.index(key)
    query = model._base_manager.using(alias).order_by(key).values_list(*columns)
    rows: list[Row] = list(query[:BATCH])
    while rows:
        yield rows
        rows = list(query.filter(**{f"{key}__gt": rows[-1][where]})[:BATCH])


def _copy(model: type[models.Model], new: BaseDatabaseWrapper, count: int, progress: Progress) -> Sum:
    columns, table = _columns(model), model._meta.db_table
    names = ", ".join(new.ops.quote_name(str(each.column)) for each in columns)
    marks = ", ".join(["%s"] * len(columns))
    statement = f"INSERT INTO {new.ops.quote_name(table)} ({names}) VALUES ({marks})"
    told = Sum(table)
    for rows in _rows(model, OLD):
        values = [
            tuple(each.get_db_prep_save(value, new) for each, value in zip(columns, row, strict=True)) for row in rows
        ]
        try:
            with new.cursor() as cursor:
                cursor.executemany(statement, values)
        except (DatabaseError, ValueError) as error:
            # Such as a text that is longer than its column, which SQLite keeps all the same.
            first = rows[0][0]
            raise CannotMove(f"{table}, from the row {first} on: {one_line(error)[:300]}") from error
        for row in rows:
            told.add(columns, row)
        progress(table, told.rows, count)
    return told


def _sum_of(model: type[models.Model], alias: str) -> Sum:
    told = Sum(model._meta.db_table)
    for rows in _rows(model, alias):
        for row in rows:
            told.add(_columns(model), row)
    return told


def _text(value: Any) -> str:
    """The value, the same from both kinds of database: they keep objects' keys in different orders."""
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True)
    return f"{type(value).__name__}:{value}|"


def _go_on_counting(old: BaseDatabaseWrapper, new: BaseDatabaseWrapper) -> None:
    """No id is given twice, not even one whose row was deleted: orders at an exchange are named by such ids."""
    if new.vendor == "postgresql":
        with new.cursor() as cursor:
            for statement in new.ops.sequence_reset_sql(no_style(), tables()):
                cursor.execute(statement)
    for model in tables():
        key = model._meta.pk
        if not isinstance(key, models.AutoField):
            continue
        table, last = model._meta.db_table, _last_id(old, model)
        if not last:
            continue
        with new.cursor() as cursor:
            if new.vendor == "postgresql":
                cursor.execute("SELECT setval(pg_get_serial_sequence(%s, %s), %s)", [table, key.column, last])
            else:
                cursor.execute("UPDATE sqlite_sequence SET seq = %s WHERE name = %s", [last, table])
                if not cursor.rowcount:
                    cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, last])


def _last_id(old: BaseDatabaseWrapper, model: type[models.Model]) -> int:
    """The last one that was given; 0 where none was."""
    table = model._meta.db_table
    with old.cursor() as cursor:
        if old.vendor == "postgresql":
            cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [table, model._meta.pk.column])
            cursor.execute(f"SELECT last_value, is_called FROM {cursor.fetchone()[0]}")
            last, is_called = cursor.fetchone()
            given = last if is_called else 0
        else:
            cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
            found = cursor.fetchone()
            given = found[0] if found else 0
    highest = model._base_manager.using(OLD).aggregate(last=models.Max("pk"))["last"]
    return max(int(given), int(highest or 0))
