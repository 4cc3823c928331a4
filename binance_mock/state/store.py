"""The exchange's memory on disk: one SQLite file, one transaction for all that one operation changed.

Amounts are kept as text, exact to the last unit. In WAL mode a committed transaction survives the process's death.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from binance_mock.engine.amounts import text
from binance_mock.engine.book import AVERAGE_MINUTES
from binance_mock.engine.ledger import Holding, Ledger
from binance_mock.engine.orders import (
    Changes,
    Fill,
    Order,
    OrderStatus,
    OrderType,
    PreventedMatch,
    PublicTrade,
    SelfTrade,
    Side,
    TimeInForce,
)
from candles.fold import Candle
from candles.intervals import DAY_MS, HOUR_MS, MINUTE_MS, QUARTER_MS, SECOND_MS
from hedgehog_project.venues.account_files import WORLD

# Public trades kept of each symbol: enough to fill a reader's gap of minutes.
TRADES_KEPT = 20_000
_TRIM_EVERY = 1_000
# Closed orders are dropped so long after their last change: those that have not traded as on Binance (errors.md,
# -2026), the others with their fills. Every so many changes of orders, for so many orders at most.
UNEXECUTED_KEPT_MS = 90 * DAY_MS
EXECUTED_KEPT_MS = 400 * DAY_MS
_DROP_EVERY = 100
_MAX_DROPPED = 500
# How long candles of each level are kept, and shown: days for good.
KEPT_MS = {
    SECOND_MS: 2 * HOUR_MS, MINUTE_MS: 90 * DAY_MS, QUARTER_MS: 400 * DAY_MS, HOUR_MS: 400 * DAY_MS,
    DAY_MS: 40_000 * DAY_MS,
}  # fmt: skip
_FORMAT = "1"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger (
    asset TEXT PRIMARY KEY, free TEXT NOT NULL, locked TEXT NOT NULL, fees TEXT NOT NULL, market TEXT NOT NULL,
    deposited TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS orders (
    order_id INTEGER PRIMARY KEY, symbol TEXT NOT NULL, client_order_id TEXT NOT NULL, side TEXT NOT NULL,
    type TEXT NOT NULL, time_in_force TEXT NOT NULL, price TEXT NOT NULL, quantity TEXT NOT NULL,
    quote_quantity TEXT NOT NULL, executed TEXT NOT NULL, quote_executed TEXT NOT NULL, status TEXT NOT NULL,
    created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, self_trade TEXT NOT NULL, strategy_id INTEGER,
    strategy_type INTEGER, prevented_match_id INTEGER
);
CREATE INDEX IF NOT EXISTS orders_by_symbol ON orders (symbol, order_id);
CREATE INDEX IF NOT EXISTS orders_by_client_id ON orders (client_order_id);
CREATE INDEX IF NOT EXISTS orders_open ON orders (order_id) WHERE status IN ('NEW', 'PARTIALLY_FILLED');
CREATE INDEX IF NOT EXISTS orders_unexecuted ON orders (updated_ms)
    WHERE executed = '0.00000000' AND status NOT IN ('NEW', 'PARTIALLY_FILLED');
CREATE INDEX IF NOT EXISTS orders_executed ON orders (updated_ms)
    WHERE executed <> '0.00000000' AND status NOT IN ('NEW', 'PARTIALLY_FILLED');
CREATE TABLE IF NOT EXISTS fills (
    symbol TEXT NOT NULL, trade_id INTEGER NOT NULL, order_id INTEGER NOT NULL, price TEXT NOT NULL,
    quantity TEXT NOT NULL, quote_quantity TEXT NOT NULL, commission TEXT NOT NULL, commission_asset TEXT NOT NULL,
    time_ms INTEGER NOT NULL, is_buyer INTEGER NOT NULL, is_maker INTEGER NOT NULL, PRIMARY KEY (symbol, trade_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS fills_by_order ON fills (order_id);
CREATE TABLE IF NOT EXISTS trades (
    symbol TEXT NOT NULL, trade_id INTEGER NOT NULL, price TEXT NOT NULL, quantity TEXT NOT NULL,
    time_ms INTEGER NOT NULL, buyer_is_maker INTEGER NOT NULL, PRIMARY KEY (symbol, trade_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS candles (
    symbol TEXT NOT NULL, length_ms INTEGER NOT NULL, opens_ms INTEGER NOT NULL, open TEXT NOT NULL,
    high TEXT NOT NULL, low TEXT NOT NULL, close TEXT NOT NULL, first_id INTEGER NOT NULL, last_id INTEGER NOT NULL,
    base TEXT NOT NULL, quote TEXT NOT NULL, taker_buy_base TEXT NOT NULL, taker_buy_quote TEXT NOT NULL,
    PRIMARY KEY (symbol, length_ms, opens_ms)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS prevented_matches (
    match_id INTEGER PRIMARY KEY, symbol TEXT NOT NULL, taker_order_id INTEGER NOT NULL,
    maker_order_id INTEGER NOT NULL, mode TEXT NOT NULL, price TEXT NOT NULL, quantity TEXT NOT NULL,
    taker_prevented TEXT NOT NULL, maker_prevented TEXT NOT NULL, time_ms INTEGER NOT NULL
);
"""
_ORDER_COLUMNS = 18
_INSERT_CANDLE = f"INSERT INTO candles VALUES ({', '.join('?' * 13)})"
_ASSETS = "assets:"


