"""After a bad day the exchange's own books are true, and after a restart it is well again."""

import contextlib
import random
import signal
import time
from decimal import Decimal
from pathlib import Path

import requests
import websocket

from binance_mock.faults.kinds import KINDS
from tests.binance_mock import running
from tests.binance_mock.faults.test_requests import ORDER, place
from tests.binance_mock.running import Mock
from tests.support.machine.processes import Processes

DEPOSITS = {"USDT": Decimal(100_000), "ETH": Decimal(10), "BTC": Decimal(1)}


def trade_for(mock: Mock, seconds: float, chance: random.Random) -> None:
    """Places, cancels and asks at random, whatever the answers are; the market moves meanwhile."""
    ends, number = time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        number += 1
        side = chance.choice(["BUY", "SELL"])
        price = f"{3000 + chance.randint(-5, 5)}.00"
        with contextlib.suppress(requests.RequestException):
            mock.signed("POST", "order", **ORDER | {"side": side, "price": price, "quantity": "0.1"},
                        newClientOrderId=f"day-{number}", recvWindow="800")  # fmt: skip
        with contextlib.suppress(requests.RequestException):
            which = f"day-{chance.randint(1, number)}"
            mock.signed("DELETE", "order", symbol="ETHUSDT", origClientOrderId=which)
        mock.trade(f"{3000 + chance.randint(-5, 5)}.00", "0.15")


def test_the_books_are_true_after_a_bad_day(processes: Processes, home: Path) -> None:
    seed = 1
    mock = running.start(processes, home, MOCK_ORDERS_PER_10S=100_000)
    mock.trade("3000")
    chance = random.Random(seed)
    lines = [mock.user_events(), mock.socket("/ws/ethusdt@trade")]
    for kind in KINDS.values():
        # What stops everybody would leave nothing for the others to apply to.
        if kind.name not in ("banned_418", "throttled_429", "trading_halted"):
            mock.fault(kind.name, seed=seed, **({"probability": 0.05} if kind.for_s is None else {"for_s": 1}))
    trade_for(mock, 4, chance)
    injected = {fault["kind"] for fault in mock.faults() if fault["injected"]}
    mock.clear_faults()
    assert len(injected) > 10, f"seed {seed}: only {injected}"
    time.sleep(1)  # Late orders have come, or are too late.

    orders = mock.signed("GET", "allOrders", symbol="ETHUSDT", limit="1000").json()
    fills = mock.signed("GET", "myTrades", symbol="ETHUSDT", limit="1000").json()
    executed = {order["orderId"]: Decimal(order["executedQty"]) for order in orders}
    by_order: dict[int, Decimal] = {}
    owned = dict(DEPOSITS)
    for fill in fills:
        sign = 1 if fill["isBuyer"] else -1
        by_order[fill["orderId"]] = by_order.get(fill["orderId"], Decimal(0)) + Decimal(fill["qty"])
        owned["ETH"] += sign * Decimal(fill["qty"])
        owned["USDT"] -= sign * Decimal(fill["quoteQty"])
        owned[fill["commissionAsset"]] -= Decimal(fill["commission"])
    assert fills
    assert {order: quantity for order, quantity in executed.items() if quantity} == by_order
    balances = mock.signed("GET", "account").json()["balances"]
    held = {each["asset"]: Decimal(each["free"]) + Decimal(each["locked"]) for each in balances}
    assert {asset: held[asset] for asset in owned} == owned
    ids = [trade["id"] for trade in mock.get("historicalTrades", symbol="ETHUSDT", fromId=1, limit=1000)]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    for line in lines:
        line.shutdown()


def test_an_exchange_that_was_killed_on_a_bad_day_is_well_again(processes: Processes, home: Path) -> None:
    mock = running.start(processes, home)
    mock.trade("3000")
    assert place(mock, "kept")[0] == 200
    mock.fault("key_2015", count=1000)
    mock.fault("trading_halted", for_s=600)
    mock.fault("filters_coarser", for_s=600)
    assert place(mock, "refused")[0] == 401
    mock.process.kill()
    mock.restart()
    assert mock.faults() == []
    [listed] = mock.get("exchangeInfo", symbol="ETHUSDT")["symbols"]
    assert listed["status"] == "TRADING"
    assert place(mock, "fine", price="2900.01")[0] == 200
    assert {order["clientOrderId"] for order in mock.state()["openOrders"]} == {"kept", "fine"}


def test_an_exchange_on_a_bad_day_stops_as_fast_as_ever(processes: Processes, home: Path) -> None:
    mock = running.start(processes, home)
    line: websocket.WebSocket = mock.socket("/ws/ethusdt@trade")
    mock.fault("market_half_open")
    mock.fault("accepted_late", delay_ms=600_000)
    place(mock, "too-late")
    mock.fault("answer_delayed", delay_ms=600_000)
    with contextlib.suppress(requests.RequestException):
        mock.session.get(f"{mock.url}/api/v3/ping", timeout=0.3)
    began = time.monotonic()
    mock.process.signal(signal.SIGTERM)
    assert mock.process.wait(10) == 0
    assert time.monotonic() - began < 5
    line.shutdown()
    mock.restart()
    assert mock.state()["openOrders"] == []
