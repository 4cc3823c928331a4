"""What there is of the past, file by file. The files are the truth: `manage.py history check` makes the rows anew."""

from django.db import models

from hedgehog_project.venues.worlds import MAX_LENGTH
from history.kinds import Kind


class FileState(models.TextChoices):
    FULL = "FULL", "full"
    HOLES = "HOLES", "holes"  # ids are missing between others
    SUSPECT = "SUSPECT", "suspect"  # something is wrong with it: see the doubts


class HistoryFile(models.Model):
    """One file, as its footer tells it."""

    market = models.CharField(max_length=MAX_LENGTH)
    symbol = models.CharField(max_length=32)
    kind = models.CharField(max_length=16, choices=[(kind.value, kind.value) for kind in Kind])
    name = models.CharField(max_length=40, help_text="without .parquet")
    period = models.CharField(max_length=10, help_text="a month (2024-01) or a day (2024-01-15), in UTC")
    rows = models.BigIntegerField(default=0)
    first_id = models.BigIntegerField(default=0)
    last_id = models.BigIntegerField(default=-1)
    sha256 = models.CharField(max_length=64, blank=True)
    bytes = models.BigIntegerField(default=0)
    state = models.CharField(max_length=8, choices=FileState.choices)
    holes = models.JSONField(default=list, blank=True, help_text="first and last id of each")
    doubts = models.JSONField(default=list, blank=True)
    origin = models.TextField(blank=True)
    checked_at = models.DateTimeField("checked", null=True, blank=True, help_text="when all of it was last read")

    class Meta:
        verbose_name = "history file"
        verbose_name_plural = "history"
        default_permissions = ("view", "delete")
        permissions = [("verify_historyfile", "Can verify files of the past")]
        ordering = ["market", "kind", "symbol", "period", "first_id"]
        constraints = [
            models.UniqueConstraint(fields=["market", "kind", "symbol", "name"], name="one_row_per_history_file"),
            models.CheckConstraint(
                condition=models.Q(state__in=[each.value for each in FileState]), name="known_state_of_history_file"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.kind} {self.name}"
