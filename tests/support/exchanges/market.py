"""A real mock exchange as a process of its own, and a market that a test moves by hand."""

import http.client
import json
import random
import threading
from decimal import Decimal
from typing import Any, Self

from hedgehog_project.exec_with_parent import NAME
from hedgehog_project.ports import HOST, free_port
from hedgehog_project.venues.keys import hmac_key
from tests.support.machine.processes import Process, Processes
from trading.exchange.binance import BinanceExchange

KEY, SECRET = "key-of-the-tests", "secret-of-the-tests"


class MockExchange:
    """What a mock exchange on `port` is asked beside Binance's protocol. Calls raise OSError while it is away."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://{HOST}:{port}"

    def client(self) -> BinanceExchange:
        """Our own client of its account, for one thread."""
        return BinanceExchange(self.url, hmac_key(KEY, SECRET))

    def state(self) -> dict[str, Any]:
        return self._call("GET", "/mock/state")

    def reset(self) -> None:
        self._call("POST", "/mock/reset", {})

    def trade(self, symbol: str, price: Decimal | str, quantity: Decimal | str = "1000") -> dict[str, Any]:
        """One trade of a manual market; the answer has the orders that it filled."""
        return self._call("POST", "/mock/trade", {"symbol": symbol, "price": str(price), "quantity": str(quantity)})

    def fault(self, kind: str, **settings: Any) -> dict[str, Any]:
        """Turns a fault on: `mock.fault("answer_lost", probability=0.2, for_s=30, seed=7)`."""
        return self._call("POST", "/mock/faults", {"kind": kind, **settings})

    def faults(self) -> list[dict[str, Any]]:
        """All faults with how often each has struck, also those that ended."""
        found: list[dict[str, Any]] = self._call("GET", "/mock/faults")["faults"]
        return found

    def clear_faults(self) -> None:
        """The exchange is well again."""
        self._call("DELETE", "/mock/faults")

    def clear_fault(self, number: int) -> None:
        """This one is over, if it is not already."""
        if any(fault["id"] == number and fault["is_on"] for fault in self.faults()):
            self._call("DELETE", f"/mock/faults/{number}")

    def is_up(self) -> bool:
        try:
            self.state()
        except OSError:
            return False
        return True

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request(
                method, path, None if body is None else json.dumps(body), headers={"X-MBX-APIKEY": KEY}
            )
            response = connection.getresponse()
            content = response.read()
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()
        assert response.status == 200, f"{method} {path}: {response.status} {content!r}"
        answer: dict[str, Any] = json.loads(content)
        return answer


def start_mock(processes: Processes, home: str, **environment: object) -> tuple[MockExchange, Process]:
    """A mock exchange that answers, its market moved by hand unless MARKET says otherwise."""
    port = free_port()
    keys = {"MOCK_API_KEY": KEY, "MOCK_API_SECRET": SECRET}
    values = {NAME: "mock_exchange", "MARKET": "manual", **keys, **environment}
    process = processes.manage("mock_exchange", MOCK_PORT=port, HEDGEHOG_HOME=home, **values)
    mock = MockExchange(port)
    processes.wait_for(mock.is_up, 20, "the mock exchange")
    return mock, process


class Swings:
    """Moves a manual market so that every order meets a price that fills it: down, back, up, back, wider each time.

    What is bought at any price of one swing can be sold at the top of a later one, and what was ordered below the
    market is reached by a later low. Quantities are random: some orders fill in pieces. While the exchange is away,
    the market waits.
    """

    PAUSE_S = 0.08

    def __init__(self, mock: MockExchange, starts: dict[str, Decimal], seed: int) -> None:
        self._mock, self._starts = mock, starts
        self._random = random.Random(seed)
        self._over = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._move, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """From now on nothing trades."""
        self._over.set()
        self._thread.join(10)
        assert not self._thread.is_alive(), "the market does not stop"
        if self._error is not None:
            raise self._error

    def _move(self) -> None:
        try:
            self._swing()
        except BaseException as error:  # noqa: BLE001 - raised again by stop()
            self._error = error

    def _swing(self) -> None:
        width = Decimal("0.004")
        while not self._over.is_set():
            width += Decimal("0.0004")
            for height in (Decimal(0), -width / 2, Decimal(0), width):
                for symbol, start in self._starts.items():
                    self._trade(symbol, (start * (1 + height)).quantize(Decimal("0.01")))
                self._over.wait(self.PAUSE_S)

    def _trade(self, symbol: str, price: Decimal) -> None:
        for quantity in (self._random.choice(("0.01", "1000")), "1000"):
            while not self._over.is_set():
                try:
                    self._mock.trade(symbol, price, quantity)
                    break
                except OSError:
                    self._over.wait(self.PAUSE_S)
