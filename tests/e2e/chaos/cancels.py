"""A person who cancels our orders on the exchange's own page, one after the other."""

import random
import threading
from typing import Self

from tests.support.exchanges.market import MockExchange
from trading.exchange.errors import ExchangeError
from trading.exchange.order_ids import read


class Cancels:
    """Cancels an open order of ours now and then, as long as it is entered and `is_on` is set."""

    PAUSE_S = 0.5

    def __init__(self, mock: MockExchange, seed: int) -> None:
        self._mock = mock
        self._random = random.Random(seed)
        self.is_on = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._cancel, daemon=True)
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(20)
        assert not self._thread.is_alive(), "cancelling does not stop"
        if self._error is not None:
            raise self._error

    def _cancel(self) -> None:
        client = self._mock.client()
        try:
            while not self._over.wait(self.PAUSE_S):
                if not self.is_on.is_set():
                    continue
                try:
                    ours = [order for order in self._mock.state()["openOrders"] if read(order["clientOrderId"])]
                    if ours:
                        order = self._random.choice(ours)
                        client.cancel(order["symbol"], order["clientOrderId"])
                except (OSError, ExchangeError):
                    continue  # It has filled meanwhile, or the exchange has a bad day: that is what we are here for.
        except BaseException as error:  # noqa: BLE001 - raised again at the end
            self._error = error
