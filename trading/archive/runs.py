"""One run of the archive: what is too old, batch by batch, with breaks in between. One at a time over all hosts."""

import fcntl
import logging
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from hedgehog_project.leases import TAKE_OVER_S, Leaseholder
from trading.archive import files, journal, spans

log = logging.getLogger(__name__)

LEASE = "archive"
LINES = "lines of the journal"
# Until a holder that has died on another host is known to be dead.
WAIT_S = TAKE_OVER_S + 1.5
# After each batch a break, as long as the batch took and no shorter than this: whoever trades comes first.
MIN_BREAK_S = 0.02


class Busy(Exception):
    """Another run is under way, here or on another host."""


@dataclass(frozen=True)
class Done:
    """One batch: so many rows of what."""

    what: str
    rows: int


def run(now: datetime, until: float | None = None) -> Generator[Done, None, None]:
    """Archives and deletes what is too old; ends at `until` by the steady clock, at the end of a batch.

    Raises Busy, files.ArchiveError, DatabaseError: what was done before is done.
    """
    with _alone() as lease:
        began = time.monotonic()
        for done in _batches(now):
            yield done
            ended = time.monotonic()
            if until is not None and ended >= until:
                return
            time.sleep(max(MIN_BREAK_S, ended - began))
            if not lease.has_it():
                # It stood still for seconds, and another one has gone on.
                raise Busy("Another run of the archive has taken over.")
            began = time.monotonic()


def _batches(now: datetime) -> Iterator[Done]:
    before = spans.before(spans.JOURNAL, now)
    if before is not None:
        for lines in journal.move(before):
            yield Done(LINES, lines)
    for old in spans.old(now):
        for rows in old.delete():
            yield Done(old.name, rows)


@contextmanager
def _alone() -> Iterator[Leaseholder]:
    """Raises Busy, and files.ArchiveError where the folder cannot be written."""
    # The lease is for other hosts, and for processes; the lock for threads of one, and it ends with its process.
    path = files.folder() / "lock"
    try:
        lock = path.open("a")
    except OSError as error:
        raise files.cannot_write(path, error) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Busy("Another run of the archive is under way here.") from None
        lease, give_up = Leaseholder(LEASE), time.monotonic() + WAIT_S
        while not lease.has_it():
            if time.monotonic() > give_up:
                raise Busy("Another run of the archive is under way on another host.")
            time.sleep(0.2)
        try:
            yield lease
        finally:
            lease.give_up()