def assets_mark(symbol: str, base: str, quote: str) -> dict[str, str]:
    """What is noted of a symbol, so that it can be listed again where the market does not list it any more."""
    return {_ASSETS + symbol: f"{base} {quote}"}


class StoreFailed(Exception):
    """The file can't be read or written. Nothing of the operation was kept; the exchange must stop."""


class Store:
    """Opens the file, or makes it; only one process may have it at a time. Raises StoreFailed, as do all methods."""

    def __init__(self, path: Path | str) -> None:
        self.path = path
        # After a failed write the engine is ahead of the file: nothing may be kept or told any more.
        self.has_failed = False
        with self._failing("opened"):
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=2)
            # The lock is held until the process ends, whichever way it ends.
            self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
            self.is_new = not self.marks()
            if self.is_new:
                self.save(Changes(marks={"format": _FORMAT}), Ledger())
            elif self.marks().get("format") != _FORMAT:
                raise StoreFailed(f"{path} is of another version of the mock exchange; move it away to begin anew")
            self._trimmed: dict[str, int] = {}
            self._saves = 0

    @contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY:
                raise StoreFailed(
                    f"The mock exchange's file {self.path} is locked: another mock exchange runs already. Stop that "
                    "one (`make run` starts one), or give this one a HEDGEHOG_HOME and a MOCK_PORT of its own."
                ) from error
            raise StoreFailed(f"The mock exchange's file {self.path} cannot be {what}: {error}") from error

    def close(self) -> None:
        with self._failing("closed"):
            self._connection.close()

    # --- writing ---------------------------------------------------------------------------------

    def save(self, changes: Changes, ledger: Ledger, closed: Iterable[tuple[str, int, Candle]] = ()) -> None:
        """Keeps all of the changes, the ledger as they left it, and closed candles (symbol, level), or nothing."""
        self.check()
        reports = changes.reports
        run = self._connection
        self.has_failed = True  # Until it has succeeded.
        with self._failing("written"):
            run.execute("BEGIN IMMEDIATE")
            try:
                if changes.trades:
                    run.executemany(
                        "INSERT INTO trades VALUES (?, ?, ?, ?, ?, ?)",
                        [
                            (t.symbol, t.trade_id, text(t.price), text(t.quantity), t.time_ms, t.buyer_is_maker)
                            for t in changes.trades
                        ],
                    )
                    self._trim(changes.trades)
                for symbol, level, candle in closed:
                    run.execute(_INSERT_CANDLE, _candle_row(symbol, level, candle))
                    if level == QUARTER_MS:
                        self._trim_candles(symbol, candle.opens_ms)
                if reports:
                    run.executemany(
                        f"INSERT OR REPLACE INTO orders VALUES ({', '.join('?' * _ORDER_COLUMNS)})",
                        [_order_row(order) for order in {r.order.order_id: r.order for r in reports}.values()],
                    )
                    run.executemany(
                        "INSERT INTO fills VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        [_fill_row(fill) for fill in changes.fills],
                    )
                    run.executemany(
                        "INSERT INTO prevented_matches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        [_match_row(match) for match in changes.matches],
                    )
                    self._mark("last_execution_id", str(reports[-1].execution_id))
                    self._saves += 1
                    if self._saves % _DROP_EVERY == 0:
                        self._drop_orders(reports[-1].time_ms)
                if changes.events:
                    run.executemany(
                        "INSERT OR REPLACE INTO ledger VALUES (?, ?, ?, ?, ?, ?)",
                        [
                            (asset, text(h.free), text(h.locked), text(h.fees), text(h.market), text(h.deposited))
                            for asset, h in ledger.holdings.items()
                        ],
                    )
                for name, value in changes.marks.items():
                    self._mark(name, value)
                run.execute("COMMIT")
            finally:
                # After some errors SQLite has rolled back by itself.
                if run.in_transaction:
                    run.execute("ROLLBACK")
        self.has_failed = False

    def check(self) -> None:
        """Raises StoreFailed after a write has failed: what the engine knows since then was not kept."""
        if self.has_failed:
            raise StoreFailed(f"The mock exchange's file {self.path} cannot be written after an earlier failure")

    def belongs_to(self, world: str) -> None:
        """Notes whose account this is. Raises StoreFailed where it is another world's."""
        owner = self.marks().get(WORLD)
        if owner is None:
            with self._failing("written"):
                self._mark(WORLD, world)
        elif owner != world:
            raise StoreFailed(f"{self.path} is the account of {owner}, not of {world}: move it away to begin anew")

    def _mark(self, name: str, value: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, value))

    def _trim(self, trades: Iterable[PublicTrade]) -> None:
        for trade in trades:
            symbol, newest = trade.symbol, trade.trade_id
            if newest - self._trimmed.get(symbol, 0) >= _TRIM_EVERY:
                self._trimmed[symbol] = newest
                # Those of the second that is still open are needed to derive it again.
                self._connection.execute(
                    "DELETE FROM trades WHERE symbol = ? AND trade_id <= ?",
                    (symbol, min(newest - TRADES_KEPT, self.candles_last_id(symbol))),
                )

    def _drop_orders(self, now_ms: int) -> None:
        run = self._connection
        closed = "status NOT IN ('NEW', 'PARTIALLY_FILLED')"
        for condition, kept_ms in (
            (f"executed = '0.00000000' AND {closed}", UNEXECUTED_KEPT_MS),
            (f"executed <> '0.00000000' AND {closed}", EXECUTED_KEPT_MS),
        ):
            old = run.execute(
                f"SELECT order_id FROM orders WHERE {condition} AND updated_ms < ? ORDER BY updated_ms LIMIT ?",
                (now_ms - kept_ms, _MAX_DROPPED),
            ).fetchall()
            if old:
                # The newest of all may be among them, and ids go on rising.
                self._mark("last_order_id", str(self.last_order_id()))
                run.executemany("DELETE FROM fills WHERE order_id = ?", old)
                run.executemany("DELETE FROM orders WHERE order_id = ?", old)
        oldest = run.execute(
            "SELECT match_id, time_ms FROM prevented_matches ORDER BY match_id LIMIT ?", [_MAX_DROPPED]
        ).fetchall()
        if past := [(match_id,) for match_id, time_ms in oldest if time_ms < now_ms - EXECUTED_KEPT_MS]:
            self._mark("last_match_id", str(self.last_match_id()))
            run.executemany("DELETE FROM prevented_matches WHERE match_id = ?", past)

    def _trim_candles(self, symbol: str, now_ms: int) -> None:
        self._connection.executemany(
            "DELETE FROM candles WHERE symbol = ? AND length_ms = ? AND opens_ms < ?",
            # Longer by an hour than they are shown.
            [(symbol, level, now_ms - kept_ms - HOUR_MS) for level, kept_ms in KEPT_MS.items()],
        )

    # --- reading ---------------------------------------------------------------------------------

    def _rows(self, query: str, parameters: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        with self._failing("read"):
            return self._connection.execute(query, tuple(parameters)).fetchall()

    def _number(self, mark: str) -> int:
        rows = self._rows("SELECT value FROM marks WHERE name = ?", [mark])
        return int(rows[0][0]) if rows else 0

    def marks(self) -> Mapping[str, str]:
        return dict(self._rows("SELECT name, value FROM marks"))

    def ledger(self) -> Ledger:
        rows = self._rows("SELECT * FROM ledger")
        return Ledger({asset: Holding(*(Decimal(value) for value in values)) for asset, *values in rows})

    def last_order_id(self) -> int:
        return max(
            int(self._rows("SELECT coalesce(max(order_id), 0) FROM orders")[0][0]),
            self._number("last_order_id"),
        )

    def was_dropped(self, order_id: int) -> bool:
        """Whether there was such an order, of any symbol, and it is not kept any more."""
        is_kept = self._rows("SELECT 1 FROM orders WHERE order_id = ?", [order_id])
        return not is_kept and 0 < order_id <= self._number("last_order_id")

    def last_match_id(self) -> int:
        return max(
            int(self._rows("SELECT coalesce(max(match_id), 0) FROM prevented_matches")[0][0]),
            self._number("last_match_id"),
        )

    def open_orders(self) -> list[Order]:
        rows = self._rows("SELECT * FROM orders WHERE status IN ('NEW', 'PARTIALLY_FILLED') ORDER BY order_id")
        return [_order(row) for row in rows]

    def order(self, symbol: str, order_id: int | None, client_order_id: str | None) -> Order | None:
        """The newest order with the id, or with both where both are given."""
        conditions, values = ["symbol = ?"], [symbol]
        if order_id is not None:
            conditions.append("order_id = ?")
            values.append(str(order_id))
        if client_order_id:
            conditions.append("client_order_id = ?")
            values.append(client_order_id)
        rows = self._rows(
            f"SELECT * FROM orders WHERE {' AND '.join(conditions)} ORDER BY order_id DESC LIMIT 1", values
        )
        return _order(rows[0]) if rows else None

    def orders(
        self, symbol: str, *, from_id: int | None, start_ms: int | None, end_ms: int | None, limit: int
    ) -> list[Order]:
        """Orders by id: from `from_id` upwards, or the newest within the times."""
        return [_order(row) for row in self._page("orders", "order_id", symbol, from_id, start_ms, end_ms, limit)]

    def fills(
        self,
        symbol: str,
        *,
        from_id: int | None,
        order_id: int | None,
        start_ms: int | None,
        end_ms: int | None,
        limit: int,
    ) -> list[Fill]:
        """The account's fills by trade id: from `from_id` upwards, or the newest within the times."""
        rows = self._page("fills", "trade_id", symbol, from_id, start_ms, end_ms, limit, order_id)
        return [_fill(row) for row in rows]

    def matches(
        self, symbol: str, *, match_id: int | None, order_id: int | None, from_id: int | None, limit: int
    ) -> list[PreventedMatch]:
        """The symbol's prevented matches by id: one, or those of an order."""
        conditions: list[tuple[str, Any]] = [
            ("symbol = ?", symbol),
            ("match_id = ?", match_id),
            ("? IN (taker_order_id, maker_order_id)", order_id),
            ("match_id >= ?", from_id),
        ]
        wanted = [(condition, value) for condition, value in conditions if value is not None]
        rows = self._rows(
            f"SELECT * FROM prevented_matches WHERE {' AND '.join(c for c, _ in wanted)} ORDER BY match_id LIMIT ?",
            [*(value for _, value in wanted), limit],
        )
        return [_match(row) for row in rows]

    def trades(
        self,
        symbol: str,
        *,
        from_id: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 500,
    ) -> list[PublicTrade]:
        """Kept public trades by id: from `from_id` upwards, or the newest within the times."""
        rows = self._page("trades", "trade_id", symbol, from_id, start_ms, end_ms, limit)
        return [_trade(row) for row in rows]

    def symbols(self) -> list[str]:
        """Those that have traded or have orders."""
        found: dict[str, None] = {}
        for table in ("trades", "orders"):
            # From each to the next by the index, without a look at all the rows between.
            rows = self._rows(
                f"WITH RECURSIVE found (symbol) AS (SELECT min(symbol) FROM {table} UNION ALL"
                f" SELECT (SELECT min(symbol) FROM {table} WHERE symbol > found.symbol) FROM found"
                " WHERE symbol IS NOT NULL)"
                " SELECT symbol FROM found WHERE symbol IS NOT NULL"
            )
            found |= dict.fromkeys(symbol for (symbol,) in rows)
        return list(found)

    def assets(self) -> dict[str, tuple[str, str]]:
        """The base and quote asset of each symbol that was noted with `assets_mark`."""
        marks = {name: value for name, value in self.marks().items() if name.startswith(_ASSETS)}
        found = {name.removeprefix(_ASSETS): value.partition(" ") for name, value in marks.items()}
        return {symbol: (base, quote) for symbol, (base, _, quote) in found.items()}

    def recent_trades(self) -> list[PublicTrade]:
        """For each symbol the last trade, and those of the minutes before it that its average price needs."""
        found: list[PublicTrade] = []
        for symbol in self.symbols():
            recent: list[PublicTrade] = []
            with self._failing("read"):
                newest_first = self._connection.execute(
                    "SELECT * FROM trades WHERE symbol = ? ORDER BY trade_id DESC", [symbol]
                )
                for trade in map(_trade, newest_first):
                    if recent and trade.time_ms < recent[0].time_ms - AVERAGE_MINUTES * MINUTE_MS:
                        break
                    recent.append(trade)
                newest_first.close()
            found += reversed(recent)
        return found

    def candles(self, symbol: str, level: int, from_ms: int, before_ms: int = 2**62) -> list[Candle]:
        """The kept candles of a level that open within a time."""
        rows = self._rows(
            "SELECT * FROM candles WHERE symbol = ? AND length_ms = ? AND opens_ms >= ? AND opens_ms < ?"
            " ORDER BY opens_ms",
            (symbol, level, from_ms, before_ms),
        )
        return [_candle(row) for row in rows]

    def candles_end(self, symbol: str, level: int) -> int:
        """When the last kept candle of a level ended; 0 where there is none."""
        rows = self._rows("SELECT max(opens_ms) FROM candles WHERE symbol = ? AND length_ms = ?", (symbol, level))
        return 0 if rows[0][0] is None else int(rows[0][0]) + level

    def candles_last_id(self, symbol: str) -> int:
        """The last trade that kept candles are made of; 0 where there is none."""
        rows = self._rows(
            "SELECT last_id FROM candles WHERE symbol = ? AND length_ms = ? ORDER BY opens_ms DESC LIMIT 1",
            (symbol, SECOND_MS),
        )
        return int(rows[0][0]) if rows else 0

    def close_before(self, symbol: str, level: int, at_ms: int) -> Decimal | None:
        """The close of the last kept candle of a level that opens before a time."""
        rows = self._rows(
            "SELECT close FROM candles WHERE symbol = ? AND length_ms = ? AND opens_ms < ?"
            " ORDER BY opens_ms DESC LIMIT 1",
            (symbol, level, at_ms),
        )
        return Decimal(rows[0][0]) if rows else None

    def _page(
        self,
        table: str,
        key: str,
        symbol: str,
        from_id: int | None,
        start_ms: int | None,
        end_ms: int | None,
        limit: int,
        order_id: int | None = None,
    ) -> list[tuple[Any, ...]]:
        time = "created_ms" if table == "orders" else "time_ms"
        conditions: list[tuple[str, Any]] = [
            ("symbol = ?", symbol),
            (f"{key} >= ?", from_id),
            (f"{time} >= ?", start_ms),
            (f"{time} <= ?", end_ms),
            ("order_id = ?", order_id),
        ]
        wanted = [(condition, value) for condition, value in conditions if value is not None]
        # From an id or a time on, the oldest come first; without either, the newest are meant.
        order = "DESC" if from_id is None and start_ms is None else "ASC"
        rows = self._rows(
            f"SELECT * FROM {table} WHERE {' AND '.join(c for c, _ in wanted)} ORDER BY {key} {order} LIMIT ?",
            [*(value for _, value in wanted), limit],
        )
        return rows[::-1] if order == "DESC" else rows


def _order_row(order: Order) -> tuple[Any, ...]:
    return (
        order.order_id, order.symbol, order.client_order_id, order.side, order.type, order.time_in_force,
        text(order.price), text(order.quantity), text(order.quote_quantity), text(order.executed),
        text(order.quote_executed), order.status, order.created_ms, order.updated_ms, order.self_trade,
        order.strategy_id, order.strategy_type, order.prevented_match_id,
    )  # fmt: skip


def _order(row: tuple[Any, ...]) -> Order:
    order_id, symbol, client_id, side, kind, tif, price, quantity, quote, executed, quote_executed, status = row[:12]
    created_ms, updated_ms, self_trade, strategy_id, strategy_type, prevented = row[12:]
    return Order(
        symbol, order_id, client_id, Side(side), OrderType(kind), TimeInForce(tif), Decimal(price), Decimal(quantity),
        Decimal(quote), Decimal(executed), Decimal(quote_executed), OrderStatus(status), created_ms, updated_ms,
        SelfTrade(self_trade), strategy_id, strategy_type, prevented,
    )  # fmt: skip


def _fill_row(fill: Fill) -> tuple[Any, ...]:
    return tuple(text(value) if isinstance(value, Decimal) else value for value in fill)


def _fill(row: tuple[Any, ...]) -> Fill:
    symbol, trade_id, order_id, price, quantity, quote, commission, asset, time_ms, is_buyer, is_maker = row
    return Fill(
        symbol, trade_id, order_id, Decimal(price), Decimal(quantity), Decimal(quote), Decimal(commission), asset,
        time_ms, bool(is_buyer), bool(is_maker),
    )  # fmt: skip


def _match_row(match: PreventedMatch) -> tuple[Any, ...]:
    symbol, match_id, *rest = match
    return (match_id, symbol, *(text(value) if isinstance(value, Decimal) else value for value in rest))


def _match(row: tuple[Any, ...]) -> PreventedMatch:
    match_id, symbol, taker_id, maker_id, mode, price, quantity, of_taker, of_maker, time_ms = row
    return PreventedMatch(
        symbol, match_id, taker_id, maker_id, SelfTrade(mode), Decimal(price), Decimal(quantity), Decimal(of_taker),
        Decimal(of_maker), time_ms,
    )  # fmt: skip


def _trade(row: tuple[Any, ...]) -> PublicTrade:
    symbol, trade_id, price, quantity, time_ms, buyer_is_maker = row
    return PublicTrade(symbol, trade_id, Decimal(price), Decimal(quantity), time_ms, bool(buyer_is_maker))


def _candle_row(symbol: str, level: int, candle: Candle) -> tuple[Any, ...]:
    c = candle
    return (
        symbol, level, c.opens_ms, _short(c.open), _short(c.high), _short(c.low), _short(c.close), c.first_id,
        c.last_id, _short(c.base), _short(c.quote), _short(c.taker_buy_base), _short(c.taker_buy_quote),
    )  # fmt: skip


def _short(value: Decimal) -> str:
    """Without zeros at the end: there are many candles."""
    return format(value.normalize(), "f")


def _candle(row: tuple[Any, ...]) -> Candle:
    _, level, opens_ms, opened, high, low, close, first_id, last_id, base, quote, bought, bought_quote = row
    return Candle(
        opens_ms, opens_ms + level - 1, Decimal(opened), Decimal(high), Decimal(low), Decimal(close), first_id,
        last_id, Decimal(base), Decimal(quote), Decimal(bought), Decimal(bought_quote),
    )  # fmt: skip
