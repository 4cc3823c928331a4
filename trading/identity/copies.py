"""Copies of this installation: as long as one is known, nothing is placed that may be the copy's as well.

A copy has the same identity and the same traders. It shows itself by placing an order of our identity while this one
runs. What both have in their books, because it was bought before the home was copied, both would sell: the second
sale would take coins that are the owner's. So nothing is bought, and only what this run has bought is sold.

Before a copy has shown itself, a position that this run has inherited is sold a little late: whoever has bought it,
and runs still, sells it at once, and is seen. docs/identity.md.
"""

from datetime import datetime, timedelta

from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from hedgehog_project.database.compiled import Compiled
from hedgehog_project.venues import Venue
from trading.core.denials import Check, Denial
from trading.core.money import ZERO
from trading.core.orders import OrderReport, Side
from trading.exchange import order_ids
from trading.identity import others, runs
from trading.identity.others import moment
from trading.identity.runs import Runs, When
from trading.models import Installation, Order, Orphan, OtherInstallation, Trader
from trading.models.choices import of_running
from trading.models.orders import COULD_TRADE

# How long a denied trader rests; the decision which one continues makes all of them due.
REST = timedelta(seconds=60)
TOPIC = "a copy of this installation is running"
# What was bought before this run is sold so long after its last order has changed, and up to so much later. Two that
# have both inherited it began at different moments, and so differ in that.
LATE_BY, SPREAD = timedelta(seconds=2), timedelta(seconds=3)
LATE_TOPIC = "bought before the last start, sold with a delay in which a copy of this installation would show"


_COPY = Compiled(
    lambda venue: OtherInstallation.objects.filter(
        venue=venue, identity__in=Installation.objects.values("identity")
    ).order_by("first_seen"),
    str,
)


def copy_at(venue: Venue | str) -> OtherInstallation | None:
    """The copy that was seen at a venue, until a person decides. One query: each order asks."""
    return _COPY.first(Venue(venue).value)


def heard(venue: Venue, report: OrderReport) -> None:
    """Takes in the report of an order that the database lacks: a copy is known from its first one on."""
    name = order_ids.read(report.client_order_id)
    if name is None or not name.identity or name.identity != Installation.identity_if_any():
        return
    placed_at = runs.by_our_clock(venue, report.placed_ms)
    if Runs.at(timezone.now()).when(placed_at) == When.RUNNING:
        others.note(venue, [(report.client_order_id, placed_at)])


def denial(trader: Trader, side: Side) -> Denial | None:
    """Why a copy that is known, or may be, denies this trader's order; None where none does."""
    copy = None if trader.claimed and not trader.claimed.is_copied else copy_at(trader.venue)
    if copy is None:
        return _until_a_copy_had_its_turn(trader) if side == Side.SELL else None
    if side == Side.SELL and _is_surely_ours(trader, copy):
        return None
    return Denial(f"{TOPIC}: choose which one continues by `manage.py identity`", REST, TOPIC, Check.COPY)


def _until_a_copy_had_its_turn(trader: Trader) -> Denial | None:
    now = timezone.now()
    began_at = runs.began_at(now)
    if began_at is None:
        return None
    inherited = _traded(trader).filter(submitted_at__lt=began_at).aggregate(last=Max("updated_at"))
    if inherited["last"] is None:
        return None
    # In its first seconds a run has not compared the books yet.
    late_by = LATE_BY + SPREAD * (began_at.microsecond / 1_000_000)
    wait = max(began_at + runs.MARGIN, _last_change(trader) + late_by) - now
    # A wait that is longer than any of these can be is a clock that was set.
    return Denial(LATE_TOPIC, wait, LATE_TOPIC, Check.COPY) if timedelta(0) < wait <= runs.MARGIN else None


def _is_surely_ours(trader: Trader, copy: OtherInstallation) -> bool:
    """Whether all that the trader holds was bought by itself, in this run, and the copy does not sell it."""
    began_at = runs.began_at(timezone.now())
    if began_at is None or _traded(trader).filter(Q(is_claimed=True) | Q(submitted_at__lt=began_at)).exists():
        return False
    # Both may have had this trader before the home was copied. Then what the copy sells for it, it had not bought.
    theirs = Orphan.objects.filter(
        venue=trader.venue, is_of_copy=True, client_order_id__startswith=f"hh-{copy.identity}-{trader.pk}-"
    )
    net = ZERO
    for orphan in theirs:
        reach = orphan.quantity if orphan.is_open else orphan.executed
        net += reach if orphan.side == Side.BUY else -reach
    return net >= 0


def _traded(trader: Trader) -> "QuerySet[Order]":
    return Order.objects.filter(COULD_TRADE, trader=trader)


def _last_change(trader: Trader) -> datetime:
    changed = trader.orders.aggregate(last=Max("updated_at"))["last"]
    return changed or trader.created_at


def told(venue: Venue | str | None = None) -> list[str]:
    """One sentence for each venue that runs where a copy was seen, or for this one."""
    # One query: each page asks.
    rows = OtherInstallation.objects.filter(identity__in=Installation.objects.values("identity"))
    return [sentence(row) for row in rows.filter(of_running() if venue is None else Q(venue=venue))]


def sentence(row: OtherInstallation) -> str:
    at = f" at {moment(row.placed_at)}" if row.placed_at else ""
    return (
        f"A copy of this installation (identity {row.identity}) is running at {row.venue} since "
        f"{moment(row.first_seen)}: it placed {row.last_order}{at}, while this one ran. Buys are denied here, and "
        "only positions of this run are sold, until you choose which one continues: `manage.py identity`."
    )
