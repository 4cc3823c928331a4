"""Redis that takes no writes, or is not there, under real processes: who holds something gets out all the same."""

import re
import signal
import time
from collections.abc import Callable
from decimal import Decimal

import pytest
import redis

from hedgehog_project.heartbeats import SILENT_S
from tests.e2e.books import BALANCES, cycles, differences_in_the_end, set_up, turn_off, wait_for
from tests.e2e.conftest import MakeStack
from tests.support.machine.stack import Stack
from trading.core.orders import OrderType, Side
from trading.core.strategy import TraderState
from trading.models import Order, Trader

SYMBOLS = ("ETHUSDT", "BTCUSDT")
# The promise, on a machine that is busy.
GETS_OUT_WITHIN_S = 8.0


@pytest.fixture
def database_url() -> str:
    """SQLite alone: what differs between the databases is tested elsewhere."""
    return ""


@pytest.fixture
def stack(make_stack: MakeStack) -> Stack:
    """A trader of each symbol holds something, and gets out 1 % under its buy."""
    stack = make_stack(MARKET="manual", MOCK_BALANCES=BALANCES, HEDGEHOG_SYMBOLS=",".join(SYMBOLS))
    set_up({"max_slots": 1, "profit_interval": Decimal("0.05"), "stop_loss_interval": Decimal("0.01")})
    stack.start()
    stack.wait_until_up()
    for name in SYMBOLS:
        trade_until(stack, name, "3000", TraderState.BUYING)
        trade_until(stack, name, "2990", TraderState.SELLING)
    return stack


def trade_until(stack: Stack, name: str, price: str, wanted: TraderState) -> None:
    """A subscription under way misses a trade: it comes again."""
    last = 0.0

    def look() -> bool:
        nonlocal last
        if state(name) != wanted and time.monotonic() > last + 3:
            stack.mock.trade(name, price)
            last = time.monotonic()
        return state(name) == wanted

    wait_for(stack, look, 40, f"{name} at {price}: {wanted}")


def state(name: str) -> str | None:
    return Trader.objects.filter(symbol__name=name).order_by("pk").values_list("state", flat=True).first()


def has_got_out(name: str) -> bool:
    sold = Order.objects.filter(symbol__name=name, type=OrderType.MARKET, side=Side.SELL, status="FILLED")
    return sold.exists() and state(name) == TraderState.FINISHED


def fill_memory(stack: Stack) -> None:
    redis.Redis.from_url(stack.redis_url).config_set("maxmemory", 1)


def freeze(stack: Stack) -> None:
    assert stack._redis is not None
    stack._redis.send_signal(signal.SIGSTOP)


def make_replica(stack: Stack) -> None:
    redis.Redis.from_url(stack.redis_url).execute_command("REPLICAOF", "127.0.0.1", "1")


def heal(stack: Stack) -> None:
    assert stack._redis is not None
    stack._redis.send_signal(signal.SIGCONT)
    client = redis.Redis.from_url(stack.redis_url)
    client.config_set("maxmemory", 0)
    client.execute_command("REPLICAOF", "NO", "ONE")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("break_redis", [fill_memory, make_replica, freeze])
def test_stop_gets_out_while_redis_takes_no_writes_and_all_goes_on_when_it_does(
    stack: Stack, break_redis: Callable[[Stack], None]
) -> None:
    break_redis(stack)
    # Longer than a heartbeat counts: nobody is down for that.
    time.sleep(SILENT_S)
    stack.mock.trade("ETHUSDT", "2900")
    began = time.monotonic()
    wait_for(stack, lambda: has_got_out("ETHUSDT"), 60, "out of ETHUSDT")
    took = time.monotonic() - began
    print(f"{break_redis.__name__}: out after {took:.1f} s")
    assert took < GETS_OUT_WITHIN_S
    # What does not fall holds on, and nothing is bought meanwhile.
    assert state("BTCUSDT") == TraderState.SELLING
    assert Order.objects.filter(side=Side.BUY).count() == len(SYMBOLS)
    status = stack.processes.run("status")
    assert status.returncode == 1
    states = dict(re.findall(r"^(worker|beat|standby|streamer|dispatcher) +(\w+) ", status.stdout, re.MULTILINE))
    assert states == dict.fromkeys(("worker", "beat", "standby", "streamer", "dispatcher"), "unknown")
    heal(stack)
    began = time.monotonic()
    wait_for(stack, lambda: Trader.objects.filter(symbol__name="ETHUSDT", finished_at=None).exists(), 60, "a new one")
    wait_for(stack, lambda: "Redis is up again" in stack.services["standby"].output, 60, "handed back")
    print(f"handed back after {time.monotonic() - began:.1f} s")
    stack.mock.trade("BTCUSDT", "2900")
    wait_for(stack, lambda: has_got_out("BTCUSDT"), 30, "out of BTCUSDT, by a worker")
    assert cycles() == {"ETHUSDT": 1, "BTCUSDT": 1}
    assert stack.fell == []
    assert "Traceback" not in stack.processes.last_words
    turn_off()
    assert differences_in_the_end(stack) == []
