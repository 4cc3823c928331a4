"""No table: the mock exchange keeps its own file. This model gives its page in the admin a place and permissions."""

from django.db import models


class MockAccount(models.Model):
    class Meta:
        managed = False
        verbose_name = "account"
        verbose_name_plural = "account"
        default_permissions = ("view",)
        permissions = [("reset_mockaccount", "Can reset the mock account")]

    def __str__(self) -> str:
        return "Mock account"
