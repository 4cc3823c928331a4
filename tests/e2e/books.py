"""What the end-to-end tests look at in the rows, and the last look at the books of both sides."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from django.db.models import Q

from hedgehog_project.venues import Venue
from tests.support.stack import Stack
from trading.audit import Difference, audit
from trading.core.strategy import ENDED, TraderState
from trading.models import Order, Trader, TradingSettings
from trading.models.symbols import TradingStatus

START = {"USDT": Decimal(10_000)}
BALANCES = "USDT:10000"
# How long what is under way may take until both sides agree, once nothing trades any more. An order whose answer was
# lost is asked about for 7 s until it is proven that it was never placed.
AGREE_WITHIN_S = 30.0


def cycles(since: float = 0.0) -> Counter[str]:
    """Finished cycles by symbol, of those that ended after `since` (time.time())."""
    ended = Trader.objects.filter(state=TraderState.FINISHED, finished_at__gt=datetime.fromtimestamp(since, UTC))
    return Counter(ended.values_list("symbol__name", flat=True))


def slots_with_a_cycle(since: float) -> set[tuple[str, int]]:
    """The slots whose cycle both began and ended after `since`."""
    moment = datetime.fromtimestamp(since, UTC)
    ended = Trader.objects.filter(state__in=ENDED, created_at__gt=moment, finished_at__gt=moment)
    return set(ended.values_list("symbol__name", "slot"))


def set_up(values: Mapping[str, object]) -> None:
    """Settings of all symbols, before anything runs."""
    TradingSettings.objects.update(**values)


def turn_off() -> None:
    TradingSettings.objects.update(status=TradingStatus.OFF)


def differences_in_the_end(stack: Stack) -> list[Difference]:
    """What the audit finds once nothing trades: what is under way may still settle, what stays is a difference."""
    exchange = stack.mock.client()
    found: list[Difference] = []

    def agree() -> bool:
        found[:] = audit(Venue.MOCK, exchange, START)
        return not found

    try:
        wait_for(stack, agree, AGREE_WITHIN_S, "that our books agree with the exchange's")
    except AssertionError as error:
        raise AssertionError("\n".join(map(str, found)) + f"\n{error}") from None
    return found


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
