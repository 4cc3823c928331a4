"""What halting and turning off have in common: waiting until nothing is in flight, and cancelling what is open."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from django.core.management.base import CommandError, OutputWrapper
from django.db import DatabaseError
from django.db.models import QuerySet

from hedgehog_project import emergency
from hedgehog_project.venues import Venue
from trading.core.journal import Source
from trading.core.orders import OrderReport, OrderStatus
from trading.exchange.client import exchange_at
from trading.exchange.errors import ExchangeError, NotFound, OutcomeUnknown
from trading.models import Order
from trading.risk.kill_switch import in_a_line, name_of
from trading.traders import acting

# Between two rounds of asking and cancelling.
PAUSE_S = 0.2
# So many orders are cancelled side by side.
AT_ONCE = 8
# What hangs is left so long after its time is over.
GRACE_S = 1.0

Rows = Callable[[], QuerySet[Order]]


def settle(out: OutputWrapper, on_their_way: Rows, resting: Rows, what: str, stays: str, timeout_s: float) -> None:
    """Cancels what rests, `what` in words, and waits until nothing is on its way.

    All are cancelled at the exchange before the first is booked here: the books must not keep an order resting.
    Raises CommandError, which begins with `stays`, after `timeout_s`: it lists what is left, and the leader goes on.
    """
    _Settling(out, what, stays, time.monotonic() + timeout_s).run(on_their_way, resting)


@dataclass(frozen=True)
class _Answer:
    """What an exchange said to a cancel; without a report the order has to be asked about."""

    row: Order
    report: OrderReport | None = None
    problem: str = ""  # it may rest on: the cancel is sent again


class _Settling:
    def __init__(self, out: OutputWrapper, what: str, stays: str, until: float) -> None:
        self._out, self._what, self._stays, self._until = out, what, stays, until
        self._said = ""
        self._left: dict[int, str] = {}  # what is not settled, by the order's row
        self._told: dict[int, _Answer] = {}  # what was cancelled at the exchange, and could not be booked yet

    def run(self, on_their_way: Rows, resting: Rows) -> None:
        watch = emergency.current()
        if watch is not None:
            watch.last_words = self._last_words
            watch.watch(max(0.0, self._until - time.monotonic()) + GRACE_S)
        wanted: dict[int, Order] = {}
        while True:
            going = list(on_their_way().select_related("symbol"))
            rows = list(resting().select_related("symbol"))
            new = [row for row in rows if row.pk not in wanted]
            if new:
                self._out.write(f"Open {self._what} to cancel: {len(new)}")
            wanted |= {row.pk: row for row in new}
            if going:
                self._say(f"Orders in flight, not confirmed yet: {len(going)}")
            if not going and not rows:
                break
            self._left = {row.pk: f"  {name_of(row)}: unconfirmed" for row in going}
            self._left |= {row.pk: f"  {name_of(row)}: {self._how(row)}" for row in rows}
            if time.monotonic() > self._until:
                raise CommandError(self._last_words())
            self._cancel(rows)
            self._ask(going)
            time.sleep(PAUSE_S)
        ended = Order.objects.in_bulk(list(wanted)).values()
        cancelled = sum(row.status == OrderStatus.CANCELED for row in ended)
        filled = sum(row.executed > 0 for row in ended)
        self._out.write(
            f"Cancelled: {cancelled}. Filled before, fully or partially: {filled}. No open {self._what.rstrip('s')} "
            "left."
        )

    def _how(self, row: Order) -> str:
        return "cancelled at the exchange, not recorded here yet" if row.pk in self._told else "open"

    def _last_words(self) -> str:
        count = f"{len(self._left)} order{' is' if len(self._left) == 1 else 's are'}"
        head = f"{self._stays}, but {count} not settled yet. The leader continues; `manage.py status` shows the rest."
        return "\n".join((head, *self._left.values()))

    def _cancel(self, rows: list[Order]) -> None:
        """First at the exchange, side by side, and then here."""
        if not rows:
            return
        booked: list[int] = []
        resting = [row for row in rows if row.pk not in self._told]
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="cancel") as pool:
            answers = list(pool.map(_cancel_there, resting))
        self._told |= {answer.row.pk: answer for answer in answers if answer.report is not None}
        self._left |= {row.pk: f"  {name_of(row)}: {self._how(row)}" for row in rows}
        for answer in (*self._told.values(), *(each for each in answers if each.report is None)):
            if answer.problem:
                self._say(f"  {name_of(answer.row)}: {answer.problem}; retrying")
                continue
            book = partial(acting.ask, answer.row.pk, exchange_at, source=Source.CANCEL)
            if answer.report is not None:
                book = partial(acting.hear_of_cancel, answer.row, answer.report, exchange_at)
            if self._is_done(answer.row, book):
                self._left.pop(answer.row.pk, None)
                booked.append(answer.row.pk)
                answer.row.refresh_from_db(fields=["status", "executed"])
                self._out.write(f"  {name_of(answer.row)}: {answer.row.status.replace('_', ' ').lower()}")
        for pk in booked:
            self._told.pop(pk, None)

    def _ask(self, rows: Iterable[Order]) -> None:
        for row in rows:
            self._is_done(row, partial(acting.ask, row.pk, exchange_at))

    def _is_done(self, row: Order, do: Callable[[], object]) -> bool:
        try:
            do()
        except (ExchangeError, DatabaseError) as error:
            self._say(f"  {name_of(row)}: {in_a_line(error)}; querying again")
            return False
        return True

    def _say(self, text: str) -> None:
        """Says what has not been said last."""
        if text != self._said:
            self._out.write(text)
            self._said = text


def _cancel_there(row: Order) -> _Answer:
    """Touches no database: it may be locked."""
    try:
        return _Answer(row, exchange_at(Venue(row.venue)).cancel(row.symbol.name, row.client_order_id))
    except (NotFound, OutcomeUnknown):
        return _Answer(row)
    except ExchangeError as error:
        return _Answer(row, problem=str(error))
