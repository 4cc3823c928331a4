"""The journal: what woke a trader, what was decided, and why."""

from django.db import models
from django.utils import timezone

from trading.models.orders import Order
from trading.models.traders import Trader


class JournalEntry(models.Model):
    """One line of a trader's story."""

    trader = models.ForeignKey(Trader, on_delete=models.CASCADE, related_name="journal")
    at = models.DateTimeField(default=timezone.now)
    event = models.CharField(max_length=200, help_text="What woke the trader.")
    decision = models.CharField(max_length=200)
    reason = models.CharField(max_length=500, blank=True)
    order = models.ForeignKey(Order, null=True, blank=True, on_delete=models.SET_NULL, related_name="journal")
    task_id = models.CharField(max_length=64, blank=True, help_text="The Celery task, as Flower shows it.")

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "journal entries"

    def __str__(self) -> str:
        return f"{self.event}: {self.decision}"


def write(
    trader: Trader, event: str, decision: str, reason: str = "", order: Order | None = None, task_id: str = ""
) -> None:
    """Adds a line to a trader's story."""
    JournalEntry.objects.create(
        trader=trader, event=event[:200], decision=decision[:200], reason=reason[:500], order=order, task_id=task_id
    )


def write_once(trader: Trader, event: str, decision: str, reason: str, task_id: str) -> None:
    """Adds what the last line does not say already: a trader may wait for the same reason for hours."""
    last = trader.journal.order_by("-id").first()
    if last is None or (last.decision, last.reason) != (decision[:200], reason[:500]):
        write(trader, event, decision, reason, task_id=task_id)
