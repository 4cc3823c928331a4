"""Orders and their fills, as the exchange reported them."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

from trading.core import orders as core
from trading.core.money import plain
from trading.core.orders import OPEN, OrderStatus, OrderType, Side
from trading.models.choices import choices_of, venue_field
from trading.models.fields import AmountField
from trading.models.symbols import Symbol
from trading.models.traders import Trader


class IsOpen(models.Lookup):
    """`status__is_open=True`: more of the order can still trade.

    Its SQL names the states instead of taking them as values: SQLite uses the partial index of open orders only where
    a query says the same as the index, and so does PostgreSQL with a prepared one. With `status__in` each question
    for open orders would read all orders that there ever were.
    """

    lookup_name = "is_open"
    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        sql, params = self.process_lhs(compiler, connection)
        states = ", ".join(f"'{status}'" for status in sorted(OPEN))
        return f"{sql} {'IN' if self.rhs else 'NOT IN'} ({states})", params


class Order(models.Model):
    """An order of a trader, saved before it is sent; its client order id is ours and unique for ever."""

    trader = models.ForeignKey(Trader, on_delete=models.PROTECT, related_name="orders")
    # Found by the index order_of_symbol.
    symbol = models.ForeignKey(Symbol, on_delete=models.PROTECT, related_name="orders", db_index=False)
    venue = venue_field()
    side = models.CharField(max_length=4, choices=choices_of(Side))
    type = models.CharField(max_length=8, choices=choices_of(OrderType), default=OrderType.LIMIT)
    price = AmountField(help_text="Limit price; for a market order the expected price.")
    quantity = AmountField()
    client_order_id = models.CharField(max_length=36, unique=True)
    exchange_order_id = models.BigIntegerField(null=True, blank=True)
    status = models.CharField(max_length=16, choices=choices_of(OrderStatus), default=OrderStatus.SUBMITTING)
    executed = AmountField("executed quantity", default=Decimal(0))
    reason = models.CharField(max_length=300, blank=True, help_text="Why it was rejected or ended.")
    cancel_reason = models.CharField(
        max_length=200,
        blank=True,
        help_text="Why its trader cancels it; the leader repeats the cancel until it is done.",
    )
    replaces = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="replaced_by",
        help_text="The open order that it replaces.",
    )
    is_late = models.BooleanField(
        default=False, help_text="Appeared after it had been recorded as not placed; it is cancelled automatically."
    )
    # An exchange never accepts it later than this plus recvWindow: see traders/acting.py.
    submitted_at = models.DateTimeField(default=timezone.now)
    asked_at = models.DateTimeField(null=True, blank=True, help_text="When its status was last queried.")
    not_found_at = models.DateTimeField(
        null=True, blank=True, help_text="When the exchange first answered “not found”."
    )
    is_claimed = models.BooleanField(
        default=False, help_text="Found on the exchange and assigned to its trader; not sent from this database."
    )
    updated_at = models.DateTimeField(auto_now=True)

    # Its fills, where whoever read the order has read them as well.
    known_fills: "list[Fill] | None" = None

    class Meta:
        ordering = ["-id"]
        constraints = [
            # I2: one live order per trader and side; beside it at most one that was sent to take its place, which the
            # exchange accepts only once the other is cancelled, and one that showed late, which is being cancelled.
            models.UniqueConstraint(
                fields=["trader", "side"],
                condition=models.Q(status__in=sorted(OPEN), replaces__isnull=True, is_late=False),
                name="one_open_order_per_trader_and_side",
            ),
            models.UniqueConstraint(
                fields=["replaces"],
                condition=models.Q(status__in=sorted(OPEN), replaces__isnull=False),
                name="one_open_order_takes_anothers_place",
            ),
            models.UniqueConstraint(
                fields=["trader", "side", "is_late"],
                condition=models.Q(status__in=sorted(OPEN), is_late=True),
                name="one_late_order_at_a_time",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=[status.value for status in OrderStatus]), name="known_order_status"
            ),
            models.CheckConstraint(condition=models.Q(side__in=[side.value for side in Side]), name="known_side"),
            models.CheckConstraint(
                condition=models.Q(price__gt=Decimal(0), quantity__gt=Decimal(0)), name="order_of_something"
            ),
        ]
        indexes = [
            # Two, each for what is asked beside it: where SQLite has no statistics of an index that is empty at the
            # time, it takes the one of which a query names more columns.
            models.Index(
                fields=["venue", "symbol"], condition=models.Q(status__in=sorted(OPEN)), name="order_open_at_venue"
            ),
            models.Index(
                fields=["submitted_at"], condition=models.Q(status__in=sorted(OPEN)), name="order_open_sent"
            ),
            models.Index(fields=["venue", "updated_at"], name="order_moved"),
            models.Index(fields=["venue", "submitted_at"], name="order_sent"),
            # A symbol's orders by number, for pages that begin somewhere.
            models.Index(fields=["symbol", "id"], name="order_of_symbol"),
            models.Index(fields=["exchange_order_id"], name="order_exchange_id"),
            models.Index(fields=["id"], condition=models.Q(is_late=True), name="order_late"),
        ]

    def __str__(self) -> str:
        if self.type == OrderType.TAKEOVER:
            return f"{plain(self.quantity)} {self.symbol.name} taken over at {plain(self.price)}"
        how = "market, about " if self.type == OrderType.MARKET else ""
        return f"{self.side} {plain(self.quantity)} {self.symbol.name} at {how}{plain(self.price)}"

    def booked_fills(self) -> Iterable["Fill"]:
        """All fills of it that are booked, in no certain order."""
        return self.fills.all() if self.known_fills is None else self.known_fills


Order._meta.get_field("status").register_lookup(IsOpen)

# Orders that have traded or still can; of those that can, the ones without a response, and those at the exchange.
COULD_TRADE = models.Q(status__is_open=True) | models.Q(executed__gt=Decimal(0))
IN_FLIGHT = models.Q(status__is_open=True, status=OrderStatus.SUBMITTING)
RESTING = models.Q(status__is_open=True) & ~models.Q(status=OrderStatus.SUBMITTING)


class Fill(models.Model):
    """One trade of an order, booked once."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="fills")
    trade_id = models.BigIntegerField()
    price = AmountField()
    quantity = AmountField()
    quote = AmountField(help_text="Price x quantity, as reported by the exchange.")
    commission = AmountField(default=Decimal(0))
    commission_asset = models.CharField(max_length=16, blank=True)
    commission_quote = AmountField(
        null=True, blank=True, help_text="Value in quote of a commission paid in a third asset such as BNB."
    )
    is_unvaluable = models.BooleanField(
        default=False, help_text="No price tells what its commission was worth: that stays unknown."
    )
    is_maker = models.BooleanField(default=True)
    traded_at = models.DateTimeField()
    entry = models.ForeignKey(
        "JournalEntry",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="fills",
        help_text="The line of the journal that tells of it; empty where nobody knows.",
    )

    class Meta:
        ordering = ["-traded_at", "-trade_id"]
        constraints = [models.UniqueConstraint(fields=["order", "trade_id"], name="each_fill_once")]
        # By the exchange's number alone: the search.
        indexes = [models.Index(fields=["trade_id"], name="fill_trade_id")]

    def __str__(self) -> str:
        return f"{plain(self.quantity)} at {plain(self.price)}"

    def as_core(self) -> core.Fill:
        return core.Fill(
            trade_id=self.trade_id,
            price=self.price,
            quantity=self.quantity,
            quote=self.quote,
            commission=self.commission,
            commission_asset=self.commission_asset,
            is_maker=self.is_maker,
            at_ms=round(self.traded_at.timestamp() * 1000),
            commission_quote=self.commission_quote,
            is_unvaluable=self.is_unvaluable,
        )
