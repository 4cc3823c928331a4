"""What serves requests: the exchange with its account's key, its limits, its market and its clock."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from binance_mock.engine.book import SymbolBook
from binance_mock.engine.orders import Changes, MarketTrade, Report
from binance_mock.faults.faults import Faults
from binance_mock.state.exchange import Exchange
from binance_mock.state.limits import Limits
from binance_mock.state.past import Past
from binance_mock.state.security import Account
from hedgehog_project.venues import Venue


class Market(Protocol):
    """Where the trades come from that orders fill against."""

    @property
    def name(self) -> str: ...

    def opening(self, symbol: str) -> MarketTrade | None:
        """The trade that gives a symbol its first price; None where it must wait for a real one."""

    def past(self, symbol: str, now_ms: int) -> Past | None:
        """What a symbol traded before its opening; None where nobody knows."""

    def activate(self, symbol: str, last_price: Decimal | None, last_trade_id: int, now_ms: int) -> None:
        """Somebody cares for the symbol: let it move. Called often."""

    def until(self, now_ms: int, maximum: int) -> list[MarketTrade]:
        """The trades up to now that were not given yet, at most so many."""

    def marks(self) -> dict[str, str]:
        """What is to be kept with the trades that were given last."""


def clock_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Context:
    """Put together with `open_context`."""

    exchange: Exchange
    market: Market
    account: Account
    limits: Limits
    now_ms: Callable[[], int] = clock_ms
    # Whose requests it answers, where they say for which world they are.
    world: Venue = Venue.MOCK
    # How the exchange misbehaves on the wire; its books stay true.
    faults: Faults = field(default_factory=Faults)
    # Set to the error where the exchange can't go on: its memory failed.
    failed: "asyncio.Future[BaseException] | None" = None

    def book(self, symbol: str) -> SymbolBook:
        """The book of a symbol that somebody asks about, which makes its market move. Raises Refused (-1121)."""
        book = self.exchange.engine.book(symbol)
        self.exchange.interest(symbol)
        return book

    def fail(self, error: BaseException) -> None:
        """The exchange can't go on; whoever runs it ends the process."""
        if self.failed is not None and not self.failed.done():
            self.failed.set_result(error)


def open_context(
    exchange: Exchange,
    market: Market,
    account: Account,
    limits: Limits | None = None,
    now_ms: Callable[[], int] = clock_ms,
    world: Venue = Venue.MOCK,
) -> Context:
    """Connects the parts. Symbols without a price get one where the market has an opening price for them."""
    context = Context(exchange, market, account, limits or Limits(), now_ms, world)
    context.faults.symbols = frozenset(exchange.engine.books)

    def activate(symbol: str) -> None:
        book = exchange.engine.books.get(symbol)
        if book is not None:
            last = book.last
            market.activate(symbol, last.price if last else None, last.trade_id if last else 0, now_ms())

    def count_first_fills(changes: Changes) -> None:
        for event in changes.events:
            if isinstance(event, Report) and event.fill and event.order.executed == event.fill.quantity:
                context.limits.give_order_back(event.time_ms)

    exchange.on_interest.append(activate)
    exchange.listeners.append(count_first_fills)
    trading = [book for book in exchange.engine.books.values() if book.rules.is_trading]
    new = [book.rules.symbol for book in trading if book.last is None]
    openings = [(trade, market.past(symbol, now_ms())) for symbol in new if (trade := market.opening(symbol))]
    exchange.begin(openings, now_ms())
    for book in trading:
        if book.orders:
            activate(book.rules.symbol)
    return context
