"""A lease: of several processes, on whatever hosts, one does a thing, and another goes on with it when that one dies.

A row of the database, changed by conditional updates: that works on SQLite and PostgreSQL, through pgbouncer, and
while Redis is emptied. No clock of any host is compared with another's: whoever waits sees that the holder's count
stands still, for TAKE_OVER_S by its own steady clock.
"""

import os
import socket
import time
from pathlib import Path

from django.db.models import F

from hedgehog_project.models import Lease

RENEW_EVERY_S = 1.0
# A holder whose count stands still for so long has lost the lease: with the time between two looks, under 5 s.
TAKE_OVER_S = 3.5


class Leaseholder:
    """This process's wish for one lease. For one thread."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._me = f"{socket.gethostname()}:{os.getpid()}{_place()}"
        self._seen: tuple[str, int] | None = None
        self._seen_at = self._renew_at = 0.0
        self._has_it = False

    def has_it(self) -> bool:
        """Whether this process may go on, or begin; asks the database once a second. Raises DatabaseError.

        One that could not ask has to wait: another may have taken over.
        """
        now = time.monotonic()
        if now < self._renew_at:
            return self._has_it
        self._has_it = False
        self._has_it = self._renew() or self._take_over(now)
        self._renew_at = now + RENEW_EVERY_S
        return self._has_it

    def give_up(self) -> None:
        """Lets another one have it at once. Raises DatabaseError."""
        self._has_it = False
        Lease.objects.filter(name=self._name, holder=self._me).update(holder="")

    def _renew(self) -> bool:
        return bool(Lease.objects.filter(name=self._name, holder=self._me).update(turn=F("turn") + 1))

    def _take_over(self, now: float) -> bool:
        row, _ = Lease.objects.get_or_create(name=self._name)
        seen = (row.holder, row.turn)
        if seen != self._seen:
            self._seen, self._seen_at = seen, now
        is_free = not row.holder or now >= self._seen_at + TAKE_OVER_S or _has_died_here(row.holder)
        # Of several that see it stand still one is the first; the others see that it has moved.
        return is_free and bool(
            Lease.objects.filter(name=self._name, holder=row.holder, turn=row.turn).update(
                holder=self._me, turn=F("turn") + 1
            )
        )


def _place() -> str:
    """Where a process id means this process: this boot of this machine, this container. Empty where nobody tells."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"@{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _has_died_here(holder: str) -> bool:
    """Whether the holder was a process of this very machine that is no more: nobody has to wait for it."""
    who, _, where = holder.partition("@")
    host, _, pid = who.rpartition(":")
    if not where or (host, f"@{where}") != (socket.gethostname(), _place()):
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, ValueError):
        return False
    return False
