"""The rows as they are, past Django: for whoever looks at them after every step."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from tests.simulation.line import Broken

ZERO = Decimal(0)


def read(query: str, *values: object) -> list[tuple[Any, ...]]:
    """Past Django, which would take longer to put the question than SQLite takes to answer it."""
    connection.ensure_connection()
    rows: list[tuple[Any, ...]] = connection.connection.execute(query.replace("%s", "?"), values).fetchall()
    return rows


def time_of(text: str | datetime) -> datetime:
    moment = datetime.fromisoformat(text) if isinstance(text, str) else text
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def never(is_so: bool, what: str) -> None:
    if is_so:
        raise Broken(what)
