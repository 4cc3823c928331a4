"""When this installation ran, as far as its database can prove it.

An order of our identity that the database lacks was placed by whoever used this database before a backup of it was
restored, or by a copy of it. Only a copy places orders while this one runs: each of ours is saved before it is sent.

A restored backup knows of the run in which it was made, until then, and of those that began after it was restored.
A power cut may lose what was committed last: then it loses the last signs of the run as well.

A clock that is set ends a run as well, though nothing has stopped: the host's uptime tells. By the new clock that run
was at another time than its row says, so of what was placed then nothing is sure.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from itertools import pairwise

from django.utils import timezone

from hedgehog_project.database.compiled import Compiled
from hedgehog_project.venues import Venue
from trading.exchange.client import clock_offset
from trading.models import Installation, Run

# How often a sign is written.
EVERY = timedelta(seconds=5)
# A break that is longer ends a run: a backup may have been restored meanwhile.
BREAK = timedelta(seconds=60)
# How far the exchange's clock and ours may be apart, and how long an order may be on its way.
MARGIN = timedelta(seconds=10)
MAX_KEPT = 500


class When(Enum):
    """When an order was placed, by the runs of this installation."""

    RUNNING = auto()
    NOT_RUNNING = auto()
    UNSURE = auto()  # About when a run began or ended, or the exchange does not tell.


@dataclass(frozen=True)
class Runs:
    """The runs at one moment: when each began, and until when it is known to have gone on; None: it still does.

    `kept_at`: a person has said that what a copy placed until then is to be taken in. `displaced`: runs that ended
    because the clock was set, from their beginning by the new clock to the next one's.
    """

    spans: tuple[tuple[datetime, datetime | None], ...] = ()
    kept_at: datetime | None = None
    displaced: tuple[tuple[datetime, datetime], ...] = ()

    @classmethod
    def at(cls, now: datetime) -> "Runs":
        rows = list(Run.objects.all()[:MAX_KEPT])
        kept_at = Installation.objects.filter(pk=1).values_list("kept_at", flat=True).first()
        spans = tuple((row.began_at, None if _goes_on(row, now) else row.last_at) for row in rows)
        displaced = [
            (before.began_at + row.clock_set_by, row.began_at)
            for row, before in pairwise(rows)
            if row.clock_set_by is not None
        ]
        if rows and (set_by := _clock_set_by(rows[0], now)) is not None:
            displaced.append((rows[0].began_at + set_by, now))
        return cls(spans, kept_at, tuple(displaced))

    def when(self, placed_at: datetime | None) -> When:
        """`placed_at` is by our clock."""
        if placed_at is None:
            return When.UNSURE
        if self.kept_at and placed_at <= self.kept_at + MARGIN:
            return When.NOT_RUNNING if placed_at <= self.kept_at else When.UNSURE
        within = [(began, ended) for began, ended in self.spans if began <= placed_at <= (ended or placed_at)]
        if any(began + MARGIN <= placed_at and not (ended and placed_at > ended - MARGIN) for began, ended in within):
            return When.RUNNING
        if within or any(began - MARGIN <= placed_at <= ended + MARGIN for began, ended in self.displaced):
            return When.UNSURE
        return When.NOT_RUNNING


_NEWEST = Compiled(lambda: Run.objects.order_by("-id")[:1])


def began_at(now: datetime) -> datetime | None:
    """When the run began that goes on now; None where none does."""
    newest = _NEWEST.first()
    return newest.began_at if newest is not None and _goes_on(newest, now) else None


def by_our_clock(venue: Venue, ms: int) -> datetime | None:
    """A time of a venue's, by how far its clock is known to be off now. None: the venue did not tell.

    Not by what was known before it was asked: its answer may be the first to tell that our clock was set.
    """
    return datetime.fromtimestamp(ms / 1000, UTC) - clock_offset(venue) if ms else None


def beat(now: datetime | None = None) -> None:
    """Writes a sign that this installation runs; begins a run where none goes on."""
    now = now or timezone.now()
    newest = _NEWEST.first()
    if newest is None or not _goes_on(newest, now):
        set_by = None if newest is None else _clock_set_by(newest, now)
        Run.objects.create(began_at=now, last_at=now, uptime_s=uptime_s(), clock_set_by=set_by)
        too_old = Run.objects.values_list("pk", flat=True)[MAX_KEPT:]
        Run.objects.filter(pk__in=list(too_old)).delete()
    elif now - newest.last_at >= EVERY:
        # Another leader may have been quicker, and another process may have ended the run.
        Run.objects.filter(pk=newest.pk, is_over=False, last_at__lt=now).update(last_at=now, uptime_s=uptime_s())


def end() -> None:
    """Whatever runs from now on is another run: a backup may just have been restored."""
    Run.objects.filter(is_over=False).update(is_over=True)


def uptime_s() -> float:
    """How long this host has been up, sleep included: no one sets this clock. Hosts differ."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _goes_on(row: Run, now: datetime) -> bool:
    # A clock that was set back ends it as well.
    return not row.is_over and -MARGIN <= now - row.last_at <= BREAK


def _clock_set_by(row: Run, now: datetime) -> timedelta | None:
    """By how much our clock was set since the run's last sign, where it has ended by nothing else."""
    if row.is_over or row.uptime_s is None or _goes_on(row, now):
        return None
    passed = timedelta(seconds=uptime_s() - row.uptime_s)
    return now - row.last_at - passed if timedelta(0) <= passed <= BREAK else None
