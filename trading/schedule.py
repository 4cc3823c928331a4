"""What beat queues, how often, and why. An operator may change it in the admin; a restart does not undo that."""

from dataclasses import dataclass

from django_celery_beat.models import IntervalSchedule, PeriodicTask


@dataclass(frozen=True)
class Row:
    """One row of the schedule. How late a task may be done at all is its own to say: `of_use_s` in tasks.py."""

    name: str
    task: str
    every_s: int
    why: str


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
)


def make_schedule() -> None:
    """Writes the rows that are not there yet."""
    for row in SCHEDULE:
        interval, _ = IntervalSchedule.objects.get_or_create(every=row.every_s, period=IntervalSchedule.SECONDS)
        PeriodicTask.objects.get_or_create(
            name=row.name, defaults={"task": row.task, "interval": interval, "description": row.why}
        )
