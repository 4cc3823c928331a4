"""How long rows are kept that nothing is computed from: settings in days, 0 for ever."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.apps.registry import Apps
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import models
from django.db.models import OuterRef, QuerySet, Subquery

from trading.models import DeniedOrder, Reconciliation, WrongPasswords

# Rows at a time: a transaction of some milliseconds.
BATCH = 500
JOURNAL = "KEEP_JOURNAL_DAYS"


class _Change(models.Model):
    """A row of the admin's history, as far as it is needed here: workers do not load the admin."""

    action_time = models.DateTimeField()

    class Meta:
        apps = Apps()
        app_label = "admin"
        db_table = "django_admin_log"


@dataclass(frozen=True)
class Old:
    """Rows that are kept no longer."""

    name: str
    rows: QuerySet[Any]

    def delete(self) -> Iterator[int]:
        """Deletes them in batches, each with its own transaction; gives the number of each."""
        while batch := list(self.rows.order_by("pk").values_list("pk", flat=True)[:BATCH]):
            self.rows.model._default_manager.filter(pk__in=batch).delete()
            yield len(batch)


def before(name: str, now: datetime) -> datetime | None:
    """What is older than this is kept no longer, by the setting of that name; None: all is kept."""
    days: int = getattr(settings, name)
    return now - timedelta(days=days) if days else None


def old(now: datetime) -> list[Old]:
    """What is to be deleted, besides the journal, which is archived."""
    found = [Old("expired sessions", Session.objects.filter(expire_date__lt=now))]
    if since := before("KEEP_RECONCILIATIONS_DAYS", now):
        # The last one of a venue says how things stand, however long ago it was.
        last = Reconciliation.objects.filter(venue=OuterRef("venue")).order_by("-id").values("pk")[:1]
        rows = Reconciliation.objects.filter(began_at__lt=since).exclude(pk=Subquery(last))
        found.append(Old("reconciliations", rows))
    if since := before("KEEP_DENIED_ORDERS_DAYS", now):
        rows_of_rules = DeniedOrder.objects.filter(day__lt=since.date(), denies_until__lt=now)
        found.append(Old("counts of denied orders", rows_of_rules))
    if since := before("KEEP_LOGINS_DAYS", now):
        found.append(Old("wrong passwords", WrongPasswords.objects.filter(last_at__lt=since)))
    if since := before("KEEP_HISTORY_DAYS", now):
        found.append(Old("history of changes in the admin", _Change._default_manager.filter(action_time__lt=since)))
    return found
