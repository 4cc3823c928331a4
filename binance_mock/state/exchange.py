"""The exchange as a whole: the engine, what it must remember, and who is told. Synchronous, and told the time.

Each operation is decided by the engine, saved in one transaction, and only then published and answered.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from binance_mock.engine.errors import Refused, archived_order, no_such_order, unknown_order
from binance_mock.engine.fees import Rates
from binance_mock.engine.matching import Engine, FillRule
from binance_mock.engine.orders import Changes, MarketTrade, NewOrder, Order
from binance_mock.engine.rules import SymbolStatus, read_symbols
from binance_mock.state.charts import Charts
from binance_mock.state.past import Past
from binance_mock.state.store import Store, assets_mark

Listener = Callable[[Changes], None]


@dataclass(slots=True)
class Counters:
    """What happened since the start."""

    trades: int = 0
    orders: int = 0
    fills: int = 0
    cancels: int = 0


@dataclass
class Exchange:
    """All methods that change something raise StoreFailed where it could not be kept: the process must then stop."""

    engine: Engine
    store: Store
    charts: Charts
    info: Mapping[str, Any]  # `symbols` and `exchangeFilters` as exchangeInfo shows them.
    deposits: Mapping[str, Decimal]  # The account's money at the first start and after a reset.
    fees_in_bnb: bool = False  # Whether commissions are paid in BNB at the start and after a reset.
    listeners: list[Listener] = field(default_factory=list)
    # Told which symbol somebody cares for, so that a market need not move where nobody looks.
    on_interest: list[Callable[[str], None]] = field(default_factory=list)
    counters: Counters = field(default_factory=Counters)
    # The symbols whose assets are kept.
    _noted: set[str] = field(default_factory=set)

    def _commit(self, changes: Changes) -> Changes:
        for symbol in (*(trade.symbol for trade in changes.trades), *(r.order.symbol for r in changes.reports)):
            if symbol not in self._noted:
                self._note(symbol, changes)
        self.charts.add(changes.trades)
        changes.marks.update(self.charts.marks)
        self.store.save(changes, self.engine.ledger, self.charts.closed)
        self.charts.saved()
        self.counters.trades += len(changes.trades)
        for listener in self.listeners:
            listener(changes)
        return changes

    def _note(self, symbol: str, changes: Changes) -> None:
        """What a symbol trades is kept with the first thing that happens to it."""
        rules = self.engine.books[symbol].rules
        changes.marks.update(assets_mark(symbol, rules.base, rules.quote))
        self._noted.add(symbol)

    def interest(self, symbol: str) -> None:
        for listener in self.on_interest:
            listener(symbol)

    def place(self, new: NewOrder, now_ms: int) -> Changes:
        """Raises Refused."""
        changes = self._commit(self.engine.place(new, now_ms))
        self.counters.orders += 1
        self.counters.fills += len(changes.fills)
        return changes

    def cancel(
        self,
        symbol: str,
        order_id: int | None,
        client_order_id: str | None,
        now_ms: int,
        cancel_client_id: str = "",
        only_status: str | None = None,
    ) -> Changes:
        """Raises Refused: -2011 where there is no such open order, or its status is not the one required."""
        try:
            order = self.engine.find_open(symbol, order_id, client_order_id)
        except Refused as refused:
            raise unknown_order() if refused.code == -2013 else refused from None
        if only_status and order.status != only_status:
            raise Refused(-2011, "Order was not canceled due to cancel restrictions.")
        self.counters.cancels += 1
        return self._commit(self.engine.cancel(order, now_ms, cancel_client_id))

    def trade(self, trades: Iterable[MarketTrade], now_ms: int, marks: Mapping[str, str] | None = None) -> Changes:
        """Lets the market trade; all of it is one transaction."""
        changes = Changes(marks=dict(marks or {}))
        for trade in trades:
            self.engine.trade(trade, now_ms, changes)
        self.counters.fills += len(changes.fills)
        return self._commit(changes)

    def begin(self, openings: Iterable[tuple[MarketTrade, Past | None]], now_ms: int) -> None:
        """Gives symbols that have never traded their first price, and a past that ends at it."""
        trades = []
        for trade, past in openings:
            trades.append(trade)
            if past is not None:
                self.engine.books[trade.symbol].past_trades = past.trades
                self.charts.begin(past)
        if trades:
            self.trade(trades, now_ms)

    def reset(self, now_ms: int) -> Changes:
        """Cancels all orders, puts the account's money back to its deposits, and undoes changed rules. Ids go on."""
        self.engine.fees_in_bnb = self.fees_in_bnb
        for book in self.engine.books.values():
            book.rules = book.listed
        return self._commit(self.engine.reset(self.deposits, now_ms))

    def set_status(self, symbol: str, status: SymbolStatus) -> None:
        """Halts the trading of a symbol, or lets it go on, until a reset or a restart.

        Resting orders stay and can be cancelled. Raises Refused (-1121).
        """
        book = self.engine.book(symbol)
        book.rules = book.rules.with_status(status)

    def change_filters(self, symbol: str, filters: Iterable[Mapping[str, Any]]) -> None:
        """Changes a symbol's filters until a reset or a restart: each replaces the one of its `filterType`.

        Resting orders stay as they are. Raises Refused: -1121, and -1130 for a filter that can't be.
        """
        book = self.engine.book(symbol)
        try:
            book.rules = book.rules.with_filters(filters)
        except ValueError as error:
            raise Refused(-1130, f"Data sent for parameter 'filters' is not valid: {error}") from None

    def order(self, symbol: str, order_id: int | None, client_order_id: str | None) -> Order:
        """An order, open or not; of several with one client order id the open one, then the newest.

        Raises Refused: -1121 no such symbol, -2013 no such order, -2026 one that is not kept any more.
        """
        try:
            return self.engine.find_open(symbol, order_id, client_order_id)
        except Refused as refused:
            if refused.code != -2013:
                raise
        order = self.store.order(symbol, order_id, client_order_id)
        if order is None:
            raise archived_order() if order_id and self.store.was_dropped(order_id) else no_such_order()
        return order


def open_exchange(
    store: Store,
    info: Mapping[str, Any],
    deposits: Mapping[str, Decimal],
    now_ms: int,
    *,
    fill_rule: FillRule = FillRule.STRICT,
    rates: Rates | None = None,
    fees_in_bnb: bool = False,
) -> Exchange:
    """The exchange as its store left it; a new one begins with the deposits.

    Orders of symbols that are not listed any more stay in the store. Raises StoreFailed.
    """
    rules = read_symbols(info)
    engine = Engine(
        rules,
        fill_rule=fill_rule,
        rates=rates,
        fees_in_bnb=fees_in_bnb,
        exchange_filters=info["exchangeFilters"],
        ledger=store.ledger(),
        last_order_id=store.last_order_id(),
        last_execution_id=int(store.marks().get("last_execution_id", "0")),
        last_match_id=store.last_match_id(),
    )
    engine.restore([order for order in store.open_orders() if order.symbol in rules], store.recent_trades())
    charts = Charts(store)
    exchange = Exchange(engine, store, charts, info, deposits, fees_in_bnb)
    exchange._noted.update(store.assets())
    if charts.closed or charts.marks:
        exchange.trade([], now_ms)
    if not engine.ledger.holdings:
        exchange.reset(now_ms)
    return exchange
