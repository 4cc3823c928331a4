"""What a reader of the pages has set for himself."""

from django.conf import settings
from django.db import models

MAX_NAME = 40


class SavedFilter(models.Model):
    """A view of a list that its reader has given a name: filters and search, as they stand in the page's address."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_filters")
    page = models.CharField(max_length=64, help_text="The list, such as trading.order.")
    name = models.CharField(max_length=MAX_NAME)
    query = models.CharField(max_length=1000)

    class Meta:
        ordering = ["name"]
        default_permissions = ()  # No page shows them; everybody has his own.
        constraints = [
            models.UniqueConstraint(fields=["user", "page", "name"], name="one_saved_filter_per_list_and_name")
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.page}"


class FoldedPart(models.Model):
    """A part of a page that its reader has folded away for good."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="folded_parts")
    part = models.CharField(max_length=32)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["user", "part"], name="each_part_folded_once")]

    def __str__(self) -> str:
        return self.part
