"""Which errors of the database pass by themselves: whoever met one tries again, and nobody's data was at fault."""

import sqlite3

from django.db import Error, InterfaceError, OperationalError

# PostgreSQL's codes (errcodes-appendix): a lock that did not come in time, a deadlock, a serialization failure, a
# transaction ended because its process stood still, a statement that took too long, a server that stops or starts,
# or has no connection left.
_STATES = frozenset({"55P03", "40P01", "40001", "25P03", "57014", "57P01", "57P02", "57P03", "53300"})
_LOST = "08"  # The class of all that can happen to a connection.
# SQLite: another one writes. Its extended codes carry these in their lowest byte.
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


def passes(error: BaseException | None) -> bool:
    """Whether the same may succeed when it is done again, with nothing else changed."""
    if not isinstance(error, Error):
        return False
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _BUSY
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        return state in _STATES or state.startswith(_LOST)
    # psycopg has no code for a connection that broke under it, Django none for one that it has closed itself.
    return isinstance(error, OperationalError | InterfaceError)
