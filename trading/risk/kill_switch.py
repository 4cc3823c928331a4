"""The kill switch: halting and resuming, one function each, for the admin and the commands.

The switch's row is the truth. Beside it, a request in HEDGEHOG_HOME denies the orders of one home where the row
can't be written at once (hedgehog_project/halt_request.py); whoever leads turns it into the row.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from hedgehog_project import halt_request
from hedgehog_project.halt_request import Request
from hedgehog_project.hiding import hidden
from hedgehog_project.hurry import hurried, hurried_look
from hedgehog_project.outside import one_line, sentence
from trading.core.money import plain
from trading.core.orders import Side
from trading.exchange.protocol import ARRIVES_WITHIN, SEND_WITHIN
from trading.models import Order, Switch, Symbol, Trader, TradingSettings
from trading.models.choices import of_running
from trading.models.orders import IN_FLIGHT, RESTING
from trading.models.switch import TradingMode
from trading.models.symbols import TradingStatus

log = logging.getLogger(__name__)

# Between two looks at orders that may be on their way.
LOOK_S = 0.05


def halt(by: str, why: str = "", mode: TradingMode = TradingMode.HALTED, cancel_buys: bool = False) -> None:
    """Lets no order pass any more, or none but sales, at every venue. Raises Django's database errors.

    Once this has returned and is committed, a call that the mode forbids begins for such orders alone as were saved
    before: they are in `on_their_way`, and each is signed within SEND_WITHIN of being saved or never. With
    `cancel_buys` the leader cancels resting buys, those as well that turn out later to rest.
    """
    _turn(mode, by, why, cancel_buys)


@dataclass(frozen=True)
class Halted:
    """How far a halt reaches. `here` and `everywhere` say in words what keeps it from that; empty where it does."""

    mode: TradingMode
    since: datetime
    here: str  # all processes of this home, by the request
    everywhere: str  # all processes that use the database, by the row
    is_away: bool = False  # there was no connection to the database
    before: str = ""  # what denied orders already, in words

    @property
    def holds(self) -> bool:
        """Whether it denies anybody's orders."""
        return not (self.here and self.everywhere)

    def lines(self) -> list[str]:
        what = "order" if self.mode == TradingMode.HALTED else "buy"
        since = f"since {clock(self.since)}"
        if not self.everywhere:
            reach = f"no process that uses this database sends a new {what}, on any machine, at any venue"
            return [
                f"Trading is {self.mode} {since}: {reach}.",
                *([f"Before: {self.before}."] if self.before else []),
            ]
        if self.here:
            return [f"Trading is NOT {self.mode}. {self.here} It is not in the database either: {self.everywhere}"]
        return [
            f"Trading is {self.mode} {since} for every process of HEDGEHOG_HOME {settings.HEDGEHOG_HOME} on this "
            f"machine: none sends a new {what}.",
            f"The halt is not in the database yet: {self.everywhere} The leader of this home writes it there as soon "
            "as it can. Until then a process with another home continues if it reaches the database; without the "
            f"database no process can send a new {what}.",
        ]


def halt_now(
    by: str,
    why: str,
    mode: TradingMode,
    cancel_buys: bool,
    filed: tuple[Request, float] | None = None,
    is_logged: bool = True,
) -> Halted:
    """As `halt`, for a person: within seconds, also while the database is locked, full or away. Raises nothing.

    `filed`: the request that holds here already, and since when. `is_logged`: False for who prints what comes of it.
    """
    here = everywhere = before = ""
    is_away = False
    if filed is not None:
        wanted, halted_at = filed
    else:
        wanted = halt_request.request(mode, by, why, cancel_buys)
        halted_at = wanted.at
        try:
            halted_at = halt_request.file(settings.HEDGEHOG_HOME, wanted)
        except OSError as error:
            here = f"The request in {settings.HEDGEHOG_HOME} could not be created: {error.strerror or error}."
    try:
        with hurried():
            before = _turn(mode, by, why, cancel_buys, datetime.fromtimestamp(wanted.at, UTC), is_logged)
        # Others, of other homes, only from now on.
        halted_at = time.time()
    except DatabaseError as error:
        everywhere = sentence(in_a_line(error))
        is_away = connection.connection is None
        connection.close()
    try:
        if not everywhere:
            halt_request.withdraw(settings.HEDGEHOG_HOME, wanted)
        elif not here and halt_request.pending(settings.HEDGEHOG_HOME) is None:
            # Another person's halt or resume has taken it away meanwhile.
            halt_request.file(settings.HEDGEHOG_HOME, wanted)
    except OSError as error:
        log.warning("halt request not updated: home=%s error=%s", settings.HEDGEHOG_HOME, error)
    return Halted(mode, datetime.fromtimestamp(halted_at, UTC), here, everywhere, is_away, before)


