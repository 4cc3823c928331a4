"""Rows written by SQL that is built once: for writes what compiled.py is for queries.

Django looks at each column anew whenever it saves a row, which takes longer than the database needs. Nothing hears of
these writes by Django's signals, and no value may be an expression.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db import DatabaseError, connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper


def insert(row: models.Model) -> None:
    """Saves a new row, which gets its id. Raises Django's database errors."""
    connection = connections[router.db_for_write(type(row))]
    sql, fields = _insertion(type(row))
    with connection.cursor() as cursor:
        cursor.execute(sql, _values(row, fields, connection, is_new=True))
        (row.pk,) = cursor.fetchone()
    row._state.adding, row._state.db = False, connection.alias


def update(row: models.Model, names: Sequence[str]) -> None:
    """Writes these fields of a row. Raises DatabaseError where it is gone, and Django's database errors."""
    connection = connections[router.db_for_write(type(row))]
    sql, fields = _change(type(row), tuple(names))
    with connection.cursor() as cursor:
        cursor.execute(sql, [*_values(row, fields, connection, is_new=False), row.pk])
        if cursor.rowcount != 1:
            raise DatabaseError(f"{type(row).__name__} {row.pk} is gone")


def _values(row: models.Model, fields: Sequence[Any], connection: BaseDatabaseWrapper, *, is_new: bool) -> list[Any]:
    return [field.get_db_prep_save(field.pre_save(row, is_new), connection) for field in fields]


@cache
def _insertion(model: type[models.Model]) -> tuple[str, list[Any]]:
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    names = ", ".join(f'"{field.column}"' for field in fields)
    places = ", ".join(["%s"] * len(fields))
    key = model._meta.pk.column
    sql = f'INSERT INTO "{model._meta.db_table}" ({names}) VALUES ({places}) RETURNING "{key}"'
    return sql, fields


@cache
def _change(model: type[models.Model], names: tuple[str, ...]) -> tuple[str, list[Any]]:
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    changes = ", ".join(f'"{field.column}" = %s' for field in fields)
    key = model._meta.pk.column
    return f'UPDATE "{model._meta.db_table}" SET {changes} WHERE "{key}" = %s', fields
