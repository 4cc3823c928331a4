"""Reconciliation: our books against the exchange's, and ours repaired from there.

Nothing is undone by an answer that is older than what is known: whatever the exchange says goes the way of every
report, and an order's books only move forward. Two comparisons side by side do no harm.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

import redis
from django.db import IntegrityError
from django.db.models import QuerySet
from django.utils import timezone

from hedgehog_project.database.compiled import Compiled
from hedgehog_project.database.errors import passes
from hedgehog_project.outside import one_line
from hedgehog_project.redis import connect, give_back, take
from hedgehog_project.venues import Venue, rests
from trading.books import account, transfers
from trading.core.journal import Source
from trading.core.money import plain
from trading.core.orders import OPEN, OrderReport, OrderStatus
from trading.exchange.client import clock_offset
from trading.exchange.errors import ExchangeError, KeyRejected, NotFound, Refused, Throttled
from trading.exchange.order_ids import Name, read
from trading.exchange.protocol import Exchange, ExchangeAt
from trading.identity import copies, others
from trading.identity.verdicts import Judge, Whose
from trading.models import Installation, Order, Orphan, Reconciliation, Switch, Trader
from trading.models.orders import IN_FLIGHT, RESTING
from trading.reconciliation import fill_marks, orphans
from trading.reconciliation.shortages import shortages
from trading.risk import balances
from trading.traders import acting
from trading.traders.rejections import is_namesake

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

# What is under way between two looks at the balances is no shortage; what both show is.
LOOK_AGAIN_S = 1.0
# A comparison that takes longer no longer keeps others away.
ALONE_S = 20
# A report that nobody booked is handed on again after three seconds, and a busy machine takes longer. What a minute,
# the time between two comparisons, has not brought was lost.
REPORTS_TAKE = timedelta(minutes=1)


def reconcile(
    venue: Venue, exchange_at: ExchangeAt, task_id: str = "", is_dry: bool = False, is_thorough: bool = False
) -> Reconciliation:
    """Compares our books with the exchange's and repairs ours from there; what that came to.

    Raises nothing of the exchange's: where it could not go on, `stopped` says why. `is_dry`: changes nothing, and
    what would be repaired counts as repaired. `is_thorough`: looks at the fills of every symbol, not of those alone
    that could have traded since, and at orphans that have ended. What changed there so lately that its report may be
    on its way is taken in as well, and counts as late.
    """
    row = Reconciliation(venue=venue, task_id=task_id)
    comparison = _Comparison(venue, exchange_at, row, is_dry, is_thorough)
    began = time.monotonic()
    try:
        comparison.run(exchange_at(venue))
    except ExchangeError as error:
        row.stopped = str(error)[:300]
    row.took_ms = round((time.monotonic() - began) * 1000)
    row.text = "\n".join(comparison.lines)
    if not is_dry:
        row.keep()
    if not row.is_well:
        log.warning("reconciled: %s", row)
    return row


def last(venue: Venue) -> Reconciliation | None:
    """The newest comparison at a venue."""
    return Reconciliation.objects.filter(venue=venue).first()


def venues_in_use() -> list[Venue]:
    """The switch's venue, and those where a trader lives, an order is open or an orphan unresolved.

    Not the mock's worlds that rest: the exchange would answer for the one that runs.
    """
    found = {Switch.current(), *(Venue(venue) for each in _IN_USE for venue in each())}
    return sorted(venue for venue in found if not rests(venue))


def _venues_of(rows: Callable[[], QuerySet[Any]]) -> Compiled[str]:
    return Compiled(lambda: rows().order_by().values_list("venue", flat=True).distinct())


_IN_USE = [
    _venues_of(lambda: Trader.objects.filter(finished_at__isnull=True)),
    _venues_of(lambda: Order.objects.filter(status__is_open=True)),
    _venues_of(lambda: Orphan.objects.filter(resolved_at=None)),
]


@contextmanager
def alone(venue: Venue) -> Iterator[bool]:
    """Whether nobody else compares the books of this venue just now; where Redis is away, nobody can tell."""
    key, token, has_it = f"reconcile:alone:{venue}", None, True
    try:
        token = take(connect(), key, ALONE_S)
        has_it = token is not None
    except redis.RedisError as error:
        log.warning("reconciling without a lock, Redis is down: %s", error)
    try:
        yield has_it
    finally:
        if token is not None:
            try:
                # Not another one's: this comparison may have taken longer than it may be alone.
                give_back(connect(), key, token)
            except redis.RedisError as error:
                log.warning("the next reconciliation may wait %s s: %s", ALONE_S, error)


@dataclass
class _Comparison:
    """One comparison under way. What it finds stands in `row` and `lines`."""

    venue: Venue
    exchange_at: ExchangeAt
    row: Reconciliation
    is_dry: bool
    is_thorough: bool
    lines: list[str] = field(default_factory=list)
    judge: Judge = field(init=False)
    told: tuple[account.Balances, datetime] | None = None  # the balances, and when they were asked

    def run(self, exchange: Exchange) -> None:
        """Raises Throttled, KeyRejected, and whatever keeps it from the list of open orders."""
        # Our rows first: an order that is placed meanwhile is then on the exchange's list only. What is SUBMITTING is
        # the leader's to ask about.
        rows = list(_orders(self.venue).filter(RESTING))
        self.judge = Judge.at(self.venue, timezone.now())
        open_there = {report.client_order_id: report for report in exchange.open_orders()}
        self.row.orders = len(rows)
        # Unknown orders go to their traders before ours are repaired: a trader that hears of its buy's fill would
        # else place a second sale beside one that it does not know.
        unknown = orphans.unknown_of(open_there.values(), self.judge.names)
        looks = self._look_at_fills(exchange, unknown)
        missing = {report.client_order_id: report for look in looks for report in look.missing}
        unknown += orphans.unknown_of(missing.values(), self.judge.names)
        if self.is_thorough:
            unknown += self._ended_orphans(exchange)
        self._give_away({each.client_order_id: each for each in unknown})
        self._note_strangers(open_there, looks)
        for row in rows:
            there = missing.pop(row.client_order_id, None) or open_there.get(row.client_order_id)
            if there is None or _differs(row, there):
                self._repair(row, there)
        for row in _orders(self.venue).filter(client_order_id__in=missing):
            self._repair(row, missing[row.client_order_id])
        ended = (
            _orders(self.venue)
            .exclude(status__in=(*OPEN, OrderStatus.LET_GO))
            .exclude(pk__in=[row.pk for row in rows])
        )
        for row in ended.filter(client_order_id__in=open_there):
            self._ended_only_here(row, open_there[row.client_order_id])
        self._look_at_orphans(exchange, open_there)
        self._look_at_balances(exchange)
        if not self.is_dry:
            # What could not be booked is looked at again by the next comparison.
            fill_marks.move(self.venue, looks)

    # --- fills ------------------------------------------------------------------------------------
    def _look_at_fills(self, exchange: Exchange, unknown: Sequence[OrderReport]) -> list[fill_marks.Look]:
        """A question that fails concerns its symbol alone: it is asked again, after those of the others."""
        known = Orphan.objects.filter(venue=self.venue).values_list("client_order_id", flat=True)
        seen = set(known.filter(client_order_id__in=[report.client_order_id for report in unknown]))
        news = {report.symbol for report in unknown if report.client_order_id not in seen}
        looks: list[fill_marks.Look] = []
        failed: dict[str, str] = {}
        unanswered = 0
        for symbol in fill_marks.due(self.venue, news, self.is_thorough):
            if unanswered == fill_marks.MAX_UNANSWERED:
                self._leave("the exchange does not answer: the fills of the other symbols are checked later")
                break
            try:
                looks.append(fill_marks.look(exchange, self.venue, symbol, self.judge.names))
            except (Throttled, KeyRejected):
                if not self.is_dry:
                    # Those that were looked at have had their turn: else the next comparison comes no further.
                    fill_marks.move(self.venue, looks)
                raise
            except ExchangeError as error:
                unanswered = 0 if isinstance(error, Refused) else unanswered + 1
                failed[symbol] = str(error)
                if not self.is_dry:
                    fill_marks.note_failure(self.venue, symbol, error)
            else:
                unanswered = 0
        self.row.fills = sum(look.fills for look in looks)
        if not self.is_dry:
            fill_marks.note_answers(self.venue, [look.symbol for look in looks])
        unchecked = fill_marks.unchecked(self.venue) | failed
        self.row.unchecked = len(unchecked)
        self.lines += [f"fills of {symbol} cannot be checked: {why}" for symbol, why in sorted(unchecked.items())]
        return looks

    # --- orders that the database lacks -----------------------------------------------------------
    def _ended_orphans(self, exchange: Exchange) -> list[OrderReport]:
        """What the exchange says of orphans that have ended, which no list of open orders shows."""
        found = []
        for orphan in orphans.worth_another_try(self.venue, self.judge.names):
            report = self._try(str(orphan), partial(exchange.order, orphan.symbol, orphan.client_order_id))
            found += [report] if report is not None else []
        return found

    def _give_away(self, unknown: dict[str, OrderReport]) -> None:
        """Gives each to the trader that can claim it; what nobody can is an orphan. Strangers' are left alone."""
        self._look_for_a_copy(unknown.values())
        groups: dict[tuple[str, Name | None], list[OrderReport]] = {}
        for report in unknown.values():
            if self.judge.verdict(report).whose != Whose.STRANGER:
                groups.setdefault((report.symbol, read(report.client_order_id)), []).append(report)
        for group in groups.values():
            verdicts = [self.judge.verdict(report) for report in group]
            why_not = next((verdict.why for verdict in verdicts if verdict.whose != Whose.OURS), "")
            if self.is_dry:
                for report in group:
                    self._leave(f"{_told(report)}: not in the database{f', {why_not}' if why_not else ''}")
            elif why_not:
                for report, verdict in zip(group, verdicts, strict=True):
                    orphans.record(self.venue, report, why_not, is_of_copy=verdict.whose == Whose.COPY)
            else:
                self._claim(group)

    def _look_for_a_copy(self, unknown: Iterable[OrderReport]) -> None:
        """Where one shows itself nothing is claimed any more, of what was placed before as well."""
        found = [report for report in unknown if self.judge.verdict(report).whose == Whose.COPY]
        if not found:
            return
        self.judge = replace(self.judge, is_copied=True)
        if not self.is_dry:
            others.note(self.venue, [self._seen(report) for report in found])

    def _claim(self, group: list[OrderReport]) -> None:
        names = ", ".join(_told(report) for report in group)
        try:
            exchange = self.exchange_at(self.venue)
            group = [orphans.with_fills(report, exchange) for report in group]
            claim = orphans.claim(self.venue, group, self.exchange_at, self.row.task_id)
        except (Throttled, KeyRejected):
            raise
        except ExchangeError as error:
            self._leave(f"{names}: {error}")
            return
        if not claim.why_not:
            self._repaired(f"{names}: missing in the database, restored to its trader", len(group) + claim.learned)
        for report in group if claim.why_not else ():
            orphans.record(self.venue, report, claim.why_not)

    def _note_strangers(self, open_there: dict[str, OrderReport], looks: Sequence[fill_marks.Look]) -> None:
        """Says who else trades on this key. A copy needs a person; a stranger is no difference of the books."""
        reports = [*open_there.values(), *(report for look in looks for report in look.strangers)]
        # By now: the first order of all, or a person, may have given us another one since the comparison began.
        own = Installation.identity_if_any()
        theirs = [report for report in reports if self._is_strangers(report) and not _names(report, own)]
        if self.is_dry:
            self.lines += others.told_of(self.venue, [report.client_order_id for report in theirs])
        else:
            others.note(self.venue, [self._seen(report) for report in theirs])
            others.count_open(self.venue, open_there)
            self.lines += others.told(self.venue)
        for sentence in copies.told(self.venue):
            self._leave(sentence)

    def _is_strangers(self, report: OrderReport) -> bool:
        if self.judge.names.stranger(report.client_order_id):
            return True
        is_known = Order.objects.filter(client_order_id=report.client_order_id).exists
        return self.judge.verdict(report).whose == Whose.STRANGER and not is_known()

    def _seen(self, report: OrderReport) -> others.Seen:
        return report.client_order_id, self.judge.placed_at(report)

    def _look_at_orphans(self, exchange: Exchange, open_there: dict[str, OrderReport]) -> None:
        if self.is_dry:
            return  # Told by _give_away, as far as the exchange shows them.
        for orphan in orphans.unresolved(self.venue):
            if orphan.is_open and orphan.client_order_id not in open_there:
                self._try(str(orphan), partial(orphans.look_again, orphan, exchange))
        orphans.settle(self.venue)
        for orphan in orphans.unresolved(self.venue):
            self._leave(f"orphan {orphan.client_order_id}, {orphan}, {orphan.status.lower()}: {orphan.why}")

    # --- orders of ours ---------------------------------------------------------------------------
    def _repair(self, row: Order, there: OrderReport | None) -> None:
        """Has the order's trader hear what the exchange says of it; None: it is not open there any more."""
        before = _state(row)
        row.refresh_from_db()
        if _state(row) != before and (not OrderStatus(row.status).is_open or (there and not _differs(row, there))):
            return  # Its report has come meanwhile.
        told = f"{row.client_order_id}, {row}: {_here(before)} here, {_there(there)}"
        before, answer = _state(row), there

        def learn() -> bool:
            nonlocal answer
            exchange = self.exchange_at(self.venue)
            answer = answer or _answer(exchange, row)
            if self.is_dry:
                return False
            if answer is None:
                return acting.ask(row.pk, self.exchange_at, self.row.task_id, source=Source.RECONCILIATION)
            booked = sum((fill.quantity for fill in row.fills.all()), Decimal(0))
            report = answer
            if answer.executed > booked and not answer.fills:
                report = orphans.with_fills(answer, exchange)
            return acting.hear(report, Source.RECONCILIATION, self.exchange_at, self.row.task_id)

        if self._try(told, learn) is None:
            return
        if self.is_dry:
            self._repaired(told, is_late=self._is_late(answer))
            return
        row.refresh_from_db()
        if _state(row) != before:
            self._repaired(f"{told}: {_here(_state(row))} now", is_late=self._is_late(answer))

    def _is_late(self, answer: OrderReport | None) -> bool:
        """Whether the report of this may just be on its way: then it was no difference."""
        if answer is None or not answer.at_ms:
            return False
        now_there = timezone.now() + clock_offset(self.venue)
        return now_there - datetime.fromtimestamp(answer.at_ms / 1000, UTC) < REPORTS_TAKE

    def _ended_only_here(self, row: Order, there: OrderReport) -> None:
        """The list may be older than our order's end. Where it is not, the order's own reports may still open it."""
        exchange = self.exchange_at(self.venue)
        now = self._try(row.client_order_id, lambda: exchange.order(there.symbol, there.client_order_id))
        if now is None or not now.status.is_open:
            return
        left, before = self.row.left, _state(row)
        self._repair(row, now)
        row.refresh_from_db()
        # One that shows late is booked as open, and cancelled at once.
        if _state(row) == before and not self.is_dry and self.row.left == left:
            self._leave(
                f"{row.client_order_id}, {row}: {_here(_state(row))} here, "
                f"still open at {self.venue}: cancel it there"
            )

    # --- balances ---------------------------------------------------------------------------------
    def _look_at_balances(self, exchange: Exchange) -> None:
        found = self._try("balances", lambda: self._shortages(exchange))
        if found:
            time.sleep(LOOK_AGAIN_S)
            again = self._try("balances", lambda: self._shortages(exchange))
            for asset in sorted(found.keys() & (again or {}).keys()):
                self._leave((again or found)[asset])
        if self.told is not None and not self.is_dry:
            self._try("account value", partial(self._measure, exchange, *self.told))

    def _measure(self, exchange: Exchange, told: account.Balances, asked_at: datetime) -> None:
        """Keeps what the account is worth, and what came in or went out of it."""
        in_flight = Order.objects.filter(IN_FLIGHT, venue=self.venue).exists()
        transfers.check(self.venue, told, asked_at, is_certain=not in_flight and not self.row.unchecked)
        account.measure(self.venue, told, asked_at, exchange)

    def _shortages(self, exchange: Exchange) -> dict[str, str]:
        asked_at = timezone.now()
        told = exchange.balances()
        if not self.is_dry:
            balances.keep(self.venue, told, asked_at)
            self.told = told, asked_at
        return shortages(self.venue, told)

    # --- what was found ---------------------------------------------------------------------------
    def _try(self, what: str, do: Callable[[], Answer]) -> Answer | None:
        """One question that fails is noted and the others go on. Raises Throttled and KeyRejected, which hit all."""
        try:
            return do()
        except (Throttled, KeyRejected):
            raise
        except ExchangeError as error:
            self._leave(f"{what}: {error}")
            return None
        except IntegrityError:
            # An order that was taken for never placed rests, and its trader has placed another one since (I2).
            self._leave(f"{what}: its trader has another open order on that side: cancel one of them at the exchange")
            return None
        except Exception as error:
            if passes(error):
                raise
            # A fault of ours, or of a strategy. Whatever it is, the others are compared.
            log.exception("not compared: what=%s", what)
            self._leave(f"{what}: {type(error).__name__}: {one_line(error)}")
            return None

    def _repaired(self, line: str, count: int = 1, is_late: bool = False) -> None:
        if is_late:
            self.row.late += count
            return
        self.row.repaired += count
        self.lines.append(line)

    def _leave(self, line: str) -> None:
        self.row.left += 1
        self.lines.append(line)


