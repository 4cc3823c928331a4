"""What blocks trading just now, and what is unclear: for the admin and `manage.py status`."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Case, CharField, Count, F, Q, QuerySet, When
from django.utils import timezone

from hedgehog_project.venues import Venue
from hedgehog_project.venues.rate_limits import State
from trading.exchange.client import rate_limits_of
from trading.models import Order, Trader
from trading.models.choices import of_running
from trading.models.orders import IN_FLIGHT

# An answer takes this long at most where all is well.
UNCLEAR_AFTER = timedelta(seconds=2)
MAX_REASONS = 8


@dataclass(frozen=True)
class Waiting:
    """Live traders that do nothing for one reason. `is_error`: they met it, and try again."""

    reason: str
    traders: int
    is_error: bool


def budgets(venues: Iterable[Venue]) -> list[State]:
    """What is used and left of each exchange's limits, and until when nothing is sent there."""
    return [rate_limits_of(venue).state() for venue in venues]


def stops(states: Iterable[State]) -> list[str]:
    """One sentence for each exchange that has told us to be silent."""
    return [
        f"No requests to {state.host} until {state.stopped_until:%d %b %H:%M:%S} UTC: {state.why}"
        for state in states
        if state.stopped_until
    ]


def used(state: State) -> str:
    """How much of the limits is used, in words."""
    weight, orders = state.weight, state.orders_10s
    return (
        f"request weight {weight.used} of {weight.limit} per minute, unfilled orders {orders.used} of {orders.limit} "
        "per 10 s"
    )


def unclear_orders() -> QuerySet[Order]:
    """Orders of which nobody knows whether the exchange has them, at every venue that runs; the leader asks."""
    late = timezone.now() - UNCLEAR_AFTER
    return Order.objects.filter(IN_FLIGHT, of_running(), submitted_at__lt=late).order_by("id")


def waiting(venue: Venue, maximum: int = MAX_REASONS) -> list[Waiting]:
    """Why active traders without an open order do nothing now; the most frequent reason first."""
    held_up = Trader.objects.filter(Q(retry_at__isnull=False) | ~Q(error=""), venue=venue, finished_at__isnull=True)
    rows = (
        held_up.exclude(orders__status__is_open=True)
        .order_by()
        .annotate(says=Case(When(~Q(error=""), then=F("error")), default=F("waits_for"), output_field=CharField()))
        .exclude(says="")
        .values_list("says", "error")
        .annotate(count=Count("pk"))
        .order_by("-count", "says")
    )
    return [Waiting(says, count, bool(error)) for says, error, count in rows[:maximum]]