def keep_request() -> bool:
    """Writes a request of this home into the switch's row. Whether there was one. Raises Django's database errors."""
    home = settings.HEDGEHOG_HOME
    if halt_request.pending(home) is None:
        return False
    with hurried():
        row = _locked()
        wanted = halt_request.pending(home)
        if wanted is None:
            return False  # Somebody has resumed, which takes it away before it lets go of the row.
        row.obey(wanted)
        row.save()
    log.warning("the halt requested in %s is in the database now: %s", home, row.mode_text)
    try:
        halt_request.withdraw(home, wanted)
    except OSError as error:
        log.warning("halt request not removed: home=%s error=%s", home, error)
    return True


def resume(by: str, is_logged: bool = True) -> int:
    """Lets every order pass again, and makes all waiting traders due; returns how many.

    Raises Django's database errors, and OSError where a request of this home can't be taken away: then all stays as
    it is.
    """
    home = settings.HEDGEHOG_HOME
    wanted = halt_request.pending(home)
    try:
        with hurried():
            _locked()
            _turn(TradingMode.ACTIVE, by, "", False, is_logged=is_logged)
            # The leader nudges whoever is due, within a second.
            waiting = Trader.objects.filter(finished_at__isnull=True, retry_at__gt=timezone.now())
            count = waiting.update(retry_at=timezone.now())
            # While the row is locked: a leader would else write it into the row once more.
            halt_request.withdraw(home)
    except DatabaseError:
        if wanted is not None and halt_request.pending(home) is None:
            halt_request.file(home, wanted)
        raise
    return count


def resume_here() -> bool:
    """Takes away a request that never reached the row, while the row can't be written. Whether trading goes on.

    Raises Django's database errors, and OSError.
    """
    mode = Switch.objects.filter(pk=1).values_list("mode", flat=True).first()
    return mode in (None, TradingMode.ACTIVE) and halt_request.withdraw(settings.HEDGEHOG_HOME)


def _locked() -> Switch:
    """The row itself, without a request: nobody else turns it meanwhile."""
    Switch.objects.get_or_create(pk=1)
    return Switch.objects.select_for_update().get(pk=1)


def _turn(
    mode: TradingMode, by: str, why: str, cancel_buys: bool, at: datetime | None = None, is_logged: bool = True
) -> str:
    """Writes the row; in words, what denied orders before. `at`: when it was asked for, by default now.

    Who halts once more adds to what holds: only a resume forgets the reason, the time and that buys are cancelled.
    """
    with transaction.atomic():
        row = _locked()
        # What was asked for at this very time may have been written there by the leader already.
        before = "" if at is not None and row.mode_at == at else row.mode_text
        goes_on = not row.is_active and mode != TradingMode.ACTIVE
        if not (goes_on and row.mode == mode):
            row.mode, row.mode_at = mode, at or timezone.now()
        if why.strip() or not goes_on:
            row.mode_why = why.strip()[:200]
            row.mode_by = by[:150]
        row.cancel_buys = cancel_buys or (goes_on and row.cancel_buys)
        row.save()
    if is_logged:
        cancels = row.cancel_buys
        transaction.on_commit(
            lambda: log.warning("trading is %s: by=%s reason=%s cancels_buys=%s", mode, by, why, cancels)
        )
    return before


@dataclass(frozen=True)
class OnTheWay:
    """Orders that were saved before trading was halted, as they were found right after."""

    rows: list[Order]
    wait_s: float  # so much later none of them can be sent any more
    until: datetime  # the same by the clock

    def lines(self) -> list[str]:
        if not self.rows:
            return []
        reach = clock(self.until + ARRIVES_WITHIN - SEND_WITHIN)
        head = f"In flight, sent by {clock(self.until)} or never (no exchange accepts them after {reach})"
        return [f"{head}: {len(self.rows)}: {_names(self.rows)}"]

    def wait(self) -> list[Order]:
        """Waits until none can be sent any more; those whose outcome is not known then. Raises DatabaseError."""
        give_up = time.monotonic() + self.wait_s
        unclear = self.rows
        while unclear and time.monotonic() < give_up:
            time.sleep(LOOK_S)
            unclear = _still_unclear(unclear)
        return unclear