_State = tuple[str, Decimal, int]


def _orders(venue: Venue) -> QuerySet[Order]:
    return Order.objects.filter(venue=venue).select_related("symbol")


def _answer(exchange: Exchange, row: Order) -> OrderReport | None:
    """What the exchange says of an order; None where it says that it has none. Raises the exchange's other errors."""
    try:
        report = exchange.order(row.symbol.name, row.client_order_id)
    except NotFound:
        return None
    return None if is_namesake(row, report) else report


def _state(row: Order) -> _State:
    return (row.status, row.executed, row.fills.count() if row.executed else 0)


def _differs(row: Order, there: OrderReport) -> bool:
    return (there.executed, there.status) != (row.executed, row.status) or bool(there.fills)


def _here(state: _State) -> str:
    return _so_far(state[0], state[1])


def _there(there: OrderReport | None) -> str:
    return f"{_so_far(there.status, there.executed)} there" if there else "not open there"


def _so_far(status: str, executed: Decimal) -> str:
    return f"{status.lower().replace('_', ' ')}{f' with {plain(executed)}' if executed else ''}"


def _names(report: OrderReport, identity: str) -> bool:
    """Whether its client order id names that installation."""
    name = read(report.client_order_id)
    return name is not None and name.identity == identity


def _told(report: OrderReport) -> str:
    order = f"{report.side} {plain(report.quantity)} {report.symbol} at {plain(report.price)}"
    return f"{report.client_order_id}, {order}"
