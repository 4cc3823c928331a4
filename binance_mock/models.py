"""No tables: the mock exchange keeps its own file. The models give its pages in the admin a place and permissions."""

from django.db import models


class MockAccount(models.Model):
    class Meta:
        managed = False
        verbose_name = "mock account"
        verbose_name_plural = "mock account"
        default_permissions = ("view",)
        permissions = [("reset_mockaccount", "Can reset the mock account")]

    def __str__(self) -> str:
        return "Mock account"


class MockFaults(models.Model):
    class Meta:
        managed = False
        verbose_name = "faults"
        verbose_name_plural = "faults"
        default_permissions = ("view",)
        permissions = [("turn_mockfaults", "Can turn faults of the mock exchange on and off")]

    def __str__(self) -> str:
        return "Faults of the mock exchange"
