"""A database with a past: one real cycle, multiplied. `bench.grown` measures on it."""

from collections.abc import Iterable

from django.db import connection, models

from hedgehog_project.venues import Venue
from trading.books import totals
from trading.models import Fill, JournalEntry, Order, Trader

# Each copy of a cycle ended so much before the next one: 200,000 in ten days.
APART_S = 4.3
# In the order in which rows refer to each other.
KINDS: tuple[type[models.Model], ...] = (Trader, Order, JournalEntry, Fill)
Moves = dict[type[models.Model], tuple[int, int]]
# So many copies at a time.
BATCH = 50_000


def multiply(trader: Trader, cycles: int) -> None:
    """Adds so many ended cycles to the database: this one, with other ids, and each a little earlier.

    The cycle must have ended, and the tables may hold nothing that came after it.
    """
    rows = {
        Trader: [trader.pk],
        Order: list(trader.orders.order_by("id").values_list("pk", flat=True)),
        JournalEntry: list(trader.journal.order_by("id").values_list("pk", flat=True)),
        Fill: list(Fill.objects.filter(order__trader=trader).order_by("id").values_list("pk", flat=True)),
    }
    # How far an id moves: to behind what there is, and as far again with each copy as the cycle's own ids reach.
    moves: Moves = {}
    for kind, ids in rows.items():
        last = kind._default_manager.order_by("-pk").values_list("pk", flat=True)[0]
        moves[kind] = last + 1 - min(ids), max(ids) - min(ids) + 1
    for begin in range(0, cycles, BATCH):
        numbers = (begin, min(begin + BATCH, cycles) - 1)
        with connection.cursor() as cursor:
            for kind in KINDS:
                cursor.execute(*_copies(kind, rows[kind], moves, numbers))
    totals.rebuild(Venue(trader.venue), trader.symbol_id)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            for kind in KINDS:
                table = kind._meta.db_table
                cursor.execute(
                    "SELECT setval(pg_get_serial_sequence(%s, 'id'), (SELECT MAX(id) FROM " + table + "))", [table]
                )
        cursor.execute("ANALYZE")


def _copies(
    kind: type[models.Model],
    ids: Iterable[int],
    moves: Moves,
    numbers: tuple[int, int],
) -> tuple[str, list[int]]:
    """INSERT … SELECT of rows, for each number n one copy: ids move on, times move back."""
    columns, values = [], []
    for field in kind._meta.concrete_fields:
        columns.append(f'"{field.column}"')
        values.append(_moved(kind, field, moves))
    sql = (
        f"INSERT INTO {kind._meta.db_table} ({', '.join(columns)}) "
        "WITH RECURSIVE copies(n) AS (SELECT CAST(%s AS integer) UNION ALL SELECT n + 1 FROM copies WHERE n < %s) "
        f"SELECT {', '.join(values)} FROM {kind._meta.db_table} AS it, copies "
        f"WHERE it.id IN ({', '.join(str(each) for each in ids)}) ORDER BY n, it.id"
    )
    return sql, list(numbers)


def _moved(kind: type[models.Model], field: "models.Field[object, object]", moves: Moves) -> str:
    """The value of a field in the n-th copy."""
    column = f'it."{field.column}"'
    target = kind if field.primary_key else field.related_model
    if isinstance(target, type) and target in moves:
        return _id(column, moves[target])
    if isinstance(field, models.DateTimeField):
        if connection.vendor == "sqlite":
            return f"strftime('%%Y-%%m-%%d %%H:%%M:%%f', {column}, '-' || (n * {APART_S}) || ' seconds')"
        return f"{column} - n * {APART_S} * interval '1 second'"
    if field.name == "client_order_id":
        trader = _id('it."trader_id"', moves[Trader])
        return f"substr({column}, 1, 10) || ({trader}) || '-' || lower(substr(it.\"side\", 1, 1)) || '-' || n"
    if field.name in ("exchange_order_id", "trade_id") and kind is not JournalEntry:
        return f"{column} + (n + 1) * 1000"
    return column


def _id(column: str, move: tuple[int, int]) -> str:
    by, each = move
    return f"{column} + {by} + n * {each}"
