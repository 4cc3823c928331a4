"""The rows as they are, past Django: for whoever looks at them after every step."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from tests.simulation.surroundings.line import Broken
from tests.simulation.surroundings.wall import WallClock

ZERO = Decimal(0)


def read(query: str, *values: object) -> list[tuple[Any, ...]]:
    """Past Django, which would take longer to put the question than SQLite takes to answer it."""
    connection.ensure_connection()
    rows: list[tuple[Any, ...]] = connection.connection.execute(query.replace("%s", "?"), values).fetchall()
    return rows


def time_of(text: str | datetime) -> datetime:
    """When a time of a row really was, whatever the clock that it was written by has been set to."""
    moment = datetime.fromisoformat(text) if isinstance(text, str) else text
    return _walls[-1].real(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


@contextmanager
def by(wall: WallClock) -> Iterator[None]:
    """Within it the rows' times are by this clock."""
    _walls.append(wall)
    try:
        yield
    finally:
        _walls.pop()


_walls: list[WallClock] = []


def never(is_so: bool, what: str) -> None:
    if is_so:
        raise Broken(what)
