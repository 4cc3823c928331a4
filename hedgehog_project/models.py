"""What the processes of several hosts agree upon in the database."""

from django.db import models


class Lease(models.Model):
    """Who does alone what only one process may do. leases.py takes it and gives it up."""

    name = models.CharField(max_length=32, unique=True)
    holder = models.CharField(max_length=200, blank=True, help_text="Empty: whoever comes first may have it.")
    # The holder counts on while it lives: others see by that whether it does, with no clock but their own steady one.
    turn = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name}: {self.holder or 'nobody'}"
