"""What the end-to-end tests look at in the rows, and the last look at the books of both sides."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from django.db.models import Q

from hedgehog_project.venues import Venue
from tests.support.machine.stack import Stack
from tests.support.settings import give
from trading.core.strategy import TraderState
from trading.exchange.errors import Throttled
from trading.exchange.protocol import Exchange
from trading.identity.names import Names
from trading.models import Order, Orphan, Symbol, Trader, TradingSettings
from trading.models.orphans import Resolution
from trading.models.symbols import TradingStatus
from trading.reconciliation.audit import Difference, audit
from trading.risk.kill_switch import resume

START = {"USDT": Decimal(10_000)}
BALANCES = "USDT:10000"
# How long what is under way may take until both sides agree, once nothing trades any more. An order whose answer was
# lost is asked about for 10 to 13 s until it is proven that it was never placed.
AGREE_WITHIN_S = 30.0
LOOK_EVERY_S = 2.0


def cycles(since: float = 0.0) -> Counter[str]:
    """Finished cycles by symbol, of those that ended after `since` (time.time())."""
    ended = Trader.objects.filter(state=TraderState.FINISHED, finished_at__gt=datetime.fromtimestamp(since, UTC))
    return Counter(ended.values_list("symbol__name", flat=True))


def set_up(values: Mapping[str, object]) -> None:
    """Settings of all symbols, before anything runs."""
    give(**values)


def turn_on() -> None:
    resume("the test")
    TradingSettings.objects.update(status=TradingStatus.ON)


def turn_off() -> None:
    TradingSettings.objects.update(status=TradingStatus.OFF)


def differences_in_the_end(stack: Stack) -> list[Difference]:
    """What the audit finds once nothing trades: what is under way may still settle, what stays is a difference."""
    exchange = stack.mock.client()
    give_up = time.monotonic() + AGREE_WITHIN_S
    while True:
        wait_s = LOOK_EVERY_S
        try:
            found = [*audit(Venue.MOCK, exchange, START), *strangers(exchange)]
            if not found or time.monotonic() > give_up:
                return found
        except Throttled as error:
            # Who trades and who looks at the books share one address and its budget of a minute.
            wait_s += error.wait_s
            give_up += wait_s
        look_at = time.monotonic() + wait_s
        stack.wait_for(lambda: time.monotonic() > look_at, wait_s + 10, "the next look")  # noqa: B023


def left_in_the_end(stack: Stack) -> list[str]:
    """What the audit finds, and each order that is nobody's, in words."""
    orphans = Orphan.objects.filter(resolution=Resolution.UNRESOLVED)
    return [
        *map(str, differences_in_the_end(stack)),
        *(f"{orphan} is an orphan: {orphan.why}" for orphan in orphans),
    ]


def strangers(exchange: Exchange) -> Iterator[Difference]:
    """Orders of ours that one side does not know, or knows otherwise; also of those that ended long ago."""
    names = Names.now()
    for symbol in Symbol.objects.all():
        there = {order.client_order_id: order for order in exchange.orders(symbol.name)}
        here = {row.client_order_id: row for row in Order.objects.filter(venue=Venue.MOCK, symbol=symbol)}
        for key in there.keys() - here.keys():
            if names.is_ours(key):
                yield Difference("I3", f"the exchange knows the order {key}, and the database does not")
        for key, row in here.items():
            if key not in there:
                if row.exchange_order_id is not None:
                    yield Difference(
                        "I3", f"the database knows the order {key} ({row.status}), the exchange does not"
                    )
            elif row.status != there[key].status:
                yield Difference("I3", f"the order {key} is {row.status} here, and {there[key].status} there")


def wait_for(stack: Stack, condition: Callable[[], object], timeout_s: float, what: str) -> None:
    """As the stack's own; a test that fails shows the traders as well as the logs."""
    try:
        stack.wait_for(condition, timeout_s, what)
    except AssertionError as error:
        raise AssertionError(f"{describe()}\n{error}") from None


def describe() -> str:
    """The live traders and the orders without an end, for the message of a test that failed."""
    live = Trader.objects.filter(finished_at__isnull=True).select_related("symbol")
    lines = [f"{each}: {each.state}, {each.waits_for} {each.error} retry_at={each.retry_at}" for each in live]
    unclear = Order.objects.filter(Q(status="SUBMITTING") | Q(reason__gt="")).select_related("symbol")[:20]
    lines += [f"{each} {each.client_order_id} {each.status} {each.reason}" for each in unclear]
    return "\n".join(lines)
