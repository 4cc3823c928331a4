"""The candles of all symbols: carried on with each trade, kept when they have closed, and asked for.

A trade is added to the second that it happens in. A second that has ended is kept and added to its minute, that to
its quarter of an hour, and so on (LEVELS). What is open is derived from what is kept: a restart changes nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import chain, pairwise

from binance_mock.engine.orders import PublicTrade
from binance_mock.state.past import Past, read_past
from binance_mock.state.statistics import Statistics
from binance_mock.state.store import KEPT_MS, Store
from candles.fold import Candle, Fold, TradeFold, folded
from candles.intervals import DAY_MS, LEVELS, MINUTE_MS, SECOND_MS, bounds, level_of

Closed = tuple[str, int, Candle]  # the symbol, the level, and a candle of it that does not change any more

# Names of the store's marks: a symbol's past, or when its first candle opens where it has none.
_PAST, _BEGINS = "past:", "begins:"


class _Series:
    """One symbol's open candles, each without what the open ones of shorter levels have; those are later."""

    def __init__(self, symbol: str, begins_ms: int, past: Past | None) -> None:
        self.symbol = symbol
        self.begins_ms = begins_ms
        self.past = past
        self._seconds = TradeFold(partial(_window, SECOND_MS))
        self._folds = {level: Fold(partial(_window, level)) for level in LEVELS[1:]}

    def add(self, trade: PublicTrade, closed: list[Closed]) -> None:
        """Adds what it closes to `closed`."""
        if (candle := self._seconds.add(trade)) is not None:
            self._close(SECOND_MS, candle, closed)

    def _close(self, level: int, candle: Candle, closed: list[Closed]) -> None:
        closed.append((self.symbol, level, candle))
        if level != LEVELS[-1]:
            self.carry(LEVELS[LEVELS.index(level) + 1], candle, closed)

    def carry(self, level: int, part: Candle, closed: list[Closed]) -> None:
        """Adds a closed candle to the open one of the next longer level."""
        if (whole := self._folds[level].add(part)) is not None:
            self._close(level, whole, closed)

    def open_within(self, level: int, from_ms: int, before_ms: int) -> list[Candle]:
        """The open ones of the level and below, in the order of time."""
        longer = [self._folds[each].open for each in reversed(LEVELS[1:]) if each <= level]
        found = [each for each in (*longer, self._seconds.open) if each is not None]
        return [each for each in found if from_ms <= each.opens_ms < before_ms]


@dataclass(frozen=True, slots=True)
class _Whole:
    """A window's minutes up to the current one, which do not change any more."""

    opens_ms: int
    before_ms: int
    price_before: Decimal
    candle: Candle | None


