"""Queries whose SQL is built once.

Django builds the SQL of a query anew each time, which takes several times as long as SQLite takes to answer it. What
every decision of a trader asks is built once in each thread, and afterwards only given other values.
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from django.db import connections
from django.db.models import QuerySet
from django.db.transaction import TransactionManagementError

T = TypeVar("T")

Value = int | str | datetime
# What stands for the values while the SQL is built: no query has a constant like these, and 32 bits hold them.
_INT, _STR, _TIME = 2_012_940_000, "\x1fvalue {}", datetime(1912, 6, 23, tzinfo=UTC)


class Compiled(Generic[T]):
    """A query as a function of its values; each call asks the database.

    `build` gets one value for each of `kinds` (int or str, as the database stores them: an id, a name; a datetime
    with its zone) and returns a query that uses each as it is, for a lookup that changes nothing about it. Raises
    ValueError where the query does not show a value that it was given.
    """

    def __init__(self, build: Callable[..., "QuerySet[Any, T]"], *kinds: type[Value]) -> None:
        self._build, self._kinds = build, kinds
        self._of_thread = threading.local()

    def __call__(self, *values: Value) -> list[T]:
        """The rows for these values."""
        if len(values) != len(self._kinds):
            raise TypeError(f"{len(self._kinds)} values are expected, not {len(values)}")
        ready: _Ready[T] | None = getattr(self._of_thread, "ready", None)
        if ready is None or ready.is_outdated:
            ready = self._of_thread.ready = _Ready(self._build, self._kinds)
        return ready.rows(values)

    def first(self, *values: Value) -> T | None:
        """The first of the rows, in the query's own order; None where there is none."""
        return next(iter(self(*values)), None)


class _Ready(Generic[T]):
    """A query with its SQL, for one thread and its connection."""

    def __init__(self, build: Callable[..., "QuerySet[Any, T]"], kinds: tuple[type[Value], ...]) -> None:
        examples = [_example(kind, place) for place, kind in enumerate(kinds)]
        queryset: Any = build(*examples)
        # What Django's iterables of rows know of a queryset.
        self.db = queryset.db
        self._known_related_objects: dict[Any, Any] = queryset._known_related_objects
        self._fields = queryset._fields
        self._iterable: Any = queryset._iterable_class
        self.query = _Query(queryset.query, self.db)
        self._connection = connections[self.db]
        self._locks = queryset.query.select_for_update and self._connection.features.has_select_for_update
        self._constants = list(self.query.compiler.params)
        self._places = [
            [at for at, param in enumerate(self._constants) if self._is_same(param, self._adapted(example))]
            for example in examples
        ]
        if not all(self._places):
            raise ValueError(f"a value is changed or lost on its way into {self.query.compiler.sql}")

    def _adapted(self, value: Value) -> Any:
        """As Django gives it to the database."""
        ops = self._connection.ops
        return ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value

    @staticmethod
    def _is_same(param: object, example: Any) -> bool:
        return isinstance(param, type(example)) and param == example

    @property
    def is_outdated(self) -> bool:
        """Whether the thread has got another connection since."""
        return connections[self.db] is not self._connection

    def rows(self, values: tuple[Value, ...]) -> list[T]:
        if self._locks and not self._connection.in_atomic_block:
            # Django says the same while it builds the SQL.
            raise TransactionManagementError("select_for_update cannot be used outside of a transaction.")
        params: list[Any] = self._constants.copy()
        for places, value in zip(self._places, values, strict=True):
            for place in places:
                if isinstance(value, datetime):
                    params[place] = self._adapted(value)
                else:
                    # On PostgreSQL a number goes out as one of its column's type.
                    params[place] = type(params[place])(value)
        self.query.compiler.params = tuple(params)
        found: list[T] = list(self._iterable(self))
        return found


def _example(kind: type[Value], place: int) -> Value:
    if kind is datetime:
        return _TIME + timedelta(microseconds=1 + place)
    return _INT + place if kind is int else _STR.format(place)


class _Query:
    """A query that has one compiler, which has done its work."""

    def __init__(self, query: Any, using: str) -> None:
        self._query = query
        compiler = query.get_compiler(using=using)
        compiler.sql, compiler.params = compiler.as_sql()
        compiler.as_sql = lambda *args, **options: (compiler.sql, compiler.params)
        converters = compiler.get_converters([each[0] for each in compiler.select[: compiler.col_count]])
        compiler.get_converters = lambda expressions: converters
        self.compiler = compiler

    def get_compiler(self, using: str | None = None, connection: Any = None, elide_empty: bool = True) -> Any:
        return self.compiler

    def __getattr__(self, name: str) -> Any:
        return getattr(self._query, name)
