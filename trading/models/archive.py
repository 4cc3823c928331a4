"""The files of the archive, as far as they are known to be written. archive/files.py writes them."""

from django.db import models
from django.utils import timezone


class ArchiveFile(models.Model):
    """One file with the journal of the cycles that ended in one month.

    Lines are deleted from the journal in the transaction that adds them here: what the file has beyond `size` is an
    append that was interrupted.
    """

    month = models.CharField(max_length=7, help_text="Such as 2026-08 (UTC).")
    part = models.PositiveSmallIntegerField(default=1)
    # Of several hosts each has a folder of its own.
    folder_id = models.CharField(max_length=64, help_text="The folder's own id, in its file `id`.")
    host = models.CharField(max_length=200, help_text="The host that wrote to it last.")
    folder = models.CharField(max_length=500, help_text="Where the folder was then.")
    size = models.PositiveBigIntegerField(default=0, help_text="In bytes.")
    lines = models.PositiveBigIntegerField(default=0)
    written_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["month", "part"]
        default_permissions = ()  # A command shows them.
        constraints = [models.UniqueConstraint(fields=["folder_id", "month", "part"], name="each_archive_file_once")]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        part = f".{self.part}" if self.part > 1 else ""
        return f"journal-{self.month}{part}.jsonl.gz"
