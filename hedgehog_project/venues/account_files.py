"""Each world of the mock exchange has an account of its own, in a file of its own."""

import sqlite3
from contextlib import closing
from pathlib import Path

from hedgehog_project.venues.worlds import Venue

FILE = "mock_exchange.sqlite3"
# The name under which the mock notes in it whose account it is (binance_mock/state/store.py, the table marks).
WORLD = "world"


def file_of(world: Venue) -> str:
    if world == Venue.MOCK:
        return FILE
    return f"mock_exchange.{world.removeprefix('mock/').replace(':', '.')}.sqlite3"


def is_of_no_world(home: Path) -> bool:
    """Whether there is an account of before there were several worlds, whatever market it was traded in.

    Raises sqlite3.Error.
    """
    path = home / FILE
    if not path.exists():
        return False
    with closing(sqlite3.connect(path, isolation_level=None, timeout=2)) as connection:
        # What the write-ahead log has goes into the file, which can then be renamed.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return connection.execute("SELECT value FROM marks WHERE name = ?", [WORLD]).fetchone() is None


def give_to(home: Path, world: Venue) -> None:
    """Makes such an account that of a world. The mock exchange must not run. Raises OSError."""
    if not (home / file_of(world)).exists():
        (home / FILE).rename(home / file_of(world))
