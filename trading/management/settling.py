"""What halting and turning off have in common: waiting until nothing is on its way, and taking back what rests."""

import time
from collections.abc import Callable

from django.core.management.base import CommandError, OutputWrapper
from django.db.models import QuerySet

from trading import traders
from trading.core.money import plain
from trading.core.orders import OrderStatus
from trading.exchange.client import exchange_at
from trading.exchange.errors import ExchangeError
from trading.models import Order

# Between two rounds of asking and taking back.
PAUSE_S = 0.2

Rows = Callable[[], QuerySet[Order]]


def settle(
    out: OutputWrapper, on_their_way: Rows, resting: Rows | None, what: str, stays: str, timeout_s: float
) -> None:
    """Waits until nothing is on its way, and takes back what rests, `what` in words, where that is wanted.

    Raises CommandError, which begins with `stays`, after `timeout_s`: the leader goes on with what is left.
    """
    _Settling(out, what, stays, time.monotonic() + timeout_s).run(on_their_way, resting)


def name_of(row: Order) -> str:
    return f"{row.side} {plain(row.quantity)} {row.symbol.name} at {plain(row.price)} ({row.venue})"


class _Settling:
    def __init__(self, out: OutputWrapper, what: str, stays: str, until: float) -> None:
        self._out, self._what, self._stays, self._until = out, what, stays, until
        self._said = ""

    def run(self, on_their_way: Rows, resting: Rows | None) -> None:
        wanted: dict[int, Order] = {}
        while True:
            going = list(on_their_way().select_related("symbol"))
            rows = list(resting().select_related("symbol")) if resting else []
            new = [row for row in rows if row.pk not in wanted]
            if new:
                self._out.write(f"Resting {self._what} to take back: {len(new)}")
            wanted |= {row.pk: row for row in new}
            if going:
                self._say(f"Orders on their way whose outcome is not clear yet: {len(going)}")
            if not going and not rows:
                break
            if time.monotonic() > self._until:
                left = (*going, *rows)
                raise CommandError(
                    f"{self._stays}, but not all orders are settled: {len(left)}, the first is "
                    f"{name_of(left[0])}. The leader goes on; `manage.py status` shows how many are left."
                )
            self._take_back(rows)
            self._ask(going)
            time.sleep(PAUSE_S)
        if resting:
            ended = Order.objects.in_bulk(list(wanted)).values()
            cancelled = sum(row.status == OrderStatus.CANCELED for row in ended)
            filled = sum(row.executed > 0 for row in ended)
            self._out.write(
                f"Taken back: {cancelled}. Filled before, all or in part: {filled}. No {self._what.rstrip('s')} "
                "rests any more."
            )

    def _take_back(self, rows: list[Order]) -> None:
        for row in rows:
            try:
                traders.cancel(row.pk, exchange_at)
            except ExchangeError as error:
                self._say(f"  {name_of(row)}: {error}; trying again")
                continue
            row.refresh_from_db(fields=["status", "executed"])
            self._out.write(f"  {name_of(row)}: {row.status.replace('_', ' ').lower()}")

    def _ask(self, rows: list[Order]) -> None:
        for row in rows:
            try:
                traders.ask(row.pk, exchange_at)
            except ExchangeError as error:
                self._say(f"  {name_of(row)}: {error}; asking again")

    def _say(self, text: str) -> None:
        """Says what has not been said last."""
        if text != self._said:
            self._out.write(text)
            self._said = text
