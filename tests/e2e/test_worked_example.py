"""The worked example of the original system, over the wire: eight prices of XRPUSDT, one at a time."""

from decimal import Decimal as D
from functools import partial

import pytest
import redis

from tests.e2e.books import BALANCES, set_up, turn_on, wait_for
from tests.e2e.conftest import MakeStack
from tests.support.machine.stack import Stack
from trading.core.orders import OPEN, OrderStatus
from trading.core.position import TraderState
from trading.models import Listing, Order, Trader, TradingSettings
from trading.waking import triggers

SYMBOL = "XRPUSDT"
FILLED, OPENED = OrderStatus.FILLED, OrderStatus.NEW
BOUGHT, SOLD = ("BUY", D("0.4307"), FILLED), ("SELL", D("0.4319"), FILLED)
BUYS, SELLS = ("BUY", D("0.4307"), OPENED), ("SELL", D("0.4319"), OPENED)
Seen = list[tuple[str, D, OrderStatus]]

# By how the mock fills: each price, and the orders once it has been taken in.
STRICT: list[tuple[str, Seen]] = [
    (".4318301", [BUYS]),
    (".4318302", [BUYS]),
    (".4318303", [BUYS]),
    (".4307", [BUYS]),
    (".43065", [BOUGHT, SELLS]),
    (".4319", [BOUGHT, SELLS]),
    (".43205", [BOUGHT, SOLD]),
    (".4321", [BOUGHT, SOLD, ("BUY", D("0.4310"), OPENED)]),
]
TOUCH: list[tuple[str, Seen]] = [
    (".4318301", [BUYS]),
    (".4318302", [BUYS]),
    (".4318303", [BUYS]),
    (".4307", [BOUGHT, SELLS]),
    (".43065", [BOUGHT, SELLS]),
    (".4319", [BOUGHT, SOLD]),
    (".43205", [BOUGHT, SOLD, ("BUY", D("0.4309"), OPENED)]),
    (".4321", [BOUGHT, SOLD, ("BUY", D("0.4309"), OPENED)]),
]


def orders() -> Seen:
    rows = Order.objects.order_by("id").values_list("side", "price", "status")
    return [(side, price, OrderStatus(status)) for side, price, status in rows]


def begin(stack: Stack, client: "redis.Redis") -> None:
    """Turned on once its trades arrive: the first price must not be missed."""
    stack.start()
    stack.wait_until_up()

    def streams() -> bool:
        stack.mock.trade(SYMBOL, ".4318")
        return bool(client.xlen(f"trade_events:mock:{SYMBOL}"))

    wait_for(stack, streams, 20, "the first trade to be streamed")
    stack.wait_until_heard(SYMBOL)
    turn_on()
    wait_for(stack, lambda: Listing.objects.filter(symbol__name=SYMBOL).exists(), 20, "the listing")


def waits_for_a_price(client: "redis.Redis") -> bool:
    """Whether one trader waits for the next price, and dispatch knows."""
    waiting = Trader.objects.filter(finished_at=None, state=TraderState.WAITING)
    key = triggers.key_below("mock", SYMBOL)
    return [client.zscore(key, str(trader.pk)) is not None for trader in waiting] == [True]


def are_orders(expected: Seen) -> bool:
    return orders() == expected


@pytest.mark.parametrize(("fill", "prices"), [("strict", STRICT), ("touch", TOUCH)])
def test_the_worked_example_of_the_original(make_stack: MakeStack, fill: str, prices: list[tuple[str, Seen]]) -> None:
    stack = make_stack(MARKET="manual", MOCK_FILL=fill, MOCK_BALANCES=BALANCES, HEDGEHOG_SYMBOLS=SYMBOL)
    set_up({"max_slots": 5, "budget": D(100), "buy_down_interval": D("0.0025"), "profit_interval": D("0.001")})
    TradingSettings.objects.update(status="off")
    client = redis.Redis.from_url(stack.redis_url)
    begin(stack, client)
    for price, expected in prices:
        if all(status not in OPEN for _, _, status in orders()):
            wait_for(stack, lambda: waits_for_a_price(client), 10, "a trader that waits for the next price")
        stack.mock.trade(SYMBOL, price)
        as_expected = partial(are_orders, expected)
        wait_for(stack, as_expected, 10, f"{price}: {expected}, not {orders()}")
    buy, sell, *_ = Order.objects.order_by("id")
    # A fifth of 100 buys 46.4; the commission of 0.1 % leaves 46.3 whole steps.
    assert (buy.quantity, sell.quantity) == (D("46.4"), D("46.3"))
    cycle = Trader.objects.get(state=TraderState.FINISHED)
    # 46.3 x 0.4319, less 0.1 %, less what 46.3 / 46.3536 of 46.4 x 0.4307 cost
    assert (cycle.slot, cycle.profit) == (1, D("0.01560165"))
    assert Trader.objects.filter(finished_at=None).count() == 1
