"""The exchange itself on a bad day: symbols halted, filters coarser, as long as such a fault is on."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from binance_mock.engine.amounts import text
from binance_mock.engine.rules import SymbolRules, SymbolStatus
from binance_mock.faults.kinds import Hook
from binance_mock.state.context import Context

TIMES = 10
# Filter: the fields that become coarser. Maxima stay.
_COARSER = {
    "PRICE_FILTER": ("tickSize", "minPrice"),
    "LOT_SIZE": ("stepSize", "minQty"),
    "MIN_NOTIONAL": ("minNotional",),
    "NOTIONAL": ("minNotional",),
}

Filters = list[Mapping[str, Any]]


class FaultyExchange:
    """`look` makes the exchange what the faults say, also after a reset, which makes it well in between."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._halted: set[str] = set()
        # By symbol: its filters before, and while they are coarser.
        self._filters: dict[str, tuple[Filters, Filters]] = {}

    def look(self) -> None:
        faults, now_ms = self._context.faults, self._context.now_ms()
        wanted: dict[str, set[str]] = {"trading_halted": set(), "filters_coarser": set()}
        for fault in faults.on(now_ms, Hook.STATE):
            if not fault.injected:
                faults.count(fault, now_ms)
            wanted[fault.kind.name] |= {fault.symbol} if fault.symbol else set(self._context.exchange.engine.books)
        self._halt(wanted["trading_halted"])
        self._coarsen(wanted["filters_coarser"])

    def _rules(self, symbol: str) -> SymbolRules:
        return self._context.exchange.engine.books[symbol].rules

    def _halt(self, wanted: set[str]) -> None:
        for symbol in self._halted - wanted:
            self._context.exchange.set_status(symbol, SymbolStatus.TRADING)
        # What does not trade anyway is left as it is.
        fresh = {symbol for symbol in wanted if self._rules(symbol).is_trading}
        for symbol in fresh:
            self._context.exchange.set_status(symbol, SymbolStatus.HALT)
        self._halted = (self._halted & wanted) | fresh

    def _coarsen(self, wanted: set[str]) -> None:
        for symbol in self._filters.keys() - wanted:
            before, _ = self._filters.pop(symbol)
            self._context.exchange.change_filters(symbol, before)
        for symbol in wanted:
            now: Filters = list(self._rules(symbol).filters.values())
            before, coarse = self._filters.get(symbol, (now, coarser(now)))
            if now != coarse:
                self._context.exchange.change_filters(symbol, coarse)
            self._filters[symbol] = before, coarse


def coarser(filters: Iterable[Mapping[str, Any]]) -> Filters:
    return [
        {
            name: text(Decimal(value) * TIMES) if name in _COARSER.get(entry["filterType"], ()) else value
            for name, value in entry.items()
        }
        for entry in filters
    ]