class Charts:
    """What closes is in `closed` until it was kept, with `marks`: then `saved` is called. Times are in ms."""

    def __init__(self, store: Store) -> None:
        """As the store left them; of trades without candles, as in a file of before, there are some to be kept."""
        self._store = store
        self._series: dict[str, _Series] = {}
        self._windows: dict[tuple[str, int], _Whole] = {}
        # What is to be kept with the next transaction.
        self.closed: list[Closed] = []
        self.marks: dict[str, str] = {}
        marks = store.marks()
        for symbol in store.symbols():
            if (text := marks.get(_PAST + symbol)) is not None:
                past = read_past(symbol, text)
                self._series[symbol] = _Series(symbol, past.begins_ms, past)
            elif (begins_ms := marks.get(_BEGINS + symbol)) is not None:
                self._series[symbol] = _Series(symbol, int(begins_ms), None)
            self._restore(symbol)

    def _restore(self, symbol: str) -> None:
        for part, level in pairwise(LEVELS):
            for candle in self._store.candles(symbol, part, self._store.candles_end(symbol, level)):
                self._series[symbol].carry(level, candle, self.closed)
        self.add(self._store.trades(symbol, from_id=self._store.candles_last_id(symbol) + 1, limit=-1))

    def begin(self, past: Past) -> None:
        """Gives a symbol a past, before its first trade."""
        self._series[past.symbol] = _Series(past.symbol, past.begins_ms, past)
        self.marks[_PAST + past.symbol] = past.text()

    def add(self, trades: Iterable[PublicTrade]) -> None:
        """Trades in the order in which they happened."""
        for trade in trades:
            series = self._series.get(trade.symbol)
            if series is None:
                series = self._series[trade.symbol] = _Series(trade.symbol, trade.time_ms, None)
                self.marks[_BEGINS + trade.symbol] = str(trade.time_ms)
            series.add(trade, self.closed)

    def saved(self) -> None:
        """What was to be kept has been."""
        self.closed.clear()
        self.marks.clear()

    # --- asking ----------------------------------------------------------------------------------

    def candles(
        self,
        symbol: str,
        interval: str,
        now_ms: int,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int,
        zone_ms: int = 0,
    ) -> list[Candle]:
        """The first candles from the start on, or without a start the last ones; none without any trade."""
        series = self._series.get(symbol)
        if series is None:
            return []
        level = level_of(interval, zone_ms)
        # A candle that is not kept whole is not shown. The first one of a symbol begins before it.
        oldest_ms = (now_ms - KEPT_MS[level]) // level * level
        is_cut = oldest_ms > series.begins_ms
        windows: list[tuple[int, int]] = []
        last_ms = now_ms if end_ms is None else min(end_ms, now_ms)
        if start_ms is not None and start_ms > last_ms:
            return []
        if start_ms is None:
            window = bounds(interval, last_ms, zone_ms)
            while len(windows) < limit and window[1] >= series.begins_ms and not (is_cut and window[0] < oldest_ms):
                windows.append(window)
                window = bounds(interval, window[0] - 1, zone_ms)
            windows.reverse()
            windows = [window for window in windows if window[0] <= last_ms]
        else:
            first_ms = max(start_ms, oldest_ms) if is_cut else start_ms
            window = bounds(interval, max(first_ms, series.begins_ms), zone_ms)
            if window[0] < first_ms:
                window = bounds(interval, window[1] + 1, zone_ms)
            while len(windows) < limit and window[0] <= last_ms:
                windows.append(window)
                window = bounds(interval, window[1] + 1, zone_ms)
        if not windows:
            return []
        from_ms = windows[0][0]
        rows = self._rows(series, level, from_ms, windows[-1][1] + 1)
        return list(folded(rows, windows, self._price_before(series, level, from_ms)))

    def statistics(self, symbol: str, opens_ms: int, closes_ms: int, now_ms: int) -> Statistics | None:
        """Of a window that ends now or later, in whole minutes from its first one on; None without any trade."""
        series = self._series.get(symbol)
        if series is None:
            return None
        from_ms = max(-(-opens_ms // MINUTE_MS) * MINUTE_MS, series.begins_ms // MINUTE_MS * MINUTE_MS)
        minute_ms = max(now_ms // MINUTE_MS * MINUTE_MS, from_ms)
        key = (symbol, closes_ms - opens_ms)
        whole = self._windows.get(key)
        if whole is None or (whole.opens_ms, whole.before_ms) != (from_ms, minute_ms):
            whole = self._windows[key] = self._whole(series, from_ms, minute_ms)
        rows = [*([whole.candle] if whole.candle else []), *self._rows(series, MINUTE_MS, minute_ms, now_ms + 1)]
        (candle,) = folded(rows, [(from_ms, closes_ms)], whole.price_before)
        return Statistics(opens_ms, closes_ms, whole.price_before, candle)

    def _whole(self, series: _Series, from_ms: int, before_ms: int) -> _Whole:
        rows = chain.from_iterable(self._rows(series, *each) for each in _pieces(LEVELS, from_ms, before_ms))
        candle = next(folded(rows, [(from_ms, before_ms - 1)], None), None)
        before = self._price_before(series, MINUTE_MS, from_ms)
        if before is None:
            first = candle or self._rows(series, MINUTE_MS, before_ms, before_ms + DAY_MS)[0]
            before = first.open
        return _Whole(from_ms, before_ms, before, candle)

    def _rows(self, series: _Series, level: int, from_ms: int, before_ms: int) -> list[Candle]:
        """What the symbol has of a level, in the order of time: derived, kept, and open."""
        past = series.past
        derived: Iterator[Candle] = iter(())
        if past is not None and from_ms < past.ends_ms:
            derived = past.candles(level, from_ms, min(before_ms, past.ends_ms))
        kept = self._store.candles(series.symbol, level, from_ms, before_ms)
        return [*derived, *kept, *series.open_within(level, from_ms, before_ms)]

    def _price_before(self, series: _Series, level: int, at_ms: int) -> Decimal | None:
        """The price of the last trade before a time that a candle of the level opens at."""
        if opened := series.open_within(level, 0, at_ms):
            return opened[-1].close
        past = series.past
        if (kept := self._store.close_before(series.symbol, level, at_ms)) is not None:
            return kept
        if past is None or at_ms <= past.begins_ms:
            return None
        return past.price if at_ms >= past.ends_ms else next(past.candles(level, at_ms - level, at_ms)).close


def _window(level: int, time_ms: int) -> tuple[int, int]:
    opens_ms = time_ms // level * level
    return opens_ms, opens_ms + level - 1


def _pieces(levels: tuple[int, ...], from_ms: int, before_ms: int) -> Iterator[tuple[int, int, int]]:
    """A time as level, begin and end of pieces as long as can be; it must begin and end where a minute does."""
    *shorter, level = levels
    first_ms, last_ms = -(-from_ms // level) * level, before_ms // level * level
    if first_ms < last_ms:
        yield from _pieces(tuple(shorter), from_ms, first_ms) if from_ms < first_ms else ()
        yield level, first_ms, last_ms
        yield from _pieces(tuple(shorter), last_ms, before_ms) if last_ms < before_ms else ()
    elif from_ms < before_ms:
        yield from _pieces(tuple(shorter), from_ms, before_ms)
