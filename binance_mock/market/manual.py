"""A market that moves only when it is told to (POST /mock/trade): for tests and demonstrations."""

from decimal import Decimal

from binance_mock.engine.orders import MarketTrade
from binance_mock.state.past import Past


class ManualMarket:
    name = "manual"

    def opening(self, symbol: str) -> MarketTrade | None:
        """None: there is no price before the first trade."""

    def past(self, symbol: str, now_ms: int) -> Past | None:
        """None: nothing is known of the time before."""

    def activate(self, symbol: str, last_price: Decimal | None, last_trade_id: int, now_ms: int) -> None:
        """Nothing to begin."""

    def until(self, now_ms: int, maximum: int) -> list[MarketTrade]:
        return []

    def marks(self) -> dict[str, str]:
        return {}
