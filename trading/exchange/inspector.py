"""What a check-up asks of an exchange beside what traders ask. It places nothing."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from trading.core.money import plain
from trading.core.orders import Side
from trading.exchange.binance import BinanceExchange
from trading.exchange.replies import from_account


@dataclass(frozen=True)
class Reached:
    """How long the exchange took to tell its time, and what has to be added to our clock to have its own."""

    took_ms: int
    offset_ms: int


@dataclass(frozen=True)
class AccountState:
    can_trade: bool
    permissions: tuple[str, ...]  # such as SPOT, TRD_GRP_004; testnet and others may give none
    balances: dict[str, tuple[Decimal, Decimal]]  # free and locked, by asset


class Inspector(BinanceExchange):
    """For one thread, like the client it is."""

    LOOKS = 3

    def reach(self) -> Reached:
        """The quickest of a few answers: it tells the clock best."""
        looks = []
        for _ in range(self.LOOKS):
            before = time.time()
            server_ms = self._ask(
                lambda reply: int(reply["serverTime"]), "time", weight=1, is_exit=True, signed=False
            )
            after = time.time()
            offset_ms = server_ms - round((before + after) / 2 * 1000)
            looks.append(Reached(took_ms=round((after - before) * 1000), offset_ms=offset_ms))
        return min(looks, key=lambda look: look.took_ms)

    def account(self) -> AccountState:
        return self._ask(_account, "account", weight=20, is_exit=True)

    def would_take(self, symbol: str, side: Side, price: Decimal, quantity: Decimal) -> None:
        """Has a limit order checked, and sent nowhere (POST order/test). Raises Refused where it would be refused."""
        self._call(
            self._rest.create_test_order,
            weight=1,
            is_exit=True,
            symbol=symbol,
            side=side.value,
            type="LIMIT",
            timeInForce="GTC",
            price=plain(price),
            quantity=plain(quantity),
        )


def _account(reply: Mapping[str, Any]) -> AccountState:
    return AccountState(bool(reply["canTrade"]), tuple(reply.get("permissions", ())), from_account(reply))
