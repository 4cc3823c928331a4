"""Profiles: named ways to trade, to be applied to many symbols at once."""

from typing import Any

from django.db import models


class Profile(models.Model):
    """Some of a symbol's settings and protections; the others stay as they are when it is applied."""

    name = models.SlugField(max_length=32, unique=True, help_text="A short name, for example careful.")
    about = models.CharField(max_length=200, blank=True, help_text="What the profile is for.")
    # Text, so that decimals stay exact; profiles.py reads and writes it.
    values: Any = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
