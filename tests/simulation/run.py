"""One seed: a world under misfortunes, watched after every step, and audited once it has calmed down."""

import gc
import hashlib
import logging
import sqlite3
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache

from django.core.management import call_command
from django.db import connection

from hedgehog_project.venues import Venue
from tests.simulation.checks.acted import acted
from tests.simulation.checks.exits import ExitWatch
from tests.simulation.checks.invariants import Watch
from tests.simulation.checks.rows import ZERO, read
from tests.simulation.checks.rules import RuleWatch
from tests.simulation.surroundings.conditions import USUAL, Conditions
from tests.simulation.surroundings.line import Broken
from tests.simulation.surroundings.luck import NO_MISFORTUNE
from tests.simulation.surroundings.patches import prepare, surround
from tests.simulation.surroundings.world import World
from trading.core.orders import OrderStatus
from trading.core.strategy import TraderState
from trading.identity import runs
from trading.models import Fill, Order, Orphan, Trader, TradingSettings
from trading.models.orphans import Resolution
from trading.models.symbols import TradingStatus, forget_filters
from trading.reconciliation import orphans
from trading.reconciliation.audit import audit
from trading.reconciliation.reconcile import reconcile
from trading.risk import kill_switch, protections

STEPS = 60
# What is under way when the misfortunes end is settled by then: proofs, growing waits, a comparison of the books.
CALM_S = 70
SETTLING_STEPS = 200


@dataclass
class Outcome:
    seed: int
    failure: str = ""
    steps: int = 0
    cycles: int = 0
    orders: int = 0
    fills: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    acted: Counter[str] = field(default_factory=Counter)  # how often each rule did
    # Of all rows and of the exchange's books: equal where two runs were equal.
    digest: str = ""


@cache
def _empty_database() -> bytes:
    """A migrated database without rows. Made once a process, or before it forks."""
    logging.disable(logging.CRITICAL)
    connection.ensure_connection()
    call_command("migrate", verbosity=0)
    blob: bytes = connection.connection.serialize()
    connection.connection.close()
    connection.connection = None
    prepare()
    return blob


def make_ready() -> None:
    """What the processes that are forked from this one need not do each for itself."""
    _empty_database()
    # What is there by now stays: looking through it for garbage again and again would take a tenth of the time.
    gc.collect()
    gc.freeze()


def run(seed: int, conditions: Conditions = USUAL) -> Outcome:
    """Never raises for what the world came to: the outcome tells."""
    blob = _empty_database()
    connection.ensure_connection()
    connection.connection.deserialize(blob)
    world, outcome = World(seed, conditions), Outcome(seed)
    try:
        with surround(world):
            _live(world, outcome)
    except (Exception, Broken) as error:  # noqa: BLE001 the runner shows it, and the command that repeats it
        outcome.failure = _said(error)
    _leave_transaction()
    outcome.struck = Counter(dict(sorted(world.chance.struck.items())))
    outcome.acted = acted() + world.people.wishes
    outcome.cycles = Trader.objects.filter(state=TraderState.FINISHED).count()
    outcome.orders, outcome.fills = Order.objects.count(), Fill.objects.count()
    outcome.digest = _digest(world)
    world.context.exchange.store.close()
    return outcome


def _live(world: World, outcome: Outcome) -> None:
    watch = Watch(world)
    rules, exits = RuleWatch(world, watch), ExitWatch(world, watch)
    world.begin()
    backup_at = restore_at = STEPS
    if world.chance.strikes("books_restored"):
        backup_at, restore_at = sorted(world.chance.sample(range(STEPS), 2))
        # Whose an order is that the database lacks is told by when it was placed. What a copy has placed before can't
        # be told from what the backup has forgotten.
        world.wall.is_left_alone, world.others.has_copy = True, False
    backup = b""
    for number in range(STEPS):
        outcome.steps += 1
        if number == backup_at:
            backup = connection.connection.serialize()
        if number == restore_at:
            connection.connection.deserialize(backup)
            runs.end()
            world.wake_ups.empty()  # Everything was stopped for it.
            forget_filters()
            protections.forget()
            watch.forget()
        if number == world.slots.turned_at:
            world.people.turn_to_the_ladder()
        world.step()
        watch.check()
        rules.check()
        exits.check()
    world.chance.luck, world.market_moves = NO_MISFORTUNE, False
    world.wake_ups.refusing.end()
    world.others.stop_copy()
    if watch.has_forgotten:
        # What people turned off is off again, and they have forgotten to turn it on.
        kill_switch.resume("anna")
        TradingSettings.objects.update(status=TradingStatus.ON)
        # As after every restored backup, `manage.py reconcile`: by itself a quiet symbol is looked at once an hour.
        # Whoever is told that the exchange asks to wait tries it again.
        while reconcile(Venue.MOCK, world.line.at, is_thorough=True).stopped:
            world.sleep(5)
    calm_since = world.now
    for _ in range(SETTLING_STEPS):
        outcome.steps += 1
        world.settle()
        watch.check()
        rules.check()
        exits.check()
        is_clear = not read("SELECT 1 FROM trading_order WHERE status = %s", OrderStatus.SUBMITTING)
        if (world.now - calm_since).total_seconds() > CALM_S and world.is_quiet and is_clear:
            break
    else:
        raise AssertionError("I6: it does not come to rest")
    if watch.has_forgotten:
        watch.check_what_was_forgotten()
        return
    watch.check_the_end()
    moved, gone = world.others.moved, world.taken_away
    start = {
        asset: world.money.get(asset, ZERO) + moved.get(asset, ZERO) - gone.get(asset, ZERO)
        for asset in {*world.money, *moved, *gone}
    }
    _cancel_what_may_be_a_copys(world)
    differences = audit(Venue.MOCK, world.line, start)
    if differences:
        raise AssertionError("; ".join(map(str, differences)))
    if not moved and not gone and not read("SELECT 1 FROM trading_orphan"):
        # However late, lost or shuffled the reports were: nothing came in or went out.
        transfers = read("SELECT asset, amount, told_by FROM trading_transfer WHERE told_by != 'start'")
        if transfers:
            raise AssertionError(f"transfers that nobody made: {transfers}")


def _cancel_what_may_be_a_copys(world: World) -> None:
    """What a copy placed about when this one started can't be told from ours: as `manage.py orphans cancel`."""
    for orphan in Orphan.objects.filter(resolution=Resolution.UNRESOLVED):
        if orphan.is_open and orphan.client_order_id in world.others.names:
            orphans.cancel(orphan, "anna", world.line.at)


def _leave_transaction() -> None:
    """Where a failure was raised inside one, as in a wrapper around a query."""
    if connection.in_atomic_block:
        connection.close()
        connection.ensure_connection()


def _said(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    if isinstance(error, AssertionError | Broken):
        return text
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {text} ({last.filename.rpartition('/')[2]}:{last.lineno})"


def _digest(world: World) -> str:
    rows: list[object] = []
    for table in ("trading_trader", "trading_order", "trading_fill", "trading_journalentry"):
        cursor: sqlite3.Cursor = connection.connection.execute(f"SELECT * FROM {table} ORDER BY id")
        rows += cursor.fetchall()
    held: Sequence[tuple[str, Decimal, Decimal]] = [
        (asset, balance.free, balance.locked)
        for asset, balance in world.context.exchange.engine.ledger.balances().items()
    ]
    return hashlib.sha256(repr([rows, held]).encode()).hexdigest()[:16]
