"""Orders that the exchange denies for a while, though it has accepted them: it answers as if they were not there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from binance_mock.engine.errors import Refused, no_such_order, unknown_order
from binance_mock.faults.kinds import CANCEL

_BY_NAME: Mapping[str, Callable[[], Refused]] = {"GET order": no_such_order, CANCEL: unknown_order}
_LISTS = frozenset({"GET openOrders", "GET allOrders", "GET myTrades"})


@dataclass
class _Denial:
    until_ms: int
    is_everywhere: bool  # no list shows it either
    order_id: int = 0  # 0: it is not known yet, or was never accepted


class Denials:
    """By client order id; whoever asks with the exchange's own number is answered the same."""

    def __init__(self) -> None:
        self._denied: dict[str, _Denial] = {}

    def begin(self, client_order_id: str, until_ms: int, is_everywhere: bool) -> None:
        self._denied[client_order_id] = _Denial(until_ms, is_everywhere)

    def number(self, client_order_id: str, order_id: int) -> None:
        """The order was accepted under this number."""
        self._denied[client_order_id].order_id = order_id

    def end(self, client_order_id: str) -> None:
        self._denied.pop(client_order_id, None)

    def refusal(self, endpoint: str, values: Mapping[str, str], now_ms: int) -> Refused | None:
        """What is answered to a question that names a denied order; None where none is named."""
        if endpoint not in _BY_NAME or not self._now(now_ms):
            return None
        named = {values.get("origClientOrderId"), values.get("orderId")}
        is_named = any({name, str(denial.order_id)} & named for name, denial in self._now(now_ms).items())
        return _BY_NAME[endpoint]() if is_named else None

    def hides_from(self, endpoint: str, now_ms: int) -> bool:
        """Whether a list of this kind has to leave something out."""
        return endpoint in _LISTS and any(denial.is_everywhere for denial in self._now(now_ms).values())

    def shown(self, rows: Any, now_ms: int) -> Any:
        """The rows of such a list without those of denied orders."""
        if not isinstance(rows, list):
            return rows  # A refusal.
        hidden = {denial.order_id for denial in self._now(now_ms).values() if denial.is_everywhere}
        return [row for row in rows if row["orderId"] not in hidden]

    def is_denied(self, client_order_id: str, now_ms: int) -> bool:
        return client_order_id in self._now(now_ms)

    def _now(self, now_ms: int) -> dict[str, _Denial]:
        self._denied = {name: denial for name, denial in self._denied.items() if denial.until_ms > now_ms}
        return self._denied
