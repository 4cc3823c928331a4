"""The admin, the product's face. It reads rows and calls the same functions as everything else."""

from django.contrib.admin import site

from console.admin import (
    balances,
    equity,
    installations,
    journal,
    orders,
    orphans,
    people,
    profiles,
    protections,
    reconciliations,
    schedule,
    switch,
    symbols,
    traders,
)
from console.admin.show import NONE

__all__ = [
    "balances",
    "equity",
    "installations",
    "journal",
    "orders",
    "orphans",
    "people",
    "profiles",
    "protections",
    "reconciliations",
    "schedule",
    "switch",
    "symbols",
    "traders",
]

# What nobody knows is a dash of one length everywhere.
site.empty_value_display = NONE

# Its figures come from dashboard.context, by settings.UNFOLD.
site.index_template = "trading/overview.html"
