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
