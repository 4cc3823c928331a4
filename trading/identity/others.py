"""Other installations on our keys: noted where their orders are seen, never touched, and told to people."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from hedgehog_project.venues import Venue, rests
from trading.exchange import order_ids
from trading.models import Installation, OtherInstallation

# One of which nothing rests and whose last order was seen longer ago is no news any more.
NEWS_FOR = timedelta(days=1)

Seen = tuple[str, datetime | None]  # a client order id, and when it was placed by our clock


def note(venue: Venue | str, seen: Iterable[Seen], now: datetime | None = None) -> None:
    """Keeps whose orders these are, by the identities in their names."""
    now = now or timezone.now()
    by_identity: dict[str, list[Seen]] = defaultdict(list)
    for client_order_id, placed_at in seen:
        name = order_ids.read(client_order_id)
        if name is not None and name.identity:
            by_identity[name.identity].append((client_order_id, placed_at))
    for identity, orders in by_identity.items():
        row, _ = OtherInstallation.objects.get_or_create(venue=venue, identity=identity, defaults={"first_seen": now})
        for client_order_id, placed_at in orders:
            row.note(client_order_id, placed_at)
        row.last_seen = now
        row.save(update_fields=["last_order", "placed_at", "last_seen"])


def count_open(venue: Venue, open_orders: Iterable[str]) -> None:
    """Keeps how many orders of each rest; `open_orders`: the client order ids of all that rest at the venue."""
    counts: dict[str, int] = defaultdict(int)
    for client_order_id in open_orders:
        name = order_ids.read(client_order_id)
        if name is not None:
            counts[name.identity] += 1
    for row in strangers(venue):
        if row.open_orders != counts[row.identity]:
            OtherInstallation.objects.filter(pk=row.pk).update(open_orders=counts[row.identity])


def strangers(venue: Venue | str | None = None) -> "QuerySet[OtherInstallation]":
    """All but copies of this installation; at one venue, or everywhere."""
    rows = OtherInstallation.objects.exclude(identity=Installation.identity_if_any())
    return rows if venue is None else rows.filter(venue=venue)


def told(venue: Venue | str | None = None, now: datetime | None = None) -> list[str]:
    """One sentence for each stranger that is news."""
    now = now or timezone.now()
    return [sentence(row) for row in strangers(venue) if _is_news(row, now) and not rests(row.venue)]


def told_of(venue: Venue, client_order_ids: Iterable[str]) -> list[str]:
    """As `told`, with those who placed these orders, and nothing is kept."""
    known = set(strangers(venue).values_list("identity", flat=True))
    names = {order_ids.read(client_order_id) for client_order_id in client_order_ids}
    new = sorted({name.identity for name in names if name is not None} - known)
    return [*told(venue), *(sentence(OtherInstallation(venue=venue, identity=identity)) for identity in new)]


def sentence(row: OtherInstallation) -> str:
    """Who it is, since when, and what to do."""
    since = moment(row.first_seen)
    text = f"Another Hedgehog (identity {row.identity}) trades on this key at {row.venue} since {since}"
    if row.taken_over_at is None:
        advice = (
            f"Its orders stay untouched, and both spend one balance. If it is gone for good, "
            f"`manage.py identity take-over {row.identity}` makes its orders yours to adopt or cancel."
        )
    elif is_alive_after_all(row):
        taken = moment(row.taken_over_at)
        advice = f"It was taken over at {taken} and has placed {row.last_order} since: stop it."
    else:
        advice = f"It was taken over at {moment(row.taken_over_at)}: `manage.py orphans` lists its orders."
    if row.was_ours_until:
        text += f" (this installation had that identity until {moment(row.was_ours_until)})"
    return f"{text}. {advice}"


def is_alive_after_all(row: OtherInstallation) -> bool:
    """Whether it has placed something since it was taken over."""
    return bool(row.taken_over_at and row.placed_at and row.placed_at > row.taken_over_at)


def perhaps_the_reason(venue: Venue | str) -> str:
    """Who else may have used the balance of this account; empty where nobody is known to."""
    own, now = Installation.identity_if_any(), timezone.now()
    said = [
        f"a copy of this installation ({own})" if row.identity == own else f"another Hedgehog ({row.identity})"
        for row in OtherInstallation.objects.filter(venue=venue)
        if row.identity == own or _is_news(row, now)
    ]
    return f" Possible reason: {' or '.join(said)} trades on this key." if said else ""


def _is_news(row: OtherInstallation, now: datetime) -> bool:
    return row.open_orders > 0 or row.last_seen > now - NEWS_FOR


def moment(at: datetime) -> str:
    return f"{at:%d %b %H:%M:%S} UTC"