def found_on_their_way(halted: Halted) -> OnTheWay:
    """To be called once trading is halted. Raises Django's database errors.

    Whoever saves an order looks at the mode once more before it calls (gate.last_look). So an order that was not
    committed yet when this looked is not sent, and one that was is signed within SEND_WITHIN, or never.
    """
    # By our own clock, whatever that of the machine says which saved them. From this look on; where only the request
    # holds, and so only for this home, since it was filed.
    until = timezone.now() + SEND_WITHIN
    if halted.is_away:
        raise OperationalError(f"each is sent by {clock(halted.since + SEND_WITHIN)} or never")
    if halted.everywhere:
        until = halted.since + SEND_WITHIN
    with hurried_look():
        rows = on_their_way().select_related("symbol")
        found = list(rows.filter(side=Side.BUY) if halted.mode == TradingMode.REDUCING else rows)
    return OnTheWay(found, (until - timezone.now()).total_seconds(), until)


def in_the_end(halted: Halted, unclear: list[Order]) -> list[str]:
    """What is said once none of the orders that were on their way can be sent any more."""
    what = "order" if halted.mode == TradingMode.HALTED else "buy"
    of = " of this home" if halted.everywhere else ""
    lines = [f"No {what}{of} can be sent any more."]
    if unclear:
        asks = "Unconfirmed; the leader queries them until their status is known"
        lines.append(f"{asks}: {len(unclear)}: {_names(unclear)}")
    return lines


def _names(rows: list[Order]) -> str:
    return "; ".join(name_of(row) for row in rows)


def _still_unclear(rows: list[Order]) -> list[Order]:
    if not rows:
        return []
    with hurried_look():
        return list(on_their_way().filter(pk__in=[row.pk for row in rows]).select_related("symbol"))


def name_of(row: Order) -> str:
    return f"{row.side} {plain(row.quantity)} {row.symbol.name} at {plain(row.price)} ({row.venue})"


def clock(at: datetime) -> str:
    return f"{at:%H:%M:%S} UTC"


def in_a_line(error: Exception) -> str:
    """An error's words without their line breaks, the full stop, and what must not show."""
    return hidden(one_line(error).rstrip(".")) or type(error).__name__


def wants_buys_back() -> bool:
    row = Switch.row()
    return row.cancel_buys and not row.is_active


def resting(symbols: Sequence[Symbol] | None = None) -> QuerySet[Order]:
    """Acknowledged orders of which more can still trade, oldest first, everywhere; of all symbols, or of these.

    Those of the mock's worlds that do not run are left out, here as everywhere: nobody can cancel them now.
    """
    return _of(symbols, Order.objects.filter(RESTING))


def resting_buys(symbols: Sequence[Symbol] | None = None) -> QuerySet[Order]:
    """Those of them that buy."""
    return resting(symbols).filter(side=Side.BUY)


def on_their_way(symbols: Sequence[Symbol] | None = None) -> QuerySet[Order]:
    """Orders that may reach an exchange yet, or rest there unseen; of all symbols, or of these."""
    return _of(symbols, Order.objects.filter(IN_FLIGHT))


def _of(symbols: Sequence[Symbol] | None, rows: QuerySet[Order], world: str = "") -> QuerySet[Order]:
    rows = rows.filter(of_running(world))
    return (rows if symbols is None else rows.filter(symbol__in=symbols)).order_by("id")


def unwanted(with_buys: bool | None = None, world: str = "") -> QuerySet[Order]:
    """Resting orders that are to be cancelled: those that their traders cancel, by a halt the buys, and of a
    symbol those that it was turned with.

    `with_buys`: whether a halt wants them, where that is known: see wants_buys_back. `world`: see of_running.
    """
    # One that is being replaced is cancelled by the exchange itself: nobody meddles while that is unclear.
    is_being_replaced = Exists(Order.objects.filter(IN_FLIGHT, replaces=OuterRef("pk")))
    wishes = TradingSettings.objects.filter(cancel_orders=True, symbol=OuterRef("symbol"))
    is_off = Exists(wishes.filter(status=TradingStatus.OFF))
    is_ending = Exists(wishes.filter(status=TradingStatus.SHUTDOWN)) & Q(side=Side.BUY)
    with_buys = wants_buys_back() if with_buys is None else with_buys
    of_symbols = Q(side=Side.BUY) if with_buys else is_ending
    rows = _of(None, Order.objects.filter(RESTING), world)
    return rows.filter(~Q(cancel_reason="") | is_off | of_symbols).exclude(is_being_replaced)
