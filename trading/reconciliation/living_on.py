"""What a person decides: which of two copies lives on, or that another installation is gone and this one inherits.

Nothing is placed or cancelled here: whatever rests stays as it is, and the question is only whose it is.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from trading.books.booking import position_of
from trading.core.decisions import Finish
from trading.core.journal import Cause, Kind, Source
from trading.core.money import plain
from trading.core.orders import OrderStatus
from trading.core.position import TraderState
from trading.exchange.order_ids import IDENTITY_LENGTH, new_identity
from trading.models import FillMark, Installation, Leftover, Order, Orphan, OtherInstallation, Trader
from trading.models.journal import write
from trading.models.orphans import Resolution
from trading.traders.cycle_end import end_early
from trading.traders.rows import copy, locked, save
from trading.waking.triggers import Trigger

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """What becoming another installation lets go of."""

    traders: Sequence[Trader]
    orders: Sequence[Order]
    orphans: Sequence[Orphan]


def plan() -> Plan:
    """What `become_new` would let go of."""
    traders = Trader.objects.filter(finished_at__isnull=True).select_related("symbol").order_by("id")
    orders = Order.objects.filter(status__is_open=True).select_related("symbol").order_by("id")
    return Plan(list(traders), list(orders), list(_own_orphans(Installation.own().identity)))


def become_new(by: str) -> Installation:
    """Gives this installation another identity: everything of the old one belongs to the copy that keeps it.

    Live traders end, with what they hold, and their orders rest on: the copy takes them in, as it does what ended
    cycles have left over. New traders of this one begin under the new identity, and each is a stranger to the other.
    """
    row = Installation.own()
    old, now = row.identity, timezone.now()
    why = f"it belongs to the installation that keeps the identity {old}"
    # All at once: no trader that is still there, or begins meanwhile, may act between the two identities.
    with transaction.atomic():
        live = Trader.objects.filter(finished_at__isnull=True).order_by("pk")
        released = [_let_go(trader_id, by, why) for trader_id in live.values_list("pk", flat=True)]
        # Of traders that had ended already.
        Order.objects.filter(status__is_open=True).update(status=OrderStatus.LET_GO, reason=why, updated_at=now)
        _own_orphans(old).update(resolution=Resolution.LEFT, resolved_at=now, resolved_by=by[:150], note=why)
        Leftover.objects.all().delete()
        OtherInstallation.objects.filter(identity=old).update(was_ours_until=now)
        row.identity, row.made_at = new_identity(), now
        row.save()
    for trigger in released:
        copy(trigger)
    log.warning("this installation has a new identity: was=%s is=%s by=%s", old, row.identity, by)
    return row


def _let_go(trader_id: int, by: str, why: str) -> Trigger | None:
    """Ends a trader, whatever it holds and whatever of it rests; its trigger, to be copied once that is committed."""
    trader = locked(trader_id)
    if trader is None or trader.has_ended:
        return None
    position = position_of(trader)
    base, quote = trader.symbol.base_asset, trader.symbol.quote_asset
    owned = position.owned(base)
    cause = Cause(Source.PERSON, by)
    for row in trader.orders.select_for_update(of=("self",)).select_related("symbol").filter(status__is_open=True):
        row.status, row.reason = OrderStatus.LET_GO, why
        row.save(update_fields=["status", "reason", "updated_at"])
        write(trader, cause, Kind.LET_GO, f"lets go of {row}", why, row)
    end_early(trader, Finish(TraderState.ABANDONED, position.profit(base, quote), owned, why), position)
    write(trader, cause, Kind.ABANDONED, "abandoned", f"{why}, with its position of {plain(owned)} {base}")
    return save(trader)


def keep(by: str) -> int:
    """This installation lives on, and its copy was stopped: whatever the copy has placed is taken in as after a
    restored backup. How many traders wait no longer. The books are to be compared next, thoroughly.
    """
    own = Installation.own().identity
    with transaction.atomic():
        OtherInstallation.objects.filter(identity=own).delete()
        Orphan.objects.filter(is_of_copy=True).update(is_of_copy=False)
        Installation.objects.update(kept_at=timezone.now())
        # The leader nudges whoever is due, within a second.
        waiting = Trader.objects.filter(finished_at__isnull=True, retry_at__gt=timezone.now())
        due = waiting.update(retry_at=timezone.now())
    log.warning("this installation continues, its copy does not: identity=%s by=%s", own, by)
    return due


def take_over(identity: str, by: str) -> int:
    """The orders that another installation has placed until now are this one's to adopt or cancel, wherever it was
    seen; at how many venues that is. Raises ValidationError for people.
    """
    if len(identity) != IDENTITY_LENGTH:
        raise ValidationError(
            f"“{identity}” is not an identity: use {IDENTITY_LENGTH} characters, for example k7m2x9."
        )
    if identity == Installation.own().identity:
        raise ValidationError(f"{identity} is this installation itself.")
    with transaction.atomic():
        rows = OtherInstallation.objects.filter(identity=identity)
        count = rows.update(taken_over_at=timezone.now())
        # What it had bought and not sold yet is found by its fills, and those were looked at as a stranger's.
        FillMark.objects.filter(venue__in=rows.values("venue")).delete()
    if not count:
        raise ValidationError(f"No order of an installation {identity} was ever seen here: check the spelling.")
    log.warning("another installation was taken over: identity=%s by=%s", identity, by)
    return count


def _own_orphans(identity: str) -> "QuerySet[Orphan]":
    return Orphan.objects.filter(
        resolution=Resolution.UNRESOLVED, client_order_id__startswith=f"hh-{identity}-"
    ).order_by("id")
