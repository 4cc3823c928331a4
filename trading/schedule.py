"""What beat rings, how often, and why. An operator may change it in the admin; a restart does not undo that."""

from dataclasses import dataclass

from django_celery_beat.models import IntervalSchedule, PeriodicTask


@dataclass(frozen=True)
class Ring:
    """One row of the schedule. How late a task may be done at all is its own to say: `of_use_s` in tasks.py."""

    name: str
    task: str
    every_s: int
    why: str


SCHEDULE = (
    Ring("Leader", "trading.tasks.lead", 1, "makes missing traders, asks about stuck orders, rings the forgotten"),
    Ring(
        "Listings",
        "trading.tasks.refresh_listings",
        5,
        "asks for the filters of new symbols; known ones stay fresh for long",
    ),
    Ring("Equity", "trading.tasks.record_equity", 60, "keeps this hour's row of what trading has brought"),
    Ring("Reconciliation", "trading.tasks.reconcile_all", 60, "finds what lost reports would have told"),
)


def make_schedule() -> None:
    """Writes the rows that are not there yet."""
    for row in SCHEDULE:
        interval, _ = IntervalSchedule.objects.get_or_create(every=row.every_s, period=IntervalSchedule.SECONDS)
        PeriodicTask.objects.get_or_create(
            name=row.name, defaults={"task": row.task, "interval": interval, "description": row.why}
        )
