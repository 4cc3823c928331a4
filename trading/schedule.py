"""What beat queues, how often, and why. An operator may change it in the admin; a restart does not undo that."""

from dataclasses import dataclass
from typing import Any

from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

# In UTC, and not on the hour, when others have their jobs.
NIGHTLY = {
    "minute": "17", "hour": "3", "day_of_week": "*", "day_of_month": "*", "month_of_year": "*", "timezone": "UTC",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One row of the schedule. How late a task may be done at all is its own to say: `of_use_s` in tasks.py."""

    name: str
    task: str
    every_s: int | None  # None: each night.
    why: str

    def when(self) -> dict[str, Any]:
        """The fields of a periodic task that say it."""
        if self.every_s is None:
            at = CrontabSchedule.objects.get_or_create(**NIGHTLY)[0]
            return {"crontab": at}
        at = IntervalSchedule.objects.get_or_create(every=self.every_s, period=IntervalSchedule.SECONDS)[0]
        return {"interval": at}


SCHEDULE = (
    Row(
        "Leader",
        "trading.tasks.lead",
        1,
        "starts missing traders, queries unconfirmed orders, wakes traders that are due",
    ),
    Row(
        "Listings",
        "trading.tasks.refresh_listings",
        5,
        "refreshes exchange filters of symbols",
    ),
    Row("Gain", "trading.tasks.record_equity", 60, "records the gain of this hour"),
    Row("Reconciliation", "trading.tasks.reconcile_all", 60, "compares our records with the exchange"),
    Row("Archive", "trading.tasks.archive", None, "archives old journals, deletes rows that are kept no longer"),
)


OURS = frozenset(row.task for row in SCHEDULE)
# Without it nothing is traded and no order in doubt is asked about. Who wants that halts, which says so everywhere.
LEADER = "trading.tasks.lead"


def make_schedule() -> None:
    """Writes the rows that are not there yet."""
    for row in SCHEDULE:
        if PeriodicTask.objects.filter(name=row.name).exists():
            continue
        PeriodicTask.objects.get_or_create(
            name=row.name, defaults={"task": row.task, "description": row.why, **row.when()}
        )
