"""The journal: what woke a trader, what it decided, and why."""

import re

from django.db import models
from django.utils import timezone

from hedgehog_project.database.writing import insert
from trading.core.denials import Check, Rule
from trading.core.journal import Cause, Kind, Source
from trading.core.orders import OrderStatus
from trading.models.choices import choices_of
from trading.models.orders import Order
from trading.models.traders import Trader

# A price, a time, an id: letters that stand with digits as well, such as those of a hexadecimal number.
_FIGURES = re.compile(r"\w*\d[\w.,:]*")


class JournalEntry(models.Model):
    """One line of a trader's timeline: facts for programs, and words for people, which no program reads."""

    # Found by the index below.
    trader = models.ForeignKey(Trader, on_delete=models.CASCADE, related_name="journal", db_index=False)
    at = models.DateTimeField(default=timezone.now)
    # No constraint of the database names the kinds: on SQLite each new one would copy the greatest table of all.
    kind = models.CharField(max_length=16, choices=choices_of(Kind), default=Kind.NOTED)
    source = models.CharField(max_length=16, choices=choices_of(Source), default=Source.TASK)
    status = models.CharField(
        max_length=16, blank=True, choices=choices_of(OrderStatus), help_text="Status of its order after this entry."
    )
    denied_by = models.CharField(
        max_length=24, blank=True, choices=[*choices_of(Check), *choices_of(Rule)], help_text="What denied the order."
    )
    trade_id = models.BigIntegerField(null=True, blank=True, help_text="The public trade that the trader processed.")
    event = models.CharField(max_length=200, blank=True, help_text="The event that the trader processed.")
    decision = models.CharField(max_length=200)
    reason = models.CharField(max_length=500, blank=True)
    order = models.ForeignKey(Order, null=True, blank=True, on_delete=models.SET_NULL, related_name="journal")
    task_id = models.CharField(max_length=64, blank=True, help_text="The Celery task, as Flower shows it.")

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "journal entries"
        # A program asks about one trader, mostly for its last line. With an index of the trader alone PostgreSQL
        # would rather look through everybody's last lines. No other index: each line would pay for it.
        indexes = [models.Index(fields=["trader", "id"], name="journal_of_trader")]

    def __str__(self) -> str:
        return f"{self.source}: {self.decision}"


def write(
    trader: Trader,
    cause: Cause,
    kind: Kind,
    decision: str,
    reason: str = "",
    order: Order | None = None,
    denied_by: Check | Rule | None = None,
) -> JournalEntry:
    """Adds a line to a trader's timeline. `decision` and `reason` are for people."""
    entry = JournalEntry(
        trader=trader,
        kind=kind,
        source=cause.source,
        status=order.status if order is not None else "",
        denied_by=denied_by or "",
        trade_id=cause.trade_id,
        event=cause.text[:200],
        decision=decision[:200],
        reason=reason[:500],
        order=order,
        task_id=cause.task_id,
    )
    insert(entry)
    return entry


def write_once(
    trader: Trader, cause: Cause, kind: Kind, decision: str, reason: str, denied_by: Check | Rule | None = None
) -> None:
    """Adds what the last line does not say already: a trader may wait for the same reason for hours.

    The same with other figures is the same: what is measured or counted anew at each try is shown on the trader.
    """
    last = trader.journal.order_by("-id").values_list("kind", "reason").first()
    if last is None or (last[0], _FIGURES.sub("#", last[1])) != (kind, _FIGURES.sub("#", reason[:500])):
        write(trader, cause, kind, decision, reason, denied_by=denied_by)


def write_further(
    trader: Trader, cause: Cause, kind: Kind, decision: str, reason: str, order: Order
) -> JournalEntry | None:
    """The last line, where it says the same of the order: it tells of this event as well. None where it does not."""
    last = trader.journal.order_by("-id").first()
    says = (kind, cause.source, order.status, order.pk, decision[:200], reason[:500])
    if last is None or says != (last.kind, last.source, last.status, last.order_id, last.decision, last.reason):
        return None
    last.event = cause.text[:200]
    last.save(update_fields=["event"])
    return last
