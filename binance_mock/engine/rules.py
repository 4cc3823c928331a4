"""A symbol's rules, read from its entry in exchangeInfo."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from binance_mock.engine.orders import SelfTrade

MAX_DIGITS = 8


class SymbolStatus(StrEnum):
    """enums.md, "Symbol status": orders are taken, and trades happen, while TRADING only."""

    TRADING = "TRADING"
    END_OF_DAY = "END_OF_DAY"
    HALT = "HALT"
    BREAK = "BREAK"
    CANCEL_ONLY = "CANCEL_ONLY"


@dataclass(frozen=True)
class SymbolRules:
    """`info` is the entry itself, as exchangeInfo shows it; `filters` are its filters by type."""

    symbol: str
    base: str
    quote: str
    status: str
    order_types: frozenset[str]
    self_trade: SelfTrade
    self_trade_allowed: frozenset[str]
    # The decimals that a price and a quantity may have: those of the assets.
    price_digits: int
    quantity_digits: int
    filters: Mapping[str, Mapping[str, Any]]
    info: Mapping[str, Any] = field(repr=False)

    @property
    def is_trading(self) -> bool:
        return self.status == "TRADING"

    def _amount(self, name: str, key: str) -> Decimal:
        return Decimal(str(self.filters.get(name, {}).get(key) or "0"))

    @property
    def tick(self) -> Decimal:
        """The smallest unit of a price where the filter is switched off, or is none."""
        return self._amount("PRICE_FILTER", "tickSize") or Decimal(1).scaleb(-self.price_digits)

    @property
    def step(self) -> Decimal:
        """The smallest unit of a quantity where the filter is switched off, or is none."""
        return self._amount("LOT_SIZE", "stepSize") or Decimal(1).scaleb(-self.quantity_digits)

    @property
    def has_step(self) -> bool:
        return self._amount("LOT_SIZE", "stepSize") > 0

    @property
    def min_notional(self) -> Decimal:
        """0 where there is none. A symbol has the one filter or the other."""
        return self._amount("NOTIONAL", "minNotional") or self._amount("MIN_NOTIONAL", "minNotional")

    @property
    def market_step(self) -> Decimal:
        """The step of MARKET orders: the coarser of the two that apply to them."""
        return max(self.step, self._amount("MARKET_LOT_SIZE", "stepSize"))

    def with_status(self, status: SymbolStatus) -> "SymbolRules":
        return read_symbol({**self.info, "status": status.value})

    def with_filters(self, changed: Iterable[Mapping[str, Any]]) -> "SymbolRules":
        """Each filter takes the place of the one of its type, keeping the fields that it does not name.

        Raises ValueError for a filter that the symbol does not have, and for a value that is not like the one before.
        """
        filters = {name: dict(entry) for name, entry in self.filters.items()}
        for entry in changed:
            before = filters.get(str(entry.get("filterType")))
            if before is None:
                raise ValueError(f"{self.symbol} has no filter {entry.get('filterType')}")
            for name, value in entry.items():
                if not _is_like(before.get(name), value):
                    raise ValueError(f"invalid {name} of {before['filterType']}: {value!r}")
            before.update(entry)
        return read_symbol({**self.info, "filters": list(filters.values())})


def _is_like(before: object, value: object) -> bool:
    """Whether a filter's field may have this value in place of the one before: amounts are texts."""
    if type(before) is not type(value):
        return False
    if isinstance(value, int):
        return value >= 0
    try:
        return before == value or 0 <= Decimal(str(value)) < 10**15
    except InvalidOperation:
        return False


def read_symbol(info: Mapping[str, Any]) -> SymbolRules:
    """The rules of one entry of exchangeInfo's `symbols`. Raises KeyError or ValueError where it is none."""
    modes = frozenset(info.get("allowedSelfTradePreventionModes", ())) & {mode.value for mode in SelfTrade}
    named = info.get("defaultSelfTradePreventionMode")
    # Exchanges with "NONE" let own orders trade with each other; ours never do.
    default = SelfTrade(str(named)) if named in modes else SelfTrade.EXPIRE_MAKER
    return SymbolRules(
        symbol=info["symbol"],
        base=info["baseAsset"],
        quote=info["quoteAsset"],
        status=info["status"],
        order_types=frozenset(info["orderTypes"]),
        self_trade=default,
        self_trade_allowed=modes | {default},
        price_digits=_digits(info, "quoteAssetPrecision", "quotePrecision"),
        quantity_digits=_digits(info, "baseAssetPrecision"),
        filters={entry["filterType"]: entry for entry in info["filters"]},
        info=info,
    )


def _digits(info: Mapping[str, Any], *names: str) -> int:
    """Of the first of these that is told; amounts have eight at most."""
    told = next((info[name] for name in names if name in info), MAX_DIGITS)
    return min(MAX_DIGITS, max(0, int(told)))


def read_symbols(exchange_info: Mapping[str, Any]) -> dict[str, SymbolRules]:
    """The rules of every symbol in a whole exchangeInfo reply."""
    return {rules.symbol: rules for rules in map(read_symbol, exchange_info["symbols"])}
