"""Orphans: orders of ours on the exchange that the database lacks, as after a backup was restored or begun anew."""

from decimal import Decimal
from enum import StrEnum

from django.db import models
from django.utils import timezone

from trading.core.money import plain
from trading.core.orders import OrderStatus, Side
from trading.exchange.order_ids import Name, read
from trading.models.choices import choices_of, venue_field
from trading.models.fields import AmountField
from trading.models.traders import Trader


class Resolution(StrEnum):
    """What became of an orphan."""

    UNRESOLVED = "UNRESOLVED"  # Somebody has to say what shall become of it.
    ADOPTED = "ADOPTED"  # A trader has it now: it is an order like any other.
    CANCELED = "CANCELED"  # Cancelled on the exchange. What had executed is left on the account.
    LEFT = "LEFT"  # What it bought or sold is left on the account, for its owner or its installation to look after.
    ENDED = "ENDED"  # It ended by itself, and nothing of it had traded.
    CLOSED = "CLOSED"  # It is one of a finished cycle: what was bought was sold again, nothing is left of it.


class Orphan(models.Model):
    """An order with a name of ours that no row knows; as the exchange showed it last."""

    venue = venue_field()
    # A name, not a row: the database may lack the symbol as well.
    symbol = models.CharField(max_length=32)
    client_order_id = models.CharField(max_length=36)
    exchange_order_id = models.BigIntegerField()
    side = models.CharField(max_length=4, choices=choices_of(Side))
    price = AmountField()
    quantity = AmountField()
    executed = AmountField("executed quantity", default=Decimal(0))
    status = models.CharField(max_length=16, choices=choices_of(OrderStatus))
    placed_at = models.DateTimeField(null=True, blank=True)
    first_seen = models.DateTimeField(default=timezone.now)
    last_seen = models.DateTimeField(default=timezone.now)
    why = models.CharField(max_length=300, blank=True, help_text="Why it could not be assigned to its trader.")
    is_of_copy = models.BooleanField(default=False, help_text="Placed by a running copy of this installation.")
    resolution = models.CharField(max_length=12, choices=choices_of(Resolution), default=Resolution.UNRESOLVED)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.CharField(max_length=150, blank=True)
    note = models.CharField(max_length=300, blank=True, help_text="What remains of it, and where.")
    trader = models.ForeignKey(Trader, null=True, blank=True, on_delete=models.SET_NULL, related_name="adopted")

    class Meta:
        ordering = ["-id"]
        permissions = [("resolve_orphan", "Can adopt and cancel orphan orders")]
        constraints = [
            models.UniqueConstraint(fields=["venue", "client_order_id"], name="each_orphan_once"),
            models.CheckConstraint(
                condition=models.Q(resolution__in=[each.value for each in Resolution]), name="known_resolution"
            ),
            models.CheckConstraint(
                condition=models.Q(resolution="UNRESOLVED") ^ models.Q(resolved_at__isnull=False),
                name="resolved_orphans_have_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.side} {plain(self.quantity)} {self.symbol} at {plain(self.price)} ({self.venue})"

    @property
    def is_open(self) -> bool:
        return OrderStatus(self.status).is_open

    @property
    def is_resolved(self) -> bool:
        return self.resolution != Resolution.UNRESOLVED

    @property
    def origin(self) -> Name | None:
        """The installation and its trader that the name tells."""
        return read(self.client_order_id)
